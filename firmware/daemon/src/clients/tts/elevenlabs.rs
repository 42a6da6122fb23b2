use std::sync::Arc;

use engines::Failure;
use engines::tts::elevenlabs::{Options, RATE, Stream};
use engines::wyoming::AudioFormat;
use secrecy::ExposeSecret;
use session::Seat;

use super::socket::{Lines, Opening, Speaker, open, speak_through};
use super::{Output, SpeakJob};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::Socket;
use crate::config::Service;

const MODEL: &str = "eleven_flash_v2_5";
/// One of the vendor's own, which speaks all its languages.
const VOICE: &str = "JBFqnCBsd6RMkjVDRZzb";

/// A leg's connections to the vendor: each speaks one text, and each voice's next waits open.
pub(super) struct ElevenLabs {
    opener: Arc<Opener>,
    lines: Lines<Stream>,
}

/// What it takes to open one.
struct Opener {
    transport: Transport,
    service: Service,
}

impl ElevenLabs {
    pub(super) fn new(transport: Transport, service: Service) -> Self {
        Self { opener: Arc::new(Opener { transport, service }), lines: Lines::default() }
    }

    pub(super) async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let speaker = job.speaker();
        let open = |speaker| self.opener.opening(speaker);
        let taken = self.lines.take(&speaker, Stream::receive, Stream::closed, open);
        let (mut stream, mut socket) = taken.await?;
        let line = self.lines.of(&speaker);
        let messages = [stream.speak(&job.text), stream.finish()];
        let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
        let read = |message| stream.receive(&message);
        // Should this be broken off, another line is needed as much.
        line.may_reopen = true;
        let spoken = speak_through(&mut socket, messages, read, Stream::closed, &mut converter, output).await;
        line.may_reopen = spoken.is_ok();
        spoken?;
        output.finish(converter).await
    }

    /// Keeps the open lines from being closed, and opens those that the last text used up, or that were lost.
    pub(super) async fn stay(&mut self) {
        self.lines.look_after(Stream::receive, Stream::closed);
        self.lines.reopen(|speaker| self.opener.opening(speaker));
        for open in self.lines.iter_mut().map(|line| &mut line.open) {
            if let Some((stream, socket)) = open
                && socket.send(stream.keep_alive()).await.is_err()
            {
                *open = None;
            }
        }
    }

    pub(super) fn warm(&mut self, speaker: &Speaker) {
        self.lines.warm(speaker, |speaker| self.opener.opening(speaker));
    }
}

impl Opener {
    fn opening(self: &Arc<Self>, speaker: Speaker) -> Opening<Stream> {
        let opener = Arc::clone(self);
        Box::pin(async move { opener.open(&speaker).await })
    }

    async fn open(&self, (language, seat, wanted): &Speaker) -> Result<(Stream, Socket), Failure> {
        let stream = Stream::new(Options {
            voice: self.service.voice(*language, *seat, wanted.as_deref()).unwrap_or(VOICE).into(),
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
    let opener = Opener { transport: transport.clone(), service: service.clone() };
    let (_, socket) = opener.open(&(english, Seat::default(), None)).await?;
    socket.close().await;
    Ok(())
}
