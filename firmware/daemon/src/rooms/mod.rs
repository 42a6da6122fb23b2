//! Rooms of several legs: calls of two phones and conferences. Each room has one task, which owns the session core and
//! its legs' ends; each leg has one as well, which keeps its port and passes on what happens there.

mod chair;
mod lane;
mod leg;
mod sounds;
mod task;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use audio_path::{LegId, MediaEvent};
use session::Language;
use session::room::Pin;
use tokio::sync::mpsc;

use crate::clients::Answer;
use crate::config::Several;
use crate::media::LegEnds;
pub(crate) use leg::{Ended, Place, serve};

/// What may wait for a room's task.
const MOST_HAPPENINGS: usize = 1_024;

/// What happens on a leg, as told to its room.
enum Happening {
    /// It came in.
    Entered(Box<Entrance>),
    /// Frames may have been captured.
    Captured,
    /// The media thread said something.
    Media(MediaEvent),
    /// An engine answered.
    Answered(Answer),
    /// A key of its phone.
    Key(char),
    /// It is gone.
    Left,
}

/// What a leg brings along.
struct Entrance {
    ends: LegEnds,
    language: Language,
}

type Door = mpsc::Sender<(LegId, Happening)>;

/// The rooms that somebody is in.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<String, Door>>);

impl Rooms {
    /// Lets a leg into the room `key`, which `open` opens if there is none.
    fn enter(
        &self,
        key: &str,
        leg: LegId,
        entrance: Entrance,
        open: impl FnOnce(Door, mpsc::Receiver<(LegId, Happening)>),
    ) -> Door {
        let mut rooms = self.lock();
        let mut entered = Happening::Entered(Box::new(entrance));
        if let Some(door) = rooms.get(key) {
            match door.try_send((leg, entered)) {
                Ok(()) => return door.clone(),
                // Its task failed, or is as far behind as if it had: whoever is in it comes here as well.
                Err(refused) => (_, entered) = refused.into_inner(),
            }
        }
        let (door, happenings) = mpsc::channel(MOST_HAPPENINGS);
        // A new channel has room.
        let _room = door.try_send((leg, entered));
        open(door.clone(), happenings);
        rooms.insert(key.to_owned(), door.clone());
        door
    }

    /// Closes the room `key` unless somebody is about to enter. Answers whether it is closed.
    fn close(&self, key: &str, happenings: &mpsc::Receiver<(LegId, Happening)>) -> bool {
        let mut rooms = self.lock();
        let is_empty = happenings.is_empty();
        if is_empty {
            rooms.remove(key);
        }
        is_empty
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Door>> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What kind of room it is, and how its legs hear each other.
#[derive(Clone)]
struct Kind {
    several: Several,
    is_call: bool,
    pin: Option<Pin>,
}
