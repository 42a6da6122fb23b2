use std::collections::VecDeque;
use std::time::Duration;

use audio_path::Timestamp;

/// The last operations that are judged …
const OPERATIONS: usize = 100;
/// … unless they are older than this.
const WITHIN: Duration = Duration::from_secs(60);
/// Fewer say nothing.
const FEWEST: usize = 5;

/// How well something works; `as u8` is the value of `service_health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthState {
    /// At least 95 of 100 operations succeed, or too few were made to tell.
    Healthy,
    /// At least 80 do.
    Degraded,
    /// At least 50 do.
    Unhealthy,
    /// Fewer do.
    Failed,
}

impl HealthState {
    /// The state as reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Failed => "failed",
        }
    }
}

/// The outcome of the last operations, up to 100 of the last 60 seconds.
#[derive(Debug, Default)]
pub struct Health {
    operations: VecDeque<(Timestamp, bool)>,
}

impl Health {
    /// Nothing was done yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An operation succeeded or not.
    pub fn record(&mut self, now: Timestamp, success: bool) {
        if self.operations.len() == OPERATIONS {
            self.operations.pop_front();
        }
        self.operations.push_back((now, success));
    }

    /// How well it works.
    pub fn state(&self, now: Timestamp) -> HealthState {
        let (succeeded, all) = self.counts(now);
        match succeeded * 100 {
            _ if all < FEWEST => HealthState::Healthy,
            percent if percent >= all * 95 => HealthState::Healthy,
            percent if percent >= all * 80 => HealthState::Degraded,
            percent if percent >= all * 50 => HealthState::Unhealthy,
            _ => HealthState::Failed,
        }
    }

    /// The part of the operations that succeeded, 0 to 1; `None` where there was none.
    pub fn success_rate(&self, now: Timestamp) -> Option<f64> {
        let (succeeded, all) = self.counts(now);
        (all > 0).then(|| succeeded as f64 / all as f64)
    }

    /// Operations that succeeded, and all.
    fn counts(&self, now: Timestamp) -> (usize, usize) {
        let recent = self.operations.iter().filter(|(at, _)| now.since(*at) < WITHIN);
        recent.fold((0, 0), |(succeeded, all), (_, success)| (succeeded + usize::from(*success), all + 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::HealthState::{Degraded, Failed, Healthy, Unhealthy};
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(ms)
    }

    fn after(good: usize, bad: usize) -> HealthState {
        let mut health = Health::new();
        (0..good).for_each(|_| health.record(at(0), true));
        (0..bad).for_each(|_| health.record(at(0), false));
        health.state(at(0))
    }

    #[test]
    fn four_operations_say_nothing_and_five_do() {
        assert_eq!(after(0, 4), HealthState::Healthy);
        assert_eq!(after(0, 5), HealthState::Failed);
    }

    #[test]
    fn the_rate_tells_the_state() {
        let states = [(95, 5), (94, 6), (80, 20), (79, 21), (50, 50), (49, 51)].map(|(g, b)| after(g, b));
        assert_eq!(states, [Healthy, Degraded, Degraded, Unhealthy, Unhealthy, Failed]);
    }

    #[test]
    fn a_hundred_operations_or_a_minute_are_remembered() {
        let mut health = Health::new();
        (0..100).for_each(|_| health.record(at(0), false));
        (0..50).for_each(|_| health.record(at(1_000), true));
        assert_eq!(health.success_rate(at(1_000)), Some(0.5));
        assert_eq!(health.success_rate(at(60_000)), Some(1.0));
        assert_eq!(health.success_rate(at(61_000)), None);
        assert_eq!(health.state(at(61_000)), HealthState::Healthy);
    }

    proptest! {
        #[test]
        fn one_more_success_never_makes_it_worse(
            outcomes in proptest::collection::vec((0_u64..2_000, any::<bool>()), 5..200),
        ) {
            let (mut health, mut now) = (Health::new(), 0);
            for (wait, success) in outcomes {
                now += wait;
                health.record(at(now), success);
            }
            let before = (health.state(at(now)), health.counts(at(now)).1);
            health.record(at(now), true);
            prop_assert!(health.operations.len() <= 100);
            if before.1 >= FEWEST {
                prop_assert!(health.state(at(now)) <= before.0);
            }
        }
    }
}
