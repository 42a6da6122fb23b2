//! The two threads of a call's audio: one waits for packets, one keeps the 20 ms tick.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;

use super::rtp::MAX_PACKET;
use super::script::{Script, ScriptEvent, Source, Step, Turn};
use super::stream::{Stream, StreamCounts, TICK};
use crate::audio::device::{DeviceChoice, Microphone, Speaker};
use crate::audio::wav::Clip;
use crate::sdp::Negotiated;

/// Real-time priority wished for: below the daemon's media thread, above everything ordinary.
const PRIORITY: u8 = 10;
/// A tick later than this is given up instead of caught up: the machine was asleep.
const GIVE_UP_AFTER: Duration = Duration::from_millis(500);
const MAX_RECORDING_SECONDS: usize = 3600;

/// The RTP port of a call and the RTCP port above it, which stays open and unread.
pub struct Ports {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    address: SocketAddrV4,
}

impl Ports {
    /// Opens an even port and the one above it.
    ///
    /// # Errors
    /// When no such pair is free.
    pub fn open(ip: Ipv4Addr) -> Result<Self> {
        for _ in 0..100 {
            let rtp =
                UdpSocket::bind((ip, 0)).with_context(|| format!("cannot open a port for speech on {ip}"))?;
            let SocketAddr::V4(address) = rtp.local_addr()? else { continue };
            if address.port() % 2 == 1 {
                continue;
            }
            if let Ok(rtcp) = UdpSocket::bind((ip, address.port() + 1)) {
                return Ok(Self { rtp, rtcp, address });
            }
        }
        Err(anyhow!("no free pair of UDP ports on {ip}: close some programs"))
    }

    /// Where we receive RTP.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }
}

/// What the audio of a call is connected to.
#[derive(Debug, Clone)]
pub struct AudioOptions {
    /// Open this microphone.
    pub microphone: Option<DeviceChoice>,
    /// Open this speaker.
    pub speaker: Option<DeviceChoice>,
    /// Keep what is heard.
    pub record: bool,
    /// Depth of the jitter buffer.
    pub jitter: Duration,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self { microphone: None, speaker: None, record: false, jitter: Duration::from_millis(40) }
    }
}

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

enum Command {
    Renegotiate(Negotiated),
    Run(Vec<Step>),
    Press(String),
}

struct Datagram {
    bytes: Vec<u8>,
    from: SocketAddrV4,
    arrived: Instant,
}

/// The running audio of a call.
pub struct Session {
    commands: Sender<Command>,
    stop: Arc<AtomicBool>,
    /// Taken by [`stop`](Self::stop).
    threads: Option<(JoinHandle<()>, JoinHandle<Outcome>)>,
}

impl Session {
    /// Starts both threads. Events go to `notify`, called from the media thread.
    ///
    /// # Errors
    /// When a microphone or speaker cannot be opened; one line that names it.
    pub fn start(
        ports: &Ports,
        stream: Stream,
        options: AudioOptions,
        notify: impl FnMut(MediaEvent) + Send + 'static,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (commands, command_queue) = mpsc::channel();
        let (datagrams, datagram_queue) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let socket = ports.rtp.try_clone()?;
        let rtcp = ports.rtcp.try_clone()?;
        let stopped = Arc::clone(&stop);
        let ticker = thread::Builder::new().name("phone-media".into()).spawn(move || {
            // The devices are opened here: their streams cannot move between threads. Their threads start before this
            // one becomes a real-time thread.
            match Media::open(stream, &options, socket, command_queue, datagram_queue, Box::new(notify)) {
                Ok(media) => {
                    let _ = ready.send(Ok(()));
                    media.run(&stopped)
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                    Outcome {
                        counts: StreamCounts::default(),
                        turns: Vec::new(),
                        heard: None,
                        clock: ClockReport::default(),
                    }
                }
            }
        })?;
        is_ready.recv().context("the media thread has died")??;
        let socket = ports.rtp.try_clone()?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let stopped = Arc::clone(&stop);
        let receiver = thread::Builder::new().name("phone-rtp".into()).spawn(move || {
            receive(&socket, &datagrams, &stopped);
            drop(rtcp);
        })?;
        Ok(Self { commands, stop, threads: Some((receiver, ticker)) })
    }

    /// The other side has changed the stream.
    pub fn renegotiate(&self, agreed: Negotiated) {
        self.send(Command::Renegotiate(agreed));
    }

    /// Carries out `steps` from now on, in place of what was left of others.
    pub fn run(&self, steps: Vec<Step>) {
        self.send(Command::Run(steps));
    }

    /// Presses keys.
    pub fn press(&self, keys: &str) {
        self.send(Command::Press(keys.to_owned()));
    }

    fn send(&self, command: Command) {
        // It fails only when the thread has ended, and then there is nobody to be told.
        let _ = self.commands.send(command);
    }

    /// Ends both threads and gives what they counted.
    ///
    /// # Errors
    /// When the media thread died of a bug.
    pub fn stop(mut self) -> Result<Outcome> {
        self.stop.store(true, Ordering::Relaxed);
        let (receiver, ticker) = self.threads.take().ok_or_else(|| anyhow!("the media thread has ended"))?;
        let outcome = ticker.join().map_err(|_| anyhow!("the media thread has died"))?;
        receiver.join().map_err(|_| anyhow!("the receiving thread has died"))?;
        Ok(outcome)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn receive(socket: &UdpSocket, datagrams: &Sender<Datagram>, stop: &AtomicBool) {
    become_real_time();
    let mut buffer = [0; MAX_PACKET + 1];
    while !stop.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((length, SocketAddr::V4(from))) => {
                let datagram = Datagram { bytes: buffer[..length].to_vec(), from, arrived: Instant::now() };
                if datagrams.send(datagram).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => match error.kind() {
                // The other side's port is closed for the moment, or nothing came.
                ErrorKind::WouldBlock
                | ErrorKind::TimedOut
                | ErrorKind::ConnectionRefused
                | ErrorKind::Interrupted => {}
                _ => thread::sleep(Duration::from_millis(10)),
            },
        }
    }
}

/// Asks for real-time scheduling and goes on without it; gives what was granted.
fn become_real_time() -> String {
    let refused = rt_sys::sched::set_fifo(PRIORITY).err();
    let (policy, priority) = rt_sys::sched::current();
    match refused {
        None => format!("{} {priority}", policy.name()),
        Some(error) => format!("{} (real-time refused: {error})", policy.name()),
    }
}

struct Media {
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
    fn open(
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

    fn run(mut self, stop: &AtomicBool) -> Outcome {
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

    fn run_script(&mut self, now: Instant, heard: Option<&super::turn::Heard>) -> Source {
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
