use crate::Frame;
use crate::bridge::Bridge;

/// Frames that may wait for their tick: 60 ms, a burst of a phone whose network jitters.
const MOST_WAITING: usize = 3;
/// Ticks of a second: what is ahead for so long is delay that serves nothing, and goes with the next quiet frame.
const AHEAD_TICKS: u32 = 50;
/// Ticks of five seconds: then it goes with any.
const MOST_AHEAD_TICKS: u32 = 250;
/// Mean square of a frame at −50 dB.
const QUIET: u32 = 10_737;

/// A leg's captured frames on their way to other legs: they arrive when they like, and each tick takes one.
///
/// A frame waits for the next tick, up to 20 ms. After jitter it waits for one or two more, until the phone is quiet and
/// for five seconds at most.
#[derive(Clone, Debug)]
pub struct Relay {
    frames: [Frame; MOST_WAITING],
    first: usize,
    waiting: usize,
    /// Ticks in a row that left a frame behind.
    ahead: u32,
    bridge: Bridge,
}

/// What one tick of a [`Relay`] gives.
#[derive(Clone, Copy, Debug)]
pub struct Relayed {
    /// A frame that arrived, or the bridge over one that is late; `None` where silence serves as well.
    pub frame: Option<Frame>,
    /// Whether a frame was dropped, because they arrive faster than they are heard.
    pub dropped: bool,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            frames: [Frame::SILENCE; MOST_WAITING],
            first: 0,
            waiting: 0,
            ahead: 0,
            bridge: Bridge::default(),
        }
    }
}

impl Relay {
    /// A frame arrived. Answers whether the oldest had to go for it.
    #[must_use]
    pub fn push(&mut self, frame: &Frame) -> bool {
        let full = self.waiting == MOST_WAITING;
        if full {
            self.drop_oldest();
        }
        self.frames[(self.first + self.waiting) % MOST_WAITING] = *frame;
        self.waiting += 1;
        full
    }

    /// What is to be heard in this tick.
    pub fn tick(&mut self) -> Relayed {
        self.ahead = if self.waiting > 1 { self.ahead + 1 } else { 0 };
        let dropped = self.is_too_far_ahead();
        if dropped {
            self.ahead = 0;
            self.drop_oldest();
        }
        let frame = if self.waiting == 0 { self.bridge.missing() } else { Some(self.take()) };
        Relayed { frame, dropped }
    }

    /// Forgets what waits, as nobody hears it any more.
    pub fn clear(&mut self) {
        (self.waiting, self.ahead) = (0, 0);
        self.bridge.remember(None);
    }

    fn is_too_far_ahead(&self) -> bool {
        self.ahead >= MOST_AHEAD_TICKS
            || (self.ahead >= AHEAD_TICKS && self.frames[self.first].mean_square() < QUIET)
    }

    fn take(&mut self) -> Frame {
        let frame = self.frames[self.first];
        self.drop_oldest();
        self.bridge.remember(Some(&frame));
        frame
    }

    fn drop_oldest(&mut self) {
        self.first = (self.first + 1) % MOST_WAITING;
        self.waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(number: i16) -> Frame {
        Frame([number; 320])
    }

    fn heard(relay: &mut Relay) -> Option<i16> {
        relay.tick().frame.map(|frame| frame.0[0])
    }

    proptest! {
        /// Whatever the arrivals: each frame is heard once and in order, or dropped and told.
        #[test]
        fn every_frame_is_heard_in_order_or_counted(arrivals in prop::collection::vec(0usize..5, 1..400)) {
            let mut relay = Relay::default();
            let (mut sent, mut dropped, mut heard) = (0i16, 0, vec![]);
            for burst in arrivals.into_iter().chain([0; 4]) {
                for _ in 0..burst {
                    sent += 1;
                    dropped += i32::from(relay.push(&frame(sent)));
                }
                // The bridge repeats; what arrived is told from it by what waited.
                let waited = relay.waiting > 0;
                let relayed = relay.tick();
                dropped += i32::from(relayed.dropped);
                heard.extend(relayed.frame.filter(|_| waited).map(|frame| frame.0[0]));
            }
            prop_assert!(heard.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(heard.len() as i32 + dropped, i32::from(sent));
        }
    }

    #[test]
    fn a_late_frame_is_bridged_and_the_delay_is_gone_within_a_second() {
        let mut relay = Relay::default();
        assert!(!relay.push(&frame(800)));
        assert_eq!([heard(&mut relay), heard(&mut relay)], [Some(800), Some(400)]);
        let (mut lag, mut dropped) = (vec![], 0);
        assert!(!relay.push(&frame(1)));
        for number in 2..100 {
            assert!(!relay.push(&frame(number)));
            let relayed = relay.tick();
            dropped += u32::from(relayed.dropped);
            lag.push(number - relayed.frame.unwrap().0[0]);
        }
        assert_eq!((lag[48], lag[49], *lag.last().unwrap(), dropped), (1, 0, 0, 1));
    }

    #[test]
    fn delay_goes_in_a_pause_or_after_five_seconds() {
        let gone_after = |loud_ticks: usize| {
            let mut relay = Relay::default();
            assert!(!relay.push(&frame(5000)));
            let said = (1..).map(|tick| frame(if tick < loud_ticks { 5000 } else { 50 }));
            let dropped = said.map(|frame| relay.push(&frame) || relay.tick().dropped);
            dropped.take(1000).position(|dropped| dropped).map(|tick| tick + 1)
        };
        assert_eq!(gone_after(10), Some(50));
        assert_eq!(gone_after(100), Some(101), "the first quiet one");
        assert_eq!(gone_after(900), Some(250));
    }

    #[test]
    fn arrivals_that_waver_around_the_tick_lose_nothing() {
        let mut relay = Relay::default();
        for number in (0..2000).step_by(2) {
            // One tick sees two frames, the next one none.
            assert!(!relay.push(&frame(number)) && !relay.push(&frame(number + 1)));
            for expected in [number, number + 1] {
                let relayed = relay.tick();
                assert_eq!((relayed.frame.unwrap().0[0], relayed.dropped), (expected, false));
            }
        }
    }

    #[test]
    fn a_phone_that_falls_silent_fades_and_one_that_is_not_heard_is_forgotten() {
        let mut relay = Relay::default();
        assert!(!relay.push(&frame(1000)));
        let fading: Vec<_> = (0..6).map(|_| heard(&mut relay)).collect();
        assert_eq!(fading, [Some(1000), Some(500), Some(250), Some(125), None, None]);
        assert!(!relay.push(&frame(7)));
        relay.clear();
        assert_eq!(heard(&mut relay), None);
    }
}
