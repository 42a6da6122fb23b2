//! One leg from the appearance of its pipes to their end.

mod interpreter;
mod playback;
mod sounds;

use std::sync::Arc;
use std::time::Duration;

use audio_path::LegId;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::config::{Room, RoomKind};
use crate::hub::{Hub, Inbox};
use crate::media::Echo;
use crate::ports::pipe::{PipeError, PipePort};
use crate::report::Report;
use crate::watcher::inspect;

/// Between attempts to open a port whose other side is not there.
const REOPEN_EVERY: Duration = Duration::from_millis(100);

/// Serves the pair of pipes `id` until `down` is notified.
pub async fn serve(hub: Arc<Hub>, id: String, room: Room, down: Arc<Notify>) {
    let port = tokio::select! {
        () = down.notified() => return,
        port = first_open(&hub, &id) => port,
    };
    let Some(port) = port else { return };
    let outcome = match room.kind {
        RoomKind::Interpreter(pair) => interpreter::serve(&hub, &id, &room, pair, port, &down).await,
        RoomKind::Echo => serve_echo(&hub, &id, &room, Echo::AtTick, port, &down).await,
        RoomKind::EchoDirect => serve_echo(&hub, &id, &room, Echo::Direct, port, &down).await,
    };
    if let Err(full) = outcome {
        refuse(&hub, &id, &full.to_string());
    }
}

/// Says in one line, logged and told, why a pair of pipes is not served.
pub fn refuse(hub: &Hub, id: &str, reason: &str) {
    log::warn!("{id} is refused: {reason}");
    hub.tell(&Report::error("pipes", &format!("{id} is refused: {reason}")));
}

async fn serve_echo(
    hub: &Hub,
    id: &str,
    room: &Room,
    echo: Echo,
    port: PipePort,
    down: &Notify,
) -> Result<(), crate::media::Full> {
    let (leg, shared) = hub.media.attach_echo(port, echo)?;
    let (inbox, _nothing_is_played) = Inbox::new();
    hub.enter(leg, id, room, &shared, &inbox);
    tokio::select! {
        () = down.notified() => {}
        () = keep_port(hub, leg, id, &inbox) => {}
    }
    hub.media.detach(leg);
    hub.leave(leg, &Value::Null);
    Ok(())
}

/// Opens the port, waiting for its other half and for a reader; `None` where it can never be opened.
async fn first_open(hub: &Hub, id: &str) -> Option<PipePort> {
    loop {
        let fault = match inspect(&hub.config.pipes, id) {
            Ok(true) => match PipePort::open(&hub.config.pipes, id) {
                Ok(port) => return Some(port),
                Err(PipeError::ReaderMissing(_)) => None,
                Err(error) => Some(error.to_string()),
            },
            Ok(false) => None,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = fault {
            refuse(hub, id, &reason);
            return None;
        }
        sleep(REOPEN_EVERY).await;
    }
}

/// Opens the leg's port again each time a side of it goes away. Never ends: the pipes' removal ends the leg.
async fn keep_port(hub: &Hub, leg: LegId, id: &str, inbox: &Inbox) {
    loop {
        inbox.port_down.notified().await;
        log::info!("leg {}: a side of its pipes went away", leg.0);
        loop {
            sleep(REOPEN_EVERY).await;
            match PipePort::open(&hub.config.pipes, id) {
                Ok(port) => break hub.media.replace_port(leg, port),
                Err(error) => log::debug!("leg {}: {error}", leg.0),
            }
        }
    }
}
