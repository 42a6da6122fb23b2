//! A client that connects and talks as the crate `engines` says.

use engines::websocket::{Handshake, Message};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Longest message that is taken, bytes.
const MESSAGE_AT_MOST: usize = 1 << 20;

pub(crate) struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What comes.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    Closed(u16, String),
    /// Without a close frame, or after a message that is too long.
    Broken,
}

impl Client {
    /// # Errors
    /// With the status of a refused upgrade.
    pub(crate) async fn connect(handshake: &Handshake) -> Result<Self, u16> {
        let mut request = handshake.url.as_str().into_client_request().expect("a valid URL");
        for (name, value) in &handshake.headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a valid header"));
        }
        let limits = WebSocketConfig::default();
        let limits = limits.max_message_size(Some(MESSAGE_AT_MOST)).max_frame_size(Some(MESSAGE_AT_MOST));
        match connect_async_with_config(request, Some(limits), true).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        let frame = match message {
            Message::Text(text) => Frame::text(text),
            Message::Binary(bytes) => Frame::binary(bytes),
        };
        self.0.send(frame).await.expect("an open connection");
    }

    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match self.0.next().await {
                Some(Ok(Frame::Text(text))) => {
                    return Event::Message(Message::Text(text.as_str().to_owned()));
                }
                Some(Ok(Frame::Binary(bytes))) => return Event::Message(Message::Binary(bytes.to_vec())),
                Some(Ok(Frame::Close(Some(frame)))) => {
                    return Event::Closed(frame.code.into(), frame.reason.as_str().to_owned());
                }
                Some(Ok(Frame::Close(None)) | Err(_)) | None => return Event::Broken,
                Some(Ok(_)) => {}
            }
        }
    }
}
