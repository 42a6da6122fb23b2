//! A leg's streaming connection to one engine: opened once, by whoever needs it first, and kept while the leg lasts.

use std::collections::VecDeque;
use std::time::Duration;

use audio_path::Frame;
use engines::asr::Heard;
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::provider::Provider;
use super::{AsrInput, Ended, Utterance};
use crate::clients::Transport;
use crate::clients::websocket::{NotOpened, Received, Socket};
use crate::config::Asr;

/// How long the whole text may take after the last audio. Streamed audio is heard already, so it is short.
const ANSWER_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long a recogniser may say nothing while somebody speaks: a dead line is noticed before.
const SPEECH_DEADLINE: Duration = Duration::from_secs(40);
/// A line that was open for so long has served: that it breaks is an interruption, and not a failed request.
const SERVED_AFTER: Duration = Duration::from_millis(500);
/// Frames and requests on their way to the connection.
const MOST_COMMANDS: usize = 128;
/// Events of one turn that wait for its task.
const MOST_EVENTS: usize = 64;

/// The connection, or the way to it.
pub(super) struct Stream {
    transport: Transport,
    service: Asr,
    /// Held while connecting: who comes second finds the connection.
    line: Mutex<Option<Line>>,
    /// Held by the utterance whose audio is being sent: audio of two would be heard as one.
    floor: Mutex<()>,
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
}

/// What an utterance's task is told.
enum TurnEvent {
    /// Text that is not taken back, and how much of the turn's audio it answers.
    Certain {
        text: String,
        language: Option<Language>,
        heard: Duration,
    },
    /// What is taken to follow that, made of so much of the turn's audio.
    Interim {
        text: String,
        language: Option<Language>,
        heard: Duration,
    },
    Finished,
    Failed(Failure),
}

impl Stream {
    pub(super) fn new(transport: Transport, service: Asr) -> Self {
        Self { transport, service, line: Mutex::new(None), floor: Mutex::new(()) }
    }

    /// Connects, if that is not done.
    pub(super) async fn warm(&self, languages: [Language; 2]) -> Result<(), Failure> {
        self.connected(languages).await.map(drop)
    }

    /// Has the utterance recognised.
    pub(super) async fn attempt(&self, utterance: &mut Utterance) -> Result<(), Ended> {
        let floor = self.floor.lock().await;
        let line = self.connected(utterance.languages).await?;
        let (events_in, mut events) = mpsc::channel(MOST_EVENTS);
        match converse(&line, floor, events_in, &mut events, utterance).await {
            Err(Ended::Failed(failure)) if line.opened.elapsed() >= SERVED_AFTER => {
                Err(Ended::Interrupted(failure))
            }
            outcome => outcome,
        }
    }

    async fn connected(&self, languages: [Language; 2]) -> Result<Line, Failure> {
        let mut line = self.line.lock().await;
        if let Some(open) = line.as_ref().filter(|line| !line.commands.is_closed()) {
            return Ok(open.clone());
        }
        let (socket, provider) = open(&self.transport, &self.service, languages).await?;
        let (commands_in, commands) = mpsc::channel(MOST_COMMANDS);
        tokio::spawn(Connection { socket, provider, turns: VecDeque::new() }.serve(commands));
        let open = Line { commands: commands_in, opened: Instant::now() };
        *line = Some(open.clone());
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
    match Socket::open(&transport.tls, &provider.handshake(service)).await {
        Ok(socket) => Ok((socket, provider)),
        Err(NotOpened::Status(status, retry_after)) => Err(provider.refused(status, retry_after.as_deref())),
        Err(NotOpened::Failure(failure)) => Err(failure),
    }
}

/// Sends what is said in the utterance, and takes in what is heard of it.
async fn converse(
    line: &Line,
    floor: MutexGuard<'_, ()>,
    events_in: mpsc::Sender<TurnEvent>,
    events: &mut mpsc::Receiver<TurnEvent>,
    utterance: &mut Utterance,
) -> Result<(), Ended> {
    let (mut floor, before) = (Some(floor), utterance.answered);
    tell(line, events, Command::Begin(events_in)).await?;
    for frame in &utterance.kept {
        tell(line, events, Command::Audio(Box::new(*frame))).await?;
    }
    if utterance.finished {
        tell(line, events, Command::Finish).await?;
        drop(floor.take());
    }
    loop {
        let patience = if utterance.finished { ANSWER_DEADLINE } else { SPEECH_DEADLINE };
        tokio::select! {
            input = utterance.input.recv(), if !utterance.finished => match input {
                Some(AsrInput::Audio(frame)) => {
                    utterance.keep(&frame);
                    tell(line, events, Command::Audio(frame)).await?;
                }
                Some(AsrInput::Finish) => {
                    utterance.finished = true;
                    tell(line, events, Command::Finish).await?;
                    drop(floor.take());
                }
                None => {
                    // What follows must not be heard as part of it.
                    tell(line, events, Command::Finish).await?;
                    return Err(Ended::Unwanted);
                }
            },
            event = timeout(patience, events.recv()) => match event {
                Ok(Some(TurnEvent::Certain { text, language, heard })) => {
                    utterance.certain(&text, language, before + heard).await;
                }
                Ok(Some(TurnEvent::Interim { text, language, heard })) => {
                    utterance.tell_interim(text, language, before + heard).await;
                }
                Ok(Some(TurnEvent::Finished)) => return Ok(()),
                Ok(Some(TurnEvent::Failed(failure))) => return Err(failure.into()),
                Ok(None) => return Err(hung_up().into()),
                Err(_) => return Err(Failure::new(FailureKind::Slow, "no text in time").into()),
            },
        }
    }
}

/// The connection's task tells why it ended before it stops listening.
async fn tell(line: &Line, events: &mut mpsc::Receiver<TurnEvent>, command: Command) -> Result<(), Ended> {
    if line.commands.send(command).await.is_ok() {
        return Ok(());
    }
    while let Some(event) = events.recv().await {
        if let TurnEvent::Failed(failure) = event {
            return Err(failure.into());
        }
    }
    Err(hung_up().into())
}

fn hung_up() -> Failure {
    Failure::new(FailureKind::Down, "the recogniser hung up")
}

/// The task that owns the WebSocket.
struct Connection {
    socket: Socket,
    provider: Provider,
    /// Utterances whose text is not complete, oldest first.
    turns: VecDeque<Turn>,
}

struct Turn {
    events: mpsc::Sender<TurnEvent>,
    /// What had been sent when it began.
    began: Duration,
}

impl Connection {
    async fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut idle = interval(self.provider.keep_alive_every());
        idle.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failure = loop {
            let outcome = tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => {
                        idle.reset();
                        self.obey(command).await
                    }
                    None => return self.hang_up().await,
                },
                received = self.socket.receive() => self.received(received),
                _ = idle.tick() => self.keep_alive().await,
            };
            if let Err(failure) = outcome {
                break failure;
            }
        };
        for turn in &self.turns {
            // An utterance that is no longer wanted does not listen.
            let _unwanted = turn.events.try_send(TurnEvent::Failed(failure.clone()));
        }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Begin(events) => {
                self.turns.push_back(Turn { events, began: self.provider.sent() });
                Ok(())
            }
            Command::Audio(frame) => self.socket.send(self.provider.audio(&frame)).await,
            Command::Finish => {
                if let Some(message) = self.provider.finish() {
                    return self.socket.send(message).await;
                }
                // All of it is answered already.
                (0..self.turns.len()).for_each(|_| self.heard(Heard::Finished));
                Ok(())
            }
        }
    }

    fn received(&mut self, received: Result<Received, Failure>) -> Result<(), Failure> {
        match received? {
            Received::Closed(code, reason) => Err(self.provider.closed(code, &reason)),
            Received::Message(message) => {
                match self.provider.receive(&message) {
                    Ok(heard) => heard.into_iter().for_each(|heard| self.heard(heard)),
                    Err(failure) => log::info!("a message of the recogniser is passed over: {failure}"),
                }
                Ok(())
            }
        }
    }

    fn heard(&mut self, heard: Heard) {
        let Some(turn) = self.turns.front() else { return };
        let event = match heard {
            Heard::Segment { text, language, until, .. } => TurnEvent::Certain {
                text,
                language: language.and_then(|code| code.parse().ok()),
                heard: until.saturating_sub(turn.began),
            },
            Heard::Interim { text, language, until } => TurnEvent::Interim {
                text,
                language: language.and_then(|code| code.parse().ok()),
                heard: until.saturating_sub(turn.began),
            },
            Heard::Finished => TurnEvent::Finished,
            Heard::Warning(warning) => return log::info!("the recogniser warns: {warning}"),
            Heard::TurnEnded => return,
        };
        let finished = matches!(event, TurnEvent::Finished);
        // Full: its task does not listen, and its deadline ends it.
        let _unwanted = turn.events.try_send(event);
        if finished {
            self.turns.pop_front();
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
