//! What the emulators of speech-to-speech services share: an utterance heard, translated and spoken.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::language::guess;
use crate::script::message_of;
use crate::{Fault, Voices, World};

/// How long a client may take to close.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);
/// Louder than this is speech; 16 bit.
const QUIET: u16 = 500;
/// The rate at which speech is heard.
pub(crate) const HEARING_RATE: u32 = 16_000;

/// Interprets for all sessions of one emulator.
pub(crate) struct Interpreter {
    pub(crate) world: Arc<World>,
    /// The utterance that was heard last. A client that needs several languages has a session for each.
    scripted: Mutex<Scripted>,
}

#[derive(Default)]
struct Scripted {
    speech: u64,
    text: String,
    targets: Vec<String>,
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) language: String,
}

impl Interpreter {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, scripted: Mutex::default() }
    }

    /// What is said in 16 kHz samples, for a session into `target`; probably in `source`.
    pub(crate) async fn hear(&self, samples: &[i16], source: Option<&str>, target: &str) -> Said {
        if !samples.iter().any(|sample| is_loud(*sample)) {
            return Said::default();
        }
        if matches!(self.world.voices, Voices::Scripted { .. }) {
            let text = self.next_scripted(samples, target).await;
            return Said { language: guess(&text).to_owned(), text };
        }
        let among: Vec<&str> = source.into_iter().chain([target]).collect();
        let heard = self.world.voices.hear_among(samples, &among).await.unwrap_or_else(|error| {
            log::error!("nothing is heard: {error:#}");
            Default::default()
        });
        let language = heard.1.or(source.map(str::to_owned)).unwrap_or_else(|| guess(&heard.0).to_owned());
        Said { text: heard.0, language }
    }

    /// The same speech is the same text for a session into another language; else the next text is its.
    async fn next_scripted(&self, samples: &[i16], target: &str) -> String {
        let mut hasher = DefaultHasher::new();
        samples.iter().filter(|sample| is_loud(**sample)).for_each(|sample| hasher.write_i16(*sample));
        let mut last = self.scripted.lock().await;
        if last.speech != hasher.finish() || last.targets.iter().any(|other| other == target) {
            let text = self.world.voices.hear(samples, None).await.unwrap_or_default();
            *last = Scripted { speech: hasher.finish(), text, targets: Vec::new() };
        }
        last.targets.push(target.to_owned());
        last.text.clone()
    }

    /// The translation; what is in that language already is only repeated.
    pub(crate) async fn translate(&self, said: &Said, target: &str) -> String {
        if said.language == target || said.text.is_empty() {
            return said.text.clone();
        }
        let translated = self.world.voices.translate(&said.text, &said.language, target).await;
        translated.unwrap_or_else(|error| {
            log::error!("nothing is translated: {error:#}");
            String::new()
        })
    }

    /// Its speech, little-endian.
    pub(crate) async fn speak(&self, text: &str, target: &str, rate: u32) -> Vec<u8> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        match self.world.voices.speak(text, target).await {
            Ok(speech) => speech.at(rate).to_bytes(),
            Err(error) => {
                log::error!("nothing is spoken: {error:#}");
                Vec::new()
            }
        }
    }
}

fn is_loud(sample: i16) -> bool {
    sample.unsigned_abs() > QUIET
}

/// Little-endian samples.
pub(crate) fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// How long these bytes of 16 bit mono last.
pub(crate) fn lasts(bytes: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(bytes as f64 / 2.0 / f64::from(rate))
}

/// `text` in two pieces, the second with the blank between them.
pub(crate) fn halves(text: &str) -> Vec<&str> {
    let middle =
        text.char_indices().filter(|(at, c)| *c == ' ' && *at >= text.len() / 2).map(|(at, _)| at).next();
    let (first, second) = text.split_at(middle.unwrap_or(text.len()));
    [first, second].into_iter().filter(|half| !half.is_empty()).collect()
}

/// A WebSocket to a client, with the fault that it meets.
pub(crate) struct Line {
    pub(crate) socket: WebSocket,
    pub(crate) fault: Option<Fault>,
    answered: bool,
}

impl Line {
    /// Waits for the client to close it, too.
    pub(crate) async fn closed(mut self) {
        let gone = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        if timeout(CLOSES_WITHIN, gone).await.is_err() {
            log::debug!("the client does not close");
        }
    }

    pub(crate) fn new(socket: WebSocket, fault: Option<Fault>) -> Self {
        Self { socket, fault, answered: false }
    }

    /// Whether everything is taken and nothing answered.
    pub(crate) fn is_mute(&self) -> bool {
        self.fault == Some(Fault::Silence)
    }

    /// How much later an answer comes.
    pub(crate) fn late(&self) -> Duration {
        if let Some(Fault::Late(delay)) = &self.fault { *delay } else { Duration::ZERO }
    }

    /// The code and reason with which it is closed once so much audio has come.
    pub(crate) fn cut(&self, heard: Duration) -> Option<(u16, String)> {
        match &self.fault {
            Some(Fault::Close { code, reason, after }) if heard >= *after => Some((*code, reason.clone())),
            _ => None,
        }
    }

    /// Sends an answer about speech; before the first one, what is scripted to come before it.
    pub(crate) async fn answer(&mut self, value: &Value) -> Result<(), Error> {
        if !std::mem::replace(&mut self.answered, true) {
            match &self.fault {
                Some(Fault::Garbage(pieces)) => {
                    for piece in pieces {
                        self.socket.send(message_of(piece)).await?;
                    }
                }
                Some(Fault::Flood { most }) => {
                    self.socket.send(Message::text("a".repeat(*most as usize))).await?;
                }
                _ => {}
            }
        }
        self.tell(value).await
    }

    /// Sends what is no answer.
    pub(crate) async fn tell(&mut self, value: &Value) -> Result<(), Error> {
        if self.is_mute() {
            return Ok(());
        }
        self.socket.send(Message::text(value.to_string())).await
    }

    /// Says goodbye.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) -> Result<(), Error> {
        let reason: String = reason.chars().take(100).collect();
        self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_the_whole() {
        assert_eq!(halves("where is the station"), ["where is the", " station"]);
        assert_eq!(halves("hello"), ["hello"]);
        assert!(halves("").is_empty());
    }
}
