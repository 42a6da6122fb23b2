//! What the synthesisers that speak through a WebSocket have in common.

use std::sync::Arc;

use engines::tts::Spoken;
use engines::websocket::{Handshake, Message};
use engines::{Failure, FailureKind};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use session::{Language, Seat};
use tokio::task::{JoinError, JoinSet};

use super::Output;
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{NotOpened, Received, Socket};

/// Who is heard: each has a voice, perhaps one that is wanted for him.
pub(super) type Speaker = (Language, Seat, Option<Arc<str>>);

/// A connection that is being made.
pub(super) type Opening<S> = BoxFuture<'static, Result<(S, Socket), Failure>>;

/// One speaker's connection to the vendor, with what is known of it.
pub(super) struct Line<S> {
    speaker: Speaker,
    pub(super) open: Option<(S, Socket)>,
    /// The one attempt to open it. It goes on while others are spoken for, and ends with the line.
    opening: JoinSet<Result<(S, Socket), Failure>>,
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

impl<S: Send + 'static> Lines<S> {
    /// This speaker's.
    pub(super) fn of(&mut self, speaker: &Speaker) -> &mut Line<S> {
        let place = self.0.iter().position(|line| line.speaker == *speaker).unwrap_or_else(|| {
            let (speaker, opening) = (speaker.clone(), JoinSet::new());
            self.0.push(Line { speaker, open: None, opening, may_reopen: false });
            self.0.len() - 1
        });
        &mut self.0[place]
    }

    /// This speaker's connection. If none is open, or it was lost meanwhile, the one that is being opened, or `open`'s.
    pub(super) async fn take(
        &mut self,
        speaker: &Speaker,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
        open: impl FnOnce(Speaker) -> Opening<S>,
    ) -> Result<(S, Socket), Failure> {
        let line = self.of(speaker);
        if let Some((stream, socket)) = &mut line.open
            && is_lost(stream, socket, &read, &closed)
        {
            line.open = None;
        }
        line.begin(open);
        match line.open.take() {
            Some(open) => Ok(open),
            None => line.opening.join_next().await.map_or_else(ended, opened),
        }
    }

    /// Begins to open this speaker's connection, if it is not open.
    pub(super) fn warm(&mut self, speaker: &Speaker, open: impl FnOnce(Speaker) -> Opening<S>) {
        self.of(speaker).begin(open);
    }

    /// Answers the vendor's pings and asks for signs of life, without waiting; lets go of lines that are lost.
    pub(super) fn look_after(
        &mut self,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
    ) {
        self.0.iter_mut().for_each(|line| line.look_after(&read, &closed));
    }

    /// Begins to open the lines that were given up or lost, each once.
    pub(super) fn reopen(&mut self, open: impl Fn(Speaker) -> Opening<S>) {
        for line in self.0.iter_mut().filter(|line| line.open.is_none() && line.may_reopen) {
            line.may_reopen = false;
            line.begin(&open);
        }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line<S>> {
        self.0.iter_mut()
    }
}

impl<S: Send + 'static> Line<S> {
    fn begin(&mut self, open: impl FnOnce(Speaker) -> Opening<S>) {
        if self.open.is_none() && self.opening.is_empty() {
            self.opening.spawn(open(self.speaker.clone()));
        }
    }

    fn look_after(
        &mut self,
        read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
        closed: impl Fn(u16, &str) -> Failure,
    ) {
        if let Some(done) = self.opening.try_join_next() {
            // Where it is not open the next text tells what is wrong.
            self.open = opened(done).ok();
        }
        if let Some((stream, socket)) = &mut self.open
            && is_lost(stream, socket, read, closed)
        {
            self.open = None;
        }
    }
}

/// Reads what came unasked.
fn is_lost<S>(
    stream: &mut S,
    socket: &mut Socket,
    read: impl Fn(&mut S, &Message) -> Result<Vec<Spoken>, Failure>,
    closed: impl Fn(u16, &str) -> Failure,
) -> bool {
    while let Some(received) = socket.receive().now_or_never() {
        let lost = match received {
            // It may tell of a text that is spoken.
            Ok(Received::Message(message)) => read(stream, &message).err(),
            Ok(Received::Closed(code, reason)) => Some(closed(code, &reason)),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = lost {
            log::debug!("a voice's idle line is lost: {failure}");
            return true;
        }
    }
    false
}

fn opened<S>(done: Result<Result<(S, Socket), Failure>, JoinError>) -> Result<(S, Socket), Failure> {
    done.unwrap_or_else(|_| ended())
}

fn ended<S>() -> Result<S, Failure> {
    Err(Failure::new(FailureKind::Down, "the line was not opened"))
}

/// Opens a line; `refused` tells what a status means.
pub(super) async fn open(
    transport: &Transport,
    handshake: &Handshake,
    refused: impl Fn(u16, Option<&str>) -> Failure,
) -> Result<Socket, Failure> {
    transport.open(handshake).await.map_err(|not_opened| match not_opened {
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
        let message = match socket.receive().await? {
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
