//! Who does what in which stage.

use super::Service;
use crate::endpoint::Endpoint;

/// Who recognises speech.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Asr {
    Wyoming(Endpoint),
    DeepgramListen(Service),
    DeepgramFlux(Service),
    Speech(SpeechToSpeech),
}

/// Who translates.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Mt {
    LibreTranslate(Service),
    DeepL(Service),
    Speech(SpeechToSpeech),
}

/// Who speaks.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the providers' own names")]
pub enum Tts {
    Wyoming(Endpoint),
    DeepgramAura(Service),
    ElevenLabs(Service),
    OpenAi(Service),
    Xtts(Service),
    Speech(SpeechToSpeech),
}

/// Who hears, translates and speaks, in the chains of all these stages.
#[derive(Clone, Debug)]
pub struct SpeechToSpeech {
    /// Whose it is.
    pub vendor: SpeechVendor,
    /// How it is asked; by its name its stages find each other.
    pub service: Service,
    /// Whether it is to speak, too.
    pub spoken: bool,
}

/// Whose speech-to-speech engine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the vendors' own names")]
pub enum SpeechVendor {
    DeepLVoice,
    OpenAiTranslations,
}

impl Asr {
    /// The engine that does all three stages, if it is one.
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// How it is asked, where that is over HTTP or a WebSocket.
    pub const fn service(&self) -> Option<&Service> {
        match self {
            Self::Wyoming(_) => None,
            Self::DeepgramListen(service) | Self::DeepgramFlux(service) => Some(service),
            Self::Speech(engine) => Some(&engine.service),
        }
    }

    /// Whether asking it costs nothing, so that it may be asked often whether it is there.
    pub fn is_near(&self) -> bool {
        self.service().is_none_or(Service::is_near)
    }
}

impl Mt {
    /// As of [`Asr::speech`].
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// How it is asked.
    pub const fn service(&self) -> &Service {
        match self {
            Self::LibreTranslate(service) | Self::DeepL(service) => service,
            Self::Speech(engine) => &engine.service,
        }
    }

    /// As of [`Asr::is_near`].
    pub const fn is_near(&self) -> bool {
        self.service().is_near()
    }
}

impl Tts {
    /// As of [`Asr::speech`].
    pub const fn speech(&self) -> Option<&SpeechToSpeech> {
        if let Self::Speech(engine) = self { Some(engine) } else { None }
    }

    /// As of [`Asr::service`].
    pub const fn service(&self) -> Option<&Service> {
        match self {
            Self::Wyoming(_) => None,
            Self::DeepgramAura(service)
            | Self::ElevenLabs(service)
            | Self::OpenAi(service)
            | Self::Xtts(service) => Some(service),
            Self::Speech(engine) => Some(&engine.service),
        }
    }

    /// As of [`Asr::is_near`].
    pub fn is_near(&self) -> bool {
        self.service().is_none_or(Service::is_near)
    }
}
