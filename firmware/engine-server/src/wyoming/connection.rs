//! One connection: events in, events out, in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engines::wyoming::{
    AudioFormat, Decoder, Error, Event, Limits, Message, Pong, Refused, Transcribe, Unreadable,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::hearing::Hearing;
use super::info;
use super::speaking::Speaking;
use crate::asr::whisper::Language;
use crate::load::Engines;

/// A client that takes nothing for this long is gone.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// Refused events after which the client speaks another language.
const PATIENCE: usize = 20;

/// See the module.
pub(super) struct Connection {
    engines: Arc<Engines>,
    receiver: Receiver,
    sender: Sender,
    /// What the next utterance is to be heard in.
    language: Language,
    hearing: Option<Hearing>,
    speaking: Option<Speaking>,
    refused: usize,
}

/// The sending half.
pub(super) struct Sender {
    stream: OwnedWriteHalf,
}

impl Sender {
    /// Sends one event.
    pub(super) async fn send(&mut self, message: impl Into<Message>) -> Result<()> {
        let mut bytes = Vec::new();
        message.into().into_event().encode(&mut bytes);
        timeout(SEND_DEADLINE, self.stream.write_all(&bytes)).await.context("the client takes nothing")??;
        Ok(())
    }

    /// Sends an `error` event.
    pub(super) async fn send_error(&mut self, code: &str, text: impl Into<String>) -> Result<()> {
        self.send(Error { text: text.into(), code: Some(code.to_owned()) }).await
    }
}

struct Receiver {
    stream: OwnedReadHalf,
    decoder: Decoder,
    buffer: Vec<u8>,
    idle: Duration,
}

impl Receiver {
    /// The next event, none at the end. May be dropped and called again.
    async fn next(&mut self) -> Result<Option<Result<Event, Refused>>> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => return Ok(Some(Ok(event))),
                Ok(None) => {}
                Err(refused) => return Ok(Some(Err(refused))),
            }
            match timeout(self.idle, self.stream.read(&mut self.buffer))
                .await
                .context("the client is silent")??
            {
                0 if self.decoder.is_midway() => bail!("the client left in the middle of an event"),
                0 => return Ok(None),
                length => self.decoder.push(&self.buffer[..length]),
            }
        }
    }
}

impl Connection {
    pub(super) fn new(stream: TcpStream, engines: Arc<Engines>, idle: Duration) -> Self {
        // Events are small and awaited.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("no TCP_NODELAY: {error}");
        }
        let (read, write) = stream.into_split();
        Self {
            engines,
            receiver: Receiver {
                stream: read,
                decoder: Decoder::new(Limits::default()),
                buffer: vec![0; 16 << 10],
                idle,
            },
            sender: Sender { stream: write },
            language: Language::Among(Vec::new()),
            hearing: None,
            speaking: None,
            refused: 0,
        }
    }

    /// Serves the connection until the client leaves.
    ///
    /// # Errors
    /// When it is cut off, silent for too long, or speaks something else.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            let is_over = match &mut self.hearing {
                Some(hearing) => hearing.proceed(&self.engines.recogniser, &mut self.sender).await?,
                None => false,
            };
            if is_over {
                self.hearing = None;
            }
            let received = match &mut self.hearing {
                // Held back while an answer is owed: the client's audio waits in the socket.
                Some(hearing) if hearing.holds_back() => {
                    hearing.wait().await;
                    continue;
                }
                Some(hearing) => tokio::select! {
                    () = hearing.wait() => continue,
                    received = self.receiver.next() => received?,
                },
                None => self.receiver.next().await?,
            };
            match received {
                None => return Ok(()),
                Some(Ok(event)) => self.take(event).await?,
                Some(Err(refused)) => self.refuse(&refused).await?,
            }
        }
    }

    async fn refuse(&mut self, refused: &Refused) -> Result<()> {
        self.refused += 1;
        self.sender.send_error("bad-event", refused.to_string()).await?;
        if refused.is_fatal() || self.refused > PATIENCE {
            bail!("{refused}");
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<()> {
        let message = match Message::from_event(event) {
            Ok(message) => message,
            Err(Unreadable::Unknown(kind)) => {
                log::debug!("an unknown event is ignored: {kind:?}");
                return Ok(());
            }
            Err(unreadable) => return self.sender.send_error("bad-event", unreadable.to_string()).await,
        };
        match message {
            Message::Describe(_) => self.sender.send(info::of(&self.engines)).await,
            Message::Ping(ping) => self.sender.send(Pong { text: ping.text }).await,
            Message::Transcribe(request) => self.choose_language(&request).await,
            Message::AudioStart(start) => self.begin_hearing(start.format).await,
            Message::AudioChunk(chunk) => match &mut self.hearing {
                Some(hearing) => {
                    hearing.take(&chunk.audio);
                    Ok(())
                }
                None => self.sender.send_error("no-audio-start", "audio-chunk without audio-start").await,
            },
            Message::AudioStop(_) => {
                if let Some(hearing) = &mut self.hearing {
                    hearing.stop();
                }
                Ok(())
            }
            Message::Synthesize(request) if self.speaking.is_none() => {
                let speaking = Speaking::new(&self.engines.synthesiser, request.voice.as_ref());
                let Some(mut speaking) = speaking else { return self.refuse_voice().await };
                speaking.add(&request.text);
                speaking.finish(&self.engines.synthesiser, &mut self.sender).await
            }
            // Repeats a streamed request for servers that do not stream.
            Message::Synthesize(_) => Ok(()),
            Message::SynthesizeStart(start) => {
                self.speaking = Speaking::new(&self.engines.synthesiser, start.voice.as_ref());
                if self.speaking.is_none() { self.refuse_voice().await } else { Ok(()) }
            }
            Message::SynthesizeChunk(chunk) => match &mut self.speaking {
                Some(speaking) => {
                    speaking.add(&chunk.text);
                    speaking.proceed(&self.engines.synthesiser, &mut self.sender).await
                }
                None => Ok(()),
            },
            Message::SynthesizeStop(_) => self.finish_speaking().await,
            other => {
                log::debug!("an event for other servers is ignored: {}", other.kind());
                Ok(())
            }
        }
    }

    async fn choose_language(&mut self, request: &Transcribe) -> Result<()> {
        let base = |code: &String| code.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        let named: Vec<String> = request.language.iter().map(base).collect();
        let asked = if named.is_empty() { request.languages().iter().map(base).collect() } else { named };
        let known = self.engines.recogniser.languages();
        let mut heard: Vec<String> =
            asked.iter().filter(|code| known.contains(&code.as_str())).cloned().collect();
        if heard.is_empty() && !asked.is_empty() {
            let text = format!("none of {asked:?} can be heard, but {known:?} can");
            return self.sender.send_error("language", text).await;
        }
        self.language = match heard.len() {
            1 => Language::Known(heard.remove(0)),
            _ => Language::Among(heard),
        };
        Ok(())
    }

    async fn begin_hearing(&mut self, format: AudioFormat) -> Result<()> {
        if self.hearing.is_some() {
            log::debug!("an utterance was given up for another");
        }
        self.hearing = None;
        if format != AudioFormat::SLIN16 {
            let text = format!("send 16 kHz, 16 bit, mono instead of {format:?}");
            return self.sender.send_error("audio-format", text).await;
        }
        self.hearing = Some(Hearing::new(self.language.clone()));
        Ok(())
    }

    async fn refuse_voice(&mut self) -> Result<()> {
        let voices: Vec<&str> = self.engines.synthesiser.voices().iter().map(|v| v.name.as_str()).collect();
        self.sender.send_error("voice", format!("no such voice; there are {voices:?}")).await
    }

    async fn finish_speaking(&mut self) -> Result<()> {
        let Some(speaking) = self.speaking.take() else { return Ok(()) };
        speaking.finish(&self.engines.synthesiser, &mut self.sender).await?;
        self.sender.send(engines::wyoming::SynthesizeStopped::default()).await
    }
}
