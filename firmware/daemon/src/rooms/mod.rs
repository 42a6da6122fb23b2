//! Rooms of several legs: calls of two phones and conferences. Each room has one task, which owns the session core and
//! its legs' ends; each leg has one as well, which keeps its port and passes on what happens there.

mod chair;
mod leg;
mod mouth;
mod pauses;
mod sounds;
mod task;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audio_path::{LegId, MediaEvent};
use serde_json::Value;
use session::Language;
use session::room::Pin;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::clients::Answer;
use crate::config::Several;
use crate::hub::Words;
use crate::media::LegEnds;
pub(crate) use leg::{Ended, Place, serve};
pub(crate) use pauses::Pauses;

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
    /// Something that everybody in the room is to hear.
    Say(Words),
    /// It is gone, and wants to know what became of its speech.
    Left(oneshot::Sender<Value>),
}

/// What a leg brings along.
struct Entrance {
    ends: LegEnds,
    id: String,
    language: Language,
    /// The voice that is wanted for what it says.
    voice: Option<Arc<str>>,
}

type Door = mpsc::Sender<(LegId, Happening)>;

/// The rooms that somebody is in.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<String, Door>>);

impl Rooms {
    /// Lets a leg into the room `key`, which `open` opens if there is none; `None` where its task is too busy to be asked.
    fn enter(
        &self,
        key: &str,
        leg: LegId,
        entrance: Entrance,
        open: impl FnOnce(Door, mpsc::Receiver<(LegId, Happening)>),
    ) -> Option<Door> {
        let mut rooms = self.lock();
        let mut entered = Happening::Entered(Box::new(entrance));
        if let Some(door) = rooms.get(key) {
            match door.try_send((leg, entered)) {
                Ok(()) => return Some(door.clone()),
                Err(TrySendError::Full(_)) => return None,
                // Its task failed: whoever is in it comes to the new one as well.
                Err(TrySendError::Closed((_, refused))) => entered = refused,
            }
        }
        let (door, happenings) = mpsc::channel(MOST_HAPPENINGS);
        // A new channel has room.
        let _room = door.try_send((leg, entered));
        open(door.clone(), happenings);
        rooms.insert(key.to_owned(), door.clone());
        Some(door)
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
    dialled: String,
    several: Several,
    is_call: bool,
    pin: Option<Pin>,
}
