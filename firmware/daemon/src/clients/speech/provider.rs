//! The speech-to-speech engines, behind one set of words.

use std::time::Duration;

use audio_path::{Frame, SAMPLE_RATE};
use engines::speech::{Interpreted, Next, deepl_voice, openai_translations};
use engines::websocket::Message;
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use secrecy::ExposeSecret;
use session::Language;
use tokio::time::timeout;

use crate::clients::resample::{Converter, RateConverter};
use crate::clients::websocket::{NotOpened, Socket};
use crate::clients::{Transport, http};
use crate::config::{SpeechToSpeech, SpeechVendor};
use crate::hub::now;

/// How long the answer to the request for a session may take.
const TICKET_DEADLINE: Duration = Duration::from_secs(2);

/// One session's state.
pub(super) enum Provider {
    DeepL(Box<deepl_voice::Stream>),
    OpenAi(Box<openai_translations::Stream>, Box<RateConverter>),
}

/// The moment it is now, as the streams count.
pub(super) fn clock() -> Duration {
    Duration::from_nanos(now().as_nanos())
}

impl Provider {
    pub(super) fn push(&mut self, frame: &Frame) -> Result<(), Failure> {
        match self {
            Self::DeepL(stream) => stream.push(&frame.0),
            Self::OpenAi(stream, converter) => stream.push(&converter.push(&frame.0)?),
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self {
            Self::DeepL(stream) => stream.finish(),
            Self::OpenAi(stream, converter) => {
                stream.push(&converter.finish()?);
                stream.finish();
            }
        }
        Ok(())
    }

    pub(super) fn poll(&mut self) -> Next {
        match self {
            Self::DeepL(stream) => stream.poll(clock()),
            Self::OpenAi(stream, _) => stream.poll(clock()),
        }
    }

    pub(super) fn receive(&mut self, message: &Message) -> Result<Vec<Interpreted>, Failure> {
        match self {
            Self::DeepL(stream) => stream.receive(message),
            Self::OpenAi(stream, _) => stream.receive(clock(), message),
        }
    }

    pub(super) fn closed(&self, code: u16, reason: &str) -> Failure {
        match self {
            Self::DeepL(_) => deepl_voice::Stream::closed(code, reason),
            Self::OpenAi(..) => openai_translations::Stream::closed(code, reason),
        }
    }

    /// What makes 16 kHz of its speech.
    pub(super) fn converter(&self) -> Result<Converter, Failure> {
        let rate = match self {
            Self::DeepL(_) => deepl_voice::RATE,
            Self::OpenAi(..) => openai_translations::RATE,
        };
        Converter::new(AudioFormat { rate, width: 2, channels: 1 })
    }
}

/// Opens a session from one language into another.
pub(super) async fn connect(
    transport: &Transport,
    engine: &SpeechToSpeech,
    source: Language,
    target: Language,
) -> Result<(Socket, Provider), Failure> {
    let service = &engine.service;
    let key = service.key.as_ref().map_or("", |key| key.expose_secret());
    match engine.vendor {
        SpeechVendor::DeepLVoice => {
            let options = deepl_voice::Options {
                source: source.code().into(),
                target: target.code().into(),
                spoken: engine.spoken,
            };
            let ticket = ticket(transport, &service.url, key, &options).await?;
            let opened = transport.open(&ticket.handshake()).await;
            let socket = opened.map_err(|error| not_opened(error, deepl_voice::Stream::refused))?;
            Ok((socket, Provider::DeepL(Box::new(deepl_voice::Stream::new(clock())))))
        }
        SpeechVendor::OpenAiTranslations => {
            let model = service.model.clone().unwrap_or_else(|| openai_translations::MODEL.into());
            let options = openai_translations::Options { model, target: target.code().into() };
            let stream = openai_translations::Stream::new(options);
            let opened = transport.open(&stream.handshake(&service.url, key)).await;
            let socket = opened.map_err(|error| not_opened(error, openai_translations::Stream::refused))?;
            let converter = RateConverter::new(SAMPLE_RATE, openai_translations::RATE)?;
            Ok((socket, Provider::OpenAi(Box::new(stream), Box::new(converter))))
        }
    }
}

async fn ticket(
    transport: &Transport,
    base: &str,
    key: &str,
    options: &deepl_voice::Options,
) -> Result<deepl_voice::Ticket, Failure> {
    let request = deepl_voice::request(Some(base), key, options)?;
    let asked = async {
        let response = http::send(&transport.http, request).await?;
        let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
        let body = http::body(response, deepl_voice::MESSAGE_AT_MOST).await?;
        deepl_voice::read_ticket(status, retry_after.as_deref(), &body, base)
    };
    let late = |_| Failure::new(FailureKind::Slow, "no session in time");
    timeout(TICKET_DEADLINE, asked).await.map_err(late)?
}

fn not_opened(error: NotOpened, refused: impl Fn(u16, Option<&str>) -> Failure) -> Failure {
    match error {
        NotOpened::Status(status, retry_after) => refused(status, retry_after.as_deref()),
        NotOpened::Failure(failure) => failure,
    }
}
