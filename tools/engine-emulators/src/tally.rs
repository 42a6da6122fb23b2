//! What an emulator saw, for tests to count.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Counts of one emulator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Streaming connections that were opened, ever.
    pub connections: u64,
    /// Those that are open now.
    pub open: u64,
    /// Requests, and attempts to open a streaming connection.
    pub requests: u64,
    /// Those that were refused, scripted refusals included.
    pub refused: u64,
    /// Streaming connections that broke as scripted.
    pub broken: u64,
    /// Final texts that came before an earlier one as scripted.
    pub swapped: u64,
    /// HTTP connections that brought a request, ever.
    pub http_connections: u64,
    /// Those that are open now.
    pub http_open: u64,
    /// HTTP connections that were opened though another one was idle.
    pub needless_connections: u64,
    /// Messages that keep a silent connection alive.
    pub keep_alives: u64,
    /// Milliseconds of audio that arrived.
    pub audio_ms: u64,
    /// Texts that `DeepL` was given to translate.
    pub translations: u64,
    /// Texts that Aura was given to speak.
    pub texts: u64,
    /// How many of them in which voice.
    pub texts_in_voice: BTreeMap<String, u64>,
    /// How often the voices of a studio were asked for.
    pub studios: u64,
    /// Voices that were cloned.
    pub cloned: u64,
    /// Texts that were spoken in a voice that the studio does not have.
    pub spoken_in_cloned: u64,
    /// What a client did that the vendor does not allow, in the words it was told.
    pub violations: Vec<String>,
}

/// The counts of one emulator, shared with its connections.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counts>);

impl Tally {
    /// The counts now.
    pub fn read(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes them.
    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A client did what the vendor does not allow.
    pub fn violation(&self, what: impl Into<String>) {
        let what = what.into();
        log::warn!("refused: {what}");
        self.count(|counts| counts.violations.push(what));
    }
}
