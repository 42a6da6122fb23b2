//! Deepgram's `/v1/speak`: Aura voices. Text goes in clause by clause; a flush has spoken what waits for the end of a
//! sentence, and tells when that is all.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::Spoken;
use super::pcm::Pcm;
use crate::deepgram::{self, MESSAGE_AT_MOST, unreadable};
use crate::websocket::{Handshake, Message};
use crate::words::shown;
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 16_000;
/// How many flushes the vendor takes …
const FLUSHES: usize = 20;
/// … within this, by its own clock …
const WINDOW: Duration = Duration::from_secs(60);
/// … which a message's way may shorten.
const FLUSHES_WITHIN: Duration = Duration::from_secs(65);

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// A voice and with it a language: `aura-2-thalia-en`, …
    pub model: String,
    /// Whether the vendor is told to keep nothing of the text.
    pub mip_opt_out: bool,
}

impl Options {
    /// Nothing is kept.
    pub fn new(model: String) -> Self {
        Self { model, mip_opt_out: true }
    }
}

/// Keeps flushes within what the vendor takes.
#[derive(Debug, Default)]
pub struct FlushLimit(VecDeque<Duration>);

impl FlushLimit {
    /// Takes one at `now`.
    ///
    /// # Errors
    /// Where there is none left: how long to wait for the next.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if let Some(first) = self.first_of_all(now) {
            return Err((first + FLUSHES_WITHIN).saturating_sub(now));
        }
        self.0.push_back(now);
        Ok(())
    }

    /// When the first was taken of those that use the limit up at `now`, if they do.
    fn first_of_all(&mut self, now: Duration) -> Option<Duration> {
        while self.0.front().is_some_and(|&taken| taken + FLUSHES_WITHIN <= now) {
            self.0.pop_front();
        }
        self.0.front().copied().filter(|_| self.0.len() >= FLUSHES)
    }
}

/// One connection.
#[derive(Debug)]
pub struct Stream {
    options: Options,
    limit: FlushLimit,
    pcm: Pcm,
    /// Flushes that are not answered.
    flushes: u32,
    /// Clears that are not answered: what comes until then was thrown away.
    clears: u32,
    dropped: u64,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Told {
    Flushed {},
    Cleared {},
    Warning(Fault),
    Error(Fault),
    #[serde(other)]
    Other,
}

/// The specification names these fields in one way, the service was seen to do it in the other.
#[derive(Deserialize)]
struct Fault {
    #[serde(alias = "err_code")]
    code: Option<String>,
    #[serde(alias = "err_msg")]
    description: Option<String>,
    warn_code: Option<String>,
    warn_msg: Option<String>,
}

impl Fault {
    fn code(&self) -> &str {
        self.code.as_deref().or(self.warn_code.as_deref()).unwrap_or_default()
    }

    fn detail(&self) -> String {
        let description = self.description.as_deref().or(self.warn_msg.as_deref());
        format!("Deepgram: {} {}", self.code(), description.unwrap_or_default())
    }
}

impl Stream {
    /// A stream whose connection is still to be made.
    pub fn new(options: Options) -> Self {
        Self { options, limit: FlushLimit::default(), pcm: Pcm::default(), flushes: 0, clears: 0, dropped: 0 }
    }

    /// What is asked at the upgrade; `base` is `wss://api.deepgram.com` or one of its regions.
    pub fn handshake(&self, base: &str, key: &str) -> Handshake {
        let query = [
            ("model", self.options.model.as_str()),
            ("encoding", "linear16"),
            ("sample_rate", "16000"),
            ("mip_opt_out", if self.options.mip_opt_out { "true" } else { "false" }),
        ];
        deepgram::handshake(base, "/v1/speak", key, &query)
    }

    /// Says a clause, as soon as the vendor has enough text.
    pub fn speak(&mut self, clause: &str) -> Message {
        // Clauses are joined as they come.
        Message::Text(json!({"type": "Speak", "text": format!("{} ", clause.trim())}).to_string())
    }

    /// Says now what was given so far: [`Spoken::Flushed`] follows when it is spoken.
    ///
    /// # Errors
    /// When it would be one too many: how long to wait before it may be asked again.
    pub fn flush(&mut self, now: Duration) -> Result<Message, Duration> {
        self.limit.take(now)?;
        self.flushes += 1;
        Ok(Message::Text(r#"{"type":"Flush"}"#.into()))
    }

    /// Whether [`flush`](Self::flush) would find one left at `now` on this connection.
    pub fn may_flush(&mut self, now: Duration) -> bool {
        self.limit.first_of_all(now).is_none()
    }

    /// Throws away what was given and is not spoken: [`Spoken::Cleared`] follows, and no audio before it.
    pub fn clear(&mut self) -> Message {
        self.clears += 1;
        self.flushes = 0;
        Message::Text(r#"{"type":"Clear"}"#.into())
    }

    /// The last message: the vendor hangs up.
    pub fn close(&self) -> Message {
        Message::Text(r#"{"type":"Close"}"#.into())
    }

    /// Messages that came after a clear or without a flush, and were passed over.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads what the vendor says.
    ///
    /// # Errors
    /// When it cannot be read, or refuses; the stream lives on unless the vendor closes it.
    pub fn receive(&mut self, message: &Message) -> Result<Vec<Spoken>, Failure> {
        let json = match message {
            Message::Binary(bytes) => return self.audio(bytes),
            Message::Text(json) => json,
        };
        if json.len() > MESSAGE_AT_MOST {
            return Err(unreadable("is too long"));
        }
        match serde_json::from_str(json).map_err(|_| unreadable("cannot be read"))? {
            Told::Flushed {} => Ok(self.flushed()),
            Told::Cleared {} => Ok(self.cleared()),
            Told::Warning(fault) => self.warned(&fault),
            Told::Error(fault) => Err(Failure::new(FailureKind::Refused, fault.detail())),
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

    fn audio(&mut self, bytes: &[u8]) -> Result<Vec<Spoken>, Failure> {
        if self.clears > 0 {
            self.dropped += 1;
            return Ok(Vec::new());
        }
        let samples = self.pcm.push(bytes)?;
        Ok(if samples.is_empty() { Vec::new() } else { vec![Spoken::Audio(samples)] })
    }

    fn flushed(&mut self) -> Vec<Spoken> {
        self.pcm = Pcm::default();
        if self.clears > 0 || self.flushes == 0 {
            self.dropped += 1;
            return Vec::new();
        }
        self.flushes -= 1;
        vec![Spoken::Flushed]
    }

    fn cleared(&mut self) -> Vec<Spoken> {
        self.pcm = Pcm::default();
        if self.clears == 0 {
            self.dropped += 1;
            return Vec::new();
        }
        self.clears -= 1;
        vec![Spoken::Cleared]
    }

    fn warned(&mut self, fault: &Fault) -> Result<Vec<Spoken>, Failure> {
        if fault.code() == "EXCESSIVE_FLUSH" {
            // That flush is never answered, and none will be "until the 60-second time window has passed".
            self.flushes = self.flushes.saturating_sub(1);
            let limited = Failure::new(FailureKind::RateLimited, fault.detail());
            return Err(Failure { retry_after: Some(WINDOW), ..limited });
        }
        Ok(vec![Spoken::Warning(shown(&fault.detail()))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_stay_within_the_limit() {
        let mut limit = FlushLimit::default();
        let second = Duration::from_secs;
        for n in 0..20 {
            assert_eq!(limit.take(second(n)), Ok(()));
        }
        assert_eq!(limit.take(second(20)), Err(second(45)));
        assert_eq!(limit.first_of_all(second(20)), Some(second(0)));
        assert_eq!(limit.take(second(65)), Ok(()));
        assert_eq!(limit.take(second(65)), Err(second(1)));
    }
}
