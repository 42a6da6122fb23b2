//! Engine clients: tokio shells over the wire formats of crate `engines`. Every wait has a deadline, every size a cap.

mod asr;
mod connection;
mod mt;
mod resample;
mod tts;

use std::fmt;

use audio_path::SegmentId;
use session::{Language, UtteranceId};

use crate::config::Engines;

pub use asr::{AsrInput, Recogniser};
pub use mt::{Translator, client as http_client};
pub use tts::{SpeakJob, Speaker};

/// Why an engine did not answer, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What engines answer to a leg.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Answer {
    /// More text that will not be taken back.
    Partial { utterance: UtteranceId, delta: String, language: Option<Language> },
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

/// Warns about each engine that cannot be reached; calls are answered all the same.
pub async fn probe(engines: &Engines) {
    let (asr, tts) = tokio::join!(connection::probe(&engines.asr), connection::probe(&engines.tts));
    let mt = mt::probe(&engines.mt).await;
    for (key, result) in [("asr", asr), ("tts", tts), ("mt", mt)] {
        if let Err(failure) = result {
            log::warn!("engines.{key} cannot be reached yet ({failure}): start it, or correct engines.{key}");
        }
    }
}
