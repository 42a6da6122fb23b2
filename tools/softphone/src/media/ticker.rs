//! The thread that keeps the 20 ms tick: what came is heard, the script decides, what is due is sent.

use std::net::{SocketAddrV4, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::script::{Script, ScriptEvent, Source, Step, Turn};
use super::session::AudioOptions;
use super::stream::{Stream, StreamCounts, TICK};
use super::turn::Heard;
use crate::audio::device::{Microphone, Speaker};
use crate::audio::wav::Clip;
use crate::sdp::Negotiated;

/// Real-time priority wished for: below the daemon's media thread, above everything ordinary.
const PRIORITY: u8 = 10;
/// A tick later than this is given up instead of caught up: the machine was asleep.
const GIVE_UP_AFTER: Duration = Duration::from_millis(500);
const MAX_RECORDING_SECONDS: usize = 3600;

/// What the audio of a call did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Packets by fate.
    pub counts: StreamCounts,
    /// Recordings played and answered.
    pub turns: Vec<Turn>,
    /// What was heard, at the codec's rate.
    pub heard: Option<Clip>,
    /// How the tick was kept.
    pub clock: ClockReport,
}

/// How well the tick was kept.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClockReport {
    /// Scheduling class and priority, as granted.
    pub policy: String,
    /// Ticks run.
    pub ticks: u64,
    /// Ticks given up after the machine slept.
    pub missed: u64,
    /// Latest tick, in microseconds.
    pub late_max_us: u64,
    /// Frames that the microphone did not deliver in time.
    pub microphone_underruns: u64,
    /// Frames that did not fit into the speaker's buffer.
    pub speaker_overruns: u64,
}

/// What the media thread tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// From the script.
    Script(ScriptEvent),
    /// The other side pressed a key.
    Key(char),
}

pub(super) enum Command {
    Renegotiate(Negotiated),
    Run(Vec<Step>),
    Press(String),
}

pub(super) struct Datagram {
    pub(super) bytes: Vec<u8>,
    pub(super) from: SocketAddrV4,
    pub(super) arrived: Instant,
}

/// Asks for real-time scheduling and goes on without it; gives what was granted.
pub(super) fn become_real_time() -> String {
    let refused = rt_sys::sched::set_fifo(PRIORITY).err();
    let (policy, priority) = rt_sys::sched::current();
    match refused {
        None => format!("{} {priority}", policy.name()),
        Some(error) => format!("{} (real-time refused: {error})", policy.name()),
    }
}

pub(super) struct Media {
    stream: Stream,
    socket: UdpSocket,
    commands: Receiver<Command>,
    datagrams: Receiver<Datagram>,
    notify: Box<dyn FnMut(MediaEvent) + Send>,
    script: Option<Script>,
    turns: Vec<Turn>,
    microphone: Option<Microphone>,
    speaker: Option<Speaker>,
    recording: Option<Vec<i16>>,
    clock: ClockReport,
    heard: Vec<i16>,
    spoken: Vec<i16>,
}

impl Media {
    pub(super) fn open(
        stream: Stream,
        options: &AudioOptions,
        socket: UdpSocket,
        commands: Receiver<Command>,
        datagrams: Receiver<Datagram>,
        notify: Box<dyn FnMut(MediaEvent) + Send>,
    ) -> Result<Self> {
        let codec = stream.codec();
        let rate = codec.sample_rate();
        Ok(Self {
            socket,
            commands,
            datagrams,
            notify,
            script: None,
            turns: Vec::new(),
            microphone: options.microphone.as_ref().map(|id| Microphone::open(id, rate)).transpose()?,
            speaker: options.speaker.as_ref().map(|id| Speaker::open(id, rate)).transpose()?,
            recording: options.record.then(Vec::new),
            clock: ClockReport::default(),
            heard: vec![0; codec.frame_samples()],
            spoken: vec![0; codec.frame_samples()],
            stream,
        })
    }

    pub(super) fn run(mut self, stop: &AtomicBool) -> Outcome {
        self.clock.policy = become_real_time();
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            due += TICK;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let now = Instant::now();
            let late = now.saturating_duration_since(due);
            self.clock.late_max_us = self.clock.late_max_us.max(late.as_micros() as u64);
            if late > GIVE_UP_AFTER {
                self.clock.missed += (late.as_millis() / TICK.as_millis()) as u64;
                due = now;
            }
            self.clock.ticks += 1;
            self.tick(now);
        }
        self.finish()
    }

    fn tick(&mut self, now: Instant) {
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command);
        }
        while let Ok(datagram) = self.datagrams.try_recv() {
            if let Some(key) = self.stream.on_datagram(&datagram.bytes, datagram.from, datagram.arrived) {
                (self.notify)(MediaEvent::Key(key));
            }
        }
        let heard = self.stream.hear(&mut self.heard, now);
        self.keep_heard();
        let source = self.run_script(now, heard.as_ref());
        self.fill_spoken(source);
        let socket = &self.socket;
        self.stream.speak(&self.spoken, |packet, to| {
            // A full or refused send is a lost packet, which the other side counts.
            let _ = socket.send_to(packet, to);
        });
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Renegotiate(agreed) => {
                self.stream.renegotiate(agreed);
                let samples = self.stream.codec().frame_samples();
                self.heard.resize(samples, 0);
                self.spoken.resize(samples, 0);
            }
            Command::Run(steps) => {
                let finished = self.script.replace(Script::new(steps));
                self.turns.extend(finished.iter().flat_map(Script::turns).cloned());
            }
            Command::Press(keys) => self.stream.press(&keys),
        }
    }

    fn keep_heard(&mut self) {
        if let Some(speaker) = &mut self.speaker
            && !speaker.write(&self.heard)
        {
            self.clock.speaker_overruns += 1;
        }
        let limit = MAX_RECORDING_SECONDS * self.stream.codec().sample_rate() as usize;
        if let Some(recording) = &mut self.recording
            && recording.len() < limit
        {
            recording.extend_from_slice(&self.heard);
        }
    }

    fn run_script(&mut self, now: Instant, heard: Option<&Heard>) -> Source {
        let Some(script) = &mut self.script else { return Source::Silence };
        let mut events = Vec::new();
        let source = script.on_tick(now, heard, self.stream.keys_idle(), &mut self.spoken, &mut events);
        for event in events {
            if let ScriptEvent::Press(keys) = &event {
                self.stream.press(keys);
            }
            (self.notify)(MediaEvent::Script(event));
        }
        source
    }

    fn fill_spoken(&mut self, source: Source) {
        // The microphone is read in any case, so that no old speech waits in its buffer.
        let mut frame = vec![0; self.spoken.len()];
        let complete = self.microphone.as_mut().is_none_or(|microphone| microphone.read(&mut frame));
        match source {
            Source::Recording => {}
            Source::Silence => self.spoken.fill(0),
            Source::Microphone => {
                self.spoken.copy_from_slice(&frame);
                self.clock.microphone_underruns += u64::from(!complete);
            }
        }
    }

    fn finish(mut self) -> Outcome {
        self.turns.extend(self.script.iter().flat_map(Script::turns).cloned());
        let sample_rate = self.stream.codec().sample_rate();
        Outcome {
            counts: self.stream.counts(),
            turns: self.turns,
            heard: self.recording.map(|samples| Clip { samples, sample_rate }),
            clock: self.clock,
        }
    }
}
