//! `OpenAI`'s `/v1/realtime/translations`: audio in, text of both languages and audio out, over one WebSocket.
//!
//! Facts from the vendor's Python package 3.54 and its reference of the events. Neither tells when the text of an
//! utterance is complete before the session is closed, so it is taken to be when none came for a while
//! ([`SOURCE_QUIET`], [`TARGET_QUIET`]); nor whether silence is sent where nothing is translated, so it is cut off.
//! The source language is not told: see [`which_is_echoed`](super::which_is_echoed).

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pauses::Pauses;
use super::{Interpreted, Next};
use crate::tts::pcm::Pcm;
use crate::websocket::{Handshake, Message, url};
use crate::words::shown;
use crate::{Failure, FailureKind};

/// Samples a second, in both directions.
pub const RATE: u32 = 24_000;
/// The vendor's usual model.
pub const MODEL: &str = "gpt-realtime-translate";
/// Longest message that is read, bytes.
pub const MESSAGE_AT_MOST: usize = 1 << 20;
/// After the session was asked to close, what was said is complete when nothing was added to it for so long.
pub const SOURCE_QUIET: Duration = Duration::from_millis(400);
/// Likewise its translation, which comes later.
pub const TARGET_QUIET: Duration = Duration::from_millis(700);

const TRANSCRIBER: &str = "gpt-realtime-whisper";
/// The model's frames: 200 ms.
const CHUNK: usize = RATE as usize / 5;
/// Longer speech than any utterance is not kept for a session that is not ready: 60 s.
const WAITING_AT_MOST: usize = 60 * RATE as usize;
/// Longest pause that is left in the speech: 300 ms.
const PAUSE_AT_MOST: usize = RATE as usize * 3 / 10;

/// What is wanted of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// [`MODEL`], or what the server has.
    pub model: String,
    /// Into which it is translated, ISO 639-1.
    pub target: String,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its language is to be set.
    New,
    /// It is not confirmed yet: audio before that would be translated into another one.
    Asked,
    /// It takes audio.
    Ready,
    /// It was asked to close.
    Closing,
    /// Nothing more comes.
    Over,
}

/// Text that has no end of its own.
#[derive(Clone, Copy, Debug)]
struct Text {
    /// When more of it came, or the session was asked to close.
    grew: Duration,
    begun: bool,
    ended: bool,
}

impl Text {
    const NONE: Self = Self { grew: Duration::ZERO, begun: false, ended: false };

    fn grow(&mut self, now: Duration) {
        (self.grew, self.begun) = (now, true);
    }

    /// When it is complete.
    fn ends(&self, quiet: Duration) -> Option<Duration> {
        (self.begun && !self.ended).then(|| self.grew + quiet)
    }
}

/// One session.
#[derive(Debug)]
pub struct Stream {
    options: Options,
    phase: Phase,
    waiting: Vec<i16>,
    finished: bool,
    source: Text,
    target: Text,
    pcm: Pcm,
    pauses: Pauses,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    delta: Option<String>,
    #[serde(default)]
    sample_rate: Option<u32>,
    #[serde(default)]
    channels: Option<u32>,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    error: Option<Reason>,
}

#[derive(Deserialize, Default)]
struct Reason {
    #[serde(default)]
    message: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    code: Option<String>,
}

impl Stream {
    /// A session whose connection is still to be made.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            phase: Phase::New,
            waiting: Vec::new(),
            finished: false,
            source: Text::NONE,
            target: Text::NONE,
            pcm: Pcm::default(),
            pauses: Pauses::new(PAUSE_AT_MOST),
        }
    }

    /// What is asked at the upgrade; `base` is `wss://api.openai.com`.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let url = url(base, "/v1/realtime/translations", &[("model", &self.options.model)]);
        Handshake { url, headers: vec![("Authorization", format!("Bearer {key}"))] }
    }

    /// Takes more of what is said, at [`RATE`].
    pub fn push(&mut self, samples: &[i16]) {
        let room = WAITING_AT_MOST - self.waiting.len();
        self.waiting.extend_from_slice(&samples[..samples.len().min(room)]);
    }

    /// That was all: what was said is answered now to its end.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// What is to be done at `now`.
    pub fn poll(&mut self, now: Duration) -> Next {
        match self.phase {
            Phase::New => {
                self.phase = Phase::Asked;
                Next::Send(text(&json!({"type": "session.update", "session": {"audio": {
                    "input": {"transcription": {"model": TRANSCRIBER}},
                    "output": {"language": self.options.target},
                }}})))
            }
            Phase::Asked | Phase::Over => Next::Nothing,
            Phase::Ready => self.speak(now),
            Phase::Closing => self.wait_for_the_end(now),
        }
    }

    fn speak(&mut self, now: Duration) -> Next {
        if self.waiting.len() >= CHUNK || (self.finished && !self.waiting.is_empty()) {
            let chunk = self.waiting.drain(..CHUNK.min(self.waiting.len()));
            let bytes: Vec<u8> = chunk.flat_map(i16::to_le_bytes).collect();
            let audio = BASE64_STANDARD.encode(bytes);
            return Next::Send(text(&json!({"type": "session.input_audio_buffer.append", "audio": audio})));
        }
        if !self.finished {
            return Next::Nothing;
        }
        self.phase = Phase::Closing;
        (self.source.grew, self.target.grew) = (now, now);
        Next::Send(text(&json!({"type": "session.close"})))
    }

    fn wait_for_the_end(&mut self, now: Duration) -> Next {
        let ends = [self.source.ends(SOURCE_QUIET), self.target.ends(TARGET_QUIET)];
        if ends[0].is_some_and(|end| end <= now) {
            self.source.ended = true;
            return Next::Tell(Interpreted::SourceEnded);
        }
        if ends[1].is_some_and(|end| end <= now) {
            self.target.ended = true;
            return Next::Tell(Interpreted::TargetEnded);
        }
        ends.into_iter().flatten().min().map_or(Next::Nothing, Next::Wait)
    }

    /// Reads what the vendor says.
    ///
    /// # Errors
    /// When it cannot be read; the session lives on.
    pub fn receive(&mut self, now: Duration, message: &Message) -> Result<Vec<Interpreted>, Failure> {
        let unreadable = |why: &str| Failure::new(FailureKind::Protocol, format!("OpenAI's event {why}"));
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        let event: Event = serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))?;
        let delta = || event.delta.clone().ok_or_else(|| unreadable("has no delta"));
        let told = match event.kind.as_str() {
            "session.updated" if self.phase == Phase::Asked => {
                self.phase = Phase::Ready;
                return Ok(Vec::new());
            }
            "session.input_transcript.delta" => {
                let text = delta()?;
                self.source.grow(now);
                Interpreted::Source { text, language: None }
            }
            "session.output_transcript.delta" => {
                let text = delta()?;
                self.target.grow(now);
                Interpreted::Target(text)
            }
            "session.output_audio.delta" => {
                let is_other = event.sample_rate.is_some_and(|rate| rate != RATE)
                    || event.channels.is_some_and(|channels| channels != 1)
                    || event.format.as_deref().is_some_and(|format| format != "pcm16");
                if is_other {
                    return Err(unreadable("has another kind of audio"));
                }
                let bytes = BASE64_STANDARD.decode(delta()?).map_err(|_| unreadable("is not base64"))?;
                Interpreted::Audio(self.pauses.cut(&self.pcm.push(&bytes)?))
            }
            "session.closed" => self.over(),
            "error" => self.error(&event.error.unwrap_or_default()),
            _ => return Ok(Vec::new()),
        };
        Ok(vec![told])
    }

    fn over(&mut self) -> Interpreted {
        let asked = self.phase == Phase::Closing;
        self.phase = Phase::Over;
        if asked {
            return Interpreted::Finished;
        }
        Interpreted::Failed(Failure::new(FailureKind::Down, "the session was closed by the vendor"))
    }

    /// Most errors leave a session as it is; one that does not speak the right language is of no use.
    fn error(&mut self, reason: &Reason) -> Interpreted {
        let code = reason.code.as_deref().unwrap_or_default();
        let kind = match (code, reason.kind.as_str()) {
            ("invalid_api_key", _) | (_, "authentication_error") => FailureKind::Credential,
            ("insufficient_quota", _) | (_, "insufficient_quota") => FailureKind::Quota,
            ("rate_limit_exceeded", _) => FailureKind::RateLimited,
            ("session_expired", _) | (_, "server_error") => FailureKind::Down,
            _ if self.phase == Phase::Asked => FailureKind::Refused,
            _ => return Interpreted::Warning(shown(&format!("{code} {}", reason.message))),
        };
        self.phase = Phase::Over;
        let words = if kind == FailureKind::Credential { "the key is not taken" } else { &reason.message };
        Interpreted::Failed(Failure::new(kind, words))
    }

    /// What it means that the vendor closes the connection before the end of the session.
    pub fn closed(code: u16, reason: &str) -> Failure {
        let said = reason.to_ascii_lowercase();
        let kind = match code {
            _ if said.contains("api_key") || said.contains("api key") => FailureKind::Credential,
            _ if said.contains("quota") => FailureKind::Quota,
            1008 => FailureKind::Refused,
            _ => FailureKind::Down,
        };
        let words = if kind == FailureKind::Credential { "the key is not taken" } else { reason };
        Failure::new(kind, format!("closed with {code}: {words}"))
    }

    /// What it means that the upgrade is refused; `retry_after` is that header.
    pub fn refused(status: u16, retry_after: Option<&str>) -> Failure {
        Failure::of_status(status, retry_after)
    }
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn stream() -> Stream {
        Stream::new(Options { model: MODEL.into(), target: "es".into() })
    }

    fn ready() -> Stream {
        let mut stream = stream();
        sent(stream.poll(Duration::ZERO));
        assert_eq!(receive(&mut stream, 0, &json!({"type": "session.updated", "session": {}})).unwrap(), []);
        stream
    }

    fn receive(stream: &mut Stream, ms: u64, value: &Value) -> Result<Vec<Interpreted>, Failure> {
        stream.receive(Duration::from_millis(ms), &text(value))
    }

    fn sent(next: Next) -> Value {
        let Next::Send(Message::Text(text)) = next else { panic!("{next:?}") };
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_language_is_set_and_confirmed_before_audio_goes_out() {
        let mut stream = stream();
        let handshake = stream.handshake("wss://api.openai.com", "k");
        assert_eq!(
            handshake.url,
            "wss://api.openai.com/v1/realtime/translations?model=gpt-realtime-translate"
        );
        assert_eq!(handshake.headers, [("Authorization", "Bearer k".to_owned())]);
        stream.push(&[1; CHUNK + 1]);
        let update = sent(stream.poll(Duration::ZERO));
        assert_eq!(update["session"]["audio"]["output"]["language"], "es");
        assert_eq!(stream.poll(Duration::ZERO), Next::Nothing);
        assert_eq!(receive(&mut stream, 1, &json!({"type": "session.created", "session": {}})).unwrap(), []);
        assert_eq!(stream.poll(Duration::ZERO), Next::Nothing);
        receive(&mut stream, 2, &json!({"type": "session.updated", "session": {}})).unwrap();
        let append = sent(stream.poll(Duration::ZERO));
        assert_eq!(append["type"], "session.input_audio_buffer.append");
        assert_eq!(append["audio"].as_str().unwrap().len(), CHUNK * 2 / 3 * 4);
        assert_eq!(stream.poll(Duration::ZERO), Next::Nothing);
        stream.finish();
        assert_eq!(sent(stream.poll(Duration::ZERO))["audio"], "AQA=");
        assert_eq!(sent(stream.poll(Duration::ZERO)), json!({"type": "session.close"}));
    }

    #[test]
    fn texts_end_when_nothing_is_added_any_more() {
        let mut stream = ready();
        let source = |delta: &str| json!({"type": "session.input_transcript.delta", "delta": delta, "elapsed_ms": 200});
        let target = |delta: &str| json!({"type": "session.output_transcript.delta", "delta": delta});
        let said = Interpreted::Source { text: "Where".into(), language: None };
        assert_eq!(receive(&mut stream, 10, &source("Where")).unwrap(), [said]);
        stream.finish();
        sent(stream.poll(100 * MS));
        assert_eq!(stream.poll(100 * MS), Next::Wait(100 * MS + SOURCE_QUIET));
        receive(&mut stream, 300, &source(" is it?")).unwrap();
        assert_eq!(
            receive(&mut stream, 400, &target("¿Dónde")).unwrap(),
            [Interpreted::Target("¿Dónde".into())]
        );
        assert_eq!(stream.poll(500 * MS), Next::Wait(300 * MS + SOURCE_QUIET));
        assert_eq!(stream.poll(700 * MS), Next::Tell(Interpreted::SourceEnded));
        assert_eq!(stream.poll(700 * MS), Next::Wait(400 * MS + TARGET_QUIET));
        assert_eq!(stream.poll(1_100 * MS), Next::Tell(Interpreted::TargetEnded));
        assert_eq!(stream.poll(9_000 * MS), Next::Nothing);
        assert_eq!(
            receive(&mut stream, 9_000, &json!({"type": "session.closed"})).unwrap(),
            [Interpreted::Finished]
        );
    }

    #[test]
    fn silence_before_speech_is_not_heard() {
        let mut stream = ready();
        let audio = |samples: &[i16]| {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            json!({"type": "session.output_audio.delta", "delta": BASE64_STANDARD.encode(bytes),
                "sample_rate": 24_000, "channels": 1, "format": "pcm16", "elapsed_ms": 400})
        };
        assert_eq!(receive(&mut stream, 0, &audio(&[0; 4_800])).unwrap(), [Interpreted::Audio(vec![])]);
        let spoken = receive(&mut stream, 0, &audio(&[0, 0, 5_000, 0])).unwrap();
        assert_eq!(spoken, [Interpreted::Audio(vec![0x88, 0x13, 0, 0])]);
        let other = json!({"type": "session.output_audio.delta", "delta": "AAA=", "sample_rate": 48_000});
        assert_eq!(receive(&mut stream, 0, &other).unwrap_err().kind, FailureKind::Protocol);
    }

    #[test]
    fn most_errors_leave_the_session() {
        let error = |kind: &str, code: &str| {
            json!({"type": "error", "event_id": "e", "error": {
                "type": kind, "code": code, "message": "words", "param": null, "event_id": null,
            }})
        };
        let passing = receive(&mut ready(), 0, &error("invalid_request_error", "invalid_event")).unwrap();
        assert_eq!(passing, [Interpreted::Warning("invalid_event words".into())]);
        let cases = [
            ("invalid_request_error", "invalid_api_key", FailureKind::Credential),
            ("insufficient_quota", "insufficient_quota", FailureKind::Quota),
            ("server_error", "", FailureKind::Down),
        ];
        for (kind, code, meaning) in cases {
            let told = receive(&mut ready(), 0, &error(kind, code)).unwrap();
            assert!(
                matches!(&told[..], [Interpreted::Failed(failure)] if failure.kind == meaning),
                "{told:?}"
            );
        }
        let mut unready = stream();
        unready.poll(Duration::ZERO);
        let told = receive(&mut unready, 0, &error("invalid_request_error", "invalid_value")).unwrap();
        assert!(matches!(&told[..], [Interpreted::Failed(failure)] if failure.kind == FailureKind::Refused));
        let told = receive(&mut ready(), 0, &json!({"type": "session.closed"})).unwrap();
        assert!(matches!(&told[..], [Interpreted::Failed(failure)] if failure.kind == FailureKind::Down));
        assert_eq!(
            Stream::closed(3_000, "invalid_request_error.invalid_api_key").kind,
            FailureKind::Credential
        );
        assert_eq!(Stream::closed(1006, "").kind, FailureKind::Down);
    }

    #[test]
    fn an_unreadable_message_is_refused_alone() {
        let mut stream = ready();
        let wrong = [
            "{",
            "3",
            "\u{0}",
            r#"{"type":1}"#,
            r#"{"type":"session.output_audio.delta","delta":"*"}"#,
            r#"{"type":"session.input_transcript.delta"}"#,
        ];
        for wrong in wrong {
            let failure = stream.receive(Duration::ZERO, &Message::Text(wrong.into())).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{wrong}");
        }
        let binary = stream.receive(Duration::ZERO, &Message::Binary(vec![1]));
        assert_eq!(binary.unwrap_err().kind, FailureKind::Protocol);
        assert_eq!(receive(&mut stream, 0, &json!({"type": "session.new", "x": {}})).unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_message_panics(message: String, delta: String, code: u16) {
            let mut stream = ready();
            drop((stream.receive(Duration::ZERO, &Message::Text(message.clone())), Stream::closed(code, &message)));
            for kind in ["session.output_audio.delta", "session.input_transcript.delta", "error"] {
                drop(receive(&mut stream, 0, &json!({"type": kind, "delta": delta})));
            }
        }
    }
}
