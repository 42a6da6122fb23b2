//! One leg from the appearance of its line to its end.

mod interpreter;
mod line;
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
use crate::ports::Port;
use crate::report::Report;

pub use line::Line;

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

/// Serves a line until `down` is notified or its other side has hung up; anew where a fault of ours ended it, since
/// the call stands.
pub async fn supervise(hub: Arc<Hub>, line: Line, room: Room, down: Arc<Notify>) {
    let line = Arc::new(line);
    loop {
        let (line, down) = (Arc::clone(&line), Arc::clone(&down));
        let id = line.id.clone();
        let task = tokio::spawn(serve(Arc::clone(&hub), line, room.clone(), down));
        let Err(error) = task.await else { return };
        log::error!("{id}: its task failed and is started anew: {error}");
        hub.tell(&Report::error("leg", &format!("{id}: its task failed and is started anew")));
        sleep(SERVE_ANEW_AFTER).await;
    }
}

async fn serve(hub: Arc<Hub>, line: Arc<Line>, room: Room, down: Arc<Notify>) {
    let port = tokio::select! {
        () = down.notified() => return,
        port = line.open(&hub) => port,
    };
    let Some(port) = port else { return };
    let outcome = match room.kind {
        RoomKind::Interpreter(pair, manner) => {
            let interpreter = Interpreter::new(pair, manner);
            let offers = room.own_voices.is_some();
            let interpreter = if offers { interpreter.offering_own_voices() } else { interpreter };
            interpreter::serve(&hub, &line, &room, interpreter, port, &down).await
        }
        RoomKind::Echo => serve_echo(&hub, &line, &room, Echo::AtTick, port, &down).await,
        RoomKind::EchoDirect => serve_echo(&hub, &line, &room, Echo::Direct, port, &down).await,
    };
    if let Err(full) = outcome {
        refuse(&hub, &line.id, &full.to_string());
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
    line: &Line,
    room: &Room,
    echo: Echo,
    port: Port,
    down: &Notify,
) -> Result<(), crate::media::Full> {
    let (leg, shared) = hub.media.attach_echo(port, echo)?;
    let (inbox, _nothing_is_played) = Inbox::new();
    let _listed = Listed::enter(hub, leg, &line.id, room, &shared, &inbox);
    tokio::select! {
        () = down.notified() => {}
        () = line.keep(hub, leg, &inbox) => {}
    }
    Ok(())
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
