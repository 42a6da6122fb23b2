use engines::Failure;
use engines::tts::elevenlabs::{Options, RATE, Stream};
use engines::wyoming::AudioFormat;
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use session::{Language, Seat};

use super::socket::{open, speak_through};
use super::{Output, SpeakJob};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{Received, Socket};
use crate::config::Service;

const MODEL: &str = "eleven_flash_v2_5";
/// One of the vendor's own, which speaks all its languages.
const VOICE: &str = "JBFqnCBsd6RMkjVDRZzb";

type Speaker = (Language, Seat);

/// A leg's connections to the vendor: each speaks one text, and each voice's next waits open.
pub(super) struct ElevenLabs {
    transport: Transport,
    service: Service,
    lines: Vec<Line>,
}

struct Line {
    speaker: Speaker,
    open: Option<(Stream, Socket)>,
    /// Whether it may be opened before it is needed: once after each text, lest a dead vendor be stormed.
    may_reopen: bool,
}

impl ElevenLabs {
    pub(super) fn new(transport: Transport, service: Service) -> Self {
        Self { transport, service, lines: Vec::new() }
    }

    pub(super) async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let place = self.place((job.language, job.seat));
        self.lines[place].look_after();
        let (mut stream, mut socket) = match self.lines[place].open.take() {
            Some(open) => open,
            None => output.next(self.open(self.lines[place].speaker)).await?,
        };
        let line = &mut self.lines[place];
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

    /// Keeps the open lines from being closed, and opens one that the last text used up, or that was lost.
    pub(super) async fn stay(&mut self) {
        for line in &mut self.lines {
            line.look_after();
            line.keep_alive().await;
        }
        // Others wait for the next time, and no text for all of them.
        let Some(place) = self.lines.iter().position(|line| line.open.is_none() && line.may_reopen) else {
            return;
        };
        self.lines[place].may_reopen = false;
        // The next text tells what is wrong.
        self.lines[place].open = self.open(self.lines[place].speaker).await.ok();
    }

    /// Where this speaker's line is.
    fn place(&mut self, speaker: Speaker) -> usize {
        self.lines.iter().position(|line| line.speaker == speaker).unwrap_or_else(|| {
            self.lines.push(Line { speaker, open: None, may_reopen: false });
            self.lines.len() - 1
        })
    }

    async fn open(&self, (language, seat): Speaker) -> Result<(Stream, Socket), Failure> {
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

impl Line {
    async fn keep_alive(&mut self) {
        if let Some((stream, socket)) = &mut self.open
            && socket.send(stream.keep_alive()).await.is_err()
        {
            self.open = None;
        }
    }

    /// Answers the vendor's pings and asks for signs of life, without waiting; lets go of a line that is lost.
    fn look_after(&mut self) {
        let Some((stream, socket)) = &mut self.open else { return };
        while let Some(received) = socket.receive().now_or_never() {
            let lost = match received {
                Ok(Received::Message(message)) => stream.receive(&message).err(),
                Ok(Received::Closed(code, reason)) => Some(Stream::closed(code, &reason)),
                Err(failure) => Some(failure),
            };
            if let Some(failure) = lost {
                log::debug!("a voice's idle line is lost: {failure}");
                self.open = None;
                return;
            }
        }
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
