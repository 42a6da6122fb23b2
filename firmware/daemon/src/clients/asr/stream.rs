//! A leg's streaming connection to one engine: opened once, by whoever needs it first, and kept while the leg lasts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use audio_path::Frame;
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::provider::Provider;
use super::turns::{MOST_EVENTS, TurnEvent, Turns};
use super::{AsrInput, Ended, FALL_BACK_AFTER, SPEECH_DEADLINE, Utterance, answer_by};
use crate::clients::Transport;
use crate::clients::hosts::{Host, beside};
use crate::clients::websocket::{NotOpened, Received, Socket};
use crate::config::Asr;

/// How long the whole text may take after the last audio where all that was spoken is answered: whether a vendor answers silence is up to him.
const SILENCE_DEADLINE: Duration = Duration::from_millis(300);
/// A line that was open for so long has served: that it breaks is an interruption, and not a failed request.
const SERVED_AFTER: Duration = Duration::from_millis(500);
/// Frames and requests on their way to the connection.
const MOST_COMMANDS: usize = 128;

/// The connection, or the way to it.
pub(super) struct Stream {
    transport: Transport,
    service: Asr,
    /// Held while connecting: who comes second finds the connection, or why there is none.
    way: Mutex<Way>,
    /// Held by the utterance whose audio is being sent: audio of two would be heard as one.
    floor: Mutex<()>,
    lost: Arc<Lost>,
}

/// Is told why a line ended while nobody needed it: the next utterance is to find out nothing.
type Lost = dyn Fn(&Failure) + Send + Sync;

#[derive(Default)]
struct Way {
    line: Option<Line>,
    /// When there was none last, and why.
    failed: Option<(Instant, Failure)>,
}

/// The way to the task that owns the connection.
#[derive(Clone)]
struct Line {
    commands: mpsc::Sender<Command>,
    opened: Instant,
}

enum Command {
    Begin(mpsc::Sender<TurnEvent>),
    Audio(Box<Frame>),
    Finish,
    /// It failed an utterance.
    HangUp,
}

impl Stream {
    pub(super) fn new(transport: Transport, service: Asr, lost: Arc<Lost>) -> Self {
        Self { transport, service, way: Mutex::default(), floor: Mutex::new(()), lost }
    }

    /// Connects, if that is not done.
    pub(super) async fn warm(&self, languages: [Language; 2]) -> Result<(), Failure> {
        self.connected(languages).await.map(drop)
    }

    /// Has the utterance recognised. Where that fails, the connection ends with it.
    pub(super) async fn attempt(
        &self,
        utterance: &mut Utterance,
        host: Option<&Arc<Host>>,
    ) -> Result<(), Ended> {
        let floor = self.floor.lock().await;
        let line = self.connected(utterance.languages).await?;
        if let Some(lost) = utterance.lost.take() {
            log::info!("an utterance goes on by another line after {} ms", lost.elapsed().as_millis());
        }
        let silent = utterance.silent();
        let outcome = beside(host, silent, converse(&line, floor, utterance)).await;
        let outcome = outcome.unwrap_or_else(|swallowed| Err(swallowed.into()));
        let Err(Ended::Failed(failure)) = outcome else { return outcome };
        self.give_up(&line).await;
        // Who says nothing in time has not broken a line, and where no connection is made a new one is not to be had.
        let may_be_made_again = failure.kind != FailureKind::Slow && !failure.is_unreached;
        let broke = may_be_made_again && line.opened.elapsed() >= SERVED_AFTER;
        Err(if broke { Ended::Interrupted(failure) } else { Ended::Failed(failure) })
    }

    async fn give_up(&self, line: &Line) {
        // Full: it does not send any more, and ends by itself.
        let _full_or_gone = line.commands.try_send(Command::HangUp);
        self.way.lock().await.line.take_if(|kept| kept.commands.same_channel(&line.commands));
    }

    async fn connected(&self, languages: [Language; 2]) -> Result<Line, Failure> {
        let asked = Instant::now();
        let mut way = self.way.lock().await;
        if let Some(open) = way.line.as_ref().filter(|line| !line.commands.is_closed()) {
            return Ok(open.clone());
        }
        if let Some((_, failure)) = way.failed.as_ref().filter(|(at, _)| *at > asked) {
            return Err(failure.clone());
        }
        let (socket, provider) = open(&self.transport, &self.service, languages)
            .await
            .inspect_err(|failure| way.failed = Some((Instant::now(), failure.clone())))?;
        let (commands_in, commands) = mpsc::channel(MOST_COMMANDS);
        let lost = Arc::clone(&self.lost);
        tokio::spawn(Connection { socket, provider, turns: Turns::default(), lost }.serve(commands));
        let open = Line { commands: commands_in, opened: Instant::now() };
        way.line = Some(open.clone());
        Ok(open)
    }
}

/// Opens a connection.
pub(super) async fn open(
    transport: &Transport,
    service: &Asr,
    languages: [Language; 2],
) -> Result<(Socket, Provider), Failure> {
    let (provider, service) = Provider::new(service, languages)
        .ok_or_else(|| Failure::new(FailureKind::Refused, "this recogniser does not stream"))?;
    match transport.open(&provider.handshake(service)).await {
        Ok(socket) => Ok((socket, provider)),
        Err(NotOpened::Status(status, retry_after)) => Err(provider.refused(status, retry_after.as_deref())),
        Err(NotOpened::Failure(failure)) => Err(failure),
    }
}

/// Sends what is said in the utterance, and takes in what is heard of it, also while the line takes nothing.
async fn converse(line: &Line, floor: MutexGuard<'_, ()>, utterance: &mut Utterance) -> Result<(), Ended> {
    let (mut floor, before) = (Some(floor), utterance.answered);
    let (events_in, mut events) = mpsc::channel(MOST_EVENTS);
    let mut unsent = all_so_far(utterance, events_in);
    let began = Instant::now();
    let (mut sent, mut spoken): (Option<Instant>, Option<Instant>) = (None, None);
    loop {
        // Whatever it says meanwhile. Streamed audio is heard already, so that the last engine is not given more time:
        // a new line may help.
        let until = match (sent, spoken) {
            (None, _) => began + SPEECH_DEADLINE,
            (Some(sent), None) => answer_by(utterance.finished(), sent, FALL_BACK_AFTER),
            (Some(sent), Some(spoken)) => answer_by(utterance.finished(), sent, FALL_BACK_AFTER)
                .min(spoken.max(sent) + SILENCE_DEADLINE),
        };
        tokio::select! {
            place = line.commands.reserve(), if !unsent.is_empty() => match (place, unsent.pop_front()) {
                (Ok(place), Some(command)) => place.send(command),
                // The events tell why.
                _ => unsent.clear(),
            },
            input = utterance.input.recv(), if unsent.is_empty() && utterance.finished().is_none() => {
                unsent.extend(Some(command_of(input, utterance)?));
            }
            event = timeout_at(until, events.recv()) => match event {
                Ok(Some(TurnEvent::Certain { text, language, heard })) => {
                    utterance.certain(&text, language, before + heard).await;
                }
                Ok(Some(TurnEvent::Interim { text, language, heard })) => {
                    spoken = None;
                    utterance.tell_interim(text, language, before + heard).await;
                }
                Ok(Some(TurnEvent::Spoken)) => spoken = Some(Instant::now()),
                Ok(Some(TurnEvent::Finished)) => return Ok(()),
                Ok(Some(TurnEvent::Failed(failure))) => return Err(failure.into()),
                Ok(None) => return Err(hung_up().into()),
                Err(_) if sent.is_some() && spoken.is_some() => return Ok(()),
                Err(_) => return Err(Failure::new(FailureKind::Slow, "no text in time").into()),
            },
        }
        if utterance.finished().is_some() && unsent.is_empty() {
            drop(floor.take());
            sent.get_or_insert_with(Instant::now);
        }
    }
}

/// What is to be sent of an utterance on a new line.
fn all_so_far(utterance: &Utterance, events: mpsc::Sender<TurnEvent>) -> VecDeque<Command> {
    let mut commands = VecDeque::from([Command::Begin(events)]);
    commands.extend(utterance.kept.iter().map(|frame| Command::Audio(Box::new(*frame))));
    commands.extend(utterance.finished().map(|_| Command::Finish));
    commands
}

fn command_of(input: Option<AsrInput>, utterance: &mut Utterance) -> Result<Command, Ended> {
    match input {
        Some(AsrInput::Audio(frame)) => {
            utterance.keep(&frame);
            Ok(Command::Audio(frame))
        }
        Some(AsrInput::Finish) => {
            utterance.finish();
            Ok(Command::Finish)
        }
        None => Err(Ended::Unwanted),
    }
}

fn hung_up() -> Failure {
    Failure::new(FailureKind::Down, "the recogniser hung up")
}

/// The task that owns the WebSocket.
struct Connection {
    socket: Socket,
    provider: Provider,
    turns: Turns,
    lost: Arc<Lost>,
}

impl Connection {
    async fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut idle = interval(self.provider.keep_alive_every());
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failure = loop {
            let outcome = tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::HangUp) | None => {
                        drop(commands);
                        self.turns.fail(&hung_up());
                        return self.hang_up().await;
                    }
                    Some(command) => {
                        idle.reset();
                        self.obey(command).await
                    }
                },
                received = self.socket.receive() => self.received(received),
                _ = idle.tick() => self.keep_alive().await,
            };
            if let Err(failure) = outcome {
                break failure;
            }
        };
        if self.turns.is_idle() {
            (self.lost)(&failure);
        }
        self.turns.fail(&failure);
    }

    async fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Begin(events) => {
                if self.turns.is_going_on() {
                    // Nobody wants it any more; what follows must not be heard as part of it.
                    self.finish().await?;
                }
                self.turns.begin(events, self.provider.sent());
                Ok(())
            }
            Command::Audio(frame) => self.socket.send(self.provider.audio(&frame)).await,
            Command::Finish => self.finish().await,
            Command::HangUp => Ok(()),
        }
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.turns.end(self.provider.sent());
        if let Some(message) = self.provider.finish() {
            return self.socket.send(message).await;
        }
        self.turns.complete();
        Ok(())
    }

    fn received(&mut self, received: Result<Received, Failure>) -> Result<(), Failure> {
        match received? {
            Received::Closed(code, reason) => Err(self.provider.closed(code, &reason)),
            Received::Message(message) => {
                match self.provider.receive(&message) {
                    Ok(heard) => heard.into_iter().for_each(|heard| self.turns.take(heard)),
                    Err(failure) => log::info!("a message of the recogniser is passed over: {failure}"),
                }
                Ok(())
            }
        }
    }

    async fn keep_alive(&mut self) -> Result<(), Failure> {
        match self.provider.keep_alive() {
            Some(message) => self.socket.send(message).await,
            None => Ok(()),
        }
    }

    async fn hang_up(mut self) {
        let _server_gone = self.socket.send(self.provider.close()).await;
        self.socket.close().await;
    }
}
