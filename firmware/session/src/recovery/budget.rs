use std::time::Duration;

use audio_path::Timestamp;

/// Retries for each hundred requests.
const PERCENT: u32 = 20;
/// Retries in any case: one request that fails may use all of its own.
const FLOOR: u32 = 3;
/// Requests and retries are forgotten after about a minute, a slot at a time.
const SLOT: Duration = Duration::from_secs(5);
const SLOTS: u64 = 12;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: u64,
    requests: u32,
    retries: u32,
}

/// Keeps retries to a fifth of an engine's requests of the last minute: an engine that is overloaded is not made to
/// carry three times its load.
#[derive(Debug, Default)]
pub struct RetryBudget {
    slots: [Slot; SLOTS as usize],
}

impl RetryBudget {
    /// Nothing was asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request is made for the first time.
    pub fn requested(&mut self, now: Timestamp) {
        let slot = self.slot(now);
        slot.requests = slot.requests.saturating_add(1);
    }

    /// Whether a request may be made again; the retry is then counted.
    pub fn retry(&mut self, now: Timestamp) -> bool {
        let oldest = number(now).saturating_sub(SLOTS - 1);
        let recent = self.slots.iter().filter(|slot| slot.number >= oldest);
        let (requests, retries) = recent.fold((0_u64, 0_u64), |(requests, retries), slot| {
            (requests + u64::from(slot.requests), retries + u64::from(slot.retries))
        });
        let allowed = (requests * u64::from(PERCENT) / 100).max(u64::from(FLOOR));
        if retries >= allowed {
            return false;
        }
        self.slot(now).retries += 1;
        true
    }

    fn slot(&mut self, now: Timestamp) -> &mut Slot {
        let number = number(now);
        let slot = &mut self.slots[(number % SLOTS) as usize];
        if slot.number != number {
            *slot = Slot { number, ..Slot::default() };
        }
        slot
    }
}

/// The slot's number since the origin of time.
fn number(now: Timestamp) -> u64 {
    now.as_nanos() / SLOT.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(ms)
    }

    fn granted(budget: &mut RetryBudget, now: Timestamp) -> usize {
        (0..1000).take_while(|_| budget.retry(now)).count()
    }

    #[test]
    fn the_first_failure_may_be_retried() {
        assert_eq!(granted(&mut RetryBudget::new(), at(100_000)), 3);
    }

    #[test]
    fn a_fifth_of_the_requests_is_retried() {
        let mut budget = RetryBudget::new();
        (0..100).for_each(|n| budget.requested(at(100_000 + n * 100)));
        assert_eq!(granted(&mut budget, at(110_000)), 20);
    }

    #[test]
    fn what_is_older_than_a_minute_counts_no_more() {
        let mut budget = RetryBudget::new();
        (0..100).for_each(|_| budget.requested(at(0)));
        assert_eq!(granted(&mut budget, at(1)), 20);
        assert_eq!(granted(&mut budget, at(54_999)), 0);
        assert_eq!(granted(&mut budget, at(60_000)), 3);
    }

    proptest! {
        #[test]
        fn never_more_than_a_fifth_beyond_the_floor(
            steps in proptest::collection::vec((0_u64..4_000, any::<bool>()), 0..300),
        ) {
            let mut budget = RetryBudget::new();
            let (mut now, mut requests, mut retries) = (0, Vec::new(), Vec::new());
            for (wait, fails) in steps {
                now += wait;
                budget.requested(at(now));
                requests.push(now);
                if !fails || !budget.retry(at(now)) {
                    continue;
                }
                retries.push(now);
                let within = |times: &[u64], ms| times.iter().filter(|&&t| t + ms > now).count();
                prop_assert!(within(&retries, 55_000) <= (within(&requests, 60_000) / 5).max(3));
            }
        }
    }
}
