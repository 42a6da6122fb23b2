//! The streaming recognisers, behind one set of words.

use std::time::Duration;

use audio_path::Frame;
use engines::Failure;
use engines::asr::{Heard, deepgram_flux, deepgram_listen, keyterms};
use engines::websocket::{Handshake, Message};
use secrecy::ExposeSecret;
use session::Language;

use crate::config::{Asr, Service};

/// One connection's state.
pub(super) enum Provider {
    Listen(deepgram_listen::Stream),
    Flux(deepgram_flux::Stream),
}

/// Calls the same function of whichever provider it is.
macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self {
            Self::Listen($stream) => $call,
            Self::Flux($stream) => $call,
        }
    };
}

impl Provider {
    /// A connection to a service; `None` for a provider that is not asked through a stream.
    pub(super) fn new(asr: &Asr, languages: [Language; 2]) -> Option<(Self, &Service)> {
        let asked = languages;
        let mut languages = languages.map(|language| language.code().to_owned()).to_vec();
        languages.dedup();
        match asr {
            Asr::DeepgramListen(service) => {
                let mut options = deepgram_listen::Options::new(languages);
                options.model = service.model.clone().unwrap_or(options.model);
                options.keyterms = expected(service, asked);
                options.mip_opt_out = service.mip_opt_out;
                Some((Self::Listen(deepgram_listen::Stream::new(options, Duration::ZERO)), service))
            }
            Asr::DeepgramFlux(service) => {
                let mut options = deepgram_flux::Options::new(languages);
                options.keyterms = expected(service, asked);
                options.mip_opt_out = service.mip_opt_out;
                Some((Self::Flux(deepgram_flux::Stream::new(options, Duration::ZERO)), service))
            }
            Asr::Wyoming(_) | Asr::Speech(_) => None,
        }
    }

    pub(super) fn handshake(&self, service: &Service) -> Handshake {
        let key = service.key.as_ref().map_or("", |key| key.expose_secret());
        each!(self, stream => stream.handshake(&service.url, key))
    }

    pub(super) fn audio(&mut self, frame: &Frame) -> Message {
        each!(self, stream => stream.audio(&frame.0))
    }

    /// Audio that was sent, padding included.
    pub(super) fn sent(&self) -> Duration {
        each!(self, stream => stream.sent())
    }

    pub(super) fn keep_alive(&mut self) -> Option<Message> {
        each!(self, stream => stream.keep_alive())
    }

    pub(super) fn keep_alive_every(&self) -> Duration {
        match self {
            Self::Listen(_) => deepgram_listen::KEEP_ALIVE_EVERY,
            Self::Flux(_) => deepgram_flux::KEEP_ALIVE_EVERY,
        }
    }

    pub(super) fn finish(&mut self) -> Option<Message> {
        each!(self, stream => stream.finish())
    }

    pub(super) fn close(&self) -> Message {
        each!(self, stream => stream.close())
    }

    pub(super) fn receive(&mut self, message: &Message) -> Result<Vec<Heard>, Failure> {
        each!(self, stream => stream.receive(message))
    }

    pub(super) fn closed(&self, code: u16, reason: &str) -> Failure {
        match self {
            Self::Listen(_) => deepgram_listen::Stream::closed(code, reason),
            Self::Flux(_) => deepgram_flux::Stream::closed(code, reason),
        }
    }

    pub(super) fn refused(&self, status: u16, retry_after: Option<&str>) -> Failure {
        match self {
            Self::Listen(_) => deepgram_listen::Stream::refused(status, retry_after),
            Self::Flux(_) => deepgram_flux::Stream::refused(status, retry_after),
        }
    }
}

/// The glossary's words, as many as the vendor takes.
fn expected(service: &Service, languages: [Language; 2]) -> Vec<String> {
    keyterms(service.expected_words(&languages)).into_iter().map(str::to_owned).collect()
}
