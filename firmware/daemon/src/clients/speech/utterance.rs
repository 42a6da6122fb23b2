//! One utterance's session into one language, and the task that owns its WebSocket.

use std::time::Duration;

use audio_path::{Frame, SAMPLE_RATE};
use engines::speech::{Interpreted, Next, SESSION_AT_MOST};
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::provider::{Provider, clock, connect};
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{Received, Socket};
use crate::config::SpeechToSpeech;
use crate::supervision::caught;

/// Frames and requests on their way to the session.
const MOST_COMMANDS: usize = 128;
/// No utterance is longer; it keeps a flood from growing without bound.
const LONGEST_TEXT: usize = 16 << 10;
/// Speech longer than this comes from a broken engine.
const MOST_SAMPLES: usize = 60 * SAMPLE_RATE as usize;
/// Where a session has nothing to do and the engine nothing to say.
const LONG: Duration = Duration::from_secs(3_600);

/// What a session is told.
pub(in crate::clients) enum Command {
    /// The next 20 ms.
    Audio(Box<Frame>),
    /// That was all.
    Finish,
}

/// A session; dropping it hangs up.
pub(in crate::clients) struct Session {
    /// What is probably spoken.
    pub(in crate::clients) source: Language,
    /// What it is translated into.
    pub(in crate::clients) target: Language,
    opened: Instant,
    commands: mpsc::Sender<Command>,
    state: watch::Sender<State>,
}

/// What the engine said so far.
#[derive(Default)]
struct State {
    source: String,
    source_ended: bool,
    language: Option<Language>,
    target: String,
    target_ended: bool,
    /// Speech that nobody took yet, 16 kHz.
    speech: Vec<i16>,
    /// Samples that came.
    spoken: usize,
    speech_ended: bool,
    /// When something was sent last.
    sent: Option<Instant>,
    failure: Option<Failure>,
}

impl State {
    /// Whether it is known what was said, and in which language or that nobody tells.
    fn is_understood(&self) -> bool {
        self.failure.is_some() || (self.source_ended && (self.language.is_some() || self.target_ended))
    }
}

impl Session {
    /// Opens one.
    pub(super) async fn open(
        transport: &Transport,
        engine: &SpeechToSpeech,
        source: Language,
        target: Language,
    ) -> Result<Self, Failure> {
        let (socket, provider) = connect(transport, engine, source, target).await?;
        let (commands, queue) = mpsc::channel(MOST_COMMANDS);
        let state = watch::Sender::<State>::default();
        let converter = provider.converter()?;
        let (task, told) = (Task { socket, provider, converter, state: state.clone() }, state.clone());
        tokio::spawn(async move {
            if let Err(fault) = caught(task.serve(queue)).await {
                told.send_modify(|state| state.failure = Some(fault.into()));
            }
        });
        Ok(Self { source, target, opened: Instant::now(), commands, state })
    }

    /// Whether another utterance can be given to it.
    pub(super) fn is_usable(&self) -> bool {
        !self.commands.is_closed() && !self.is_old() && self.state.borrow().failure.is_none()
    }

    /// Whether its vendor may end it before an utterance is over.
    pub(super) fn is_old(&self) -> bool {
        self.opened.elapsed() >= SESSION_AT_MOST
    }

    /// Tells it something.
    pub(in crate::clients) async fn tell(&self, command: Command) -> Result<(), Failure> {
        if self.commands.send(command).await.is_ok() {
            return Ok(());
        }
        let known = self.state.borrow().failure.clone();
        Err(known.unwrap_or_else(|| Failure::new(FailureKind::Down, "the interpreter hung up")))
    }

    /// Waits until it is understood what was said, as long as `until` says for when something was sent last.
    pub(in crate::clients) async fn understood(
        &self,
        until: impl Fn(Instant) -> Instant,
    ) -> Result<(), Failure> {
        let mut state = self.state.subscribe();
        loop {
            let end = {
                let state = state.borrow_and_update();
                if state.is_understood() {
                    return state.failure.clone().map_or(Ok(()), Err);
                }
                until(state.sent.unwrap_or(self.opened))
            };
            // It fails when the sender is gone, and it is ours.
            let changed = timeout_at(end, state.changed()).await;
            changed.map_err(|_| Failure::new(FailureKind::Slow, "no text in time"))?.unwrap_or_default();
        }
    }

    /// When something was sent to it last.
    pub(super) fn sent(&self) -> Option<Instant> {
        self.state.borrow().sent
    }

    /// What was said, and its translation, as far as they are known.
    pub(super) fn texts(&self) -> (String, String) {
        let state = self.state.borrow();
        (state.source.trim().to_owned(), state.target.trim().to_owned())
    }

    /// The language that was spoken, where the engine tells.
    pub(super) fn language(&self) -> Option<Language> {
        self.state.borrow().language
    }

    /// Whether this is what it heard, to be translated into this language.
    pub(super) fn is_of(&self, text: &str, target: Language) -> bool {
        self.target == target && are_same(&self.state.borrow().source, text)
    }

    /// Whether this is its translation, to be spoken in this language.
    pub(super) fn speaks(&self, text: &str, language: Language) -> bool {
        self.target == language && are_same(&self.state.borrow().target, text)
    }

    /// Waits for the whole translation. What broke meanwhile the next engine of the chain does at once.
    pub(super) async fn translation(&self) -> Result<String, Failure> {
        let mut state = self.state.subscribe();
        let state = state.wait_for(|state| state.target_ended || state.failure.is_some()).await;
        let Ok(state) = state else { return Err(refused("the interpreter is gone")) };
        match &state.failure {
            Some(failure) if !state.target_ended => Err(refused(&failure.detail)),
            _ if state.target.trim().is_empty() => Err(refused("the interpreter translated nothing")),
            _ => Ok(state.target.trim().to_owned()),
        }
    }

    /// The next speech, as it comes; `None` at its end.
    pub(in crate::clients) async fn speech(&self) -> Result<Option<Vec<i16>>, Failure> {
        let mut state = self.state.subscribe();
        let is_there =
            |state: &State| !state.speech.is_empty() || state.speech_ended || state.failure.is_some();
        if state.wait_for(is_there).await.is_err() {
            return Err(refused("the interpreter is gone"));
        }
        let mut next = Ok(None);
        self.state.send_if_modified(|state| {
            if !state.speech.is_empty() {
                next = Ok(Some(std::mem::take(&mut state.speech)));
            } else if let Some(failure) = state.failure.as_ref().filter(|_| !state.speech_ended) {
                let nothing_yet = state.spoken == 0;
                next = Err(if nothing_yet { refused(&failure.detail) } else { failure.clone() });
            } else if state.spoken == 0 {
                next = Err(refused("the interpreter spoke nothing"));
            }
            false
        });
        next
    }
}

/// Another engine is to do it.
fn refused(why: &str) -> Failure {
    Failure::new(FailureKind::Refused, why)
}

/// Spaces make no difference.
fn are_same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// The task that owns the WebSocket.
struct Task {
    socket: Socket,
    provider: Provider,
    converter: Converter,
    state: watch::Sender<State>,
}

impl Task {
    /// Until all is said, the vendor is gone, or nobody wants it any more.
    async fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        while !self.state.borrow().speech_ended {
            let outcome = match self.work().await {
                Err(failure) => Err(failure),
                Ok(wait) => tokio::select! {
                    command = commands.recv() => match command {
                        Some(Command::Audio(frame)) => self.provider.push(&frame),
                        Some(Command::Finish) => self.provider.finish(),
                        None => break,
                    },
                    received = self.socket.receive() => self.received(received),
                    () = sleep(wait) => Ok(()),
                },
            };
            if let Err(failure) = outcome {
                self.state.send_modify(|state| state.failure = Some(failure));
                break;
            }
        }
        self.socket.close().await;
    }

    /// Does all that is due, and tells for how long nothing is.
    async fn work(&mut self) -> Result<Duration, Failure> {
        loop {
            match self.provider.poll() {
                Next::Send(message) => {
                    self.socket.send(message).await?;
                    self.state.send_modify(|state| state.sent = Some(Instant::now()));
                }
                Next::Tell(interpreted) => self.take(interpreted)?,
                Next::Wait(until) => return Ok(until.saturating_sub(clock())),
                Next::Nothing => return Ok(LONG),
            }
        }
    }

    fn received(&mut self, received: Result<Received, Failure>) -> Result<(), Failure> {
        match received? {
            Received::Closed(code, reason) => Err(self.provider.closed(code, &reason)),
            Received::Message(message) => match self.provider.receive(&message) {
                Ok(told) => told.into_iter().try_for_each(|interpreted| self.take(interpreted)),
                Err(failure) => {
                    log::info!("a message of the interpreter is passed over: {failure}");
                    Ok(())
                }
            },
        }
    }

    fn take(&mut self, interpreted: Interpreted) -> Result<(), Failure> {
        match interpreted {
            Interpreted::Source { text, language } => self.state.send_modify(|state| {
                append(&mut state.source, &text);
                state.language = state.language.or(language.and_then(|code| code.parse().ok()));
            }),
            Interpreted::SourceEnded => self.state.send_modify(|state| state.source_ended = true),
            Interpreted::Target(text) => self.state.send_modify(|state| append(&mut state.target, &text)),
            Interpreted::TargetEnded => self.state.send_modify(|state| state.target_ended = true),
            Interpreted::Audio(bytes) => {
                let samples = self.converter.push(&bytes)?;
                self.speak(&samples)?;
            }
            Interpreted::Finished => {
                let rest = self.converter.finish()?;
                self.speak(&rest)?;
                self.state.send_modify(|state| {
                    (state.source_ended, state.target_ended, state.speech_ended) = (true, true, true);
                });
            }
            Interpreted::Failed(failure) => return Err(failure),
            Interpreted::Warning(warning) => log::info!("the interpreter warns: {warning}"),
        }
        Ok(())
    }

    fn speak(&self, samples: &[i16]) -> Result<(), Failure> {
        self.state.send_modify(|state| {
            state.speech.extend_from_slice(samples);
            state.spoken += samples.len();
        });
        if self.state.borrow().spoken > MOST_SAMPLES {
            return Err(Failure::new(FailureKind::Protocol, "the speech does not end"));
        }
        Ok(())
    }
}

fn append(text: &mut String, more: &str) {
    if text.len() + more.len() <= LONGEST_TEXT {
        text.push_str(more);
    }
}
