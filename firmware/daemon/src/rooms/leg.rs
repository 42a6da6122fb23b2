use std::sync::Arc;

use audio_path::LegId;
use session::Language;
use session::room::Pin;
use tokio::sync::{Notify, oneshot};

use super::{Door, Entrance, Happening, Kind, task};
use crate::config::{Room, Several};
use crate::hub::{Hub, Inbox, Outlet, Wish};
use crate::leg::{Line, Listed};
use crate::media::{Full, MAX_LANES};
use crate::ports::Port;

/// Why a leg is not served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its line is gone.
    Down,
    /// Its room's task failed, or could not be asked.
    Failed,
}

/// Where in which room a leg has its place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Which of all rooms.
    pub(crate) key: String,
    pub(crate) several: Several,
    /// Whether it is a call of two.
    pub(crate) is_call: bool,
    /// What opens it.
    pub(crate) pin: Option<Pin>,
    /// What its caller speaks.
    pub(crate) language: Language,
    /// The voice that is wanted for its translations.
    pub(crate) voice: Option<Arc<str>>,
}

/// Serves a leg of a room until `down` is notified.
pub(crate) async fn serve(
    hub: &Arc<Hub>,
    line: &Line,
    room: &Room,
    place: Place,
    port: Port,
    down: &Notify,
) -> Result<Ended, Full> {
    let ends = hub.media.attach_room(port, MAX_LANES)?;
    let leg = ends.id;
    let (inbox, outlet) = Inbox::new();
    let mut listed = Listed::enter(hub, leg, line, room, &ends.shared, &inbox);
    let Place { key, several, is_call, pin, language, voice } = place;
    let kind = Kind { dialled: room.extension.clone(), several, is_call, pin };
    let entrance = Entrance { ends, id: line.id.clone(), language, voice };
    let door = hub.rooms.enter(&key, leg, entrance, |door, happenings| {
        tokio::spawn(task::serve(Arc::clone(hub), key.clone(), kind, door, happenings));
    });
    let Some(door) = door else { return Ok(Ended::Failed) };
    let ended = tokio::select! {
        () = down.notified() => Ended::Down,
        () = line.keep(hub, leg, &inbox) => Ended::Down,
        () = door.closed() => Ended::Failed,
        () = pass_on(leg, &inbox, outlet, &door) => Ended::Failed,
    };
    let (told, session) = oneshot::channel();
    // A room whose task failed has nobody left to tell.
    let _failed = door.send((leg, Happening::Left(told))).await;
    listed.session = session.await.unwrap_or_default();
    Ok(ended)
}

/// Tells the room what happens; ends where nobody listens.
async fn pass_on(leg: LegId, inbox: &Inbox, mut outlet: Outlet, door: &Door) {
    let mut wishes = inbox.wishes.subscribe();
    loop {
        let happening = tokio::select! {
            () = inbox.captured.notified() => Happening::Captured,
            Some(event) = outlet.playback.recv() => Happening::Media(event),
            Some(words) = outlet.words.recv() => Happening::Say(words),
            Ok(Wish::Key(key)) = wishes.recv() => Happening::Key(key),
        };
        if door.send((leg, happening)).await.is_err() {
            return;
        }
    }
}
