//! How a leg's caller speaks, measured beside the call: nobody waits for it, and what it cannot take in time is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audio_path::{FRAME_MS, Frame};
use engines::emotion::hume::{Felt as Said, Measured, Next, Stream};
use engines::{Failure, FailureKind};
use secrecy::ExposeSecret;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::chain::Line;
use super::stage::Stage;
use super::websocket::{NotOpened, Received, Socket};
use super::{Answer, Transport};
use crate::config::Service;
use crate::hub::now;
use crate::supervision::Lives;

/// Frames that may wait for the connection: two seconds.
const MOST_FRAMES: usize = 100;
/// Frames of silence after an utterance, by which the engine sees its end.
const PAUSE_FRAMES: usize = 25;
/// How long all attempts to connect may take together.
const OPEN_DEADLINE: Duration = Duration::from_secs(3);
/// A session that ends before this and measured nothing is of no use.
const SERVED_AFTER: Duration = Duration::from_secs(10);
/// How long a session may take to begin.
const READY_DEADLINE: Duration = Duration::from_millis(1_500);
/// After a failure the engine is left alone for this long.
const REST: Duration = Duration::from_secs(10);
/// Where nothing is to be sent.
const LONG: Duration = Duration::from_secs(3_600);

/// A stretch of speech as an engine hears it.
#[derive(Clone, Debug, PartialEq)]
pub struct Felt {
    /// Its scores.
    pub measured: Measured,
    /// Audio that was sent after it until its scores came.
    pub behind: Duration,
}

/// What became of a leg's speech here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmotionCounts {
    /// Measurements that came.
    pub measurements: u64,
    /// Speech that was sent, milliseconds, pauses after it included.
    pub sent_ms: u64,
    /// Speech that was not, since the engine was slow or away, milliseconds.
    pub dropped_ms: u64,
}

#[derive(Default)]
struct Counters {
    measurements: AtomicU64,
    sent_ms: AtomicU64,
    dropped_ms: AtomicU64,
}

/// Measures one leg's speech. It ends when it is dropped.
pub struct Emotion {
    frames: mpsc::Sender<Frame>,
    counters: Arc<Counters>,
}

struct Worker {
    stage: Arc<Stage<Service>>,
    line: Line<Service>,
    transport: Transport,
    answers: mpsc::Sender<Answer>,
    counters: Arc<Counters>,
}

/// Why a session is over.
enum Over {
    /// The leg hung up.
    HungUp,
    /// The engine ended it since nobody spoke, or for reasons of its own.
    Closed,
    Failed(Failure),
}

impl From<Failure> for Over {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Emotion {
    /// A measurement by `stage`'s engines that connects when somebody speaks, and tells `answers`.
    pub fn new(stage: &Arc<Stage<Service>>, transport: &Transport, answers: mpsc::Sender<Answer>) -> Self {
        let (frames, queue) = mpsc::channel(MOST_FRAMES);
        let counters = Arc::<Counters>::default();
        let worker = Worker {
            stage: Arc::clone(stage),
            line: Line::new(stage),
            transport: transport.clone(),
            answers,
            counters: Arc::clone(&counters),
        };
        tokio::spawn(worker.stay(queue));
        Self { frames, counters }
    }

    /// Takes the next 20 ms of an utterance.
    pub fn hear(&self, frame: &Frame) {
        if self.frames.try_send(*frame).is_err() {
            self.counters.dropped_ms.fetch_add(u64::from(FRAME_MS), Ordering::Relaxed);
        }
    }

    /// The utterance is over.
    pub fn pause(&self) {
        for _ in 0..PAUSE_FRAMES {
            // What is full has no room for silence either.
            let _full = self.frames.try_send(Frame::SILENCE);
        }
    }

    /// What became of it so far.
    pub fn counts(&self) -> EmotionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EmotionCounts {
            measurements: read(&self.counters.measurements),
            sent_ms: read(&self.counters.sent_ms),
            dropped_ms: read(&self.counters.dropped_ms),
        }
    }
}

impl Worker {
    /// Until the leg is gone, and anew where it dies.
    async fn stay(self, mut queue: mpsc::Receiver<Frame>) {
        let mut lives = Lives::of(&self.stage.workers);
        while let Err(again) = lives.live(self.run(&mut queue)).await {
            self.rest(again, &mut queue).await;
        }
    }

    async fn run(&self, queue: &mut mpsc::Receiver<Frame>) {
        while let Some(first) = queue.recv().await {
            let began = Instant::now();
            match self.session(&first, queue).await {
                Over::HungUp => return,
                // However much it measured: one that ends its sessions at once is not stormed.
                Over::Closed => self.rest(began + SERVED_AFTER, queue).await,
                Over::Failed(failure) => {
                    log::debug!("nothing is measured for a while: {failure}");
                    self.rest(Instant::now() + REST, queue).await;
                }
            }
        }
    }

    async fn rest(&self, until: Instant, queue: &mut mpsc::Receiver<Frame>) {
        while let Ok(Some(_)) = timeout_at(until, queue.recv()).await {
            self.counters.dropped_ms.fetch_add(u64::from(FRAME_MS), Ordering::Relaxed);
        }
    }

    async fn session(&self, first: &Frame, queue: &mut mpsc::Receiver<Frame>) -> Over {
        let (mut socket, mut stream) = match self.open().await {
            Ok(open) => open,
            Err(failure) => return Over::Failed(failure),
        };
        self.push(&mut stream, first);
        let (began, before) = (Instant::now(), self.counters.measurements.load(Ordering::Relaxed));
        let Err(mut over) = self.serve(&mut socket, &mut stream, queue).await;
        let measured = self.counters.measurements.load(Ordering::Relaxed) > before;
        if matches!(over, Over::Closed) && !measured && began.elapsed() < SERVED_AFTER {
            over = Failure::new(FailureKind::Down, "the session ended before anything was measured").into();
        }
        if let Over::Failed(failure) = &over {
            // What it failed of is held against it, though it is not tried again at once.
            let mut effort = self.line.effort(Duration::ZERO, false);
            if effort.turn().await.is_ok() {
                effort.judge::<()>(Err(failure.clone()));
            }
        } else {
            let _engine_gone = socket.send(stream.close()).await;
        }
        socket.close().await;
        over
    }

    async fn open(&self) -> Result<(Socket, Stream), Failure> {
        let mut effort = self.line.effort(OPEN_DEADLINE, true);
        loop {
            let turn = effort.turn().await?;
            if let Some(opened) = effort.judge(begin(&self.transport, self.stage.provider(turn.index)).await)
            {
                return Ok(opened);
            }
        }
    }

    /// Until the session is over.
    async fn serve(
        &self,
        socket: &mut Socket,
        stream: &mut Stream,
        queue: &mut mpsc::Receiver<Frame>,
    ) -> Result<std::convert::Infallible, Over> {
        loop {
            let wait = self.send(socket, stream).await?;
            tokio::select! {
                frame = queue.recv() => self.push(stream, &frame.ok_or(Over::HungUp)?),
                received = socket.receive() => match received? {
                    Received::Closed(1000 | 1001, _) => return Err(Over::Closed),
                    Received::Closed(code, reason) => return Err(Stream::closed(code, &reason).into()),
                    Received::Message(message) => match stream.receive(&message) {
                        Ok(said) => self.take(stream, said)?,
                        Err(failure) => log::info!("a message of the measurement is passed over: {failure}"),
                    },
                },
                () = sleep(wait) => {}
            }
        }
    }

    fn push(&self, stream: &mut Stream, frame: &Frame) {
        let before = stream.dropped();
        stream.push(&frame.0);
        let dropped = stream.dropped().saturating_sub(before);
        self.counters.dropped_ms.fetch_add(dropped.as_millis() as u64, Ordering::Relaxed);
    }

    /// Sends what is due, and tells for how long nothing is.
    async fn send(&self, socket: &mut Socket, stream: &mut Stream) -> Result<Duration, Failure> {
        loop {
            let clock = Duration::from_nanos(now().as_nanos());
            let before = stream.sent();
            match stream.poll(clock) {
                Next::Send(message) => {
                    socket.send(message).await?;
                    let sent = stream.sent().saturating_sub(before);
                    self.counters.sent_ms.fetch_add(sent.as_millis() as u64, Ordering::Relaxed);
                }
                Next::Wait(until) => return Ok(until.saturating_sub(clock)),
                Next::Nothing => return Ok(LONG),
            }
        }
    }

    fn take(&self, stream: &Stream, said: Option<Said>) -> Result<(), Over> {
        match said {
            Some(Said::Measured(measured)) => {
                self.counters.measurements.fetch_add(1, Ordering::Relaxed);
                let behind = stream.sent().saturating_sub(measured.to);
                // A leg that is busy has better things to do than to show this.
                let _busy = self.answers.try_send(Answer::Felt(Felt { measured, behind }));
            }
            Some(Said::Refused(words)) => log::info!("the measurement refuses something: {words}"),
            Some(Said::Failed(failure)) => return Err(failure.into()),
            Some(Said::Closed(_)) => return Err(Over::Closed),
            Some(Said::Ready) | None => {}
        }
        Ok(())
    }
}

async fn open(transport: &Transport, service: &Service) -> Result<(Socket, Stream), Failure> {
    let stream = Stream::new();
    let key = service.key.as_ref().map_or("", |key| key.expose_secret());
    let opened = transport.open(&stream.handshake(&service.url, key)).await;
    let mut socket = opened.map_err(|error| match error {
        NotOpened::Status(status, retry_after) => Stream::refused(status, retry_after.as_deref()),
        NotOpened::Failure(failure) => failure,
    })?;
    socket.send(stream.open()).await?;
    Ok((socket, stream))
}

/// Has a session begin: that somebody takes a connection proves nothing.
async fn begin(transport: &Transport, service: &Service) -> Result<(Socket, Stream), Failure> {
    let (mut socket, mut stream) = open(transport, service).await?;
    let late = |_| Failure::new(FailureKind::Slow, "the session does not begin");
    timeout(READY_DEADLINE, until_ready(&mut socket, &mut stream)).await.map_err(late)??;
    Ok((socket, stream))
}

async fn until_ready(socket: &mut Socket, stream: &mut Stream) -> Result<(), Failure> {
    while !stream.is_ready() {
        match socket.receive().await? {
            Received::Closed(code, reason) => return Err(Stream::closed(code, &reason)),
            Received::Message(message) => {
                if let Some(Said::Failed(failure)) = stream.receive(&message)? {
                    return Err(failure);
                }
            }
        }
    }
    Ok(())
}

/// Opens a session and hangs up.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let (mut socket, stream) = open(transport, service).await?;
    socket.send(stream.close()).await?;
    socket.close().await;
    Ok(())
}

/// Has a session begin.
pub(super) async fn trial(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let (mut socket, stream) = begin(transport, service).await?;
    socket.send(stream.close()).await?;
    socket.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::role;
    use crate::clients::tests::{engine, service};

    const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);

    #[tokio::test(start_paused = true)]
    async fn a_measurement_that_dies_is_begun_anew_and_costs_nothing_but_itself() {
        let known =
            Stage::new("emotion", &[engine("cloud", service("ws://127.0.0.1:1"))], |_| role(false, false));
        let (frames, queue) = mpsc::channel(MOST_FRAMES);
        let (answers, counters) = (mpsc::channel(1).0, Arc::<Counters>::default());
        let worker = Worker {
            // It dies of each frame: nobody of whom it is told is there.
            stage: Stage::new("emotion", &[], |_| role(false, false)),
            line: Line::new(&known),
            transport: Transport::new().unwrap(),
            answers,
            counters: Arc::clone(&counters),
        };
        let stage = Arc::clone(&worker.stage);
        let emotion = Emotion { frames, counters };
        tokio::spawn(worker.stay(queue));
        let mut dead = [false; 3];
        for dead in &mut dead {
            emotion.hear(&Frame::SILENCE);
            sleep(FRAME).await;
            *dead = stage.workers.is_dead();
        }
        assert_eq!((dead, emotion.counts().dropped_ms), ([false, true, true], u64::from(FRAME_MS)));
    }
}
