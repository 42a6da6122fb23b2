//! Playout buffer: packets in the order they come, payloads in the order they were sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

/// A payload and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Speech as on the wire.
    pub payload: Vec<u8>,
    /// When the packet came, before any buffering.
    pub arrived: Instant,
}

/// What the buffer has for the next 20 ms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Playout {
    /// The next payload.
    Play(Arrival),
    /// The next payload is missing though later ones are there.
    Lost,
    /// Nothing: the other side is silent, late, or the buffer is filling.
    Empty,
}

/// What was counted; every packet is in one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Packets taken in, repetitions not counted.
    pub received: u64,
    /// Gaps at playout: never came, or came too late.
    pub lost: u64,
    /// Came after their turn.
    pub late: u64,
    /// Came twice.
    pub duplicate: u64,
    /// Came out of order but in time.
    pub reordered: u64,
    /// Turns with nothing to play although the stream was running.
    pub underrun: u64,
    /// Thrown away to bring the delay down again.
    pub skipped: u64,
}

/// The delay shrinks when the buffer was never emptier than wanted for that many turns.
const SHRINK_AFTER: u32 = 250;
/// Turns without a packet after which the stream counts as paused and the buffer fills anew.
const PAUSE_AFTER: u32 = 10;
const MAX_PACKETS: usize = 100;

/// Holds back the first packets for `depth`, then gives one a turn.
#[derive(Debug)]
pub struct JitterBuffer {
    packets: BTreeMap<u64, Arrival>,
    depth: usize,
    /// The number to play next, once playing.
    next: Option<u64>,
    highest: u64,
    empty_turns: u32,
    /// Fewest packets left after a turn, and turns since that was last reset.
    slack: usize,
    turns: u32,
    counts: Counts,
}

impl JitterBuffer {
    /// A buffer that starts to play when `depth` (in packets of 20 ms) is there.
    pub fn new(depth: Duration) -> Self {
        Self {
            packets: BTreeMap::new(),
            depth: (depth.as_millis() / 20).clamp(1, 50) as usize,
            next: None,
            highest: 0,
            empty_turns: 0,
            slack: usize::MAX,
            turns: 0,
            counts: Counts::default(),
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The stream has started anew with other numbers: forget what waits.
    pub fn restart(&mut self) {
        self.counts.skipped += self.packets.len() as u64;
        self.packets.clear();
        self.next = None;
        self.highest = 0;
    }

    /// Takes a packet with its extended number.
    pub fn push(&mut self, number: u64, arrival: Arrival) {
        if self.packets.contains_key(&number) {
            self.counts.duplicate += 1;
            return;
        }
        self.counts.received += 1;
        if self.next.is_some_and(|next| number < next) {
            self.counts.late += 1;
            return;
        }
        if number < self.highest {
            self.counts.reordered += 1;
        }
        self.highest = self.highest.max(number);
        self.packets.insert(number, arrival);
        if self.packets.len() > MAX_PACKETS {
            self.skip_oldest();
        }
    }

    /// Takes what is due in this turn.
    pub fn pull(&mut self) -> Playout {
        let Some(next) = self.next else {
            return self.start();
        };
        if self.packets.is_empty() {
            return self.run_dry();
        }
        self.empty_turns = 0;
        self.shrink();
        let next = self.next.unwrap_or(next);
        self.next = Some(next + 1);
        if let Some(arrival) = self.packets.remove(&next) {
            Playout::Play(arrival)
        } else {
            self.counts.lost += 1;
            Playout::Lost
        }
    }

    fn start(&mut self) -> Playout {
        if self.packets.len() < self.depth {
            return Playout::Empty;
        }
        let Some((number, arrival)) = self.packets.pop_first() else { return Playout::Empty };
        self.next = Some(number + 1);
        self.empty_turns = 0;
        (self.slack, self.turns) = (usize::MAX, 0);
        Playout::Play(arrival)
    }

    /// Keeps the place for a packet that is only late; after a while the other side has paused.
    fn run_dry(&mut self) -> Playout {
        self.empty_turns += 1;
        if self.empty_turns == PAUSE_AFTER {
            // Those turns were a pause of the other side and no underrun.
            self.counts.underrun -= u64::from(PAUSE_AFTER - 1);
            self.next = None;
        } else {
            self.counts.underrun += 1;
        }
        Playout::Empty
    }

    /// Drops one packet when more than wanted has been waiting for long: a burst or a faster clock left delay behind.
    fn shrink(&mut self) {
        self.slack = self.slack.min(self.packets.len());
        self.turns += 1;
        if self.turns < SHRINK_AFTER {
            return;
        }
        if self.slack > self.depth + 2 {
            self.skip_oldest();
        }
        (self.slack, self.turns) = (usize::MAX, 0);
    }

    fn skip_oldest(&mut self) {
        if let Some((number, _)) = self.packets.pop_first() {
            self.counts.skipped += 1;
            if let Some(next) = &mut self.next {
                *next = number + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(mark: u8) -> Arrival {
        Arrival { payload: vec![mark], arrived: Instant::now() }
    }

    fn buffer() -> JitterBuffer {
        JitterBuffer::new(Duration::from_millis(40))
    }

    fn played(playout: Playout) -> Option<u8> {
        match playout {
            Playout::Play(arrival) => Some(arrival.payload[0]),
            _ => None,
        }
    }

    #[test]
    fn fills_first_then_plays_in_order() {
        let mut buffer = buffer();
        buffer.push(11, arrival(11));
        assert_eq!(buffer.pull(), Playout::Empty);
        buffer.push(10, arrival(10));
        buffer.push(12, arrival(12));
        let order: Vec<_> = (0..3).filter_map(|_| played(buffer.pull())).collect();
        assert_eq!(order, [10, 11, 12]);
        assert_eq!(buffer.counts().reordered, 1);
        assert_eq!(buffer.counts().lost, 0);
    }

    #[test]
    fn a_gap_is_counted_once_and_a_late_packet_is_not_played() {
        let mut buffer = buffer();
        for number in [1, 2, 4] {
            buffer.push(number, arrival(number as u8));
        }
        assert_eq!(played(buffer.pull()), Some(1));
        assert_eq!(played(buffer.pull()), Some(2));
        assert_eq!(buffer.pull(), Playout::Lost);
        buffer.push(3, arrival(3));
        buffer.push(4, arrival(4));
        assert_eq!(played(buffer.pull()), Some(4));
        let counts = buffer.counts();
        assert_eq!((counts.received, counts.lost, counts.late, counts.duplicate), (4, 1, 1, 1));
    }

    #[test]
    fn a_late_packet_is_waited_for_but_a_pause_fills_anew() {
        let mut buffer = buffer();
        buffer.push(1, arrival(1));
        buffer.push(2, arrival(2));
        buffer.pull();
        buffer.pull();
        assert_eq!(buffer.pull(), Playout::Empty);
        buffer.push(3, arrival(3));
        assert_eq!(played(buffer.pull()), Some(3));
        assert_eq!(buffer.counts().underrun, 1);
        for _ in 0..20 {
            assert_eq!(buffer.pull(), Playout::Empty);
        }
        assert_eq!(buffer.counts().underrun, 1);
        buffer.push(4, arrival(4));
        assert_eq!(buffer.pull(), Playout::Empty);
        buffer.push(5, arrival(5));
        assert_eq!(played(buffer.pull()), Some(4));
    }

    #[test]
    fn delay_left_by_a_burst_is_worked_off() {
        let mut buffer = buffer();
        for number in 0..10 {
            buffer.push(number, arrival(0));
        }
        for number in 10..5000 {
            buffer.pull();
            buffer.push(number, arrival(0));
        }
        assert!((5..=7).contains(&buffer.counts().skipped), "{:?}", buffer.counts());
        assert_eq!(buffer.counts().lost, 0);
    }

    #[test]
    fn memory_is_bounded() {
        let mut buffer = buffer();
        for number in 0..1000 {
            buffer.push(number, arrival(0));
        }
        assert_eq!(buffer.packets.len(), MAX_PACKETS);
        assert_eq!(buffer.counts().skipped, 900);
    }
}
