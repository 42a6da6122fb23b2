//! `DeepL` Voice: `POST /v3/voice/realtime` gives an address and a token that is good once, a WebSocket the rest.
//!
//! Facts from the vendor's `OpenAPI` and `AsyncAPI` documents of June 2026. They do not say with which close codes the vendor
//! ends a connection, so none but 1008 is told apart. Translated speech needs an account that has it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Interpreted, Next};
use crate::http::Request;
use crate::mt::deepl::HOST;
use crate::tts::pcm::Pcm;
use crate::websocket::{Handshake, Message, url};
use crate::{Failure, FailureKind};

/// Samples a second, in both directions.
pub const RATE: u32 = 16_000;
/// Longest answer and longest message that is read, bytes.
pub const MESSAGE_AT_MOST: usize = 1 << 20;

const FORMAT: &str = "audio/pcm;encoding=s16le;rate=16000";
/// Samples of a chunk: 100 ms, of which the vendor advises 50 to 250.
const CHUNK: usize = RATE as usize / 10;
/// Chunks may follow each other after half of their length; a network that jolts them together needs some room.
const PACE: f64 = 0.6;
/// Without audio the vendor ends a session after 30 seconds.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// Longer speech than any utterance is not kept for a connection that does not take it: 60 s.
const WAITING_AT_MOST: usize = 60 * RATE as usize;

/// What is wanted of a session. Languages are ISO 639-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is probably spoken; the vendor tells what really is.
    pub source: String,
    /// Into which it is translated.
    pub target: String,
    /// Whether the translation is spoken, too.
    pub spoken: bool,
}

/// Where a session is to be had, once.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    url: String,
    token: String,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Asks for a session; `base` is a host other than the vendor's.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn request(base: Option<&str>, key: &str, options: &Options) -> Result<Request, Failure> {
    let [source, target] = [&options.source, &options.target].map(|language| code(language));
    let mut body = json!({
        "message_format": "json",
        "source_media_content_type": FORMAT,
        "source_language": source,
        "source_language_mode": "auto",
        "target_languages": [target],
    });
    if options.spoken {
        body["target_media_languages"] = json!([target]);
        body["target_media_content_type"] = FORMAT.into();
    }
    let body = serde_json::to_vec(&body)
        .map_err(|_| Failure::new(FailureKind::Refused, "the request cannot be written as JSON"))?;
    let place = format!("{}/v3/voice/realtime", base.unwrap_or(HOST).trim_end_matches('/'));
    let headers = vec![
        ("Authorization", format!("DeepL-Auth-Key {key}")),
        ("Content-Type", "application/json".to_owned()),
    ];
    Ok(Request { method: "POST", url: place, headers, body })
}

/// Reads the answer to [`request`]; `asked` is the address that was asked.
///
/// # Errors
/// When there is no session, or one that would send over an open line what was asked over a safe one.
pub fn read_ticket(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
    asked: &str,
) -> Result<Ticket, Failure> {
    #[derive(Deserialize)]
    struct Answer {
        streaming_url: String,
        token: String,
    }
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    if status != 200 {
        let words = serde_json::from_slice(body).ok().map(|Refusal { message }| message);
        return Err(Failure::of_status(status, retry_after).in_words(words));
    }
    let unreadable = |why| Failure::new(FailureKind::Protocol, format!("DeepL's answer {why}"));
    if body.len() > MESSAGE_AT_MOST {
        return Err(unreadable("is too long"));
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable("cannot be read"))?;
    let safe = answer.streaming_url.starts_with("wss://");
    let open = answer.streaming_url.starts_with("ws://") && asked.starts_with("http://");
    if !(safe || open) || answer.streaming_url.contains(['?', '#']) {
        return Err(unreadable("names no address that can be used"));
    }
    Ok(Ticket { url: answer.streaming_url, token: answer.token })
}

impl Ticket {
    /// What is asked at the upgrade.
    pub fn handshake(&self) -> Handshake {
        Handshake { url: url(&self.url, "", &[("token", &self.token)]), headers: Vec::new() }
    }
}

/// One session.
#[derive(Debug)]
pub struct Stream {
    waiting: Vec<i16>,
    finished: bool,
    /// The end was sent.
    ended: bool,
    next_chunk: Duration,
    keep_alive: Duration,
    pcm: Pcm,
}

impl Stream {
    /// A session whose connection was opened now, at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            waiting: Vec::new(),
            finished: false,
            ended: false,
            next_chunk: now,
            keep_alive: now + KEEP_ALIVE_EVERY,
            pcm: Pcm::default(),
        }
    }

    /// Takes more of what is said.
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
        let is_due = self.waiting.len() >= CHUNK || (self.finished && !self.waiting.is_empty());
        if is_due && now < self.next_chunk {
            return Next::Wait(self.next_chunk);
        }
        if is_due {
            let chunk: Vec<i16> = self.waiting.drain(..CHUNK.min(self.waiting.len())).collect();
            return Next::Send(self.chunk(now, &chunk));
        }
        if self.ended {
            return Next::Nothing;
        }
        if self.finished {
            self.ended = true;
            return Next::Send(text(&json!({"end_of_source_media": {}})));
        }
        if now >= self.keep_alive {
            return Next::Send(self.chunk(now, &[0; CHUNK]));
        }
        Next::Wait(self.keep_alive)
    }

    fn chunk(&mut self, now: Duration, samples: &[i16]) -> Message {
        let length = Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE));
        self.next_chunk = now + length.mul_f64(PACE);
        self.keep_alive = now + KEEP_ALIVE_EVERY;
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        text(&json!({"source_media_chunk": {"data": BASE64_STANDARD.encode(bytes)}}))
    }

    /// Reads what the vendor says.
    ///
    /// # Errors
    /// When it cannot be read; the session lives on.
    pub fn receive(&mut self, message: &Message) -> Result<Vec<Interpreted>, Failure> {
        let unreadable = |why: &str| Failure::new(FailureKind::Protocol, format!("DeepL's message {why}"));
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        let fields: Map<String, Value> =
            serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))?;
        let mut told = Vec::new();
        for (name, value) in fields {
            self.read(&name, value, &mut told)
                .map_err(|_| unreadable(&format!("has a {name} that cannot be read")))?;
        }
        Ok(told)
    }

    fn read(&mut self, name: &str, value: Value, told: &mut Vec<Interpreted>) -> Result<(), Unreadable> {
        match name {
            "source_transcript_update" => {
                let Update { concluded } = serde_json::from_value(value)?;
                told.extend(concluded.into_iter().map(|Segment { text, language }| Interpreted::Source {
                    text,
                    language: language.map(|tag| primary(&tag)),
                }));
            }
            "target_transcript_update" => {
                let Update { concluded } = serde_json::from_value(value)?;
                told.extend(concluded.into_iter().map(|segment| Interpreted::Target(segment.text)));
            }
            "target_media_chunk" => told.push(self.speech(serde_json::from_value(value)?)?),
            "end_of_source_transcript" => told.push(Interpreted::SourceEnded),
            "end_of_target_transcript" => told.push(Interpreted::TargetEnded),
            "end_of_stream" => told.push(Interpreted::Finished),
            "error" => told.push(Interpreted::Failed(refusal(&serde_json::from_value(value)?))),
            // That of the media says nothing that the end of the stream does not.
            _ => {}
        }
        Ok(())
    }

    fn speech(&mut self, chunk: Chunk) -> Result<Interpreted, Unreadable> {
        let is_raw = |kind: &str| kind.replace(' ', "").eq_ignore_ascii_case(FORMAT);
        if chunk.content_type.is_some_and(|kind| !is_raw(&kind)) {
            return Err(Unreadable);
        }
        // Of raw samples there is no header, but who sends one says how long it is.
        let headers = chunk.headers.unwrap_or_default().min(chunk.data.len());
        let mut samples = Vec::new();
        for packet in &chunk.data[headers..] {
            let bytes = BASE64_STANDARD.decode(packet).map_err(|_| Unreadable)?;
            samples.extend(self.pcm.push(&bytes).map_err(|_| Unreadable)?);
        }
        Ok(Interpreted::Audio(samples))
    }

    /// What it means that the vendor closes the connection before the end of the stream.
    pub fn closed(code: u16, reason: &str) -> Failure {
        let kind = if code == 1008 { FailureKind::Refused } else { FailureKind::Down };
        Failure::new(kind, format!("closed with {code}: {reason}"))
    }

    /// What it means that the upgrade is refused; `retry_after` is that header.
    pub fn refused(status: u16, retry_after: Option<&str>) -> Failure {
        // The token is the key here, and a new session brings a new one.
        let failure = Failure::of_status(status, retry_after);
        let kind = if failure.kind == FailureKind::Credential { FailureKind::Down } else { failure.kind };
        Failure { kind, ..failure }
    }
}

struct Unreadable;

impl From<serde_json::Error> for Unreadable {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

#[derive(Deserialize)]
struct Update {
    concluded: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    text: String,
    #[serde(default)]
    language: Option<String>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    headers: Option<usize>,
    data: Vec<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: u16,
    #[serde(default)]
    reason_code: u64,
    #[serde(default)]
    error_message: String,
}

fn refusal(error: &Refusal) -> Failure {
    let failure = Failure::of_status(error.error_code, None);
    failure.in_words(Some(format!("{} ({})", error.error_message, error.reason_code)))
}

/// The vendor's code of a language: of the Norwegian ones it has one.
fn code(language: &str) -> &str {
    match language {
        "no" | "nn" => "nb",
        language => language,
    }
}

/// The language of a tag such as `zh-Hans`.
fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn options() -> Options {
        Options { source: "es".into(), target: "en".into(), spoken: true }
    }

    fn receive(stream: &mut Stream, value: &Value) -> Result<Vec<Interpreted>, Failure> {
        stream.receive(&text(value))
    }

    fn sent(next: Next) -> Value {
        let Next::Send(Message::Text(text)) = next else { panic!("{next:?}") };
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_session_is_asked_for_in_the_vendors_words() {
        let asked = request(None, "k", &options()).unwrap();
        assert_eq!(asked.url, "https://api.deepl.com/v3/voice/realtime");
        assert_eq!(asked.headers[0], ("Authorization", "DeepL-Auth-Key k".to_owned()));
        let body: Value = serde_json::from_slice(&asked.body).unwrap();
        let expected = json!({
            "message_format": "json", "source_media_content_type": FORMAT, "source_language": "es",
            "source_language_mode": "auto", "target_languages": ["en"], "target_media_languages": ["en"],
            "target_media_content_type": FORMAT,
        });
        assert_eq!(body, expected);
        let silent = request(None, "k", &Options { spoken: false, ..options() }).unwrap();
        assert!(!String::from_utf8(silent.body).unwrap().contains("media_languages"));
    }

    #[test]
    fn a_ticket_leads_to_a_safe_line_and_is_not_shown() {
        let body =
            br#"{"streaming_url":"wss://h/v3/voice/realtime/connect","token":"a+b=","session_id":"1"}"#;
        let ticket = read_ticket(200, None, body, "https://h").unwrap();
        assert_eq!(ticket.handshake().url, "wss://h/v3/voice/realtime/connect?token=a%2Bb%3D");
        assert!(!format!("{ticket:?}").contains("a+b="));
        let open = br#"{"streaming_url":"ws://h/c","token":"t"}"#;
        assert_eq!(read_ticket(200, None, open, "https://h").unwrap_err().kind, FailureKind::Protocol);
        assert!(read_ticket(200, None, open, "http://h").is_ok());
        assert_eq!(read_ticket(456, None, b"{}", "https://h").unwrap_err().kind, FailureKind::Quota);
        let words = read_ticket(400, None, br#"{"message":"no such language"}"#, "https://h").unwrap_err();
        assert_eq!(words.detail, "HTTP status 400: no such language");
    }

    #[test]
    fn chunks_are_paced_and_the_end_follows_the_rest() {
        let mut stream = Stream::new(Duration::ZERO);
        stream.push(&[1; 2 * CHUNK + 160]);
        assert_eq!(
            sent(stream.poll(Duration::ZERO))["source_media_chunk"]["data"].as_str().unwrap().len(),
            CHUNK * 2 / 3 * 4 + 4
        );
        assert_eq!(stream.poll(59 * MS), Next::Wait(60 * MS));
        sent(stream.poll(60 * MS));
        assert_eq!(stream.poll(120 * MS), Next::Wait(60 * MS + KEEP_ALIVE_EVERY));
        stream.finish();
        assert!(sent(stream.poll(120 * MS))["source_media_chunk"].is_object());
        assert_eq!(sent(stream.poll(120 * MS)), json!({"end_of_source_media": {}}));
        assert_eq!(stream.poll(60_000 * MS), Next::Nothing);
    }

    #[test]
    fn silence_keeps_a_session_that_waits() {
        let mut stream = Stream::new(Duration::ZERO);
        assert_eq!(stream.poll(Duration::ZERO), Next::Wait(KEEP_ALIVE_EVERY));
        assert!(sent(stream.poll(KEEP_ALIVE_EVERY))["source_media_chunk"].is_object());
        assert_eq!(stream.poll(KEEP_ALIVE_EVERY), Next::Wait(2 * KEEP_ALIVE_EVERY));
    }

    #[test]
    fn only_what_is_concluded_counts() {
        let mut stream = Stream::new(Duration::ZERO);
        let update = json!({"source_transcript_update": {
            "concluded": [{"language": "en-US", "text": "Hello, how are you", "start_time": 0, "end_time": 1500}],
            "tentative": [{"language": "en", "text": " today?", "start_time": 1500, "end_time": 2000}],
        }});
        let said = Interpreted::Source { text: "Hello, how are you".into(), language: Some("en".into()) };
        assert_eq!(receive(&mut stream, &update).unwrap(), [said]);
        let update = json!({"target_transcript_update": {
            "language": "es", "concluded": [{"text": "Hola", "start_time": 0, "end_time": 9}], "tentative": [],
        }});
        assert_eq!(receive(&mut stream, &update).unwrap(), [Interpreted::Target("Hola".into())]);
        let ends = [
            ("end_of_source_transcript", Interpreted::SourceEnded),
            ("end_of_target_transcript", Interpreted::TargetEnded),
            ("end_of_stream", Interpreted::Finished),
        ];
        for (name, end) in ends {
            assert_eq!(receive(&mut stream, &json!({name: {}})).unwrap(), [end]);
        }
        assert_eq!(
            receive(&mut stream, &json!({"end_of_target_media": {"language": "es"}, "new": 1})).unwrap(),
            []
        );
    }

    #[test]
    fn speech_is_raw_samples_without_headers() {
        let mut stream = Stream::new(Duration::ZERO);
        let packets: Vec<String> =
            [b"abc".as_slice(), b"d"].map(|bytes| BASE64_STANDARD.encode(bytes)).to_vec();
        let chunk = json!({"target_media_chunk": {
            "language": "es", "content_type": "audio/pcm; encoding=s16le; rate=16000", "headers": null,
            "data": packets, "duration": 2, "text": "Hola",
        }});
        assert_eq!(receive(&mut stream, &chunk).unwrap(), [Interpreted::Audio(b"abcd".to_vec())]);
        let other =
            json!({"target_media_chunk": {"language": "es", "content_type": "audio/opus", "data": []}});
        assert_eq!(receive(&mut stream, &other).unwrap_err().kind, FailureKind::Protocol);
        let headed =
            json!({"target_media_chunk": {"language": "es", "headers": 1, "data": [packets[0], "AAA="]}});
        assert_eq!(receive(&mut stream, &headed).unwrap(), [Interpreted::Audio(vec![0, 0])]);
    }

    #[test]
    fn an_error_ends_the_session() {
        let error = json!({"error": {
            "request_type": "source_media_chunk", "error_code": 400, "reason_code": 4_000_403,
            "error_message": "Audio format not supported",
        }});
        let told = receive(&mut Stream::new(Duration::ZERO), &error).unwrap();
        let [Interpreted::Failed(failure)] = &told[..] else { panic!("{told:?}") };
        assert_eq!(failure.kind, FailureKind::Refused);
        assert_eq!(failure.detail, "HTTP status 400: Audio format not supported (4000403)");
        assert_eq!(Stream::closed(1011, "x").kind, FailureKind::Down);
        assert_eq!(Stream::refused(401, None).kind, FailureKind::Down);
        assert_eq!(Stream::refused(429, Some("3")).kind, FailureKind::RateLimited);
    }

    #[test]
    fn an_unreadable_message_is_refused_alone() {
        let mut stream = Stream::new(Duration::ZERO);
        for wrong in ["{", "3", "\u{0}", r#"{"error":1}"#, r#"{"target_media_chunk":{"data":["*"]}}"#] {
            let failure = stream.receive(&Message::Text(wrong.into())).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{wrong}");
        }
        assert_eq!(stream.receive(&Message::Binary(vec![1])).unwrap_err().kind, FailureKind::Protocol);
        assert_eq!(receive(&mut stream, &json!({"end_of_stream": {}})).unwrap(), [Interpreted::Finished]);
    }

    proptest! {
        /// Never more than twice as fast as it is spoken, however it comes, and all of it.
        #[test]
        fn all_audio_is_sent_and_never_too_fast(pieces in prop::collection::vec(0_usize..5_000, 1..20)) {
            let mut stream = Stream::new(Duration::ZERO);
            for piece in &pieces {
                stream.push(&vec![7; *piece]);
            }
            stream.finish();
            let (mut now, mut samples, mut first) = (Duration::ZERO, 0, None);
            loop {
                match stream.poll(now) {
                    Next::Wait(at) => now = at,
                    Next::Send(message) => {
                        let chunk = sent(Next::Send(message));
                        let Some(data) = chunk["source_media_chunk"]["data"].as_str() else { break };
                        let since = now.saturating_sub(*first.get_or_insert(now));
                        prop_assert!(samples as f64 / f64::from(RATE) <= 2.0 * since.as_secs_f64());
                        samples += BASE64_STANDARD.decode(data).unwrap().len() / 2;
                    }
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(samples, pieces.iter().sum::<usize>());
        }

        #[test]
        fn no_message_panics(message: String, body: Vec<u8>, status: u16, code: u16) {
            let mut stream = Stream::new(Duration::ZERO);
            drop((stream.receive(&Message::Text(message.clone())), Stream::closed(code, &message)));
            drop(read_ticket(status, Some(&message), &body, "https://h"));
        }
    }
}
