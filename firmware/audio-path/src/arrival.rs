/// Hundredths of a frame that each tick earns: 2 % above real time, more than any phone's clock drifts.
const EARNED_PER_TICK: u32 = 102;
/// Hundredths of a frame that one frame costs.
const COST: u32 = 100;
/// What may be saved up: a burst of 12 frames, a quarter of a second of network jitter.
const MOST: u32 = 12 * COST;

/// Bounds how fast frames may arrive on one leg: real time, with room for jitter and clock drift.
#[derive(Clone, Debug)]
pub struct ArrivalLimit {
    credit: u32,
}

impl Default for ArrivalLimit {
    fn default() -> Self {
        Self { credit: MOST }
    }
}

impl ArrivalLimit {
    /// One tick of 20 ms went by.
    pub fn tick(&mut self) {
        self.credit = (self.credit + EARNED_PER_TICK).min(MOST);
    }

    /// A frame arrived: may it pass?
    pub fn admit(&mut self) -> bool {
        let admitted = self.credit >= COST;
        if admitted {
            self.credit -= COST;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(ticks: u32, frames_per_tick: u32) -> u32 {
        let mut limit = ArrivalLimit::default();
        (0..ticks)
            .map(|_| {
                limit.tick();
                (0..frames_per_tick).filter(|_| limit.admit()).count() as u32
            })
            .sum()
    }

    #[test]
    fn real_time_passes_whole_and_a_flood_is_cut_to_real_time() {
        assert_eq!(admitted(50_000, 1), 50_000);
        let flood = admitted(50_000, 10);
        assert!((50_000..=51_100).contains(&flood), "{flood}");
    }

    #[test]
    fn a_quarter_second_of_jitter_passes_whole() {
        let mut limit = ArrivalLimit::default();
        assert_eq!((0..13).filter(|_| limit.admit()).count(), 12);
        (0..12).for_each(|_| limit.tick());
        assert_eq!((0..12).filter(|_| limit.admit()).count(), 12);
    }
}
