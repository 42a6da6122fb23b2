use engines::Failure;
use engines::tts::elevenlabs::{Options, RATE, Stream};
use engines::wyoming::AudioFormat;
use secrecy::ExposeSecret;
use session::{Language, Seat};

use super::socket::{open, speak_through};
use super::{Output, SpeakJob};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::Socket;
use crate::config::Service;

const MODEL: &str = "eleven_flash_v2_5";
/// One of the vendor's own, which speaks all its languages.
const VOICE: &str = "JBFqnCBsd6RMkjVDRZzb";

/// A leg's connections to the vendor: each speaks one text, and the next waits open.
pub(super) struct ElevenLabs {
    transport: Transport,
    service: Service,
    ready: Option<((Language, Seat), Stream, Socket)>,
}

impl ElevenLabs {
    pub(super) fn new(transport: Transport, service: Service) -> Self {
        Self { transport, service, ready: None }
    }

    pub(super) async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let speaker = (job.language, job.seat);
        let waiting = self.ready.take().filter(|(known, ..)| *known == speaker);
        let (mut stream, mut socket) = match waiting {
            Some((_, stream, socket)) => (stream, socket),
            None => output.next(self.open(speaker)).await?,
        };
        let messages = [stream.speak(&job.text), stream.finish()];
        let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
        let read = |message| stream.receive(&message);
        speak_through(&mut socket, messages, read, Stream::closed, &mut converter, output).await?;
        output.finish(converter).await?;
        // The line is open for what comes next; who cannot be reached now may be then.
        self.ready = self.open(speaker).await.ok().map(|(stream, socket)| (speaker, stream, socket));
        Ok(())
    }

    /// Keeps the open line from being closed.
    pub(super) async fn stay(&mut self) {
        if let Some((_, stream, socket)) = &mut self.ready
            && socket.send(stream.keep_alive()).await.is_err()
        {
            self.ready = None;
        }
    }

    async fn open(&self, (language, seat): (Language, Seat)) -> Result<(Stream, Socket), Failure> {
        let stream = Stream::new(Options {
            voice: self.service.voice(language, seat).unwrap_or(VOICE).into(),
            model: self.service.model.clone().unwrap_or_else(|| MODEL.into()),
            language: Some(language.code().into()),
        });
        let key = self.service.key.as_ref().map_or("", |key| key.expose_secret());
        let handshake = stream.handshake(&self.service.url, key);
        let mut socket = open(&self.transport, &handshake, Stream::refused).await?;
        socket.send(stream.open()).await?;
        Ok((stream, socket))
    }
}

/// Opens a line and hangs up.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let english = "en".parse().expect("a language code");
    let (_, socket) =
        ElevenLabs::new(transport.clone(), service.clone()).open((english, Seat::default())).await?;
    socket.close().await;
    Ok(())
}
