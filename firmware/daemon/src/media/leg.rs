//! One leg as the media thread sees it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use audio_path::{
    ArrivalLimit, Captured, Consumer, DropReason, Epoch, Frame, LegCounters, LegId, MediaEvent,
    MediaEventKind, Playable, Playout, Producer, Timestamp,
};
use rt_sys::fifo::Transfer;

use crate::ports::{Arrived, Port, READ_BYTES, Written};

/// What an echo leg may hold back: 120 ms.
const ECHO_FRAMES: usize = 6;

/// What both sides of a leg see: counters, written by the media thread, and the epoch, raised by the session.
#[derive(Debug, Default)]
pub struct LegShared {
    /// What happened to the leg's frames.
    pub counters: LegCounters,
    epoch: AtomicU32,
}

impl LegShared {
    /// The current generation of the leg's playback.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Starts a new generation: what was queued before is discarded, and counted, at the next tick.
    pub fn flush(&self) -> Epoch {
        Epoch(self.epoch.fetch_add(1, Ordering::AcqRel) + 1)
    }
}

/// What becomes of a leg's audio.
#[expect(clippy::large_enum_variant, reason = "a leg is boxed whole and stays where it is")]
pub(super) enum Duty {
    /// It goes to the session, and the session's comes back.
    Room { captured: Producer<Captured>, playable: Consumer<Playable>, playout: Playout },
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
            Self::Room { .. } | Self::Echo(_) => 4_000_000,
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
    epoch: Epoch,
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
        Self { id, port, shared, duty, limit: ArrivalLimit::default(), epoch: Epoch::default(), number: 0 }
    }

    /// Takes a newly opened port in place of the one whose sides went away, which it gives back.
    pub(super) fn replace_port(&mut self, mut port: Box<Port>) -> Box<Port> {
        self.shared.counters.count_dropped(DropReason::Stale, port.stale_frames());
        std::mem::swap(&mut self.port, &mut port);
        port
    }

    /// Reads what arrived and passes it on. `false` where the other side is gone.
    pub(super) fn arrival(
        &mut self,
        now: Timestamp,
        buffer: &mut [u8; READ_BYTES],
        outlet: &mut impl Outlet,
    ) -> bool {
        match self.port.read(buffer) {
            Transfer::Bytes(bytes) => {
                let mut bytes = &buffer[..bytes];
                while let Some(arrived) = self.port.next(&mut bytes) {
                    match arrived {
                        Arrived::Frame(frame) => self.capture(now, &frame, outlet),
                    }
                }
                true
            }
            Transfer::NotNow => true,
            Transfer::Gone => false,
        }
    }

    /// Plays this leg's frame of the tick.
    pub(super) fn tick(&mut self, now: Timestamp, outlet: &mut impl Outlet) {
        self.limit.tick();
        match &mut self.duty {
            Duty::Room { .. } => self.play(now, outlet),
            Duty::Echo(queue) => {
                let frame = queue.pop_front().unwrap_or(Frame::SILENCE);
                self.write(&frame, now, outlet);
            }
            Duty::EchoDirect => {}
        }
    }

    fn capture(&mut self, now: Timestamp, frame: &Frame, outlet: &mut impl Outlet) {
        let number = self.number;
        self.number += 1;
        if !self.limit.admit() {
            self.shared.counters.count_dropped(DropReason::Flood, 1);
            return;
        }
        let passed = match &mut self.duty {
            Duty::Room { captured, .. } => {
                outlet.captured();
                captured.push(Captured { number, at: now, frame: *frame }).is_ok()
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

    fn play(&mut self, now: Timestamp, outlet: &mut impl Outlet) {
        let Duty::Room { playable, playout, .. } = &mut self.duty else { return };
        let epoch = self.shared.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            playout.reset();
        }
        let mut next = playable.pop();
        while next.as_ref().is_some_and(|playable| playable.epoch < epoch) {
            self.shared.counters.count_dropped(DropReason::Flushed, 1);
            next = playable.pop();
        }
        let played = playout.next(next.as_ref());
        if played.concealed {
            self.shared.counters.count_concealed();
        }
        self.write(&played.frame, now, outlet);
        let (leg, at) = (self.id, now);
        let ended = played.ended.map(MediaEventKind::SegmentEnded);
        let started = played.started.map(MediaEventKind::SegmentStarted);
        // A segment that another replaced ended before that one started; one that ends here started first.
        let order = if played.started == played.ended { [started, ended] } else { [ended, started] };
        order.into_iter().flatten().for_each(|kind| outlet.event(MediaEvent { leg, at, kind }));
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
