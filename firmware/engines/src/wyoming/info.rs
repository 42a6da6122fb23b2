//! What a server offers, as answered to `describe`.

use serde::{Deserialize, Serialize};

/// `info`. Parts of other kinds (wake words, intents, satellites) are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// Speech recognition.
    pub asr: Vec<AsrProgram>,
    /// Speech synthesis.
    pub tts: Vec<TtsProgram>,
}

/// Whom to thank for a program, model or voice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attribution {
    /// Who made it.
    pub name: String,
    /// Where it is from.
    pub url: String,
}

/// A speech recognition program.
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AsrProgram {
    /// Identifier.
    pub name: String,
    /// Whom to thank.
    pub attribution: Attribution,
    /// Whether it can be used now.
    pub installed: bool,
    /// For people.
    pub description: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Its models.
    pub models: Vec<AsrModel>,
    /// Whether `transcript-start`, `-chunk` and `-stop` are sent.
    #[serde(default)]
    pub supports_transcript_streaming: bool,
    /// Whether the client must say when speech ends.
    #[serde(default = "yes")]
    pub requires_external_vad: bool,
    /// Whether it hears better with automatic gain.
    #[serde(default = "yes")]
    pub prefers_auto_gain_enabled: bool,
    /// Whether it hears better with noise reduction.
    #[serde(default = "yes")]
    pub prefers_noise_reduction_enabled: bool,
}

/// A speech recognition model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AsrModel {
    /// Identifier.
    pub name: String,
    /// Whom to thank.
    pub attribution: Attribution,
    /// Whether it can be used now.
    pub installed: bool,
    /// For people.
    pub description: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Languages it hears.
    pub languages: Vec<String>,
}

/// A speech synthesis program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TtsProgram {
    /// Identifier.
    pub name: String,
    /// Whom to thank.
    pub attribution: Attribution,
    /// Whether it can be used now.
    pub installed: bool,
    /// For people.
    pub description: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Its voices.
    pub voices: Vec<TtsVoice>,
    /// Whether `synthesize-start`, `-chunk` and `-stop` are understood.
    #[serde(default)]
    pub supports_synthesize_streaming: bool,
}

/// A voice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TtsVoice {
    /// Identifier.
    pub name: String,
    /// Whom to thank.
    pub attribution: Attribution,
    /// Whether it can be used now.
    pub installed: bool,
    /// For people.
    pub description: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Languages it speaks.
    pub languages: Vec<String>,
    /// Speakers of a voice that has several.
    #[serde(default)]
    pub speakers: Option<Vec<TtsVoiceSpeaker>>,
}

/// A speaker of a voice that has several.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TtsVoiceSpeaker {
    /// Identifier.
    pub name: String,
}

/// The package's default for preferences that a server does not state.
fn yes() -> bool {
    true
}
