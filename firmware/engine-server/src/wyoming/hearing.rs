//! An utterance on its way through the recogniser to the client.

use anyhow::Result;
use engines::wyoming::{Transcript, TranscriptChunk, TranscriptStart, TranscriptStop};

use super::connection::Sender;
use crate::asr::queue::{Outcome, Pass, Queue};
use crate::asr::utterance::{Action, Utterance};
use crate::asr::whisper::Language;

/// See the module.
pub(super) struct Hearing {
    utterance: Utterance,
    pass: Option<Pass>,
    /// Half a sample of a chunk that ended oddly.
    odd: Option<u8>,
    has_started: bool,
    failure: Option<String>,
}

impl Hearing {
    pub(super) fn new(language: Language) -> Self {
        Self { utterance: Utterance::new(language), pass: None, odd: None, has_started: false, failure: None }
    }

    /// Takes a chunk's bytes, little-endian samples.
    pub(super) fn take(&mut self, audio: &[u8]) {
        let bytes: Vec<u8> = self.odd.take().into_iter().chain(audio.iter().copied()).collect();
        let (pairs, odd) = bytes.as_chunks::<2>();
        self.odd = odd.first().copied();
        let samples: Vec<i16> = pairs.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
        self.utterance.push(&samples);
    }

    pub(super) fn stop(&mut self) {
        self.utterance.stop();
    }

    /// Whether the client's next events must wait for a pass.
    pub(super) fn holds_back(&self) -> bool {
        self.pass.is_some() && (self.utterance.is_stopped() || self.utterance.is_behind())
    }

    /// Waits until the pass under way has ended. May be dropped and called again.
    pub(super) async fn wait(&mut self) {
        let Some(pass) = &mut self.pass else { return std::future::pending().await };
        let outcome = pass.outcome().await;
        self.pass = None;
        match outcome {
            Outcome::Heard(heard) => self.utterance.heard(Some(heard)),
            Outcome::Aborted => self.utterance.heard(None),
            Outcome::Failed(reason) => {
                log::warn!("recognition failed: {reason}");
                self.failure = Some(reason);
            }
        }
    }

    /// Does what the utterance wants. True when it is over.
    pub(super) async fn proceed(&mut self, recogniser: &Queue, sender: &mut Sender) -> Result<bool> {
        if let Some(reason) = self.failure.take() {
            sender.send_error("recognition", reason).await?;
            return Ok(true);
        }
        while let Some(action) = self.utterance.next_action() {
            match action {
                Action::Ask(request, urgency) => {
                    self.pass = recogniser.ask(request, urgency);
                    if self.pass.is_none() {
                        self.utterance.refused();
                    }
                }
                Action::SetUrgency(urgency) => {
                    if let Some(pass) = &self.pass {
                        pass.set_urgency(urgency);
                    }
                }
                Action::Abandon => self.pass = None,
                Action::Say(text) => self.say(text, sender).await?,
                Action::Finish => {
                    self.finish(sender).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn say(&mut self, text: String, sender: &mut Sender) -> Result<()> {
        self.start(sender).await?;
        sender.send(TranscriptChunk { text }).await
    }

    async fn start(&mut self, sender: &mut Sender) -> Result<()> {
        if self.has_started {
            return Ok(());
        }
        self.has_started = true;
        sender.send(TranscriptStart { context: None, language: self.language() }).await
    }

    async fn finish(&mut self, sender: &mut Sender) -> Result<()> {
        self.start(sender).await?;
        let text = self.utterance.text().to_owned();
        sender.send(Transcript { text, language: self.language(), context: None }).await?;
        sender.send(TranscriptStop::default()).await
    }

    fn language(&self) -> Option<String> {
        self.utterance.language().map(str::to_owned)
    }
}
