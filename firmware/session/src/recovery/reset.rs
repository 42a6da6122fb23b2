use std::time::Duration;

use audio_path::Timestamp;

use super::step::{RecoveryCounts, Tier};

/// A part is started anew at once, but not before this has passed since the last time; it is mended when it lived for as long.
const APART: Duration = Duration::from_secs(60);

/// The last tier: what is done about a part of the daemon that died of a fault of ours, be it a leg's worker or a server.
/// It is started anew, at most once a minute.
///
/// Whether that was of use is known later: it was where the part lives for a minute or ends in order, and was not where
/// it dies again before.
#[derive(Debug, Default)]
pub struct Reset {
    /// When it was started anew last, or is to be.
    last: Option<Timestamp>,
    /// Whether what came of that is still to be counted.
    pending: bool,
    counts: RecoveryCounts,
}

impl Reset {
    /// It lives.
    pub fn new() -> Self {
        Self::default()
    }

    /// It died: when it is started anew.
    pub fn died(&mut self, now: Timestamp) -> Timestamp {
        self.settle(self.mended_at().is_some_and(|at| now >= at));
        let at = self.last.map_or(now, |last| now.max(last + APART));
        (self.last, self.pending) = (Some(at), true);
        at
    }

    /// When the last start is known to have mended it, if it lives until then.
    pub fn mended_at(&self) -> Option<Timestamp> {
        self.last.filter(|_| self.pending).map(|last| last + APART)
    }

    /// It lived until [`Self::mended_at`], or ended in order.
    pub fn mended(&mut self) {
        self.settle(true);
    }

    /// What was done since this was asked last.
    pub fn take_counts(&mut self) -> RecoveryCounts {
        std::mem::take(&mut self.counts)
    }

    fn settle(&mut self, success: bool) {
        if std::mem::take(&mut self.pending) {
            self.counts.add(Tier::Reset, success);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(secs)
    }

    fn counts(reset: &mut Reset) -> [u64; 2] {
        let counts = reset.take_counts();
        [true, false].map(|success| counts.get(Tier::Reset, success))
    }

    #[test]
    fn the_first_time_it_is_started_anew_at_once() {
        let mut reset = Reset::new();
        assert_eq!((reset.mended_at(), reset.died(at(1_000))), (None, at(1_000)));
        assert_eq!((reset.mended_at(), counts(&mut reset)), (Some(at(1_060)), [0, 0]), "it is not known yet");
        reset.mended();
        assert_eq!((reset.mended_at(), counts(&mut reset)), (None, [1, 0]));
    }

    #[test]
    fn who_dies_again_waits_for_the_rest_of_the_minute() {
        let mut reset = Reset::new();
        reset.died(at(1_000));
        assert_eq!((reset.died(at(1_002)), counts(&mut reset)), (at(1_060), [0, 1]));
        assert_eq!((reset.died(at(1_060)), counts(&mut reset)), (at(1_120), [0, 1]));
    }

    #[test]
    fn who_lived_for_a_minute_was_mended_and_waits_for_nothing() {
        let mut reset = Reset::new();
        reset.died(at(1_000));
        assert_eq!((reset.died(at(1_060)), counts(&mut reset)), (at(1_060), [1, 0]));
    }

    proptest! {
        #[test]
        fn it_is_started_once_a_minute_at_most_and_each_time_counted_once(
            lives in proptest::collection::vec((0_u64..200, any::<bool>()), 1..100),
        ) {
            let (mut reset, mut now, mut starts) = (Reset::new(), at(1_000), Vec::new());
            for (lived, seen) in lives {
                let dies = now + Duration::from_secs(lived);
                if seen && reset.mended_at().is_some_and(|at| at <= dies) {
                    reset.mended();
                }
                now = reset.died(dies);
                prop_assert!(now >= dies && now.since(dies) <= APART);
                starts.push(now);
            }
            reset.mended();
            prop_assert!(starts.windows(2).all(|pair| pair[1].since(pair[0]) >= APART));
            prop_assert_eq!(counts(&mut reset).iter().sum::<u64>(), starts.len() as u64);
        }
    }
}
