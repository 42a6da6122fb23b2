//! The two threads of a call's audio: one waits for packets, one keeps the 20 ms tick.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::rtp::MAX_PACKET;
use super::script::Step;
use super::stream::{Stream, StreamCounts};
use super::ticker::{ClockReport, Command, Datagram, Media, MediaEvent, Outcome, become_real_time};
use crate::audio::device::DeviceChoice;
use crate::sdp::Negotiated;

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
