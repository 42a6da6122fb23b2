//! The shell: a socket and two threads around the user agent, and calls for programs.

mod call;
mod signalling;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs as _, UdpSocket};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Serialize;

pub use call::{Call, Connected, ScriptEnd};
use signalling::{Signalling, Wish};

use crate::media::codec::Codec;
use crate::media::script::ScriptEvent;
use crate::media::session::AudioOptions;
use crate::sip::agent::{self, AgentEvent, EndedBy};
use crate::sip::digest::Credentials;

/// Longer than any transaction can take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a closed port may take to say so on a LAN.
const PORT_CLOSED_AT_MOST: Duration = Duration::from_millis(300);
/// How long the end of a call, or of a registration, may take: a box that is gone should not hold a person up.
const CLOSING: Duration = Duration::from_secs(5);

/// An extension of a box.
#[derive(Debug, Clone)]
pub struct Account {
    user: String,
    domain: String,
    server: SocketAddrV4,
    credentials: Option<Credentials>,
}

impl Account {
    /// Extension `user` of the box at `host`, `host:port` or `a.b.c.d:port`; `secret` is its password.
    ///
    /// # Errors
    /// One line when the host has no IPv4 address or the extension cannot be written in a SIP address.
    pub fn new(user: &str, host: &str, secret: Option<String>) -> Result<Self> {
        check_user(user)?;
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:5060") };
        let mut addresses =
            with_port.to_socket_addrs().with_context(|| format!("{host} is not known in this network"))?;
        let server = addresses
            .find_map(|address| if let SocketAddr::V4(v4) = address { Some(v4) } else { None })
            .ok_or_else(|| anyhow!("{host} has no IPv4 address, and this phone speaks IPv4 only"))?;
        let credentials = secret.map(|secret| Credentials { user: user.to_owned(), secret });
        Ok(Self {
            user: user.to_owned(),
            domain: host.trim_end_matches(":5060").to_owned(),
            server,
            credentials,
        })
    }
}

/// Letters that need no escape in the user part of a SIP address.
fn check_user(user: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/#".contains(c);
    if user.is_empty() || user.len() > 64 || !user.chars().all(fine) {
        bail!("{user:?} is no extension: use digits and letters");
    }
    Ok(())
}

/// How the phone is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct PhoneOptions {
    /// Own SIP port; 0 takes a free one.
    pub port: u16,
}

/// What happens, for a live display. Milliseconds as in [`crate::TurnReport`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The box knows this phone, for that many seconds.
    Registered {
        /// Seconds.
        expires_s: u64,
    },
    /// It does not; what to do.
    RegistrationFailed {
        /// One line.
        message: String,
    },
    /// The called side rings, or announces something before the answer.
    Ringing {
        /// SIP status.
        code: u16,
    },
    /// Somebody calls.
    Incoming {
        /// His extension.
        from: String,
    },
    /// The call is up.
    Connected {
        /// Codec agreed on.
        codec: Codec,
    },
    /// The other side put the call on hold, took it back or moved it.
    MediaChanged {
        /// We are on hold.
        on_hold: bool,
    },
    /// A recording is being played.
    PlayStarted {
        /// Its name.
        name: String,
    },
    /// Its last spoken sample has left.
    Spoken,
    /// The reply begins.
    ReplyStarted {
        /// Milliseconds after the last spoken sample, at the network.
        arrived_ms: u64,
        /// And at the ear.
        at_ear_ms: u64,
    },
    /// The reply is over.
    ReplyEnded,
    /// A wait went on without what it waited for.
    GaveUpWaiting {
        /// What it waited for.
        what: String,
    },
    /// The other side pressed a key.
    Key {
        /// Which.
        key: char,
    },
    /// The call did not come about; what to do.
    Failed {
        /// One line.
        message: String,
    },
    /// The call is over.
    Ended {
        /// Who ended it.
        by: EndedBy,
    },
}

/// Turns what the agent and the script tell into what a display shows; `None` for what only the program needs.
fn display(event: &AgentEvent) -> Option<Event> {
    Some(match event {
        AgentEvent::Registered(expires) => Event::Registered { expires_s: expires.as_secs() },
        AgentEvent::RegistrationFailed(message) => Event::RegistrationFailed { message: message.clone() },
        AgentEvent::Progress(code) => Event::Ringing { code: *code },
        AgentEvent::Incoming { from } => Event::Incoming { from: from.clone() },
        AgentEvent::Connected(agreed) => Event::Connected { codec: agreed.codec },
        AgentEvent::MediaChanged(agreed) => Event::MediaChanged { on_hold: !agreed.send },
        AgentEvent::Failed { message, .. } => Event::Failed { message: message.clone() },
        AgentEvent::Ended(by) => Event::Ended { by: *by },
        AgentEvent::Unregistered | AgentEvent::EarlyMedia(_) => return None,
    })
}

fn display_script(event: &ScriptEvent) -> Option<Event> {
    Some(match event {
        ScriptEvent::PlayStarted(name) => Event::PlayStarted { name: name.clone() },
        ScriptEvent::Spoken => Event::Spoken,
        ScriptEvent::ReplyStarted(arrived, heard) => Event::ReplyStarted {
            arrived_ms: arrived.as_millis() as u64,
            at_ear_ms: heard.as_millis() as u64,
        },
        ScriptEvent::ReplyEnded => Event::ReplyEnded,
        ScriptEvent::GaveUpWaiting(what) => Event::GaveUpWaiting { what: (*what).to_owned() },
        ScriptEvent::NoReply => Event::GaveUpWaiting { what: "a reply".to_owned() },
        ScriptEvent::Press(_) | ScriptEvent::HangUp | ScriptEvent::Finished => return None,
    })
}

/// A phone with one line. Dropping it ends its threads; hang up and [`close`](Self::close) first to part in peace.
pub struct Phone {
    signalling: Signalling,
    /// What the agent tells, for the calls of this phone.
    agent_events: Receiver<AgentEvent>,
    display: Sender<Event>,
    ip: Ipv4Addr,
    server: SocketAddrV4,
}

impl Phone {
    /// Opens the SIP port and starts to listen. The receiver is for a live display and may be dropped.
    ///
    /// # Errors
    /// When the port is in use or there is no route to the box.
    pub fn start(account: Account, options: PhoneOptions) -> Result<(Self, Receiver<Event>)> {
        let (ip, server) = (own_address(account.server)?, account.server);
        let socket = UdpSocket::bind((ip, options.port))
            .with_context(|| format!("cannot use SIP port {}: is another phone using it?", options.port))?;
        let SocketAddr::V4(local) = socket.local_addr()? else { bail!("no IPv4 address") };
        let account = agent::Account {
            user: account.user,
            domain: account.domain,
            server: account.server,
            credentials: account.credentials,
            local,
        };
        let (display, display_events) = mpsc::channel();
        let (tell, agent_events) = mpsc::channel();
        let signalling = Signalling::start(socket, account, tell, display.clone())?;
        Ok((Self { signalling, agent_events, display, ip, server }, display_events))
    }

    /// Own address.
    pub fn address(&self) -> SocketAddrV4 {
        self.signalling.address()
    }

    /// Registers, and keeps the registration alive.
    ///
    /// # Errors
    /// One line that says what to do when the box refuses or does not answer.
    pub fn register(&self) -> Result<Duration> {
        ensure_open(self.server)?;
        self.signalling.wish(Wish::Register);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.next_event(deadline)? {
                AgentEvent::Registered(expires) => return Ok(expires),
                AgentEvent::RegistrationFailed(message) => bail!(message),
                _ => {}
            }
        }
    }

    /// Calls `extension` and offers `codecs`, preferred first. The call is on its way when this returns.
    ///
    /// # Errors
    /// When no port for speech is free, or a call is up already.
    pub fn dial(&self, extension: &str, codecs: &[Codec], audio: AudioOptions) -> Result<Call<'_>> {
        check_user(extension)?;
        Call::dial(self, extension, codecs, audio)
    }

    /// Waits for a call and answers it with one of `codecs`. `None` when nobody calls in time.
    ///
    /// # Errors
    /// When no port for speech is free.
    pub fn answer(
        &self,
        codecs: &[Codec],
        audio: AudioOptions,
        timeout: Duration,
    ) -> Result<Option<Call<'_>>> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.agent_events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(AgentEvent::Incoming { from }) => {
                    return Call::answer(self, from, codecs, audio).map(Some);
                }
                Ok(AgentEvent::RegistrationFailed(message)) => bail!(message),
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return Ok(None),
                Err(mpsc::RecvTimeoutError::Disconnected) => bail!("the signalling thread has died"),
            }
        }
    }

    /// Makes the box forget this phone.
    ///
    /// # Errors
    /// When the signalling thread died of a bug.
    pub fn close(self) -> Result<()> {
        self.signalling.wish(Wish::Unregister);
        self.signalling.stop(CLOSING)
    }

    fn next_event(&self, deadline: Instant) -> Result<AgentEvent> {
        self.agent_events
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .map_err(|_| anyhow!("the box does not answer: is it on, is this its SIP address?"))
    }
}

/// A port that is closed says so at once, to a socket that is connected to it. Silence means nothing yet.
fn ensure_open(server: SocketAddrV4) -> Result<()> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    probe.connect(server)?;
    probe.set_read_timeout(Some(PORT_CLOSED_AT_MOST))?;
    // What keeps a connection alive (RFC 5626), and is not answered over UDP.
    let told = probe.send(b"\r\n\r\n").and_then(|_| probe.recv(&mut [0; 16]));
    let closed = told.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    ensure!(!closed, "nothing answers at {server}: is the box on, is this its SIP address?");
    Ok(())
}

/// The address of ours from which `server` is reached.
fn own_address(server: SocketAddrV4) -> Result<Ipv4Addr> {
    let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    probe.connect(server).with_context(|| format!("no way to {}: is the network up?", server.ip()))?;
    match probe.local_addr()? {
        SocketAddr::V4(local) => Ok(*local.ip()),
        SocketAddr::V6(_) => bail!("no IPv4 address"),
    }
}
