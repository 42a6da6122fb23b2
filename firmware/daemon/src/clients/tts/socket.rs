//! What the synthesisers that speak through a WebSocket have in common.

use std::sync::Arc;

use engines::Failure;
use engines::tts::Spoken;
use engines::websocket::{Handshake, Message};
use futures_util::FutureExt;
use session::{Language, Seat};

use super::Output;
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{NotOpened, Received, Socket};

/// Who is heard: each has a voice, perhaps one that is wanted for him.
pub(super) type Speaker = (Language, Seat, Option<Arc<str>>);

/// One speaker's connection to the vendor, with what is known of it.
pub(super) struct Line<S> {
    speaker: Speaker,
    pub(super) open: Option<(S, Socket)>,
    /// Whether it may be opened before it is needed: once after each text, lest a dead vendor be stormed.
    pub(super) may_reopen: bool,
}

/// A leg's connections to the vendor, one a speaker.
pub(super) struct Lines<S>(Vec<Line<S>>);

impl<S> Default for Lines<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Lines<S> {
    /// This speaker's.
    pub(super) fn of(&mut self, speaker: &Speaker) -> &mut Line<S> {
        let place = self.0.iter().position(|line| line.speaker == *speaker).unwrap_or_else(|| {
            self.0.push(Line { speaker: speaker.clone(), open: None, may_reopen: false });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    /// This speaker's connection, if it is open and was not lost meanwhile.
    pub(super) fn take(
        &mut self,
        speaker: &Speaker,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
    ) -> Option<(S, Socket)> {
        let line = self.of(speaker);
        line.look_after(&read, &closed);
        line.open.take()
    }

    /// Answers the vendor's pings and asks for signs of life, without waiting; lets go of lines that are lost.
    pub(super) fn look_after(
        &mut self,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
    ) {
        self.0.iter_mut().for_each(|line| line.look_after(&read, &closed));
    }

    /// Whose line is to be opened before it is needed, once. Others wait for the next time, and no text for all of them.
    pub(super) fn due(&mut self) -> Option<Speaker> {
        let line = self.0.iter_mut().find(|line| line.open.is_none() && line.may_reopen)?;
        line.may_reopen = false;
        Some(line.speaker.clone())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line<S>> {
        self.0.iter_mut()
    }
}

impl<S> Line<S> {
    fn look_after(
        &mut self,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
    ) {
        let Some((stream, socket)) = &mut self.open else { return };
        while let Some(received) = socket.receive().now_or_never() {
            let lost = match received {
                // It may tell of a text that is spoken.
                Ok(Received::Message(message)) => read(stream, &message).err(),
                Ok(Received::Closed(code, reason)) => Some(closed(code, &reason)),
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

/// Opens a line; `refused` tells what a status means.
pub(super) async fn open(
    transport: &Transport,
    handshake: &Handshake,
    refused: impl Fn(u16, Option<&str>) -> Failure,
) -> Result<Socket, Failure> {
    Socket::open(&transport.tls, handshake).await.map_err(|not_opened| match not_opened {
        NotOpened::Status(status, retry_after) => refused(status, retry_after.as_deref()),
        NotOpened::Failure(failure) => failure,
    })
}

/// Sends `messages` and passes on what is spoken until all of it is.
pub(super) async fn speak_through(
    socket: &mut Socket,
    messages: impl IntoIterator<Item = Message>,
    mut read: impl FnMut(Message) -> Result<Vec<Spoken>, Failure>,
    closed: impl Fn(u16, &str) -> Failure,
    converter: &mut Converter,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    for message in messages {
        socket.send(message).await?;
    }
    loop {
        let message = match output.next(socket.receive()).await? {
            Received::Message(message) => message,
            Received::Closed(code, reason) => return Err(closed(code, &reason)),
        };
        for spoken in read(message)? {
            match spoken {
                Spoken::Audio(bytes) => output.push(converter, &bytes).await?,
                Spoken::Flushed => return Ok(()),
                Spoken::Warning(warning) => log::info!("the synthesiser warns: {warning}"),
                Spoken::Cleared => {}
            }
        }
    }
}
