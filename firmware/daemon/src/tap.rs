//! Where parts of the daemon listen in on rooms: the recorder, and programs of the box.
//!
//! [`Taps::subscribe`] gives a bounded channel of [`Tap`]s: who comes and goes, what each leg says, what is spoken to
//! others in translation, and what the session tells. They come from the tasks of legs and rooms, after the capture
//! ring, never from the media thread. Whoever subscribes late is told first who is there already.
//!
//! - **Nobody waits for a listener.** One whose channel is full is cut off: the channel ends after what is in it, and
//!   [`Taps::cut_off`] counts it. Where nobody listens, a frame costs one load of an atomic.
//! - **Only who was told is overheard**: a leg's frames are told from the end of its announcement on, and not while it is
//!   muted ([`Room::may_be_overheard`](session::room::Room::may_be_overheard)). In a call that is neither translated nor
//!   recorded nobody is told anything, so nobody's voice is.
//! - **Times** are the daemon's monotonic clock. A frame's is that of its arrival. A translation's audio comes in pieces,
//!   ahead of the time at which it is heard: the first one at about that time, each other one follows the one before.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use audio_path::{Captured, Frame, LegId, SegmentId, Timestamp};
use session::{Event, Language};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::hub::now;

/// Which room something happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName {
    /// Its own among the rooms that there are: a conference's number, the unique id of a call's first channel, the id of
    /// the one leg of an interpreter room.
    pub key: String,
    /// What was dialled.
    pub dialled: String,
    /// As the configuration spells it.
    pub kind: &'static str,
}

/// Something that a listener is told.
#[derive(Debug)]
pub struct Tap {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub room: Arc<RoomName>,
    /// What.
    pub what: Tapped,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Tapped {
    /// A leg came in, or was in already when the listener came.
    Joined(Joined),
    /// It speaks another language from now on.
    Speaks {
        /// The leg.
        leg: LegId,
        /// Its language.
        language: Language,
    },
    /// 20 ms of what a leg says.
    Said {
        /// The leg.
        leg: LegId,
        /// The audio.
        frame: Box<Frame>,
    },
    /// A piece of a translation, told once however many hear it.
    Spoken {
        /// The leg that said what is translated.
        leg: LegId,
        /// Which translation; unique in the room.
        segment: SegmentId,
        /// What it is spoken in.
        language: Language,
        /// 16 kHz mono.
        samples: Box<[i16]>,
    },
    /// What was not heard of a translation by now will not be.
    Cut {
        /// Which one.
        segment: SegmentId,
    },
    /// The session told something of a leg: texts among it, with the names of their utterances and segments.
    Event {
        /// The leg.
        leg: LegId,
        /// What.
        event: Event,
    },
    /// A leg is gone.
    Left {
        /// The leg.
        leg: LegId,
    },
    /// Nobody is in the room any more.
    Closed,
}

/// A leg that is in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The leg.
    pub leg: LegId,
    /// What its pipes are called: it tells the phone.
    pub id: String,
    /// What is spoken into it; `None` in an interpreter room, where it is one of two.
    pub language: Option<Language>,
}

/// All who listen.
#[derive(Default)]
pub struct Taps {
    state: Mutex<State>,
    /// How many listen.
    listeners: AtomicUsize,
    cut_off: AtomicU64,
}

#[derive(Default)]
struct State {
    listeners: Vec<Listener>,
    /// The rooms that there are, and who is in each.
    rooms: HashMap<String, (Arc<RoomName>, Vec<Joined>)>,
}

struct Listener {
    /// A room's key, or what was dialled; `None`: all rooms.
    wanted: Option<String>,
    sender: mpsc::Sender<Arc<Tap>>,
}

impl Listener {
    fn wants(&self, room: &RoomName) -> bool {
        self.wanted.as_ref().is_none_or(|wanted| *wanted == room.key || *wanted == room.dialled)
    }
}

impl Taps {
    /// Listens to the rooms that have `wanted` as their key or were dialled by it, now or later; to all where it is
    /// `None`. `capacity` taps may wait; a frame is one.
    pub fn subscribe(
        &self,
        wanted: Option<&str>,
        capacity: usize,
        now: Timestamp,
    ) -> mpsc::Receiver<Arc<Tap>> {
        let (sender, receiver) = mpsc::channel(capacity);
        let listener = Listener { wanted: wanted.map(str::to_owned), sender };
        let mut state = self.state();
        let there = state.rooms.values().filter(|(room, _)| listener.wants(room));
        let all_told =
            there.flat_map(|(room, legs)| legs.iter().map(move |leg| (room, leg))).all(|(room, leg)| {
                let what = Tapped::Joined(leg.clone());
                listener.sender.try_send(Arc::new(Tap { at: now, room: Arc::clone(room), what })).is_ok()
            });
        if !all_told {
            self.cut_off.fetch_add(1, Ordering::Relaxed);
            return receiver;
        }
        state.listeners.retain(|listener| !listener.sender.is_closed());
        state.listeners.push(listener);
        self.listeners.store(state.listeners.len(), Ordering::Relaxed);
        receiver
    }

    /// The rooms that somebody is in, and who.
    pub fn rooms(&self) -> Vec<(Arc<RoomName>, Vec<Joined>)> {
        self.state().rooms.values().cloned().collect()
    }

    /// How many listeners were too slow.
    pub fn cut_off(&self) -> u64 {
        self.cut_off.load(Ordering::Relaxed)
    }

    /// A room was opened.
    pub(crate) fn open(self: &Arc<Self>, room: RoomName) -> RoomTap {
        let room = Arc::new(room);
        self.state().rooms.insert(room.key.clone(), (Arc::clone(&room), Vec::new()));
        RoomTap { taps: Arc::clone(self), room }
    }

    /// Tells whoever wants to know of the room.
    fn tell(&self, room: &Arc<RoomName>, at: Timestamp, what: Tapped) {
        let mut state = self.state();
        if !state.listeners.iter().any(|listener| listener.wants(room)) {
            return;
        }
        let tap = Arc::new(Tap { at, room: Arc::clone(room), what });
        state.listeners.retain(|listener| !listener.wants(room) || self.reaches(listener, &tap));
        self.listeners.store(state.listeners.len(), Ordering::Relaxed);
    }

    /// Whether the listener is still there and keeps up.
    fn reaches(&self, listener: &Listener, tap: &Arc<Tap>) -> bool {
        match listener.sender.try_send(Arc::clone(tap)) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.cut_off.fetch_add(1, Ordering::Relaxed);
                log::warn!("who listens in on {} is too slow and is cut off", tap.room.dialled);
                false
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn legs(&mut self, room: &RoomName) -> Option<&mut Vec<Joined>> {
        self.rooms.get_mut(&room.key).map(|(_, legs)| legs)
    }
}

/// Where a room's task tells what happens in it. Dropping it closes the room.
pub(crate) struct RoomTap {
    taps: Arc<Taps>,
    room: Arc<RoomName>,
}

impl RoomTap {
    /// A leg came in.
    pub(crate) fn joined(&self, at: Timestamp, joined: Joined) {
        self.taps.state().legs(&self.room).into_iter().for_each(|legs| legs.push(joined.clone()));
        self.taps.tell(&self.room, at, Tapped::Joined(joined));
    }

    /// A leg speaks another language from now on.
    pub(crate) fn speaks(&self, at: Timestamp, leg: LegId, language: Language) {
        let mut state = self.taps.state();
        let mut there = state.legs(&self.room).into_iter().flatten();
        if let Some(joined) = there.find(|joined| joined.leg == leg) {
            joined.language = Some(language);
        }
        drop(state);
        self.taps.tell(&self.room, at, Tapped::Speaks { leg, language });
    }

    /// A leg that may be overheard says this.
    pub(crate) fn said(&self, leg: LegId, captured: &Captured) {
        if self.is_heard() {
            let frame = Box::new(captured.frame);
            self.taps.tell(&self.room, captured.at, Tapped::Said { leg, frame });
        }
    }

    /// A piece of a translation begins to be heard, or follows what is.
    pub(crate) fn spoken(
        &self,
        at: Timestamp,
        leg: LegId,
        segment: SegmentId,
        to: Language,
        samples: &[i16],
    ) {
        if self.is_heard() && !samples.is_empty() {
            let what = Tapped::Spoken { leg, segment, language: to, samples: samples.into() };
            self.taps.tell(&self.room, at, what);
        }
    }

    /// A translation is not heard further.
    pub(crate) fn cut(&self, at: Timestamp, segment: SegmentId) {
        if self.is_heard() {
            self.taps.tell(&self.room, at, Tapped::Cut { segment });
        }
    }

    /// The session tells something of a leg.
    pub(crate) fn happened(&self, at: Timestamp, leg: LegId, event: &Event) {
        if self.is_heard() {
            self.taps.tell(&self.room, at, Tapped::Event { leg, event: event.clone() });
        }
    }

    /// A leg is gone.
    pub(crate) fn left(&self, at: Timestamp, leg: LegId) {
        let mut state = self.taps.state();
        state.legs(&self.room).into_iter().for_each(|legs| legs.retain(|joined| joined.leg != leg));
        drop(state);
        self.taps.tell(&self.room, at, Tapped::Left { leg });
    }

    /// Whether anybody listens at all.
    fn is_heard(&self) -> bool {
        self.taps.listeners.load(Ordering::Relaxed) > 0
    }
}

impl Drop for RoomTap {
    fn drop(&mut self) {
        let mut state = self.taps.state();
        // Where its task failed, another one may have opened it again.
        if state.rooms.get(&self.room.key).is_some_and(|(room, _)| Arc::ptr_eq(room, &self.room)) {
            state.rooms.remove(&self.room.key);
        }
        drop(state);
        self.taps.tell(&self.room, now(), Tapped::Closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEG: LegId = LegId(1);

    fn open(taps: &Arc<Taps>, key: &str, dialled: &str) -> RoomTap {
        taps.open(RoomName { key: key.into(), dialled: dialled.into(), kind: "conference" })
    }

    fn join(tap: &RoomTap, leg: LegId) {
        tap.joined(now(), Joined { leg, id: format!("800-{}", leg.0), language: None });
    }

    fn say(tap: &RoomTap) {
        tap.said(LEG, &Captured { number: 0, at: now(), frame: Frame::SILENCE });
    }

    /// Whether the next tap is as wanted.
    fn next(listening: &mut mpsc::Receiver<Arc<Tap>>, wanted: impl Fn(&Tapped) -> bool) -> bool {
        listening.try_recv().is_ok_and(|tap| wanted(&tap.what))
    }

    #[test]
    fn who_comes_late_is_told_who_is_there() {
        let taps = Arc::new(Taps::default());
        let tap = open(&taps, "800", "800");
        join(&tap, LEG);
        tap.speaks(now(), LEG, Language::ENGLISH);
        let mut late = taps.subscribe(Some("800"), 9, now());
        let english = |what: &Tapped| matches!(what, Tapped::Joined(joined) if joined.language == Some(Language::ENGLISH));
        assert!(next(&mut late, english));
        say(&tap);
        assert!(next(&mut late, |what| matches!(what, Tapped::Said { .. })));
        tap.left(now(), LEG);
        drop(tap);
        assert!(next(&mut late, |what| *what == Tapped::Left { leg: LEG }));
        assert!(next(&mut late, |what| *what == Tapped::Closed));
        assert!(
            late.try_recv().is_err() && !late.is_closed(),
            "it hears of the room when it is opened again"
        );
    }

    #[test]
    fn rooms_are_heard_by_key_by_number_or_all() {
        let taps = Arc::new(Taps::default());
        let mut listening = [Some("17.1"), Some("102"), None].map(|wanted| taps.subscribe(wanted, 9, now()));
        for (key, heard) in [("17.1", [1, 1, 1]), ("17.2", [0, 1, 1]), ("800", [0, 0, 1])] {
            let dialled = if key == "800" { key } else { "102" };
            let tap = open(&taps, key, dialled);
            say(&tap);
            assert_eq!(listening.each_ref().map(mpsc::Receiver::len), heard, "{key}");
            drop(tap);
            while listening.iter_mut().any(|of| of.try_recv().is_ok()) {}
        }
    }

    #[test]
    fn who_is_slow_is_cut_off_and_counted_and_the_others_go_on() {
        let taps = Arc::new(Taps::default());
        let tap = open(&taps, "800", "800");
        let (mut slow, mut quick) = (taps.subscribe(None, 2, now()), taps.subscribe(None, 9, now()));
        (0..4).for_each(|_| say(&tap));
        assert_eq!((slow.len(), quick.len(), taps.cut_off()), (2, 4, 1));
        assert!(slow.try_recv().is_ok() && slow.try_recv().is_ok());
        assert_eq!(slow.try_recv().unwrap_err(), mpsc::error::TryRecvError::Disconnected);
        drop(slow);
        quick.close();
        say(&tap);
        assert!(!tap.is_heard(), "who goes is forgotten, and not counted");
        assert_eq!(taps.cut_off(), 1);
    }
}
