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
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Error, Message as Wire};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::retry_after_in;
use super::tls;

/// How long name, connection, TLS and upgrade may take together.
const OPEN_DEADLINE: Duration = Duration::from_millis(1_600);
/// How long a server may leave what is sent to it unread.
const SEND_DEADLINE: Duration = Duration::from_secs(2);
/// After so long without a word the server is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(1);
/// A line on which nothing came for so long after that is dead; longer than an answer may take, so that who does not answer
/// is slow.
const DEAD_AFTER: Duration = Duration::from_millis(1_600);
/// No provider's message is larger.
const MOST_BYTES: usize = 1 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Stream>>,
    /// The server was asked for a sign of life that did not come yet.
    is_pinged: bool,
    /// When it is asked for one; where it was, when the line is dead. Kept here, since a wait that is given up and begun
    /// anew, as for each frame that is sent, must not put it off.
    patience: Instant,
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
        let opened = timeout(OPEN_DEADLINE, connect(tls, handshake)).await;
        let late = || NotOpened::Failure(Failure::new(FailureKind::Network, "no connection in time"));
        let stream = opened.map_err(|_| late()).flatten().map_err(|error| error.after(began.elapsed()))?;
        Ok(Self { stream, is_pinged: false, patience: Instant::now() + PING_AFTER })
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
            match timeout_at(self.patience, self.stream.next()).await {
                Err(_) if self.is_pinged => {
                    return Err(Failure::new(
                        FailureKind::Network,
                        "the line is dead: not even pings are answered",
                    )
                    .after(DEAD_AFTER));
                }
                Err(_) => {
                    (self.is_pinged, self.patience) = (true, Instant::now() + DEAD_AFTER);
                    self.send_wire(Wire::Ping(Bytes::new())).await?;
                }
                Ok(None) => return Ok(Received::Closed(1005, String::new())),
                Ok(Some(Err(error))) => return Err(broke(&error)),
                Ok(Some(Ok(wire))) => {
                    (self.is_pinged, self.patience) = (false, Instant::now() + PING_AFTER);
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

    /// Says goodbye, as far as that goes without waiting long.
    pub(crate) async fn close(mut self) {
        let _server_gone = timeout(SEND_DEADLINE, self.stream.close(None)).await;
    }

    async fn send_wire(&mut self, wire: Wire) -> Result<(), Failure> {
        let sent = timeout(SEND_DEADLINE, self.stream.send(wire)).await;
        sent.map_err(|_| Failure::new(FailureKind::Slow, "the server does not read"))?
            .map_err(|error| broke(&error))
    }
}

async fn connect(
    tls: &Arc<ClientConfig>,
    handshake: &Handshake,
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
    let tcp = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|error| NotOpened::Failure(tls::failure_of(&error)))?;
    // Audio goes out 20 ms at a time: waiting for more would be delay.
    tcp.set_nodelay(true).map_err(|error| NotOpened::Failure(tls::failure_of(&error)))?;
    let stream: Box<dyn Stream> = if secure {
        let name = ServerName::try_from(host).map_err(|error| not_a_request(&error))?;
        let connected = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        Box::new(connected.map_err(|error| NotOpened::Failure(tls::failure_of(&error)))?)
    } else {
        Box::new(tcp)
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
