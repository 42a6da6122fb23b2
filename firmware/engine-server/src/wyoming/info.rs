//! What the server offers, from what is loaded.

use engines::wyoming::{AsrModel, AsrProgram, Attribution, Info, TtsProgram, TtsVoice};

use crate::load::Engines;

fn thanks(name: &str, url: &str) -> Attribution {
    Attribution { name: name.into(), url: url.into() }
}

/// The answer to `describe`.
pub(super) fn of(engines: &Engines) -> Info {
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let whisper = thanks("OpenAI", "https://github.com/openai/whisper");
    let pico = thanks("SVOX AG", "https://android.googlesource.com/platform/external/svox/");
    let model = AsrModel {
        name: engines.recogniser_name.clone(),
        attribution: whisper.clone(),
        installed: true,
        description: Some("Whisper on the device".into()),
        version: version.clone(),
        languages: engines.recogniser.languages().iter().map(|&language| language.to_owned()).collect(),
    };
    let voices = engines.synthesiser.voices().iter().map(|voice| TtsVoice {
        name: voice.name.clone(),
        attribution: pico.clone(),
        installed: true,
        description: Some(format!("Pico {}", voice.name)),
        version: None,
        languages: vec![voice.language.clone()],
        speakers: None,
    });
    Info {
        asr: vec![AsrProgram {
            name: "whisper".into(),
            attribution: whisper,
            installed: true,
            description: Some("Speech recognition on the device".into()),
            version: version.clone(),
            models: vec![model],
            supports_transcript_streaming: true,
            requires_external_vad: true,
            prefers_auto_gain_enabled: false,
            prefers_noise_reduction_enabled: false,
        }],
        tts: vec![TtsProgram {
            name: "pico".into(),
            attribution: pico.clone(),
            installed: true,
            description: Some("Speech synthesis on the device".into()),
            version,
            voices: voices.collect(),
            supports_synthesize_streaming: true,
        }],
    }
}
