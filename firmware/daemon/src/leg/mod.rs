//! One leg from the appearance of its pipes to their end.

mod interpreter;
mod own_voices;
mod playback;
mod sounds;
mod tempo;

use std::sync::Arc;
use std::time::Duration;

use audio_path::LegId;
use serde_json::Value;
use session::Interpreter;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::config::{Room, RoomKind};
use crate::hub::{Hub, Inbox};
use crate::media::{Echo, LegShared};
use crate::ports::pipe::{PipeError, PipePort};
use crate::report::Report;
use crate::watcher::inspect;

/// Between attempts to open a port whose other side is not there.
const REOPEN_EVERY: Duration = Duration::from_millis(100);

/// Before a leg whose task failed is served anew.
const SERVE_ANEW_AFTER: Duration = Duration::from_secs(1);

/// A leg that others see and the media thread serves for as long as this lives: a task that panics leaves none behind.
struct Listed<'a> {
    hub: &'a Hub,
    leg: LegId,
    /// What the leg's session counted, if it had one.
    session: Value,
}

impl<'a> Listed<'a> {
    fn enter(
        hub: &'a Hub,
        leg: LegId,
        id: &str,
        room: &Room,
        shared: &Arc<LegShared>,
        inbox: &Inbox,
    ) -> Self {
        hub.enter(leg, id, room, shared, inbox);
        Self { hub, leg, session: Value::Null }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.hub.media.detach(self.leg);
        self.hub.leave(self.leg, &self.session);
    }
}

/// Serves the pair of pipes `id` until `down` is notified; anew where a fault of ours ended it, since the call stands.
pub async fn supervise(hub: Arc<Hub>, id: String, room: Room, down: Arc<Notify>) {
    loop {
        let task = tokio::spawn(serve(Arc::clone(&hub), id.clone(), room.clone(), Arc::clone(&down)));
        let Err(error) = task.await else { return };
        log::error!("{id}: its task failed and is started anew: {error}");
        hub.tell(&Report::error("leg", &format!("{id}: its task failed and is started anew")));
        sleep(SERVE_ANEW_AFTER).await;
    }
}

async fn serve(hub: Arc<Hub>, id: String, room: Room, down: Arc<Notify>) {
    let port = tokio::select! {
        () = down.notified() => return,
        port = first_open(&hub, &id) => port,
    };
    let Some(port) = port else { return };
    let outcome = match room.kind {
        RoomKind::Interpreter(pair, manner) => {
            let interpreter = Interpreter::new(pair, manner);
            let offers = room.own_voices.is_some();
            let interpreter = if offers { interpreter.offering_own_voices() } else { interpreter };
            interpreter::serve(&hub, &id, &room, interpreter, port, &down).await
        }
        RoomKind::Echo => serve_echo(&hub, &id, &room, Echo::AtTick, port, &down).await,
        RoomKind::EchoDirect => serve_echo(&hub, &id, &room, Echo::Direct, port, &down).await,
    };
    if let Err(full) = outcome {
        refuse(&hub, &id, &full.to_string());
    }
}

/// Says in one line, logged and told, why a pair of pipes is not served.
pub fn refuse(hub: &Hub, id: &str, reason: &str) {
    // Anyone who may make pipes names them.
    let id = id.escape_debug();
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
    let _listed = Listed::enter(hub, leg, id, room, &shared, &inbox);
    tokio::select! {
        () = down.notified() => {}
        () = keep_port(hub, leg, id, &inbox) => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clients, config, media};

    #[tokio::test]
    async fn a_leg_whose_task_panics_is_taken_off_the_list() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dragomand.toml");
        std::fs::write(&path, "[[room]]\nextension = \"790\"\nkind = \"echo\"\n").unwrap();
        let config = config::load(&path).unwrap();
        let room = config.rooms[0].clone();
        let (media, _events) = media::start(&config.media).unwrap();
        let outside = clients::Outside::new(&config.engines, config.languages()).unwrap();
        let hub = Arc::new(Hub::new(config, media, outside));
        let shared = Arc::clone(&hub);
        let task = tokio::spawn(async move {
            let (inbox, _playback) = Inbox::new();
            let _listed = Listed::enter(&shared, LegId(1), "790-1", &room, &Arc::default(), &inbox);
            assert_eq!(shared.count(), 1);
            panic!("a fault of ours");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(hub.count(), 0);
        hub.media.stop();
    }
}
