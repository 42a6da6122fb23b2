//! Packets that were reordered, delayed, repeated or lost on their way, put into order again.

use crate::rtp::Sequencer;

/// The longest payload that is taken: 60 ms.
pub const MOST_PAYLOAD_BYTES: usize = 480;
/// Bytes of a millisecond, in each of our codecs.
const BYTES_PER_MS: usize = 8;
/// What may wait: 640 ms of packets of 20 ms.
const SLOTS: usize = 32;
/// A gap that is wider is no loss but a leap of the sender.
const WIDEST_GAP: u64 = 16;
const LEAST_DEPTH_MS: usize = 20;
const FIRST_DEPTH_MS: usize = 40;
const MOST_DEPTH_MS: usize = 60;
/// Turns over which it is seen whether less delay would have done: five seconds.
const WINDOW: u32 = 250;
/// Empty turns after which the other side has paused, and the buffer fills anew.
const PAUSE: u32 = 10;

#[derive(Clone, Debug)]
struct Slot {
    number: Option<u64>,
    length: u16,
    bytes: [u8; MOST_PAYLOAD_BYTES],
}

impl Slot {
    const FREE: Self = Self { number: None, length: 0, bytes: [0; MOST_PAYLOAD_BYTES] };
}

/// What became of a packet that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It waits for its turn.
    Kept,
    /// It waits for its turn, though one that was sent later was here before it.
    Reordered,
    /// Its turn was over.
    Late,
    /// It is here already.
    Duplicate,
    /// It is empty, or longer than any phone makes them.
    Unfit,
}

/// What a turn brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<'a> {
    /// The next payload.
    Play(&'a [u8]),
    /// The next packet is missing though later ones are here; it would have been so many bytes.
    Lost(usize),
    /// Nothing: the other side is silent or late, or the buffer fills.
    Empty,
}

/// Packets that were not played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// They came, and were given up: to bring the delay down, or because too many came at once.
    pub skipped: u64,
    /// They had not come when it was their turn.
    pub lost: u64,
}

/// Packets in the order they come, payloads in the order they were sent, at the pace of whoever takes them.
///
/// It holds back 20 to 60 ms: more after a packet came too late, less after five seconds without one.
#[derive(Clone, Debug)]
pub struct JitterBuffer {
    slots: [Slot; SLOTS],
    sequencer: Sequencer,
    playing: bool,
    /// The number whose turn is next; what is below is over.
    next: u64,
    highest: u64,
    waiting: usize,
    waiting_bytes: usize,
    depth_ms: usize,
    /// Turns to let pass, so that the delay grows.
    hold: u32,
    dry_turns: u32,
    least_ms: usize,
    window: u32,
    last_length: usize,
    missing: Missing,
}

impl Default for JitterBuffer {
    fn default() -> Self {
        Self {
            slots: [const { Slot::FREE }; SLOTS],
            sequencer: Sequencer::default(),
            playing: false,
            next: 0,
            highest: 0,
            waiting: 0,
            waiting_bytes: 0,
            depth_ms: FIRST_DEPTH_MS,
            hold: 0,
            dry_turns: 0,
            least_ms: usize::MAX,
            window: 0,
            last_length: 0,
            missing: Missing::default(),
        }
    }
}

impl JitterBuffer {
    /// Takes a packet.
    pub fn push(&mut self, sequence: u16, payload: &[u8]) -> Admission {
        if payload.is_empty() || payload.len() > MOST_PAYLOAD_BYTES {
            return Admission::Unfit;
        }
        let (number, anew) = self.sequencer.extend(sequence);
        if anew {
            self.forget();
            (self.next, self.highest) = (number, number);
        }
        let overtaken = !self.playing && number < self.next && self.missing_none_yet(number);
        if overtaken {
            self.next = number;
        }
        if number < self.next || number + (SLOTS as u64) <= self.highest {
            self.came_late();
            return Admission::Late;
        }
        if self.slots[number as usize % SLOTS].number == Some(number) {
            return Admission::Duplicate;
        }
        self.make_room(number);
        let slot = &mut self.slots[number as usize % SLOTS];
        slot.number = Some(number);
        slot.length = payload.len() as u16;
        slot.bytes[..payload.len()].copy_from_slice(payload);
        self.waiting += 1;
        self.waiting_bytes += payload.len();
        let reordered = number < self.highest;
        self.highest = self.highest.max(number);
        if reordered { Admission::Reordered } else { Admission::Kept }
    }

    /// A packet of the same stream has that number and nothing to be heard, such as a key: it is not missing.
    pub fn pass(&mut self, sequence: u16) {
        let (number, anew) = self.sequencer.extend(sequence);
        if anew {
            self.forget();
            (self.next, self.highest) = (number, number);
        }
        let is_over = number < self.next || number + (SLOTS as u64) <= self.highest;
        if is_over || self.slots[number as usize % SLOTS].number == Some(number) {
            return;
        }
        self.make_room(number);
        let slot = &mut self.slots[number as usize % SLOTS];
        (slot.number, slot.length) = (Some(number), 0);
        self.waiting += 1;
        self.highest = self.highest.max(number);
    }

    /// What is due. To be called once for each payload's time.
    pub fn pull(&mut self) -> Turn<'_> {
        if self.hold > 0 {
            self.hold -= 1;
            return Turn::Empty;
        }
        while let Some(number) = self.due() {
            self.next = number + 1;
            match self.release(number) {
                None => {
                    self.missing.lost += 1;
                    return Turn::Lost(self.last_length);
                }
                // What was passed. Nobody is late where nothing else waits.
                Some(0) if self.waiting == 0 => break,
                Some(0) => {}
                Some(length) => {
                    self.last_length = length;
                    return Turn::Play(&self.slots[number as usize % SLOTS].bytes[..length]);
                }
            }
        }
        Turn::Empty
    }

    /// Packets that were not played, for whoever counts them to take away.
    pub fn missing_mut(&mut self) -> &mut Missing {
        &mut self.missing
    }

    /// Packets that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// How much is held back, milliseconds.
    pub fn depth_ms(&self) -> usize {
        self.depth_ms
    }

    /// The stream begins anew: what waits is given up.
    pub fn restart(&mut self) {
        self.forget();
        self.sequencer.reset();
    }

    /// Whether the stream has just begun, so that a packet which the first one overtook is still in time.
    fn missing_none_yet(&self, number: u64) -> bool {
        self.last_length == 0 && number + WIDEST_GAP > self.highest
    }

    fn due(&mut self) -> Option<u64> {
        if self.waiting == 0 {
            self.run_dry();
            return None;
        }
        self.dry_turns = 0;
        if self.playing {
            self.shrink();
        } else if self.waiting_bytes < self.depth_ms * BYTES_PER_MS {
            return None;
        }
        let first = self.first_waiting();
        if !self.playing || first - self.next > WIDEST_GAP {
            (self.playing, self.least_ms, self.window) = (true, usize::MAX, 0);
            self.missing.lost += first - self.next;
            self.next = first;
        }
        Some(self.next)
    }

    /// The place of a packet that is only late is kept; after a while the other side has paused.
    fn run_dry(&mut self) {
        self.dry_turns = self.dry_turns.saturating_add(1);
        if self.playing && self.dry_turns == 1 {
            self.depth_ms = (self.depth_ms + 20).min(MOST_DEPTH_MS);
        }
        self.playing &= self.dry_turns < PAUSE;
    }

    fn came_late(&mut self) {
        if self.playing && self.depth_ms < MOST_DEPTH_MS {
            self.depth_ms += 20;
            self.hold = 1;
        }
        self.window = 0;
    }

    /// Where more than wanted was here all the time, one packet is given up.
    fn shrink(&mut self) {
        self.least_ms = self.least_ms.min(self.waiting_bytes / BYTES_PER_MS);
        self.window += 1;
        if self.window < WINDOW {
            return;
        }
        if self.least_ms >= self.depth_ms + 20 {
            self.skip();
        } else {
            self.depth_ms = (self.depth_ms - 20).max(LEAST_DEPTH_MS);
        }
        (self.least_ms, self.window) = (usize::MAX, 0);
    }

    fn make_room(&mut self, number: u64) {
        while self.waiting > 0 && self.first_waiting() + (SLOTS as u64) <= number {
            self.skip();
        }
    }

    /// Only called where one waits.
    fn skip(&mut self) {
        let first = self.first_waiting();
        self.missing.lost += first - self.next;
        self.missing.skipped += u64::from(self.release(first).is_some_and(|length| length > 0));
        self.next = first + 1;
    }

    /// The lowest number that waits; the next one where none does.
    fn first_waiting(&self) -> u64 {
        let from = self.next.max((self.highest + 1).saturating_sub(SLOTS as u64));
        let here = |number: &u64| self.slots[*number as usize % SLOTS].number == Some(*number);
        (from..=self.highest).find(here).unwrap_or(self.next)
    }

    fn release(&mut self, number: u64) -> Option<usize> {
        let slot = &mut self.slots[number as usize % SLOTS];
        slot.number.take_if(|here| *here == number)?;
        self.waiting -= 1;
        self.waiting_bytes -= usize::from(slot.length);
        Some(usize::from(slot.length))
    }

    fn forget(&mut self) {
        let heard = self.slots.iter_mut().filter_map(|slot| slot.number.take().filter(|_| slot.length > 0));
        self.missing.skipped += heard.count() as u64;
        (self.waiting, self.waiting_bytes, self.playing, self.hold) = (0, 0, false, 0);
        self.last_length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: [u8; 160] = [1; 160];

    #[test]
    fn packets_without_sound_are_neither_heard_nor_missing() {
        let mut buffer = JitterBuffer::default();
        let mut heard = 0;
        for turn in 0..60_u16 {
            // A key from 20 on, whose packets come twice; it ends with three at once.
            match turn {
                20..29 => [turn, turn].into_iter().for_each(|number| buffer.pass(number)),
                29 => (29..32).for_each(|number| buffer.pass(number)),
                _ => assert_eq!(buffer.push(turn + 2 * u16::from(turn > 29), &SOUND), Admission::Kept),
            }
            heard += u32::from(matches!(buffer.pull(), Turn::Play(_)));
        }
        while buffer.waiting() > 0 {
            heard += u32::from(matches!(buffer.pull(), Turn::Play(_)));
        }
        assert_eq!((heard, *buffer.missing_mut()), (50, Missing::default()));
        assert_eq!(buffer.depth_ms(), FIRST_DEPTH_MS, "nobody was late");
    }

    #[test]
    fn what_is_passed_for_long_is_given_up_without_a_word() {
        let mut buffer = JitterBuffer::default();
        (0..200).for_each(|number| buffer.pass(number));
        (200..210).for_each(|number| assert_eq!(buffer.push(number, &SOUND), Admission::Kept));
        let heard = (0..300).filter(|_| matches!(buffer.pull(), Turn::Play(_))).count();
        assert_eq!((heard, *buffer.missing_mut()), (10, Missing::default()));
    }

    /// A seeded network and its receiver, in turns of 20 ms.
    struct Line {
        random: u64,
        /// Packets under way: when they arrive, their number.
        under_way: Vec<(u64, u16)>,
    }

    #[derive(Debug, Default, PartialEq, Eq)]
    struct Told {
        kept: u64,
        reordered: u64,
        late: u64,
        duplicate: u64,
        played: u64,
        empty: u64,
        missing: Missing,
    }

    struct Weather {
        loss_percent: u64,
        duplicate_percent: u64,
        jitter_ms: u64,
    }

    impl Line {
        fn below(&mut self, limit: u64) -> u64 {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.random >> 33) % limit.max(1)
        }

        fn send(&mut self, now_ms: u64, number: u16, weather: &Weather) {
            if self.below(100) < weather.loss_percent {
                return;
            }
            let copies = 1 + u64::from(self.below(100) < weather.duplicate_percent);
            for _ in 0..copies {
                let at = now_ms + 5 + self.below(weather.jitter_ms);
                self.under_way.push((at, number));
            }
        }

        fn arrived(&mut self, now_ms: u64) -> Vec<u16> {
            let (mut here, there): (Vec<_>, Vec<_>) =
                self.under_way.drain(..).partition(|(at, _)| *at <= now_ms);
            self.under_way = there;
            here.sort_unstable();
            here.into_iter().map(|(_, number)| number).collect()
        }
    }

    /// Sends `packets`, then lets the line run dry. Payloads carry their number and must be played in order.
    fn run(seed: u64, packets: u64, weather: &Weather) -> (Told, JitterBuffer) {
        let mut line = Line { random: seed, under_way: Vec::new() };
        let (mut buffer, mut told, mut last) = (JitterBuffer::default(), Told::default(), None);
        for turn in 0..packets + 40 {
            let now_ms = turn * 20;
            let number = 65_000_u16.wrapping_add(turn as u16);
            if turn < packets {
                line.send(now_ms, number, weather);
            }
            for number in line.arrived(now_ms + 13) {
                let mut payload = SOUND;
                payload[..2].copy_from_slice(&number.to_be_bytes());
                match buffer.push(number, &payload) {
                    Admission::Kept => told.kept += 1,
                    Admission::Reordered => told.reordered += 1,
                    Admission::Late => told.late += 1,
                    Admission::Duplicate => told.duplicate += 1,
                    Admission::Unfit => panic!("it fits"),
                }
            }
            match buffer.pull() {
                Turn::Play(payload) => {
                    let number = u16::from_be_bytes([payload[0], payload[1]]).wrapping_sub(65_000);
                    assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
                    last = Some(number);
                    told.played += 1;
                }
                Turn::Lost(bytes) => assert_eq!(bytes, 160),
                Turn::Empty => told.empty += 1,
            }
        }
        told.missing = *buffer.missing_mut();
        (told, buffer)
    }

    #[test]
    fn a_good_line_loses_nothing_and_ends_with_the_least_delay() {
        let (told, buffer) = run(1, 2_000, &Weather { loss_percent: 0, duplicate_percent: 0, jitter_ms: 1 });
        assert_eq!((told.kept, told.late, told.missing.lost), (2_000, 0, 0), "{told:?}");
        assert_eq!(told.played + told.missing.skipped, 2_000);
        assert!(told.missing.skipped <= 1 && buffer.waiting() == 0, "{told:?}");
    }

    #[test]
    fn every_packet_is_accounted_for_on_any_line() {
        for seed in 0..200 {
            let weather = Weather { loss_percent: seed % 11, duplicate_percent: seed % 7, jitter_ms: seed };
            let (told, buffer) = run(seed, 1_500, &weather);
            let waiting = buffer.waiting() as u64;
            assert_eq!(
                told.kept + told.reordered,
                told.played + told.missing.skipped + waiting,
                "seed {seed}: {told:?}"
            );
            let sent = 1_500;
            // What was played, skipped or lost is what was sent, but for the ends of the stream.
            let ends = told.played + told.missing.skipped + told.missing.lost;
            assert!(ends <= sent && ends + 40 >= sent, "seed {seed}: {told:?}");
            assert!(buffer.depth_ms() <= MOST_DEPTH_MS);
        }
    }

    #[test]
    fn jitter_within_60_ms_costs_less_than_one_packet_in_a_hundred() {
        for seed in 1..20 {
            let (told, _) =
                run(seed, 3_000, &Weather { loss_percent: 0, duplicate_percent: 0, jitter_ms: 40 });
            assert!(told.late + told.missing.skipped < 30, "seed {seed}: {told:?}");
            assert!(told.reordered > 0);
        }
    }

    #[test]
    fn duplicates_are_never_played() {
        let (told, _) = run(3, 1_000, &Weather { loss_percent: 0, duplicate_percent: 50, jitter_ms: 1 });
        assert!(told.duplicate > 300, "{told:?}");
        assert_eq!(told.played + told.missing.skipped, 1_000);
    }

    #[test]
    fn a_packet_that_the_first_one_overtook_is_played() {
        let mut buffer = JitterBuffer::default();
        buffer.push(11, &[11; 160]);
        assert_eq!(buffer.push(10, &[10; 160]), Admission::Reordered);
        assert_eq!(buffer.pull(), Turn::Play(&[10; 160]));
        assert_eq!(buffer.push(9, &[9; 160]), Admission::Late);
    }

    #[test]
    fn a_burst_keeps_the_latest_and_a_leap_is_followed_at_once() {
        let mut buffer = JitterBuffer::default();
        for number in 0..100 {
            buffer.push(number, &SOUND);
        }
        assert_eq!((buffer.waiting(), *buffer.missing_mut()), (SLOTS, Missing { skipped: 68, lost: 0 }));
        buffer.pull();
        buffer.push(600, &[6; 160]);
        assert_eq!(buffer.pull(), Turn::Play(&[6; 160]));
    }

    #[test]
    fn what_no_phone_sends_is_refused() {
        let mut buffer = JitterBuffer::default();
        assert_eq!(buffer.push(1, &[]), Admission::Unfit);
        assert_eq!(buffer.push(1, &[0; MOST_PAYLOAD_BYTES + 1]), Admission::Unfit);
        assert_eq!(buffer.pull(), Turn::Empty);
    }

    #[test]
    fn a_restart_gives_up_what_waited() {
        let mut buffer = JitterBuffer::default();
        buffer.push(1, &SOUND);
        buffer.restart();
        assert_eq!(buffer.missing_mut().skipped, 1);
        buffer.push(40_000, &SOUND);
        buffer.push(40_001, &SOUND);
        assert!(matches!(buffer.pull(), Turn::Play(_)));
    }
}
