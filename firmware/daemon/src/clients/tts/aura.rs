use std::time::Duration;

use engines::tts::deepgram_aura::{Options, RATE, Stream};
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use session::{Language, Seat};

use super::socket::{open, speak_through};
use super::{Output, SpeakJob};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{Received, Socket};
use crate::config::Service;
use crate::hub::now;

/// The vendor's usual voice in a language that it speaks.
fn usual_voice(language: Language) -> Option<&'static str> {
    Some(match language.code() {
        "en" => "aura-2-thalia-en",
        "es" => "aura-2-celeste-es",
        "de" => "aura-2-julius-de",
        "fr" => "aura-2-agathe-fr",
        "it" => "aura-2-livia-it",
        "nl" => "aura-2-rhea-nl",
        "ja" => "aura-2-izanami-ja",
        _ => return None,
    })
}

type Speaker = (Language, Seat);

/// A leg's connections to the vendor, one a voice.
pub(super) struct Aura {
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

impl Aura {
    pub(super) fn new(transport: Transport, service: Service) -> Self {
        Self { transport, service, lines: Vec::new() }
    }

    /// Looks after the lines, and opens one anew that was given up or lost.
    pub(super) async fn stay(&mut self) {
        self.lines.iter_mut().for_each(Line::look_after);
        // Others wait for the next time, and no text for all of them.
        let Some(place) = self.lines.iter().position(|line| line.open.is_none() && line.may_reopen) else {
            return;
        };
        self.lines[place].may_reopen = false;
        // The next text tells what is wrong.
        self.lines[place].open = self.open(self.lines[place].speaker).await.ok();
    }

    pub(super) async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let place = self.place((job.language, job.seat));
        self.lines[place].look_after();
        let (mut stream, mut socket) = match self.lines[place].open.take() {
            Some(open) => open,
            None => output.next(self.open(self.lines[place].speaker)).await?,
        };
        let line = &mut self.lines[place];
        let clause = stream.speak(&job.text);
        let flush = stream.flush(clock()).map_err(|wait| {
            let limited = Failure::new(FailureKind::RateLimited, "the voice may not be asked so often");
            Failure { retry_after: Some(wait), ..limited }
        })?;
        let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
        let read = |message| stream.receive(&message);
        // Should this be broken off, the line is of no use: it would speak on.
        line.may_reopen = true;
        let spoken =
            speak_through(&mut socket, [clause, flush], read, Stream::closed, &mut converter, output).await;
        line.may_reopen = spoken.is_ok();
        spoken?;
        output.finish(converter).await?;
        if stream.may_flush(clock()) {
            line.open = Some((stream, socket));
        }
        Ok(())
    }

    /// Where this speaker's line is.
    fn place(&mut self, speaker: Speaker) -> usize {
        self.lines.iter().position(|line| line.speaker == speaker).unwrap_or_else(|| {
            self.lines.push(Line { speaker, open: None, may_reopen: false });
            self.lines.len() - 1
        })
    }

    async fn open(&self, (language, seat): Speaker) -> Result<(Stream, Socket), Failure> {
        let voice = self.service.voice(language, seat).or(usual_voice(language)).ok_or_else(|| {
            let detail = format!("no voice speaks {language}; name one in its voices");
            Failure::new(FailureKind::Refused, detail)
        })?;
        let stream = Stream::new(Options::new(voice.to_owned()));
        let key = self.service.key.as_ref().map_or("", |key| key.expose_secret());
        let handshake = stream.handshake(&self.service.url, key);
        Ok((stream, open(&self.transport, &handshake, Stream::refused).await?))
    }
}

impl Line {
    /// Answers the vendor's pings and asks for signs of life, without waiting; lets go of a line that is lost.
    fn look_after(&mut self) {
        let Some((stream, socket)) = &mut self.open else { return };
        while let Some(received) = socket.receive().now_or_never() {
            let lost = match received {
                // It may tell of a text that is spoken.
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

fn clock() -> Duration {
    Duration::from_nanos(now().as_nanos())
}

/// Opens a line and hangs up.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let english = "en".parse().expect("a language code");
    let (stream, mut socket) =
        Aura::new(transport.clone(), service.clone()).open((english, Seat::default())).await?;
    socket.send(stream.close()).await?;
    socket.close().await;
    Ok(())
}
