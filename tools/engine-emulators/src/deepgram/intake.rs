//! Audio as it arrives: refused where it is none, and heard piece by piece.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::admission::Wishes;
use super::ear::{Ear, Window};
use crate::{Voices, World};

pub(super) const IDLE: &str = "NET-0001: Deepgram did not receive audio data or a text message within the timeout window. \
                               See https://dpgr.am/net0001";
pub(super) const NO_AUDIO: &str = "DATA-0000: the payload cannot be decoded as audio";
const IDLE_AT_MOST: Duration = Duration::from_secs(10);
/// What one look at the audio takes in.
const PIECE_MS: u32 = 100;

/// The audio of one connection.
pub(super) struct Intake {
    pub(super) world: Arc<World>,
    pub(super) ear: Ear,
    /// When the vendor hangs up, unless something comes.
    pub(super) idle: Instant,
    /// Bytes of one look.
    pub(super) piece: usize,
    bytes_a_second: u64,
    received: u64,
    /// The scripted texts of all finals.
    finals: Vec<String>,
}

impl Intake {
    pub(super) fn new(world: Arc<World>, wishes: &Wishes) -> Self {
        let rate = wishes.number("sample_rate").unwrap_or(16_000.0) as u32;
        Self {
            world,
            ear: Ear::new(rate),
            idle: Instant::now() + IDLE_AT_MOST,
            piece: (rate * 2 * PIECE_MS / 1_000) as usize & !1,
            bytes_a_second: u64::from(rate) * 2,
            received: 0,
            finals: Vec::new(),
        }
    }

    /// Audio that came so far.
    pub(super) fn audio(&self) -> Duration {
        Duration::from_millis(self.received * 1_000 / self.bytes_a_second)
    }

    /// A message that keeps the connection open, which none does before the first audio.
    pub(super) fn keep_alive(&mut self) {
        self.world.tally.count(|counts| counts.keep_alives += 1);
        if self.received > 0 {
            self.idle = Instant::now() + IDLE_AT_MOST;
        }
    }

    /// Counts a binary message. False where it cannot be audio.
    pub(super) fn takes(&mut self, bytes: &[u8]) -> bool {
        let tally = &self.world.tally;
        if bytes.starts_with(b"{\"") {
            tally.violation("JSON in a binary message, which is taken for audio");
        }
        if !bytes.len().is_multiple_of(2) {
            tally.violation("half a sample");
            return false;
        }
        let before = self.audio();
        self.idle = Instant::now() + IDLE_AT_MOST;
        self.received += bytes.len() as u64;
        let came = self.audio().saturating_sub(before);
        self.world.tally.count(|counts| counts.audio_ms += came.as_millis() as u64);
        true
    }

    /// Hears a piece. True where speech begins in it.
    pub(super) fn hear(&mut self, piece: &[u8]) -> bool {
        let begins = self.ear.push(piece);
        if begins && !self.ear.is_scripted() && matches!(self.world.voices, Voices::Scripted { .. }) {
            self.ear.script(&self.world.voices.next_line().unwrap_or_default());
        }
        begins
    }

    /// Ends what was heard since the last final.
    pub(super) fn settle(&mut self, utterance_goes_on: bool) -> Window {
        let window = self.ear.take(utterance_goes_on);
        self.finals.push(window.words.as_ref().map(|words| words.join(" ")).unwrap_or_default());
        window
    }

    /// The client has gone, and so many finals had been sent: what it said besides is heard again on its next
    /// connection.
    pub(super) fn end(mut self, sent: usize) {
        let unsaid = self.ear.unsaid();
        let open = self.finals.drain(sent.min(self.finals.len())..).chain(unsaid).collect::<Vec<_>>();
        for text in open.iter().rev().filter(|text| !text.is_empty()) {
            self.world.voices.put_back(text);
        }
    }
}
