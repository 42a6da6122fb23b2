//! The thread that owns the user agent, and the one that reads its socket.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use super::{Event, display};
use crate::sdp::LocalMedia;
use crate::sip::agent::{Account, AgentEvent, UserAgent};
use crate::sip::ids::IdSource;
use crate::sip::wire::MAX_DATAGRAM;

/// What the program wants.
pub(super) enum Wish {
    Register,
    Unregister,
    /// The sender gets the refusal, if there is one, before anything is sent.
    Invite(String, LocalMedia, Sender<Result<(), String>>),
    Answer(LocalMedia),
    HangUp,
    /// End when nothing is open any more, or at that instant.
    Stop(Instant),
}

enum Input {
    Datagram(Vec<u8>, SocketAddrV4),
    Wish(Wish),
}

/// The two threads.
pub(super) struct Signalling {
    inputs: Sender<Input>,
    address: SocketAddrV4,
    stop: Arc<AtomicBool>,
    agent: Option<JoinHandle<()>>,
}

impl Signalling {
    pub(super) fn start(
        socket: UdpSocket,
        account: Account,
        tell: Sender<AgentEvent>,
        display: Sender<Event>,
    ) -> Result<Self> {
        let address = account.local;
        let agent = UserAgent::new(account, IdSource::from_os().context("no randomness from the system")?);
        let (inputs, queue) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let receiver = socket.try_clone()?;
        receiver.set_read_timeout(Some(Duration::from_millis(200)))?;
        let (stopped, datagrams) = (Arc::clone(&stop), inputs.clone());
        thread::Builder::new()
            .name("phone-sip-rx".into())
            .spawn(move || receive(&receiver, &datagrams, &stopped))?;
        let shell = Shell { agent, socket, tell, display, stopping: None };
        let agent = thread::Builder::new().name("phone-sip".into()).spawn(move || shell.run(&queue))?;
        Ok(Self { inputs, address, stop, agent: Some(agent) })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    pub(super) fn wish(&self, wish: Wish) {
        // It fails only when the thread has ended; its end is seen where its events are awaited.
        let _ = self.inputs.send(Input::Wish(wish));
    }

    /// Waits until all is said, `patience` at most.
    pub(super) fn stop(mut self, patience: Duration) -> Result<()> {
        self.wish(Wish::Stop(Instant::now() + patience));
        let agent = self.agent.take();
        agent.map_or(Ok(()), JoinHandle::join).map_err(|_| anyhow!("the signalling thread has died"))
    }
}

impl Drop for Signalling {
    fn drop(&mut self) {
        self.wish(Wish::Stop(Instant::now()));
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn receive(socket: &UdpSocket, inputs: &Sender<Input>, stop: &AtomicBool) {
    let mut buffer = vec![0; MAX_DATAGRAM + 1];
    while !stop.load(Ordering::Relaxed) {
        // An error is a time-out, or the echo of a port that is closed over there: the timers deal with silence.
        if let Ok((length, SocketAddr::V4(from))) = socket.recv_from(&mut buffer)
            && inputs.send(Input::Datagram(buffer[..length].to_vec(), from)).is_err()
        {
            return;
        }
    }
}

struct Shell {
    agent: UserAgent,
    socket: UdpSocket,
    tell: Sender<AgentEvent>,
    display: Sender<Event>,
    stopping: Option<Instant>,
}

impl Shell {
    fn run(mut self, inputs: &Receiver<Input>) {
        loop {
            self.carry_out();
            let now = Instant::now();
            if self.stopping.is_some_and(|at| at <= now || self.agent.is_idle()) {
                return;
            }
            let until = self.agent.next_timer().into_iter().chain(self.stopping).min();
            let wait = until.map_or(Duration::from_secs(3600), |at| at.saturating_duration_since(now));
            match inputs.recv_timeout(wait) {
                Ok(Input::Datagram(bytes, from)) => self.agent.on_datagram(&bytes, from, Instant::now()),
                Ok(Input::Wish(wish)) => self.obey(wish),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            self.agent.on_timer(Instant::now());
        }
    }

    fn obey(&mut self, wish: Wish) {
        let now = Instant::now();
        match wish {
            Wish::Register => self.agent.register(now),
            Wish::Unregister => self.agent.unregister(now),
            Wish::Invite(target, media, refused) => {
                let _ = refused.send(self.agent.invite(&target, media, now));
            }
            Wish::Answer(media) => self.agent.answer(&media, now),
            Wish::HangUp => self.agent.hang_up(now),
            Wish::Stop(at) => self.stopping = Some(at),
        }
    }

    /// Sends and tells what the agent has decided.
    fn carry_out(&mut self) {
        while let Some(transmit) = self.agent.poll_transmit() {
            if let Err(error) = self.socket.send_to(&transmit.bytes, transmit.to) {
                log::warn!("cannot send to {}: {error}", transmit.to);
            }
        }
        while let Some(event) = self.agent.poll_event() {
            // Nobody may be looking, which is no fault.
            if let Some(shown) = display(&event) {
                let _ = self.display.send(shown);
            }
            let _ = self.tell.send(event);
        }
    }
}
