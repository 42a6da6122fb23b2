use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engines::wyoming::{Decoder, Limits, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use super::tls;
use crate::endpoint::Endpoint;
use engines::{Failure, FailureKind};

/// How long a server may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_millis(1_600);
/// How long a server may leave what is sent to it unread.
const SEND_DEADLINE: Duration = Duration::from_secs(2);
/// What one read takes at most.
const READ_BYTES: usize = 16 << 10;
/// Connections kept for the next use; more than this are only needed while utterances overlap.
const MOST_IDLE: usize = 2;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection to a Wyoming server.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    buffer: Box<[u8; READ_BYTES]>,
}

impl Connection {
    async fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let connecting = async {
            Ok::<Box<dyn Stream>, io::Error>(match endpoint {
                Endpoint::Tcp(host, port) => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    // Audio goes out 20 ms at a time: waiting for more would be delay.
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        };
        let began = Instant::now();
        let stream = timeout(CONNECT_DEADLINE, connecting)
            .await
            .map_err(|_| Failure::new(FailureKind::Network, format!("{endpoint}: no connection in time")))
            .and_then(|connected| connected.map_err(|error| not_connected(endpoint, &error)))
            .map_err(|failure| failure.unreached().after(began.elapsed()))?;
        Ok(Self { stream, decoder: Decoder::new(Limits::default()), buffer: Box::new([0; READ_BYTES]) })
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, message: Message) -> Result<(), Failure> {
        let mut wire = Vec::new();
        message.into_event().encode(&mut wire);
        timeout(SEND_DEADLINE, self.stream.write_all(&wire))
            .await
            .map_err(|_| Failure::new(FailureKind::Slow, "the server does not read"))?
            .map_err(|error| Failure::new(FailureKind::Down, format!("the connection broke: {error}")))
    }

    /// The next message that can be read; others are passed over. May be dropped and called again without loss.
    pub(super) async fn receive(&mut self) -> Result<Message, Failure> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(message);
            }
            self.read().await?;
        }
    }

    /// The next message among the bytes that were read.
    fn buffered(&mut self) -> Result<Option<Message>, Failure> {
        loop {
            match self.decoder.next_event() {
                Ok(None) => return Ok(None),
                Ok(Some(event)) => match Message::from_event(event) {
                    Ok(message) => return Ok(Some(message)),
                    Err(unreadable) => log::debug!("passed over: {unreadable}"),
                },
                Err(refused) if refused.is_fatal() => {
                    return Err(Failure::new(FailureKind::Protocol, refused.to_string()));
                }
                Err(refused) => log::debug!("passed over: {refused}"),
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.stream.read(&mut self.buffer[..]).await {
            Ok(0) => Err(Failure::new(FailureKind::Down, "the server closed the connection")),
            Ok(bytes) => {
                self.decoder.push(&self.buffer[..bytes]);
                Ok(())
            }
            Err(error) => Err(Failure::new(FailureKind::Down, format!("the connection broke: {error}"))),
        }
    }

    /// Whether the connection can serve once more: it is open, and nothing but the end of the last answer arrived.
    /// Anything else could be taken for the next answer.
    async fn is_reusable(&mut self) -> bool {
        loop {
            match timeout(Duration::ZERO, self.read()).await {
                Err(_nothing_arrived) => return !self.decoder.is_midway(),
                Ok(Err(_)) => return false,
                Ok(Ok(())) => {}
            }
            loop {
                match self.buffered() {
                    Ok(None) => break,
                    Ok(Some(
                        Message::TranscriptStop(_) | Message::SynthesizeStopped(_) | Message::VoiceStopped(_),
                    )) => {}
                    Ok(Some(_)) | Err(_) => return false,
                }
            }
        }
    }
}

/// The connections of one leg to one server: opened before they are needed, kept between uses.
pub(super) struct Pool {
    endpoint: Endpoint,
    idle: Mutex<Vec<Connection>>,
    /// Held while connecting: who comes second waits, and then finds the connection.
    connecting: tokio::sync::Mutex<()>,
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, idle: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// Takes a connection, and says whether it served before.
    pub(super) async fn take(&self) -> Result<Connection, Failure> {
        let _one_at_a_time = self.connecting.lock().await;
        while let Some(mut connection) = self.pop() {
            if connection.is_reusable().await {
                return Ok(connection);
            }
        }
        Connection::open(&self.endpoint).await
    }

    /// Gives a connection back after a complete answer.
    pub(super) fn put(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(connection);
        }
    }

    /// Makes sure that a connection waits.
    pub(super) async fn warm(&self) -> Result<(), Failure> {
        let connection = self.take().await?;
        self.put(connection);
        Ok(())
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Where a server listens on this machine, no cable is in between.
fn not_connected(endpoint: &Endpoint, error: &io::Error) -> Failure {
    let failure = match endpoint {
        Endpoint::Tcp(..) => tls::failure_of(error),
        Endpoint::Unix(_) => Failure::new(FailureKind::Down, error.to_string()),
    };
    Failure { detail: format!("{endpoint}: {}", failure.detail), ..failure }
}

/// Tries to reach a server.
pub(super) async fn probe(endpoint: &Endpoint) -> Result<(), Failure> {
    Connection::open(endpoint).await.map(drop)
}
