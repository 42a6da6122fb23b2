//! Deepgram's `/v1/listen`: Nova models, finals by endpointing or on request.

use std::time::Duration;

use serde::Deserialize;

use super::axis::Axis;
use super::{Heard, Word};
use crate::deepgram::{self, MESSAGE_AT_MOST, unreadable};
use crate::websocket::{Handshake, Message};
use crate::{Failure, FailureKind};

/// The vendor hangs up after 10 seconds without a message.
pub const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(4);
/// Finals meet within this, or they overlap: the vendor rounds.
const SEAM: Duration = Duration::from_millis(10);
/// Older models refuse a connection with a `keyterm`.
const KEYTERM_MODELS: &str = "nova-3";
/// The first message must be audio, or the vendor hangs up for all the messages that keep it alive: one frame.
const FIRST_SILENCE: usize = 320;

/// What is heard, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `nova-3`, …
    pub model: String,
    /// ISO 639-1 or BCP 47. One, or several that are told apart word by word.
    pub languages: Vec<String>,
    /// Words to be expected, no more than [`keyterms`](super::keyterms) admits; Nova 3 only.
    pub keyterms: Vec<String>,
    /// Whether the vendor is told to keep nothing of the audio.
    pub mip_opt_out: bool,
}

impl Options {
    /// Nova 3, and nothing is kept.
    pub fn new(languages: Vec<String>) -> Self {
        Self { model: "nova-3".into(), languages, keyterms: Vec::new(), mip_opt_out: true }
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
    /// Something was heard since the last turn ended.
    heard: bool,
    dropped: u64,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Told {
    Results(Results),
    UtteranceEnd {},
    Error {
        #[serde(default)]
        variant: String,
        #[serde(default)]
        description: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Results {
    start: f64,
    duration: f64,
    #[serde(default)]
    is_final: bool,
    #[serde(default)]
    speech_final: bool,
    #[serde(default)]
    from_finalize: bool,
    channel: Channel,
}

#[derive(Deserialize)]
struct Channel {
    alternatives: Vec<Alternative>,
}

#[derive(Default, Deserialize)]
struct Alternative {
    transcript: String,
    #[serde(default)]
    words: Vec<ToldWord>,
    /// The most frequent first; only where several were asked for.
    #[serde(default)]
    languages: Vec<String>,
}

#[derive(Deserialize)]
struct ToldWord {
    word: String,
    punctuated_word: Option<String>,
    start: f64,
    end: f64,
}

impl Stream {
    /// A stream whose connection is still to be made; `before` is the audio of the leg that went before it.
    pub fn new(options: Options, before: Duration) -> Self {
        Self { options, axis: Axis::new(before), until: before, finishing: None, heard: false, dropped: 0 }
    }

    /// What is asked at the upgrade; `base` is `wss://api.deepgram.com` or one of its regions.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let language = match self.options.languages.as_slice() {
            [one] => one,
            _ => "multi",
        };
        let mut query = vec![
            ("model", self.options.model.as_str()),
            ("language", language),
            ("encoding", "linear16"),
            ("sample_rate", "16000"),
            ("channels", "1"),
            ("interim_results", "true"),
            ("endpointing", "300"),
            ("utterance_end_ms", "1000"),
            ("vad_events", "true"),
            ("smart_format", "true"),
            ("mip_opt_out", if self.options.mip_opt_out { "true" } else { "false" }),
        ];
        if self.options.model.starts_with(KEYTERM_MODELS) {
            query.extend(self.options.keyterms.iter().map(|term| ("keyterm", term.as_str())));
        }
        deepgram::handshake(base, "/v1/listen", key, &query)
    }

    /// The leg's next 16 kHz samples.
    pub fn audio(&mut self, samples: &[i16]) -> Message {
        if samples.is_empty() {
            // An empty message would end the stream.
            return text("KeepAlive");
        }
        self.axis.send(samples.len());
        Message::Binary(samples.iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    /// To be sent where nothing else was for [`KEEP_ALIVE_EVERY`].
    pub fn keep_alive(&mut self) -> Option<Message> {
        if self.axis.is_unused() {
            self.axis.pad(FIRST_SILENCE);
            return Some(Message::Binary(vec![0; FIRST_SILENCE * 2]));
        }
        Some(text("KeepAlive"))
    }

    /// Asks for the text of all audio so far, at the end of an utterance. [`Heard::Finished`] answers it; with none to
    /// send, everything is answered already.
    pub fn finish(&mut self) -> Option<Message> {
        let sent = self.axis.sent();
        if self.until + SEAM >= sent {
            return None;
        }
        self.finishing = Some(sent);
        Some(text("Finalize"))
    }

    /// The last message: the vendor answers what is still open and hangs up.
    pub fn close(&self) -> Message {
        text("CloseStream")
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
    /// When it cannot be read, or tells of an error; the stream lives on unless the vendor closes it.
    pub fn receive(&mut self, message: &Message) -> Result<Vec<Heard>, Failure> {
        let Message::Text(json) = message else { return Err(unreadable("is not JSON")) };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        match serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))? {
            Told::Results(results) if results.is_final || results.from_finalize => Ok(self.settle(results)),
            Told::Results(results) => Ok(self.guess(results).into_iter().collect()),
            Told::UtteranceEnd {} => Ok(self.end_turn().into_iter().collect()),
            Told::Error { variant, description } => {
                Err(Failure::new(FailureKind::Refused, format!("Deepgram: {variant} {description}")))
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

    fn guess(&mut self, results: Results) -> Option<Heard> {
        let until = self.axis.leg(results.start + results.duration);
        let Alternative { transcript: text, languages, .. } =
            results.channel.alternatives.into_iter().next()?;
        if until <= self.until || text.is_empty() {
            return None;
        }
        self.heard = true;
        Some(Heard::Interim { text, language: deepgram::language(languages, &self.options.languages), until })
    }

    fn settle(&mut self, results: Results) -> Vec<Heard> {
        let (start, end) = (self.axis.leg(results.start), self.axis.leg(results.start + results.duration));
        let answered = self.until;
        let alternative = results.channel.alternatives.into_iter().next().unwrap_or_default();
        let mut said = Vec::new();
        if end > answered {
            said.push(self.segment(alternative, start, end));
            if results.speech_final {
                said.extend(self.end_turn());
            }
        } else if !alternative.transcript.is_empty() {
            self.dropped += 1;
        }
        // A final of an earlier request that comes twice begins before what is answered.
        let of_request = results.from_finalize && start + SEAM >= answered;
        if self.finishing.is_some_and(|sent| of_request || end + SEAM >= sent) {
            self.finishing = None;
            said.push(Heard::Finished);
        }
        said
    }

    fn segment(&mut self, alternative: Alternative, start: Duration, end: Duration) -> Heard {
        let Alternative { transcript: mut text, words, languages } = alternative;
        let mut words: Vec<Word> = words.into_iter().map(|word| word.on(&self.axis)).collect();
        if start + SEAM < self.until {
            let told = words.len();
            words.retain(|word| (word.start + word.end) / 2 >= self.until);
            if words.len() < told || told == 0 {
                self.dropped += u64::from(!text.is_empty());
                text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
            }
        }
        self.until = end;
        self.heard |= !text.is_empty();
        let language = deepgram::language(languages, &self.options.languages);
        Heard::Segment { text, words, language, until: end }
    }

    fn end_turn(&mut self) -> Option<Heard> {
        std::mem::take(&mut self.heard).then_some(Heard::TurnEnded)
    }
}

impl ToldWord {
    fn on(self, axis: &Axis) -> Word {
        let text = self.punctuated_word.unwrap_or(self.word);
        Word { text, start: axis.leg(self.start), end: axis.leg(self.end) }
    }
}

fn text(kind: &str) -> Message {
    Message::Text(format!(r#"{{"type":"{kind}"}}"#))
}
