//! A WebSocket to a provider: opened within a deadline, watched for a dead line, capped in size.

use std::sync::Arc;
use std::time::Duration;

use engines::websocket::{Handshake, Message};
use engines::{Failure, FailureKind};
use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Error, Message as Wire};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::hosts::{Host, Knock};
use super::http::retry_after_in;
use super::pulse::{Beat, Pulse, SILENT_FOR};
use super::tls;

/// How long name, connection, TLS and upgrade may take together.
const OPEN_DEADLINE: Duration = Duration::from_millis(1_600);
/// How long a server may leave what is sent to it unread.
const SEND_DEADLINE: Duration = Duration::from_secs(2);
/// No provider's message is larger.
const MOST_BYTES: usize = 1 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Stream>>,
    pulse: Pulse,
    /// Where a network lies in between.
    host: Option<Arc<Host>>,
    knock: Option<Knock>,
}

/// Why a WebSocket was not opened.
pub(crate) enum NotOpened {
    /// The server answered the upgrade with this status, and perhaps a `Retry-After`.
    Status(u16, Option<String>),
    /// It was not reached, or not trusted.
    Failure(Failure),
}

impl NotOpened {
    fn after(self, spent: Duration) -> Self {
        match self {
            Self::Failure(failure) => Self::Failure(failure.after(spent)),
            status @ Self::Status(..) => status,
        }
    }
}

/// What comes from a server.
pub(crate) enum Received {
    Message(Message),
    /// It said goodbye with this code (1005 without one) and reason.
    Closed(u16, String),
}

impl Socket {
    /// Opens one.
    pub(crate) async fn open(tls: &Arc<ClientConfig>, handshake: &Handshake) -> Result<Self, NotOpened> {
        let began = Instant::now();
        let opened = connect(tls, handshake, began + OPEN_DEADLINE).await;
        let stream = opened.map_err(|error| error.after(began.elapsed()))?;
        Ok(Self { stream, pulse: Pulse::new(Instant::now()), host: None, knock: None })
    }

    /// The same, and where it falls silent `host` is knocked at.
    pub(super) fn of(self, host: Option<Arc<Host>>) -> Self {
        Self { host, ..self }
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: Message) -> Result<(), Failure> {
        let wire = match message {
            Message::Text(text) => Wire::text(text),
            Message::Binary(bytes) => Wire::binary(bytes),
        };
        self.send_wire(wire).await
    }

    /// The next message. May be dropped and called again without loss.
    ///
    /// # Errors
    /// Where the line broke or is dead; where a message is too large.
    pub(crate) async fn receive(&mut self) -> Result<Received, Failure> {
        loop {
            match timeout_at(self.pulse.due(), self.stream.next()).await {
                Err(_) => {
                    if self.beat()? == Beat::Ping {
                        self.send_wire(Wire::Ping(Bytes::new())).await?;
                    }
                }
                Ok(None) => return Ok(Received::Closed(1005, String::new())),
                Ok(Some(Err(error))) => return Err(broke(&error)),
                Ok(Some(Ok(wire))) => {
                    (self.pulse, self.knock) = (Pulse::new(Instant::now()), None);
                    match wire {
                        Wire::Text(text) => return Ok(Received::Message(Message::Text(text.to_string()))),
                        Wire::Binary(bytes) => return Ok(Received::Message(Message::Binary(bytes.to_vec()))),
                        Wire::Close(frame) => {
                            let (code, reason) = frame
                                .map_or((1005, String::new()), |f| (f.code.into(), f.reason.to_string()));
                            return Ok(Received::Closed(code, reason));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Nothing was heard until something is to be done about it.
    fn beat(&mut self) -> Result<Beat, Failure> {
        let beat = self.pulse.beat(Instant::now());
        if beat == Beat::Knock {
            self.knock = self.host.as_ref().map(|host| host.knock());
        }
        if let Some(swallowed) = self.knock.as_ref().and_then(Knock::verdict) {
            return Err(swallowed);
        }
        if beat == Beat::Dead {
            // Next door, or where whoever knocks is answered, no network is at fault.
            let is_reached = self.host.is_none() || self.knock.as_ref().is_some_and(Knock::is_answered);
            let kind = if is_reached { FailureKind::Down } else { FailureKind::Network };
            let dead = Failure::new(kind, "the line is dead: not even pings are answered");
            return Err(dead.after(SILENT_FOR));
        }
        Ok(beat)
    }

    /// Says goodbye, as far as that goes without waiting long.
    pub(crate) async fn close(mut self) {
        let _server_gone = timeout(SEND_DEADLINE, self.stream.close(None)).await;
    }

    async fn send_wire(&mut self, wire: Wire) -> Result<(), Failure> {
        let until = Instant::now() + SEND_DEADLINE;
        let unread = |_| Failure::new(FailureKind::Slow, "the server does not read");
        let taken = timeout_at(until, self.stream.feed(wire)).await;
        taken.map_err(unread)?.map_err(|error| broke(&error))?;
        // What is not taken waits in the stream, so that this may be given up and begun anew.
        loop {
            let due = self.pulse.due_once_asked().map_or(until, |due| due.min(until));
            match timeout_at(due, self.stream.flush()).await {
                Ok(sent) => return sent.map_err(|error| broke(&error)),
                Err(late) if Instant::now() >= until => return Err(unread(late)),
                Err(_) => drop(self.beat()?),
            }
        }
    }
}

/// Makes the connection; who takes none was asked nothing.
async fn reach(host: &str, port: u16, until: Instant) -> Result<TcpStream, Failure> {
    let late = |_| Failure::new(FailureKind::Network, "no connection in time");
    let reached = timeout_at(until, TcpStream::connect((host, port))).await.map_err(late);
    let tcp = reached.and_then(|tcp| tcp.map_err(|error| tls::failure_of(&error)));
    // Audio goes out 20 ms at a time: waiting for more would be delay.
    let ready = tcp.and_then(|tcp| match tcp.set_nodelay(true) {
        Ok(()) => Ok(tcp),
        Err(error) => Err(tls::failure_of(&error)),
    });
    ready.map_err(Failure::unreached)
}

async fn connect(
    tls: &Arc<ClientConfig>,
    handshake: &Handshake,
    until: Instant,
) -> Result<WebSocketStream<Box<dyn Stream>>, NotOpened> {
    let mut request = handshake.url.as_str().into_client_request().map_err(|error| not_a_request(&error))?;
    for (name, value) in &handshake.headers {
        let mut value = HeaderValue::from_str(value).map_err(|_| not_a_request(&"a header"))?;
        value.set_sensitive(true);
        request
            .headers_mut()
            .insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| not_a_request(&"a header"))?, value);
    }
    let uri = request.uri();
    let host = uri.host().ok_or_else(|| not_a_request(&"no host"))?.trim_matches(['[', ']']).to_owned();
    let secure = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let name = if secure {
        Some(ServerName::try_from(host.clone()).map_err(|error| not_a_request(&error))?)
    } else {
        None
    };
    let tcp = reach(&host, port, until).await.map_err(NotOpened::Failure)?;
    let mute = "the server takes connections and then says nothing";
    let late = |_| NotOpened::Failure(Failure::new(FailureKind::Slow, mute));
    timeout_at(until, upgrade(tls, name, tcp, request)).await.map_err(late)?
}

async fn upgrade(
    tls: &Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
    tcp: TcpStream,
    request: Request,
) -> Result<WebSocketStream<Box<dyn Stream>>, NotOpened> {
    let stream: Box<dyn Stream> = match name {
        Some(name) => {
            let connected = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
            Box::new(connected.map_err(|error| NotOpened::Failure(tls::failure_of(&error)))?)
        }
        None => Box::new(tcp),
    };
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MOST_BYTES))
        .max_frame_size(Some(MOST_BYTES))
        .read_buffer_size(16 << 10);
    match client_async_with_config(request, stream, Some(limits)).await {
        Ok((stream, _response)) => Ok(stream),
        Err(Error::Http(response)) => {
            Err(NotOpened::Status(response.status().as_u16(), retry_after_in(response.headers())))
        }
        Err(error) => Err(NotOpened::Failure(broke(&error))),
    }
}

fn not_a_request(reason: &dyn std::fmt::Display) -> NotOpened {
    NotOpened::Failure(Failure::new(FailureKind::Refused, format!("this address cannot be asked: {reason}")))
}

fn broke(error: &tungstenite::Error) -> Failure {
    match error {
        Error::Io(error) => tls::failure_of(error),
        Error::Capacity(_) => Failure::new(FailureKind::Protocol, "a message is larger than any true one"),
        Error::ConnectionClosed | Error::AlreadyClosed => {
            Failure::new(FailureKind::Down, "the server hung up")
        }
        Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => {
            Failure::new(FailureKind::Down, "the server hung up without a word")
        }
        error => Failure::new(FailureKind::Protocol, error.to_string()),
    }
}
