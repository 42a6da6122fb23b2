//! Hume's expression measurement: audio in, scores out, over one WebSocket `/v1/expression/audio/realtime`.
//!
//! Facts from the vendor's reference and its Python package `hume-expression-measurement` 0.1.0. After how long without
//! audio a session ends is not told there; it ends with the reason `idle_timeout`, and is opened anew when somebody speaks.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::websocket::{Handshake, Message, url};
use crate::words::shown;
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 16_000;
/// Longest message that is read, bytes.
pub const MESSAGE_AT_MOST: usize = 1 << 20;

/// Samples of a frame: 100 ms, as the vendor advises.
const CHUNK: usize = RATE as usize / 10;
/// The vendor takes no more than a second of audio a second.
const PACE: Duration = Duration::from_millis(100);
/// What waits longer is measured too late to be shown: a second.
const WAITING_AT_MOST: usize = RATE as usize;
/// Speech is shown with this many of its scores, the highest.
const MOST_SCORES: usize = 8;

/// How probable it is that something is heard in a voice.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Score {
    /// `amusement`, `husky`, …; the vendor adds names.
    pub name: String,
    /// 0 to 1.
    pub probability: f64,
}

/// What is heard in a stretch of speech.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// From where, counted from the beginning of the audio that was sent.
    pub from: Duration,
    /// To where.
    pub to: Duration,
    /// Feelings, the most probable first; may be empty.
    pub expressions: Vec<Score>,
    /// Qualities of the voice, likewise.
    pub voice: Vec<Score>,
}

/// What the provider says.
#[derive(Clone, Debug, PartialEq)]
pub enum Felt {
    /// The session takes audio.
    Ready,
    /// A stretch of speech was measured.
    Measured(Measured),
    /// A message of ours was not taken; the session goes on.
    Refused(String),
    /// The session is over, with this reason.
    Closed(String),
    /// The provider ended it since something is wrong.
    Failed(Failure),
}

/// What is to be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This.
    Send(Message),
    /// Nothing before this moment.
    Wait(Duration),
    /// Nothing before there is more audio.
    Nothing,
}

/// One session.
#[derive(Debug)]
pub struct Stream {
    waiting: VecDeque<i16>,
    ready: bool,
    next_chunk: Duration,
    sent: u64,
    dropped: u64,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct MeasurementResult {
    audio_start_ms: u64,
    audio_end_ms: u64,
    #[serde(default)]
    expressions: Vec<Score>,
    #[serde(default)]
    voice_attributes: Vec<Score>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retryable: bool,
}

#[derive(Deserialize)]
struct SessionClosed {
    #[serde(default)]
    reason: String,
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    /// A session whose connection is still to be made.
    pub fn new() -> Self {
        Self { waiting: VecDeque::new(), ready: false, next_chunk: Duration::ZERO, sent: 0, dropped: 0 }
    }

    /// What is asked at the upgrade; `base` is `wss://api.cloud.hume.ai`.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let url = url(base, "/v1/expression/audio/realtime", &[]);
        Handshake { url, headers: vec![("X-Hume-Api-Key", key.to_owned())] }
    }

    /// What must be sent first.
    pub fn open(&self) -> Message {
        let audio = json!({"type": "audio/pcm", "encoding": "s16le", "sample_rate": RATE, "channels": 1});
        Message::Text(json!({"type": "session.update", "audio": audio}).to_string())
    }

    /// Asks for the end of the session.
    pub fn close(&self) -> Message {
        Message::Text(json!({"type": "session.close"}).to_string())
    }

    /// Takes more of what is said. What waits too long is dropped, the oldest first.
    pub fn push(&mut self, samples: &[i16]) {
        self.waiting.extend(samples);
        let surplus = self.waiting.len().saturating_sub(WAITING_AT_MOST);
        self.waiting.drain(..surplus);
        self.dropped += surplus as u64;
    }

    /// Whether the provider took the configuration, and so takes audio.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Audio that was not measured since the provider is slow.
    pub fn dropped(&self) -> Duration {
        length(self.dropped)
    }

    /// Audio that was sent.
    pub fn sent(&self) -> Duration {
        length(self.sent)
    }

    /// What is to be sent at `now`.
    pub fn poll(&mut self, now: Duration) -> Next {
        if !self.ready || self.waiting.len() < CHUNK {
            return Next::Nothing;
        }
        if now < self.next_chunk {
            return Next::Wait(self.next_chunk);
        }
        self.next_chunk = now + PACE;
        self.sent += CHUNK as u64;
        Next::Send(Message::Binary(self.waiting.drain(..CHUNK).flat_map(i16::to_le_bytes).collect()))
    }

    /// Reads what the vendor says; `None` where it does not matter here.
    ///
    /// # Errors
    /// When it cannot be read; the session lives on.
    pub fn receive(&mut self, message: &Message) -> Result<Option<Felt>, Failure> {
        let unreadable = |why: &str| Failure::new(FailureKind::Protocol, format!("Hume's message {why}"));
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        let broken = |_| unreadable("cannot be read");
        let Event { kind } = serde_json::from_str(json).map_err(broken)?;
        Ok(Some(match kind.as_str() {
            "session.updated" => {
                self.ready = true;
                Felt::Ready
            }
            "measurement.result" => Felt::Measured(measured(serde_json::from_str(json).map_err(broken)?)),
            "error" => refusal(&serde_json::from_str(json).map_err(broken)?),
            "session.closed" => {
                let SessionClosed { reason } = serde_json::from_str(json).map_err(broken)?;
                Felt::Closed(reason)
            }
            _ => return Ok(None),
        }))
    }

    /// What it means that the vendor closes the connection without a word before.
    pub fn closed(code: u16, reason: &str) -> Failure {
        let kind = if code == 1008 { FailureKind::Refused } else { FailureKind::Down };
        Failure::new(kind, format!("closed with {code}: {reason}"))
    }

    /// What it means that the upgrade is refused; `retry_after` is that header.
    pub fn refused(status: u16, retry_after: Option<&str>) -> Failure {
        Failure::of_status(status, retry_after)
    }
}

fn length(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / u64::from(RATE))
}

fn measured(result: MeasurementResult) -> Measured {
    let highest = |mut scores: Vec<Score>| {
        scores.truncate(MOST_SCORES);
        for score in &mut scores {
            score.name = shown(&score.name);
        }
        scores
    };
    Measured {
        from: Duration::from_millis(result.audio_start_ms),
        to: Duration::from_millis(result.audio_end_ms),
        expressions: highest(result.expressions),
        voice: highest(result.voice_attributes),
    }
}

fn refusal(error: &Refusal) -> Felt {
    let words = format!("{}: {}", error.code, error.message);
    if error.retryable {
        return Felt::Refused(Failure::new(FailureKind::Refused, words).detail);
    }
    let kind = if error.code == "internal_error" { FailureKind::Down } else { FailureKind::Refused };
    Felt::Failed(Failure::new(kind, words))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn receive(stream: &mut Stream, value: &Value) -> Result<Option<Felt>, Failure> {
        stream.receive(&Message::Text(value.to_string()))
    }

    fn ready() -> Stream {
        let mut stream = Stream::new();
        assert_eq!(receive(&mut stream, &json!({"type": "session.updated"})).unwrap(), Some(Felt::Ready));
        stream
    }

    #[test]
    fn the_configuration_comes_before_any_audio() {
        let mut stream = Stream::new();
        let handshake = stream.handshake("wss://api.cloud.hume.ai", "k");
        assert_eq!(handshake.url, "wss://api.cloud.hume.ai/v1/expression/audio/realtime");
        assert_eq!(handshake.headers, [("X-Hume-Api-Key", "k".to_owned())]);
        let Message::Text(open) = stream.open() else { panic!("JSON") };
        let audio = json!({"type": "audio/pcm", "encoding": "s16le", "sample_rate": 16_000, "channels": 1});
        assert_eq!(
            serde_json::from_str::<Value>(&open).unwrap(),
            json!({"type": "session.update", "audio": audio})
        );
        stream.push(&[1; CHUNK]);
        assert_eq!(stream.poll(Duration::ZERO), Next::Nothing);
    }

    #[test]
    fn audio_goes_out_in_batches_and_no_faster_than_it_is_spoken() {
        let mut stream = ready();
        stream.push(&[1; CHUNK - 1]);
        assert_eq!(stream.poll(Duration::ZERO), Next::Nothing);
        stream.push(&[1; CHUNK + 1]);
        assert!(
            matches!(stream.poll(Duration::ZERO), Next::Send(Message::Binary(bytes)) if bytes.len() == 3_200)
        );
        assert_eq!(stream.poll(Duration::from_millis(99)), Next::Wait(PACE));
        assert!(matches!(stream.poll(PACE), Next::Send(_)));
        assert_eq!(stream.sent(), 2 * PACE);
    }

    #[test]
    fn what_waits_too_long_is_dropped_and_counted() {
        let mut stream = ready();
        stream.push(&vec![1; WAITING_AT_MOST]);
        stream.push(&[2; 800]);
        assert_eq!(stream.dropped(), Duration::from_millis(50));
        assert_eq!((stream.waiting[0], stream.waiting.len()), (1, WAITING_AT_MOST));
    }

    #[test]
    fn measurements_are_the_highest_scores() {
        let scores: Vec<Value> =
            (0..20).map(|n| json!({"name": format!("n{n}"), "probability": 0.5})).collect();
        let result = json!({
            "type": "measurement.result", "measurement_id": 0, "utterance_id": 0, "audio_start_ms": 98,
            "audio_end_ms": 3098, "trigger": "interval", "expressions": scores,
            "voice_attributes": [{"name": "fast", "probability": 0.9}],
        });
        let Some(Felt::Measured(measured)) = receive(&mut ready(), &result).unwrap() else {
            panic!("scores")
        };
        assert_eq!((measured.from.as_millis(), measured.to.as_millis()), (98, 3_098));
        assert_eq!((measured.expressions.len(), measured.voice[0].name.as_str()), (MOST_SCORES, "fast"));
    }

    #[test]
    fn errors_tell_whether_the_session_goes_on() {
        let error = |code: &str, retryable: bool| json!({"type": "error", "code": code, "message": "m", "retryable": retryable});
        let limited = receive(&mut ready(), &error("rate_limited", true)).unwrap();
        assert_eq!(limited, Some(Felt::Refused("rate_limited: m".into())));
        let broken = receive(&mut ready(), &error("internal_error", false)).unwrap();
        assert!(matches!(broken, Some(Felt::Failed(failure)) if failure.kind == FailureKind::Down));
        let wrong = receive(&mut ready(), &error("config_invalid", false)).unwrap();
        assert!(matches!(wrong, Some(Felt::Failed(failure)) if failure.kind == FailureKind::Refused));
        let closed = json!({"type": "session.closed", "session_id": "s", "reason": "idle_timeout"});
        assert_eq!(receive(&mut ready(), &closed).unwrap(), Some(Felt::Closed("idle_timeout".into())));
        assert_eq!(Stream::refused(401, None).kind, FailureKind::Credential);
        assert_eq!(Stream::closed(1011, "").kind, FailureKind::Down);
    }

    #[test]
    fn an_unreadable_message_is_refused_alone() {
        let mut stream = ready();
        for wrong in ["{", "3", "\u{0}", r#"{"type":1}"#, r#"{"type":"measurement.result"}"#] {
            let failure = stream.receive(&Message::Text(wrong.into())).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Protocol, "{wrong}");
        }
        assert_eq!(
            receive(&mut stream, &json!({"type": "utterance.start", "utterance_id": 0})).unwrap(),
            None
        );
    }

    proptest! {
        #[test]
        fn no_message_panics(message: String, code: u16) {
            let mut stream = ready();
            drop((stream.receive(&Message::Text(message.clone())), Stream::closed(code, &message)));
        }
    }
}
