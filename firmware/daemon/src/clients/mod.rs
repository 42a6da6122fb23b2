//! Engine clients: tokio shells over the wire formats of crate `engines`. Every wait has a deadline, every size a cap.

mod asr;
mod chain;
mod connection;
mod http;
mod mt;
mod resample;
mod tls;
mod tts;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use audio_path::SegmentId;
use engines::Failure;
use rustls::ClientConfig;
use serde_json::{Value, json};
use session::{Language, UtteranceId};
use tokio::time::sleep;

use crate::config::{Asr, Engines, Mt, Tts};
use crate::hub::now;
use chain::Stage;

pub use asr::{AsrInput, Recogniser};
pub use mt::{Cache, CacheCounts, TranslateJob, Translator};
pub use tts::{SpeakJob, Speaker};

/// How often it is seen whether an engine that failed is due for a probe.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What all connections share.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
    studios: Arc<tts::xtts::Studios>,
}

/// All engines that the configuration names, as all legs share them.
pub struct Outside {
    /// How they are reached.
    pub transport: Transport,
    /// Speech recognition.
    pub asr: Arc<Stage<Asr>>,
    /// Translation.
    pub mt: Arc<Stage<Mt>>,
    /// Speech synthesis.
    pub tts: Arc<Stage<Tts>>,
    /// What was translated lately.
    pub translations: Arc<Cache>,
}

/// What engines answer to a leg.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Answer {
    /// More text that will not be taken back.
    Partial { utterance: UtteranceId, delta: String, language: Option<Language> },
    /// What is taken to follow that, made of the utterance's audio up to `heard`.
    Interim { utterance: UtteranceId, text: String, heard: Duration, language: Option<Language> },
    /// The whole text.
    Final { utterance: UtteranceId, text: String, language: Option<Language> },
    /// No text, or no more.
    NotRecognised { utterance: UtteranceId, reason: String },
    /// The translation.
    Translated { segment: SegmentId, text: String },
    /// No translation.
    NotTranslated { segment: SegmentId, reason: String },
    /// More speech, 16 kHz mono.
    Speech { segment: SegmentId, samples: Vec<i16> },
    /// There is no more speech.
    SpeechComplete { segment: SegmentId },
    /// No speech, or no more though more was to come.
    NotSpoken { segment: SegmentId, reason: String },
}

impl Outside {
    /// Nothing is connected yet, and nothing held against anyone.
    ///
    /// # Errors
    /// Where the TLS or HTTP library cannot be set up.
    pub fn new(engines: &Engines) -> Result<Self, Failure> {
        let tls = tls::config()?;
        Ok(Self {
            transport: Transport { http: http::client(&tls)?, tls, studios: Arc::default() },
            asr: Stage::new("asr", &engines.asr),
            mt: Stage::new("mt", &engines.mt),
            tts: Stage::new("tts", &engines.tts),
            translations: Arc::default(),
        })
    }

    /// Tries every engine now, and those that failed from time to time, for ever. Calls are answered all the same.
    pub async fn watch(&self) {
        let mut all = true;
        loop {
            tokio::join!(self.probe_asr(all), self.probe_mt(all), self.probe_tts(all));
            all = false;
            self.translations.forget_old(now());
            sleep(PROBE_EVERY).await;
        }
    }

    async fn probe_asr(&self, all: bool) {
        for (index, permit) in self.asr.due(all) {
            self.asr.probed(index, permit, &asr::probe(&self.transport, self.asr.provider(index)).await);
        }
    }

    async fn probe_mt(&self, all: bool) {
        for (index, permit) in self.mt.due(all) {
            self.mt.probed(index, permit, &mt::probe(&self.transport, self.mt.provider(index)).await);
        }
    }

    async fn probe_tts(&self, all: bool) {
        for (index, permit) in self.tts.due(all) {
            self.tts.probed(index, permit, &tts::probe(&self.transport, self.tts.provider(index)).await);
        }
    }

    /// How each engine does, for the status.
    pub fn report(&self) -> Value {
        json!({ "asr": self.asr.report(), "mt": self.mt.report(), "tts": self.tts.report() })
    }
}
