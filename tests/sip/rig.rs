//! An Asterisk of the shipped configuration, and somebody who speaks SIP to it in raw datagrams.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use lab::asterisk::{Asterisk, Options};
use lab::cache::Cache;
use lab::programs::{driver, in_repository};
use lab::run_dir::RunDir;
use softphone::sip::digest::{Challenge, Credentials, Session};

/// Fields drop in order: Asterisk ends before its directory goes.
pub(crate) struct Rig {
    pub(crate) asterisk: Asterisk,
    pub(crate) run_dir: RunDir,
}

impl Rig {
    pub(crate) fn start(change: impl FnOnce(&mut Options)) -> Self {
        let cache = Cache::locate().expect("a cache");
        let run_dir = RunDir::create(&cache).expect("a run directory");
        let driver = driver().expect("the driver is built");
        let here = run_dir.path().to_owned();
        let mut options =
            Options::new(cache.prefix(), driver, in_repository("asterisk-conf"), here).expect("options");
        options.sip.set_port(free_port());
        options.http_port = free_port();
        change(&mut options);
        Self { asterisk: Asterisk::start(options).expect("Asterisk starts"), run_dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.run_dir.path().join(name)
    }
}

/// A raw SIP user agent over UDP.
pub(crate) struct Raw {
    socket: UdpSocket,
    pub(crate) server: SocketAddr,
}

impl Raw {
    pub(crate) fn new(from: IpAddr, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((from, 0)).expect("a port");
        socket.connect(server).expect("a route");
        Self { socket, server }
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("it is sent");
    }

    /// The next datagram in time.
    pub(crate) fn receive(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).expect("a limit");
        let mut bytes = [0; 8 << 10];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    /// A datagram that has come already.
    pub(crate) fn pending(&self) -> Option<String> {
        self.socket.set_nonblocking(true).expect("a mode");
        let answer = self.receive(Duration::from_secs(1));
        self.socket.set_nonblocking(false).expect("a mode");
        answer
    }

    /// A request, with more headers or none, that nobody has sent before.
    pub(crate) fn request(&self, method: &str, user: &str, branch: u32, more: &str) -> String {
        let (server, own) = (self.server, self.socket.local_addr().expect("bound"));
        format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{server}>;tag={branch}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: {branch}@{own}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@{own}>\r\nExpires: 60\r\n{more}\
             Content-Length: 0\r\n\r\n"
        )
    }
}

/// The `Authorization` header with a wrong password that answers the challenge in a 401.
pub(crate) fn wrong_password(user: &str, challenge: &str, server: SocketAddr) -> Option<String> {
    let value = challenge.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: "))?;
    let who = Credentials { user: user.to_owned(), secret: "password".to_owned() };
    let uri = format!("sip:{server}");
    let header = Session::new(Challenge::parse(value.trim())?).authorize(&who, "REGISTER", &uri, "c");
    Some(format!("Authorization: {header}\r\n"))
}

pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}
