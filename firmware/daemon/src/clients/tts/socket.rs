//! What the synthesisers that speak through a WebSocket have in common.

use engines::Failure;
use engines::tts::Spoken;
use engines::websocket::{Handshake, Message};

use super::Output;
use crate::clients::Transport;
use crate::clients::resample::Converter;
use crate::clients::websocket::{NotOpened, Received, Socket};

/// Opens a line; `refused` tells what a status means.
pub(super) async fn open(
    transport: &Transport,
    handshake: &Handshake,
    refused: impl Fn(u16, Option<&str>) -> Failure,
) -> Result<Socket, Failure> {
    Socket::open(&transport.tls, handshake).await.map_err(|not_opened| match not_opened {
        NotOpened::Status(status, retry_after) => refused(status, retry_after.as_deref()),
        NotOpened::Failure(failure) => failure,
    })
}

/// Sends `messages` and passes on what is spoken until all of it is.
pub(super) async fn speak_through(
    socket: &mut Socket,
    messages: impl IntoIterator<Item = Message>,
    mut read: impl FnMut(Message) -> Result<Vec<Spoken>, Failure>,
    closed: impl Fn(u16, &str) -> Failure,
    converter: &mut Converter,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    for message in messages {
        socket.send(message).await?;
    }
    loop {
        let message = match output.next(socket.receive()).await? {
            Received::Message(message) => message,
            Received::Closed(code, reason) => return Err(closed(code, &reason)),
        };
        for spoken in read(message)? {
            match spoken {
                Spoken::Audio(bytes) => output.push(converter, &bytes).await?,
                Spoken::Flushed => return Ok(()),
                Spoken::Warning(warning) => log::info!("the synthesiser warns: {warning}"),
                Spoken::Cleared => {}
            }
        }
    }
}
