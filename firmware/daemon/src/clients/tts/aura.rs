use std::sync::Arc;
use std::time::Duration;

use engines::tts::deepgram_aura::{Options, RATE, Stream};
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use secrecy::ExposeSecret;
use session::{Language, Seat};

use super::socket::{Lines, Opening, Speaker, open, speak_through};
use super::{Output, SpeakJob};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::Socket;
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

/// A leg's connections to the vendor, one a voice.
pub(super) struct Aura {
    opener: Arc<Opener>,
    lines: Lines<Stream>,
}

/// What it takes to open one.
struct Opener {
    transport: Transport,
    service: Service,
}

impl Aura {
    pub(super) fn new(transport: Transport, service: Service) -> Self {
        Self { opener: Arc::new(Opener { transport, service }), lines: Lines::default() }
    }

    /// Looks after the lines, and opens those anew that were given up or lost.
    pub(super) fn stay(&mut self) {
        self.lines.look_after(Stream::receive, Stream::closed);
        self.lines.reopen(|speaker| self.opener.opening(speaker));
    }

    pub(super) fn warm(&mut self, speaker: &Speaker) {
        self.lines.warm(speaker, |speaker| self.opener.opening(speaker));
    }

    pub(super) async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let speaker = job.speaker();
        let open = |speaker| self.opener.opening(speaker);
        let taken = self.lines.take(&speaker, Stream::receive, Stream::closed, open);
        let (mut stream, mut socket) = taken.await?;
        let line = self.lines.of(&speaker);
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
}

impl Opener {
    fn opening(self: &Arc<Self>, speaker: Speaker) -> Opening<Stream> {
        let opener = Arc::clone(self);
        Box::pin(async move { opener.open(&speaker).await })
    }

    async fn open(&self, (language, seat, wanted): &Speaker) -> Result<(Stream, Socket), Failure> {
        let voice =
            self.service.voice(*language, *seat, wanted.as_deref()).or(usual_voice(*language)).ok_or_else(
                || {
                    let detail = format!("no voice speaks {language}; name one in its voices");
                    Failure::new(FailureKind::Refused, detail)
                },
            )?;
        let stream =
            Stream::new(Options { mip_opt_out: self.service.mip_opt_out, ..Options::new(voice.to_owned()) });
        let key = self.service.key.as_ref().map_or("", |key| key.expose_secret());
        let handshake = stream.handshake(&self.service.url, key);
        Ok((stream, open(&self.transport, &handshake, Stream::refused).await?))
    }
}

fn clock() -> Duration {
    Duration::from_nanos(now().as_nanos())
}

/// Opens a line and hangs up.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let english = "en".parse().expect("a language code");
    let opener = Opener { transport: transport.clone(), service: service.clone() };
    let (stream, mut socket) = opener.open(&(english, Seat::default(), None)).await?;
    socket.send(stream.close()).await?;
    socket.close().await;
    Ok(())
}
