//! Text on its way through the synthesiser to the client, sentence by sentence.

use anyhow::Result;
use engines::wyoming::{self, AudioChunk, AudioFormat, AudioStart, AudioStop};

use super::connection::Sender;
use crate::mt::sentences;
use crate::tts::pico::{Pico, Voice};

/// Bytes a chunk: a tenth of a second.
const CHUNK: usize = 3200;
/// Text that waits for its sentence to end, in bytes; more is spoken as it is.
const LONGEST: usize = 4000;

/// See the module.
pub(super) struct Speaking {
    voice: Voice,
    text: String,
    has_started: bool,
}

impl Speaking {
    /// None when there is no such voice.
    pub(super) fn new(synthesiser: &Pico, asked: Option<&wyoming::Voice>) -> Option<Self> {
        let name = asked.and_then(|voice| voice.name.as_deref());
        let language = asked.and_then(|voice| voice.language.as_deref());
        let voice = synthesiser.voice(name, language)?.clone();
        Some(Self { voice, text: String::new(), has_started: false })
    }

    pub(super) fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Speaks the sentences that have ended.
    pub(super) async fn proceed(&mut self, synthesiser: &Pico, sender: &mut Sender) -> Result<()> {
        // The last may go on.
        let ended: usize = match sentences::split(&self.text).last() {
            Some(last) if self.text.len() < LONGEST => self.text.rfind(last).unwrap_or(0),
            _ => self.text.len(),
        };
        let rest = self.text.split_off(ended);
        let text = std::mem::replace(&mut self.text, rest);
        self.speak(&text, synthesiser, sender).await
    }

    /// Speaks all that is left and ends the audio.
    pub(super) async fn finish(mut self, synthesiser: &Pico, sender: &mut Sender) -> Result<()> {
        let text = std::mem::take(&mut self.text);
        self.speak(&text, synthesiser, sender).await?;
        self.start(sender).await?;
        sender.send(AudioStop::default()).await
    }

    async fn speak(&mut self, text: &str, synthesiser: &Pico, sender: &mut Sender) -> Result<()> {
        for sentence in sentences::split(text) {
            let samples = match synthesiser.speak(sentence, &self.voice).await {
                Ok(samples) => samples,
                Err(error) => {
                    log::warn!("{error:#}");
                    sender.send_error("synthesis", format!("{error:#}")).await?;
                    continue;
                }
            };
            self.start(sender).await?;
            let bytes: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
            for audio in bytes.chunks(CHUNK) {
                let audio = audio.to_vec();
                sender.send(AudioChunk { format: AudioFormat::SLIN16, timestamp: None, audio }).await?;
            }
        }
        Ok(())
    }

    async fn start(&mut self, sender: &mut Sender) -> Result<()> {
        if self.has_started {
            return Ok(());
        }
        self.has_started = true;
        sender.send(AudioStart { format: AudioFormat::SLIN16, timestamp: None }).await
    }
}
