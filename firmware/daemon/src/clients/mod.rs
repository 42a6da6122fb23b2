//! Engine clients: tokio shells over the wire formats of crate `engines`. Every wait has a deadline, every size a cap.

mod advice;
mod asr;
mod chain;
mod connection;
mod http;
mod mt;
mod resample;
mod stage;
mod tls;
mod tts;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use audio_path::SegmentId;
use engines::{Failure, FailureKind};
use futures_util::future::join_all;
use rustls::ClientConfig;
use serde_json::Value;
use session::{Language, UtteranceId};
use tokio::time::{sleep, timeout};

use crate::config::{Asr, Engines, Mt, Tts};
use crate::hub::now;
use stage::{Due, Stage};

pub use advice::Site;
pub use asr::{AsrInput, Recogniser};
pub use mt::{Cache, CacheCounts, TranslateJob, Translator};
pub use stage::EngineReport;
pub use tts::{SpeakJob, Speaker};

/// How often it is seen whether an engine is due for a probe.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How long a probe may take; longer than a connection may, so that both are told apart.
const PROBE_DEADLINE: Duration = Duration::from_millis(1_900);
/// How long nothing may be heard of an engine next door …
const NEAR_EVERY: Duration = Duration::from_secs(1);
/// … and of one far away.
const FAR_EVERY: Duration = Duration::from_secs(60);

/// What all connections share.
#[derive(Clone)]
pub struct Transport {
    http: reqwest::Client,
    tls: Arc<ClientConfig>,
    studios: Arc<tts::xtts::Studios>,
    glossaries: Arc<mt::Glossaries>,
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
        mt::Glossaries::announce(engines);
        Ok(Self {
            transport: Transport {
                http: http::client(&tls)?,
                tls,
                studios: Arc::default(),
                glossaries: Arc::default(),
            },
            asr: Stage::new("asr", &engines.asr, |asr| look_every(asr.is_near())),
            mt: Stage::new("mt", &engines.mt, |mt| look_every(mt.is_near())),
            tts: Stage::new("tts", &engines.tts, |tts| look_every(tts.is_near())),
            translations: Arc::default(),
        })
    }

    /// Tries every engine now, those that failed from time to time, and those of which nothing was heard for long, for
    /// ever. Calls are answered all the same.
    pub async fn watch(&self) {
        let mut all = true;
        loop {
            tokio::join!(
                probe_due(&self.asr, all, |asr| asr::probe(&self.transport, asr)),
                probe_due(&self.mt, all, |mt| mt::probe(&self.transport, mt)),
                probe_due(&self.tts, all, |tts| tts::probe(&self.transport, tts)),
            );
            all = false;
            self.translations.forget_old(now());
            sleep(PROBE_EVERY).await;
        }
    }

    /// How it is with the glossary, for the status.
    pub fn glossary_report(&self) -> Value {
        self.transport.glossaries.report()
    }

    /// How each engine does, stage by stage, best first.
    pub fn report(&self) -> Vec<EngineReport> {
        self.asr.report().chain(self.mt.report()).chain(self.tts.report()).collect()
    }
}

/// Tries the engines of a stage that are to be tried, at the same time: one that does not answer hides no other.
async fn probe_due<'a, P, F>(stage: &'a Stage<P>, all: bool, probe: impl Fn(&'a P) -> F)
where
    F: Future<Output = Result<(), Failure>>,
{
    let probes = stage.due(all).into_iter().map(|due: Due| {
        let asked = timeout(PROBE_DEADLINE, probe(stage.provider(due.index)));
        async move {
            let late = |_| Failure::new(FailureKind::Slow, "no answer in time");
            stage.probed(due, &asked.await.map_err(late).flatten());
        }
    });
    join_all(probes).await;
}

/// An engine next door costs nothing to look after; one far away would count each request.
const fn look_every(is_near: bool) -> Duration {
    if is_near { NEAR_EVERY } else { FAR_EVERY }
}
