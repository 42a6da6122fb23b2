//! Deepgram's `/v2/listen`: Flux models, which decide themselves when a turn is over.

use std::time::Duration;

use serde::Deserialize;

use super::axis::Axis;
use super::{Heard, Word};
use crate::deepgram::{self, MESSAGE_AT_MOST, unreadable};
use crate::websocket::{Handshake, Message};
use crate::words::shown;
use crate::{Failure, FailureKind};

/// Flux knows no message that keeps a silent connection open: it is sent silence.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(4);
/// That silence: the length of message that the vendor advises.
const SILENCE: usize = 1_280;
/// The vendor rounds.
const SEAM: Duration = Duration::from_millis(10);
/// Where nobody speaks, all but so much is answered: the rest may be the beginning of a word.
const MAY_BE_A_WORD: Duration = Duration::from_secs(1);

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// ISO 639-1. English alone has a model of its own.
    pub languages: Vec<String>,
    /// Words to be expected, no more than [`keyterms`](super::keyterms) admits.
    pub keyterms: Vec<String>,
    /// Whether the vendor is told to keep nothing of the audio.
    pub mip_opt_out: bool,
}

impl Options {
    /// Nothing is kept.
    pub fn new(languages: Vec<String>) -> Self {
        Self { languages, keyterms: Vec::new(), mip_opt_out: true }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Stream {
    options: Options,
    axis: Axis,
    /// All of the leg's audio up to here is answered.
    until: Duration,
    /// Where the audio ended that was sent before the last request to finish.
    finishing: Option<Duration>,
    /// The next turn to end.
    turn: u64,
    dropped: u64,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Told {
    TurnInfo(Turn),
    Error {
        code: String,
        description: String,
    },
    Warning {
        code: String,
        description: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Turn {
    event: String,
    #[serde(rename = "turn_index")]
    index: u64,
    audio_window_start: f64,
    audio_window_end: f64,
    transcript: String,
    #[serde(default)]
    words: Vec<ToldWord>,
    /// The most frequent first.
    #[serde(default)]
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct ToldWord {
    word: String,
    start: Option<f64>,
    end: Option<f64>,
}

impl Stream {
    /// A stream whose connection is still to be made; `before` is the audio of the leg that went before it.
    pub fn new(options: Options, before: Duration) -> Self {
        Self { options, axis: Axis::new(before), until: before, finishing: None, turn: 0, dropped: 0 }
    }

    /// What is asked at the upgrade; `base` is `wss://api.deepgram.com` or one of its regions.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let english = self.options.languages == ["en"];
        let mut query = vec![
            ("model", if english { "flux-general-en" } else { "flux-general-multi" }),
            ("encoding", "linear16"),
            ("sample_rate", "16000"),
            ("mip_opt_out", if self.options.mip_opt_out { "true" } else { "false" }),
        ];
        if !english {
            query.extend(self.options.languages.iter().map(|language| ("language_hint", language.as_str())));
        }
        query.extend(self.options.keyterms.iter().map(|term| ("keyterm", term.as_str())));
        deepgram::handshake(base, "/v2/listen", key, &query)
    }

    /// The leg's next 16 kHz samples.
    pub fn audio(&mut self, samples: &[i16]) -> Message {
        if samples.is_empty() {
            return self.silence();
        }
        self.axis.send(samples.len());
        Message::Binary(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    /// To be sent where nothing else was for [`KEEP_ALIVE_EVERY`].
    pub fn keep_alive(&mut self) -> Option<Message> {
        Some(self.silence())
    }

    /// Ends the turn. [`Heard::Finished`] answers it; with none to send, everything is answered already.
    pub fn finish(&mut self) -> Option<Message> {
        let sent = self.axis.sent();
        if self.until + SEAM >= sent {
            return None;
        }
        self.finishing = Some(sent);
        Some(Message::Text(r#"{"type":"ForceEndTurn"}"#.into()))
    }

    /// The last message: the vendor tells what it heard so far and hangs up; it does not end the turn.
    pub fn close(&self) -> Message {
        Message::Text(r#"{"type":"CloseStream"}"#.into())
    }

    /// The leg's audio so far, with what went before this connection and what filled its pauses.
    pub fn sent(&self) -> Duration {
        self.axis.sent()
    }

    /// All audio up to here is answered.
    pub fn until(&self) -> Duration {
        self.until
    }

    /// Final texts that were thrown away, since their audio was answered before.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads what the vendor says.
    ///
    /// # Errors
    /// When it cannot be read: the stream lives on. When it tells of an error: the vendor closes the connection.
    pub fn receive(&mut self, message: &Message) -> Result<Vec<Heard>, Failure> {
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        match serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))? {
            Told::TurnInfo(turn) if turn.event == "EndOfTurn" => Ok(self.settle(turn)),
            Told::TurnInfo(turn) if turn.transcript.is_empty() => Ok(self.idle(&turn)),
            Told::TurnInfo(turn) => Ok(self.guess(turn).into_iter().collect()),
            Told::Warning { code, description } => {
                Ok(vec![Heard::Warning(shown(&format!("{code}: {description}")))])
            }
            Told::Error { code, description } => {
                let refused = code == "UNPARSABLE_CLIENT_MESSAGE";
                let kind = if refused { FailureKind::Refused } else { FailureKind::Down };
                Err(Failure::new(kind, format!("Deepgram: {code}: {description}")))
            }
            Told::Other => Ok(Vec::new()),
        }
    }

    /// What it means that the vendor closes the connection unasked.
    pub fn closed(code: u16, reason: &str) -> Failure {
        deepgram::closed(code, reason)
    }

    /// What it means that the upgrade is refused; `retry_after` is that header.
    pub fn refused(status: u16, retry_after: Option<&str>) -> Failure {
        Failure::of_status(status, retry_after)
    }

    fn silence(&mut self) -> Message {
        self.axis.pad(SILENCE);
        Message::Binary(vec![0; SILENCE * 2])
    }

    fn guess(&self, turn: Turn) -> Option<Heard> {
        let until = self.axis.leg(turn.audio_window_end);
        let stale = until <= self.until || turn.index < self.turn;
        let language = deepgram::language(turn.languages, &self.options.languages);
        (!stale).then_some(Heard::Interim { text: turn.transcript, language, until })
    }

    /// Nobody speaks.
    fn idle(&mut self, turn: &Turn) -> Vec<Heard> {
        let end = self.axis.leg(turn.audio_window_end);
        if self.finishing.is_some_and(|sent| end + SEAM >= sent) {
            let mut said = self.silent_until(end);
            self.finishing = None;
            said.push(Heard::Finished);
            return said;
        }
        let sure = end.saturating_sub(MAY_BE_A_WORD);
        if sure >= self.until + MAY_BE_A_WORD { self.silent_until(sure) } else { Vec::new() }
    }

    fn silent_until(&mut self, until: Duration) -> Vec<Heard> {
        if until <= self.until {
            return Vec::new();
        }
        self.until = until;
        vec![Heard::Segment { text: String::new(), words: Vec::new(), language: None, until }]
    }

    fn settle(&mut self, turn: Turn) -> Vec<Heard> {
        let (start, end) = (self.axis.leg(turn.audio_window_start), self.axis.leg(turn.audio_window_end));
        let mut said = Vec::new();
        if end > self.until && turn.index >= self.turn {
            self.turn = turn.index.saturating_add(1);
            said.extend([self.segment(turn, start, end), Heard::TurnEnded]);
        } else {
            self.dropped += u64::from(!turn.transcript.is_empty());
        }
        // A turn that comes twice ended before the audio that is to be finished.
        let of_request = !said.is_empty();
        if self.finishing.is_some_and(|sent| of_request || end + SEAM >= sent) {
            self.finishing = None;
            said.push(Heard::Finished);
        }
        said
    }

    fn segment(&mut self, turn: Turn, start: Duration, end: Duration) -> Heard {
        let mut text = turn.transcript;
        let timed = turn.words.into_iter().map(|word| word.on(&self.axis));
        let mut words: Vec<Word> = timed.collect::<Option<_>>().unwrap_or_default();
        // A window may begin in silence that was answered; only words can be said twice.
        if start + SEAM < self.until {
            let told = words.len();
            words.retain(|word| (word.start + word.end) / 2 >= self.until);
            if words.len() < told {
                self.dropped += u64::from(!text.is_empty());
                text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            }
        }
        self.until = end;
        let language = deepgram::language(turn.languages, &self.options.languages);
        Heard::Segment { text, words, language, until: end }
    }
}

impl ToldWord {
    fn on(self, axis: &Axis) -> Option<Word> {
        Some(Word { text: self.word, start: axis.leg(self.start?), end: axis.leg(self.end?) })
    }
}
