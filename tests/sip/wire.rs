//! SIP by hand over a connection: TCP, or TLS that trusts the box's own certificate.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(5);

/// How requests travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// One socket, and what has come out of it.
pub(crate) struct Wire {
    way: Way,
    pub(crate) server: SocketAddr,
    own: SocketAddr,
    socket: Socket,
    heard: Vec<u8>,
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// From `from` to the box at `server`, which shows `certificate`.
    pub(crate) fn open(way: Way, from: Ipv4Addr, server: SocketAddrV4, certificate: &[u8]) -> Self {
        let port = server.port() + u16::from(way == Way::Tls);
        let server = SocketAddrV4::new(*server.ip(), port);
        let (socket, own) = match way {
            Way::Udp => {
                let socket = UdpSocket::bind((from, 0)).expect("a port");
                socket.connect(server).expect("a route");
                let own = socket.local_addr();
                (Socket::Udp(socket), own)
            }
            Way::Tcp => {
                let stream = connected(from, server);
                let own = stream.local_addr();
                (Socket::Tcp(stream), own)
            }
            Way::Tls => {
                let stream = connected(from, server);
                let own = stream.local_addr();
                (Socket::Tls(Box::new(encrypted(stream, certificate))), own)
            }
        };
        Self { way, server: server.into(), own: own.expect("bound"), socket, heard: Vec::new() }
    }

    /// Whether it went out.
    pub(crate) fn send(&mut self, request: &str) -> bool {
        let sent = match &mut self.socket {
            Socket::Udp(socket) => socket.send(request.as_bytes()).map(|_| ()),
            Socket::Tcp(stream) => stream.write_all(request.as_bytes()),
            Socket::Tls(stream) => stream.write_all(request.as_bytes()).and_then(|()| stream.flush()),
        };
        sent.is_ok()
    }

    /// The next whole message in time.
    pub(crate) fn receive(&mut self, limit: Duration) -> Option<String> {
        let started = Instant::now();
        loop {
            if let Some(end) = self.heard.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let message: Vec<u8> = self.heard.drain(..end + 4).collect();
                return Some(String::from_utf8_lossy(&message).into_owned());
            }
            let left = limit.checked_sub(started.elapsed()).filter(|left| !left.is_zero())?;
            let mut bytes = [0; 8 << 10];
            match self.read(left, &mut bytes) {
                Ok(0) => return None,
                Ok(length) => self.heard.extend(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return None,
            }
        }
    }

    /// The next answer in time; what the box asks meanwhile is passed over.
    pub(crate) fn receive_answer(&mut self, limit: Duration) -> Option<String> {
        let started = Instant::now();
        loop {
            let message = self.receive(limit.saturating_sub(started.elapsed()))?;
            if message.starts_with("SIP/2.0 ") {
                return Some(message);
            }
        }
    }

    fn read(&mut self, limit: Duration, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Udp(socket) => {
                socket.set_read_timeout(Some(limit))?;
                socket.recv(bytes)
            }
            Socket::Tcp(stream) => {
                stream.set_read_timeout(Some(limit))?;
                stream.read(bytes)
            }
            Socket::Tls(stream) => {
                stream.sock.set_read_timeout(Some(limit))?;
                stream.read(bytes)
            }
        }
    }

    /// A request, with more headers or none, that nobody has sent before.
    pub(crate) fn request(&self, method: &str, user: &str, branch: u32, more: &str) -> String {
        let (server, own, way) = (self.server, self.own, self.way.name());
        // A second request of this branch, from wherever, counts as the first one sent again.
        let unique = format!("{}.{branch}", own.to_string().replace(':', "."));
        format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/{way} {own};branch=z9hG4bK{unique};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{server}>;tag={branch}\r\nTo: <sip:{user}@{server}>\r\n\
             Call-ID: {branch}@{own}\r\nCSeq: 1 {method}\r\nContact: <sip:{user}@{own};transport={way}>\r\n\
             Expires: 60\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }
}

fn connected(from: Ipv4Addr, server: SocketAddrV4) -> TcpStream {
    let made: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&made, &SocketAddrV4::new(from, 0)).expect("an address");
    connect(&made, &server).expect("the box listens");
    let stream = TcpStream::from(made);
    stream.set_nodelay(true).expect("an option");
    stream.set_write_timeout(Some(PATIENCE)).expect("a limit");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream
}

fn encrypted(stream: TcpStream, certificate: &[u8]) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate).expect("a certificate")).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("usual versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    StreamOwned::new(session, stream)
}
