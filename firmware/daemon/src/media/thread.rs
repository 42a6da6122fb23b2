//! The media thread: waits for ports and the tick, moves frames, and does nothing else.
//!
//! It never allocates, frees, locks, logs, opens a file or waits for anyone. What it is done with travels back by
//! ring and is dropped elsewhere.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use audio_path::{Consumer, LegId, MediaEvent, MediaEventKind, Producer, Timestamp};
use rt_sys::poll::{Batch, Poll};
use rt_sys::{Ticker, Wake, monotonic_nanos};

use super::MAX_LEGS;
use super::hearing::{Hearing, Wanted, slot_of};
use super::leg::{MediaLeg, Outlet};
use super::status::Counters;
use crate::ports::{Port, READ_BYTES};

const TICK: u64 = u64::MAX;
const COMMAND: u64 = u64::MAX - 1;
/// Ticks made up for at once; after a longer stall the rest is skipped, since late audio is worse than none.
const MOST_CAUGHT_UP: u64 = 5;

/// What the media thread is asked to do.
pub(super) enum Command {
    Attach(Box<MediaLeg>),
    Replace(LegId, Port),
    Detach(LegId),
    Hear(LegId, Box<Wanted>),
    Stop,
}

/// What the media thread is done with.
pub(super) enum Retired {
    Leg(Box<MediaLeg>),
    Port(Port),
    Wanted(Box<Wanted>),
    Descriptor(OwnedFd),
}

pub(super) struct MediaThread {
    pub(super) poll: Poll,
    pub(super) ticker: Ticker,
    pub(super) wake: Wake,
    pub(super) commands: Consumer<Command>,
    /// One slot a leg; the slot is the leg's token in `poll`.
    pub(super) legs: Vec<Option<Box<MediaLeg>>>,
    /// Slots from here on are empty.
    pub(super) slots: usize,
    pub(super) hearing: Hearing,
    pub(super) outbox: Outbox,
    /// How long arrivals may gather after each wake-up: what the most hurried leg allows.
    pub(super) gather_nanos: u64,
    pub(super) buffer: [u8; READ_BYTES],
}

/// The ways out of the media thread.
pub(super) struct Outbox {
    pub(super) events: Producer<MediaEvent>,
    pub(super) retired: Producer<Retired>,
    pub(super) session: Wake,
    pub(super) counters: Arc<Counters>,
    pub(super) news: bool,
}

impl Outbox {
    fn retire_any(&mut self, retired: Retired) {
        self.news = true;
        // The ring has room for every leg and descriptor there can be. Were it ever full, leaking is the
        // only way out that neither frees nor waits here.
        if let Err(retired) = self.retired.push(retired) {
            self.counters.lost_events.fetch_add(1, Ordering::Relaxed);
            std::mem::forget(retired);
        }
    }

    /// Wakes the session once for all that a batch brought.
    fn flush(&mut self) {
        if std::mem::take(&mut self.news) {
            self.session.notify();
        }
    }
}

/// A media thread that ends, by a panic even, is told of: a daemon without one must not look alive.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.counters.over.store(true, Ordering::Release);
        self.session.notify();
    }
}

impl Outlet for Outbox {
    fn event(&mut self, event: MediaEvent) {
        self.news = true;
        if self.events.push(event).is_err() {
            self.counters.lost_events.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn retire(&mut self, descriptor: OwnedFd) {
        self.retire_any(Retired::Descriptor(descriptor));
    }

    fn captured(&mut self) {
        self.news = true;
    }
}

impl MediaThread {
    /// Registers what the thread always waits on.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        self.poll.add_reader(&self.ticker, TICK)?;
        self.poll.add_reader(&self.wake, COMMAND)
    }

    /// Serves until told to stop. Not inlined: the benchmark counts the instructions in it by its name.
    #[inline(never)]
    pub(super) fn run(&mut self) {
        let mut batch = Batch::default();
        let mut running = true;
        while running {
            if self.poll.wait(&mut batch).is_err() {
                // Only a programming error makes epoll fail; without it there is nothing to serve.
                return;
            }
            let woken = monotonic_nanos();
            let now = Timestamp::from_nanos(woken);
            let mut tick = false;
            for ready in batch.iter() {
                match ready.token {
                    TICK => tick = true,
                    COMMAND => running &= self.obey(),
                    slot => self.arrival(slot as usize, now),
                }
            }
            // What came with it is part of it.
            if tick {
                self.tick(now);
            }
            self.outbox.flush();
            rt_sys::sleep_until((woken + self.gather_nanos).min(self.ticker.next_due()));
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let Some((count, due)) = self.ticker.take() else { return };
        let late = now.since(Timestamp::from_nanos(due));
        self.outbox.counters.tick(count, late.as_micros().min(u128::from(u32::MAX)) as u32);
        for _ in 0..count.min(MOST_CAUGHT_UP) {
            self.hearing.tick(&mut self.legs);
            for leg in self.legs[..self.slots].iter_mut().flatten() {
                if !leg.tick(now, self.hearing.voices(), &mut self.outbox) {
                    hang_up(&self.poll, leg, now, &mut self.outbox);
                }
            }
        }
    }

    fn arrival(&mut self, slot: usize, now: Timestamp) {
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        if !leg.arrival(now, &mut self.buffer, &mut self.outbox) {
            hang_up(&self.poll, leg, now, &mut self.outbox);
        }
    }

    fn obey(&mut self) -> bool {
        self.wake.clear();
        while let Some(command) = self.commands.pop() {
            match command {
                Command::Attach(leg) => self.attach(leg),
                Command::Replace(leg, port) => self.replace(leg, port),
                Command::Detach(leg) => self.detach(leg),
                Command::Hear(leg, wanted) => self.hear(leg, wanted),
                Command::Stop => return false,
            }
        }
        true
    }

    fn attach(&mut self, leg: Box<MediaLeg>) {
        // The handle admits at most MAX_LEGS, so a slot is free.
        match self.legs.iter().position(Option::is_none) {
            Some(slot) => {
                self.watch(&leg.port, slot);
                self.legs[slot] = Some(leg);
                self.settle();
            }
            None => self.outbox.retire_any(Retired::Leg(leg)),
        }
    }

    fn replace(&mut self, id: LegId, port: Port) {
        let Some(slot) = slot_of(&self.legs, id) else {
            return self.outbox.retire_any(Retired::Port(port));
        };
        self.unwatch(slot);
        self.watch(&port, slot);
        if let Some(leg) = &mut self.legs[slot] {
            let old = leg.replace_port(port);
            self.outbox.retire_any(Retired::Port(old));
        }
    }

    fn detach(&mut self, id: LegId) {
        if let Some(slot) = slot_of(&self.legs, id) {
            self.unwatch(slot);
            if let Some(leg) = self.legs[slot].take() {
                self.outbox.retire_any(Retired::Leg(leg));
            }
            self.hearing.forget(&mut self.legs, slot);
            self.settle();
        }
    }

    fn hear(&mut self, listener: LegId, wanted: Box<Wanted>) {
        if let Some(slot) = slot_of(&self.legs, listener) {
            self.hearing.change(&mut self.legs, slot, &wanted);
        }
        self.outbox.retire_any(Retired::Wanted(wanted));
    }

    /// Legs have come or gone.
    fn settle(&mut self) {
        self.slots = self.legs.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        let allowed = self.legs.iter().flatten().map(|leg| leg.duty.gather_nanos());
        self.gather_nanos = allowed.min().unwrap_or(0);
    }

    fn watch(&self, port: &Port, slot: usize) {
        debug_assert!(slot < MAX_LEGS);
        if let Some(reader) = port.reader() {
            // Fails only for a descriptor that is in the set already, which `unwatch` rules out.
            let _added = self.poll.add_reader(reader, slot as u64);
        }
    }

    fn unwatch(&self, slot: usize) {
        if let Some(reader) = self.legs[slot].as_ref().and_then(|leg| leg.port.reader()) {
            let _was_in_the_set = self.poll.remove(reader);
        }
    }
}

/// The other side of a leg's port is gone.
fn hang_up(poll: &Poll, leg: &mut MediaLeg, now: Timestamp, outbox: &mut Outbox) {
    if let Some(reader) = leg.port.take_reader() {
        // A descriptor at its end stays readable for ever: left in the set it would spin.
        let _was_in_the_set = poll.remove(&reader);
        outbox.retire(reader);
    }
    outbox.event(MediaEvent { leg: leg.id, at: now, kind: MediaEventKind::PortDown });
}
