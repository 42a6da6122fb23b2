//! `ElevenLabs`' WebSocket: `/v1/text-to-speech/{voice}/stream-input`, text in pieces, audio in pieces.
//!
//! A connection speaks one utterance: the vendor tells that all is spoken only when no more text will come
//! ([`Stream::finish`]), and closes then. One that is open before it is needed stays so by [`Stream::keep_alive`].

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Spoken;
use super::pcm::Pcm;
use crate::websocket::{Handshake, Message, url};
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Without text the vendor closes after 20 seconds.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Longest message that is read, bytes; ten seconds of audio are half of it.
pub const MESSAGE_AT_MOST: usize = 1 << 20;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The vendor's number of a voice.
    pub voice: String,
    /// `eleven_flash_v2_5`, …
    pub model: String,
    /// ISO 639-1, for models that take it.
    pub language: Option<String>,
}

/// One connection, for one utterance.
#[derive(Debug)]
pub struct Stream {
    options: Options,
    pcm: Pcm,
    asked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    audio: Option<String>,
    #[serde(default)]
    is_final: Option<bool>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

impl Stream {
    /// A stream whose connection is still to be made.
    pub fn new(options: Options) -> Self {
        Self { options, pcm: Pcm::default(), asked: false }
    }

    /// What is asked at the upgrade; `base` is `wss://api.elevenlabs.io` or one of its regions.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let Options { voice, model, language } = &self.options;
        let mut query = vec![("model_id", model.as_str()), ("output_format", "pcm_16000")];
        // Every piece is a clause: the vendor need not wait for more.
        query.push(("auto_mode", "true"));
        query.extend(language.as_deref().map(|language| ("language_code", language)));
        let path = format!("/v1/text-to-speech/{voice}/stream-input");
        Handshake { url: url(base, &path, &query), headers: vec![("xi-api-key", key.to_owned())] }
    }

    /// What must be sent first.
    pub fn open(&self) -> Message {
        text(&json!({"text": " "}))
    }

    /// Says a clause.
    pub fn speak(&mut self, clause: &str) -> Message {
        self.asked |= !clause.trim().is_empty();
        // An empty text would end the stream, and the vendor wants a space at the end.
        text(&json!({"text": format!("{} ", clause.trim())}))
    }

    /// Says now what was given so far; more may follow.
    pub fn flush(&self) -> Message {
        text(&json!({"text": " ", "flush": true}))
    }

    /// No more text will come: [`Spoken::Flushed`] follows when all of it is spoken.
    pub fn finish(&self) -> Message {
        text(&json!({"text": ""}))
    }

    /// Keeps a connection open that has nothing to say.
    pub fn keep_alive(&self) -> Message {
        text(&json!({"text": " "}))
    }

    /// Reads what the vendor says.
    ///
    /// # Errors
    /// When it is not JSON, or refuses; the stream lives on unless the vendor closes it.
    pub fn receive(&mut self, message: &Message) -> Result<Vec<Spoken>, Failure> {
        let unreadable =
            |why: &str| Failure::new(FailureKind::Protocol, format!("ElevenLabs' message {why}"));
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        let answer: Answer = serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))?;
        if answer.error.is_some() || answer.message.is_some() {
            return Err(refusal(&answer.error.unwrap_or_default(), &answer.message.unwrap_or_default()));
        }
        let mut spoken = Vec::new();
        if let Some(audio) = answer.audio.filter(|audio| !audio.is_empty()) {
            let bytes = BASE64_STANDARD.decode(audio).map_err(|_| unreadable("is not base64"))?;
            spoken.push(Spoken::Audio(self.pcm.push(&bytes)?));
        }
        if answer.is_final == Some(true) {
            // With a spent quota the vendor ends a stream as if it had spoken, and gives no other sign.
            if self.asked && self.pcm.is_silent() {
                return Err(Failure::new(
                    FailureKind::Quota,
                    "nothing was spoken, as when the quota is spent",
                ));
            }
            spoken.push(Spoken::Flushed);
        }
        Ok(spoken)
    }

    /// What it means that the vendor closes the connection before all is spoken.
    pub fn closed(code: u16, reason: &str) -> Failure {
        if code == 1008 { refusal("", reason) } else { down(&format!("closed with {code}: {reason}")) }
    }

    /// What it means that the upgrade is refused; `retry_after` is that header.
    pub fn refused(status: u16, retry_after: Option<&str>) -> Failure {
        Failure::of_status(status, retry_after)
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string())
}

fn down(why: &str) -> Failure {
    Failure::new(FailureKind::Down, why)
}

/// Parts of what the vendor says, lower case, and what they mean; the first that fits counts.
const MEANINGS: [(&str, FailureKind); 12] = [
    ("quota", FailureKind::Quota),
    ("payment", FailureKind::Quota),
    ("timeout", FailureKind::Down),
    ("something went wrong", FailureKind::Down),
    ("server_error", FailureKind::Down),
    ("too_many", FailureKind::RateLimited),
    ("concurrent", FailureKind::RateLimited),
    ("busy", FailureKind::RateLimited),
    ("rate_limit", FailureKind::RateLimited),
    ("api key", FailureKind::Credential),
    ("api_key", FailureKind::Credential),
    ("authoriz", FailureKind::Credential),
];

/// The failure behind an error's name, which may be missing, and its words.
fn refusal(error: &str, words: &str) -> Failure {
    let said = format!("{error} {words}").to_ascii_lowercase();
    let found = MEANINGS.iter().find(|(part, _)| said.contains(part));
    let kind = found.map_or(FailureKind::Refused, |(_, kind)| *kind);
    match kind {
        FailureKind::Credential => Failure::new(kind, "the key is not taken"),
        _ => Failure::new(kind, format!("{error} {words}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stream() -> Stream {
        let language = Some("es".to_owned());
        Stream::new(Options { voice: "v1".into(), model: "eleven_flash_v2_5".into(), language })
    }

    fn receive(stream: &mut Stream, value: &Value) -> Result<Vec<Spoken>, Failure> {
        stream.receive(&text(value))
    }

    #[test]
    fn handshake_asks_for_raw_samples() {
        let handshake = stream().handshake("wss://api.elevenlabs.io", "k");
        assert_eq!(
            handshake.url,
            "wss://api.elevenlabs.io/v1/text-to-speech/v1/stream-input\
             ?model_id=eleven_flash_v2_5&output_format=pcm_16000&auto_mode=true&language_code=es"
        );
        assert_eq!(handshake.headers, [("xi-api-key", "k".to_owned())]);
    }

    #[test]
    fn only_finish_ends_the_text() {
        let mut stream = stream();
        assert_eq!(stream.open(), Message::Text(r#"{"text":" "}"#.into()));
        assert_eq!(stream.speak("Hola. "), Message::Text(r#"{"text":"Hola. "}"#.into()));
        assert_eq!(stream.speak(""), Message::Text(r#"{"text":" "}"#.into()));
        assert_eq!(stream.finish(), Message::Text(r#"{"text":""}"#.into()));
    }

    #[test]
    fn audio_is_whole_samples_and_then_the_end() {
        let mut stream = stream();
        stream.speak("Hola.");
        let audio = |bytes: &[u8]| json!({"audio": BASE64_STANDARD.encode(bytes), "isFinal": null, "alignment": null});
        assert_eq!(receive(&mut stream, &audio(b"abc")).unwrap(), [Spoken::Audio(b"ab".to_vec())]);
        assert_eq!(receive(&mut stream, &audio(b"d")).unwrap(), [Spoken::Audio(b"cd".to_vec())]);
        let end = json!({"audio": null, "isFinal": true, "normalizedAlignment": null});
        assert_eq!(receive(&mut stream, &end).unwrap(), [Spoken::Flushed]);
    }

    #[test]
    fn an_end_without_speech_is_a_spent_quota() {
        let end = json!({"audio": null, "isFinal": true});
        assert_eq!(receive(&mut stream(), &end).unwrap(), [Spoken::Flushed]);
        let mut asked = stream();
        asked.speak("Hola.");
        assert_eq!(receive(&mut asked, &end).unwrap_err().kind, FailureKind::Quota);
    }

    #[test]
    fn refusals_tell_who_can_act() {
        let error = |error: &str, message: &str| json!({"message": message, "error": error, "code": 1008});
        let kind = |value: &Value| receive(&mut stream(), value).unwrap_err().kind;
        let wrong = error("invalid_api_key", "Invalid API key sk_1");
        assert_eq!(kind(&wrong), FailureKind::Credential);
        assert!(!receive(&mut stream(), &wrong).unwrap_err().detail.contains("sk_1"));
        assert_eq!(
            kind(&error("quota_exceeded", "This request exceeds your API key quota.")),
            FailureKind::Quota
        );
        assert_eq!(kind(&error("input_timeout_exceeded", "Have not received…")), FailureKind::Down);
        assert_eq!(kind(&error("voice_id_does_not_exist", "A voice …")), FailureKind::Refused);
        assert_eq!(Stream::closed(1008, "too_many_concurrent_requests").kind, FailureKind::RateLimited);
        assert_eq!(Stream::closed(1011, "x").kind, FailureKind::Down);
        assert_eq!(Stream::refused(403, None).kind, FailureKind::Credential);
    }

    #[test]
    fn an_unreadable_message_is_refused_alone() {
        let mut stream = stream();
        for wrong in ["{\"audio\":", "3", "{\"audio\":1}", "{\"audio\":\"*\"}", "\u{0}"] {
            let failure = stream.receive(&Message::Text(wrong.into())).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{wrong}");
        }
        assert_eq!(stream.receive(&Message::Binary(vec![1])).unwrap_err().kind, FailureKind::Protocol);
        assert_eq!(receive(&mut stream, &json!({"audio": "AAA=", "new": {}})).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn no_message_panics(message: String, audio: String, code: u16) {
            let mut stream = stream();
            drop((stream.receive(&Message::Text(message.clone())), Stream::closed(code, &message)));
            drop(receive(&mut stream, &json!({"audio": audio, "isFinal": true, "message": message})));
            drop(receive(&mut stream, &json!({"audio": audio})));
        }
    }
}
