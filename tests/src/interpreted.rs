//! A caller in an interpreter room, in real time, without a telephone in between.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use audio_path::Frame;
use serde_json::Value;

use crate::daemon::Daemon;
use crate::fake_phone::FakePhone;
use crate::voice::Voice;

/// Longer than an echo lasts, and than what is about to be played waits.
const QUIET: Duration = Duration::from_secs(2);
const FRAME: Duration = Duration::from_millis(20);

/// A caller in room 700 in real time, with the daemon's events.
pub struct Call {
    /// His end of the pipes.
    pub phone: FakePhone,
    events: mpsc::Receiver<Value>,
    /// What the daemon told so far.
    pub seen: Vec<Value>,
    voice: Voice,
    start: Instant,
    /// Ticks that passed.
    pub frames: u32,
    /// Frames that came.
    pub heard: u32,
    /// When a frame that is not silence was heard last.
    pub loud: Option<Instant>,
}

impl Call {
    /// Dials 700.
    ///
    /// # Panics
    /// Where the daemon does not answer.
    pub fn new(daemon: &Daemon) -> Self {
        Self::named(daemon, "700-1")
    }

    /// The same, by pipes of this name.
    ///
    /// # Panics
    /// Where the daemon does not answer.
    pub fn named(daemon: &Daemon, name: &str) -> Self {
        let events = events(daemon);
        let phone = FakePhone::connect(&daemon.pipes(), name);
        let (voice, start) = (Voice::default(), Instant::now());
        Self { phone, events, seen: Vec::new(), voice, start, frames: 0, heard: 0, loud: None }
    }

    /// 20 ms of the call.
    ///
    /// # Panics
    /// Where the daemon reads nothing any more.
    pub fn pass(&mut self, speaks: bool) {
        let frame = if speaks { self.voiced() } else { Frame::SILENCE };
        self.send(&frame);
    }

    /// The next 20 ms of his voice.
    pub fn voiced(&mut self) -> Frame {
        self.voice.frame(9_000.0)
    }

    /// 20 ms of the call in which he says this.
    ///
    /// # Panics
    /// Where the daemon reads nothing any more.
    pub fn send(&mut self, frame: &Frame) {
        self.frames += 1;
        thread::sleep((self.start + FRAME * self.frames).saturating_duration_since(Instant::now()));
        assert!(self.phone.send(&frame.to_wire()), "the daemon reads");
        while let Some(bytes) = self.phone.receive() {
            self.heard += 1;
            if Frame::from_wire(&bytes).dbfs() > -60.0 {
                self.loud = Some(Instant::now());
            }
        }
        self.seen.extend(self.events.try_iter());
    }

    /// Bursts of 600 ms of voice, with pauses too short to end an utterance.
    pub fn say(&mut self, bursts: u32) {
        for _ in 0..bursts {
            (0..30).for_each(|_| self.pass(true));
            (0..10).for_each(|_| self.pass(false));
        }
    }

    /// Listens until nothing was played for a while, so that what is said next is no echo.
    pub fn wait_for_quiet(&mut self) {
        let began = Instant::now();
        while self.loud.unwrap_or(began).max(began).elapsed() < QUIET {
            self.pass(false);
        }
    }

    /// Listens until an event of this type comes that was not seen before.
    pub fn wait_for(&mut self, kind: &str, limit: Duration) -> Value {
        self.wait_since(self.seen.len(), kind, limit)
    }

    /// Listens until there is an event of this type after the first `from`.
    ///
    /// # Panics
    /// Where none comes in time.
    pub fn wait_since(&mut self, from: usize, kind: &str, limit: Duration) -> Value {
        let until = Instant::now() + limit;
        loop {
            if let Some(event) = self.seen[from..].iter().find(|event| event["type"] == kind) {
                return event.clone();
            }
            assert!(Instant::now() < until, "no {kind} within {limit:?}: {:#?}", &self.seen[from..]);
            self.pass(false);
        }
    }
}

/// What the daemon tells, as it comes.
///
/// # Panics
/// Where the daemon does not answer.
pub fn events(daemon: &Daemon) -> mpsc::Receiver<Value> {
    let stream = UnixStream::connect(daemon.directory().join("control.sock")).expect("the control socket");
    let (sender, events) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let event = serde_json::from_str(&line).expect("a line is a JSON object");
            if sender.send(event).is_err() {
                return;
            }
        }
    });
    events
}
