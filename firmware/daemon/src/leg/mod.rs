//! One leg from the appearance of its line to its end.

mod interpreter;
mod lane;
mod line;
mod listening;
mod outlook;
mod own_voices;
mod playback;
mod sound_card;
mod sounds;
mod tempo;

use std::sync::Arc;
use std::time::Duration;

use audio_path::LegId;
use serde_json::Value;
use session::Interpreter;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::asterisk::{Cause, LegEvent};
use crate::config::{Room, RoomKind};
use crate::hub::{Hub, Inbox};
use crate::leg_name::LegName;
use crate::media::{Echo, Full, LegShared};
use crate::ports::Port;
use crate::report::Report;
use crate::rooms::{self, Ended, Place};
use crate::supervision::end_of;

pub(crate) use lane::Lane;
pub use line::Line;
pub(crate) use listening::Listening;
pub(crate) use outlook::{Outlook, pause};
pub(crate) use sounds::samples;

/// Before a leg whose task failed is served anew.
const SERVE_ANEW_AFTER: Duration = Duration::from_secs(1);

/// A leg that others see and the media thread serves for as long as this lives: a task that panics leaves none behind.
pub(crate) struct Listed<'a> {
    hub: &'a Hub,
    leg: LegId,
    /// What the leg's session counted, if it had one.
    pub session: Value,
}

impl<'a> Listed<'a> {
    pub(crate) fn enter(
        hub: &'a Hub,
        leg: LegId,
        line: &Line,
        room: &Room,
        shared: &Arc<LegShared>,
        inbox: &Inbox,
    ) -> Self {
        hub.enter(leg, line, room, shared, inbox);
        Self { hub, leg, session: Value::Null }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.hub.media.detach(self.leg);
        self.hub.leave(self.leg, &self.session);
    }
}

/// Where a call belongs.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The room that was dialled.
    pub room: Room,
    /// The leg's place in it, where others may be in it as well.
    pub(crate) place: Option<Place>,
}

/// Serves a line until `down` is notified or its other side has hung up; anew where a fault of ours ended it, since
/// the call stands.
pub async fn supervise(hub: Arc<Hub>, line: Line, to: Destination, down: Arc<Notify>) {
    let line = Arc::new(line);
    loop {
        let id = line.id.clone();
        let task = tokio::spawn(serve(Arc::clone(&hub), Arc::clone(&line), to.clone(), Arc::clone(&down)));
        let error = match task.await {
            Ok(Ended::Down) if line.was_lost() => continue,
            Ok(Ended::Down) => return hub.leg_happened(&line.id, LegEvent::Gone),
            Ok(Ended::Failed) => "its room's task ended".to_owned(),
            Err(error) => end_of(&error).to_owned(),
        };
        log::error!("{id}: its task failed and is started anew: {error}");
        hub.tell(&Report::error("leg", &format!("{id}: its task failed and is started anew")));
        sleep(SERVE_ANEW_AFTER).await;
    }
}

async fn serve(hub: Arc<Hub>, line: Arc<Line>, to: Destination, down: Arc<Notify>) -> Ended {
    let port = tokio::select! {
        () = down.notified() => return Ended::Down,
        port = line.open(&hub) => port,
    };
    let (Some(port), Destination { room, place }) = (port, to) else { return Ended::Down };
    if !line.is_of_pipes() {
        // A sound card that is plugged in again begins a leg that nothing is known of yet.
        hub.leg_happened(&line.id, LegEvent::Comes);
    }
    let outcome = match (place, room.kind) {
        (Some(place), _) => rooms::serve(&hub, &line, &room, place, port, &down).await,
        (None, kind) => serve_alone(&hub, &line, &room, kind, port, &down).await.map(|()| Ended::Down),
    };
    outcome.unwrap_or_else(|full| {
        refuse(&hub, &line.id, &full.to_string());
        line.comes_back();
        Ended::Down
    })
}

/// Serves a leg of a room that nobody else can be in.
async fn serve_alone(
    hub: &Arc<Hub>,
    line: &Line,
    room: &Room,
    kind: RoomKind,
    port: Port,
    down: &Notify,
) -> Result<(), Full> {
    match kind {
        RoomKind::Interpreter(pair, manner) => {
            let interpreter = Interpreter::new(pair, manner);
            let offers = room.own_voices.is_some();
            let interpreter = if offers { interpreter.offering_own_voices() } else { interpreter };
            let interpreter = if hub.recorder.is_on() { interpreter.recorded() } else { interpreter };
            let interpreter = interpreter.knowing(hub.memory.recall(&line.id));
            interpreter::serve(hub, line, room, interpreter, port, down).await
        }
        RoomKind::Echo => serve_echo(hub, line, room, Echo::AtTick, port, down).await,
        RoomKind::EchoDirect => serve_echo(hub, line, room, Echo::Direct, port, down).await,
        // The switchboard gives everybody in these a place.
        RoomKind::Conference(_) | RoomKind::Call(_) => Ok(()),
    }
}

/// Says in one line, logged and told, why a pair of pipes is not served.
pub fn refuse(hub: &Hub, id: &str, reason: &str) {
    turn_away(hub, id, reason, Cause::Failed);
}

/// The same, and the phone is told `cause`.
pub fn turn_away(hub: &Hub, id: &str, reason: &str, cause: Cause) {
    hub.leg_happened(id, LegEvent::Failed);
    hub.refused(id, reason);
    if let Ok(name) = LegName::parse(id) {
        hub.asterisk.hang_up(name.channel, cause);
    }
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
) -> Result<(), Full> {
    let (leg, shared) = hub.media.attach_echo(port, echo)?;
    let (inbox, _nothing_is_played) = Inbox::new();
    let _listed = Listed::enter(hub, leg, line, room, &shared, &inbox);
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
            let line = Line::of_pipes("790-1");
            let _listed = Listed::enter(&shared, LegId(1), &line, &room, &Arc::default(), &inbox);
            assert_eq!(shared.count(), 1);
            panic!("a fault of ours");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(hub.count(), 0);
        hub.media.stop();
    }
}
