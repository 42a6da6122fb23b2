//! One leg as the media thread sees it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audio_path::{
    ArrivalLimit, Captured, DropReason, Epoch, Frame, LegCounters, LegId, MediaEvent, MediaEventKind,
    Timestamp,
};
use rt_sys::fifo::Transfer;

use super::room::{MAX_LANES, Room, Voices};
use super::{Queue, Queues};
use crate::ports::{Arrived, Port, READ_BYTES, Written};

/// What an echo leg may hold back: 120 ms.
const ECHO_FRAMES: usize = 6;

/// What both sides of a leg see: counters, written by the media thread, and the epochs, raised by the session.
#[derive(Debug, Default)]
pub struct LegShared {
    /// What happened to the leg's frames.
    pub counters: LegCounters,
    /// What waits between its parts.
    pub queues: Queues,
    epochs: [AtomicU32; MAX_LANES],
}

impl LegShared {
    /// The current generation of what a lane plays.
    ///
    /// # Panics
    /// Where no leg can have such a lane.
    pub fn epoch(&self, lane: usize) -> Epoch {
        Epoch(self.epochs[lane].load(Ordering::Acquire))
    }

    /// What waits in `queue`.
    pub fn depth(&self, queue: Queue) -> u64 {
        // The counter is read before what was taken of it: a depth is never made up.
        self.queues.depth(queue, self.counters.frames_in())
    }

    /// Starts a new generation of a lane: what was queued in it before is discarded, and counted, at the next tick.
    ///
    /// # Panics
    /// Where no leg can have such a lane.
    pub fn flush_lane(&self, lane: usize) {
        self.epochs[lane].fetch_add(1, Ordering::AcqRel);
    }

    /// The same for all lanes.
    pub fn flush(&self) {
        (0..MAX_LANES).for_each(|lane| self.flush_lane(lane));
    }
}

/// What becomes of a leg's audio.
#[expect(clippy::large_enum_variant, reason = "a leg is boxed whole and stays where it is")]
pub(super) enum Duty {
    /// It goes to the session and to other legs; the session's and theirs comes back.
    Room(Room),
    /// It comes back at the next tick.
    Echo(heapless::Deque<Frame, ECHO_FRAMES>),
    /// It comes back at once.
    EchoDirect,
}

impl Duty {
    /// How long a captured frame may wait to be read with others, nanoseconds. A switch of threads costs more than
    /// all the work on a frame, so it is better shared.
    pub(super) fn gather_nanos(&self) -> u64 {
        match self {
            Self::Room(_) | Self::Echo(_) => 4_000_000,
            Self::EchoDirect => 800_000,
        }
    }
}

/// A leg, owned by the media thread between its attachment and its retirement.
pub(super) struct MediaLeg {
    pub(super) id: LegId,
    pub(super) port: Port,
    pub(super) shared: Arc<LegShared>,
    pub(super) duty: Duty,
    limit: ArrivalLimit,
    number: u64,
}

/// Where a leg's events go while it is served.
pub(super) trait Outlet {
    /// Something happened to a leg.
    fn event(&mut self, event: MediaEvent);
    /// A descriptor that somebody else is to close.
    fn retire(&mut self, descriptor: OwnedFd);
    /// The session has something to read.
    fn captured(&mut self);
}

impl MediaLeg {
    pub(super) fn new(id: LegId, port: Port, shared: Arc<LegShared>, duty: Duty) -> Self {
        shared.counters.count_dropped(DropReason::Stale, port.stale_frames());
        Self { id, port, shared, duty, limit: ArrivalLimit::default(), number: 0 }
    }

    /// Takes a newly opened port in place of the one whose sides went away, which it gives back.
    pub(super) fn replace_port(&mut self, port: Port) -> Port {
        self.shared.counters.count_dropped(DropReason::Stale, port.stale_frames());
        std::mem::replace(&mut self.port, port)
    }

    /// Reads what arrived and passes it on. `false` where the other side is gone.
    pub(super) fn arrival(
        &mut self,
        now: Timestamp,
        buffer: &mut [u8; READ_BYTES],
        outlet: &mut impl Outlet,
    ) -> bool {
        for _ in 0..self.port.reads_at_once() {
            match self.port.read(buffer) {
                Transfer::Bytes(bytes) => {
                    let mut bytes = &buffer[..bytes];
                    while let Some(arrived) = self.port.next(&mut bytes) {
                        if !self.arrived(&arrived, now, outlet) {
                            return false;
                        }
                    }
                }
                Transfer::NotNow => break,
                Transfer::Gone => return false,
            }
        }
        true
    }

    /// Takes what is due and plays this leg's frame of the tick. `false` where the other side is gone.
    pub(super) fn tick(&mut self, now: Timestamp, voices: &Voices, outlet: &mut impl Outlet) -> bool {
        self.limit.tick();
        self.port.tick();
        let mut there = true;
        while let Some(arrived) = self.port.due().filter(|_| there) {
            there = self.arrived(&arrived, now, outlet);
        }
        match &mut self.duty {
            Duty::Room(room) => {
                let (frame, marks) = room.play(&self.shared, voices);
                self.write(&frame, now, outlet);
                let leg = self.id;
                marks.into_iter().for_each(|kind| outlet.event(MediaEvent { leg, at: now, kind }));
            }
            Duty::Echo(queue) => {
                let frame = queue.pop_front().unwrap_or(Frame::SILENCE);
                self.write(&frame, now, outlet);
            }
            Duty::EchoDirect => {}
        }
        there
    }

    /// `false` where the other side is gone.
    fn arrived(&mut self, arrived: &Arrived, now: Timestamp, outlet: &mut impl Outlet) -> bool {
        match *arrived {
            Arrived::Frame(ref frame) => self.capture(now, frame, outlet),
            Arrived::Key(key) => {
                outlet.event(MediaEvent { leg: self.id, at: now, kind: MediaEventKind::Key(key) });
            }
            Arrived::Dropped(reason, frames) => self.shared.counters.count_dropped(reason, frames),
            Arrived::Reordered => self.shared.counters.count_reordered(),
            Arrived::Gone => return false,
        }
        true
    }

    fn capture(&mut self, now: Timestamp, frame: &Frame, outlet: &mut impl Outlet) {
        let number = self.number;
        self.number += 1;
        if !self.limit.admit() {
            self.shared.counters.count_dropped(DropReason::Flood, 1);
            return;
        }
        let passed = match &mut self.duty {
            Duty::Room(room) => {
                outlet.captured();
                room.capture(&Captured { number, at: now, frame: *frame }, &self.shared.counters)
            }
            Duty::Echo(queue) => queue.push_back(*frame).is_ok(),
            Duty::EchoDirect => {
                self.write(frame, now, outlet);
                true
            }
        };
        if passed {
            self.shared.counters.count_in();
        } else {
            self.shared.counters.count_dropped(DropReason::UplinkFull, 1);
        }
    }

    fn write(&mut self, frame: &Frame, at: Timestamp, outlet: &mut impl Outlet) {
        let counters = &self.shared.counters;
        match self.port.write(frame) {
            Written::Whole => counters.count_out(),
            Written::Full => counters.count_dropped(DropReason::PipeFull, 1),
            Written::Down => counters.count_dropped(DropReason::PortDown, 1),
            Written::Lost => {
                counters.count_dropped(DropReason::PortDown, 1);
                self.port.take_writer().into_iter().for_each(|fd| outlet.retire(fd));
                outlet.event(MediaEvent { leg: self.id, at, kind: MediaEventKind::PortDown });
            }
        }
    }
}
