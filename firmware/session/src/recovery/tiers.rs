use std::time::Duration;

use audio_path::Timestamp;

use super::step::{Failed, RecoveryCounts, Step, Tier};
use super::{Backoff, Engine, Failure};

/// Where another engine can serve, it does so this long after the first failure.
const FAIL_OVER_AFTER: Duration = Duration::from_secs(1);

/// From the first failure to the next success.
#[derive(Clone, Copy, Debug)]
struct Incident {
    began: Timestamp,
    /// None once retries were given up: the engine's probes tell when it is back.
    retries: Option<Backoff>,
    /// A soft step is under way.
    pending: bool,
}

impl Incident {
    const fn new(began: Timestamp) -> Self {
        Self { began, retries: Some(Backoff::new()), pending: false }
    }
}

/// What is done, step by step, when an engine fails one (leg, stage): the request is made again, while that can still
/// be in time; then another engine serves, until this one was probed and is proven.
#[derive(Debug, Default)]
pub struct Recovery {
    incident: Option<Incident>,
    counts: RecoveryCounts,
}

impl Recovery {
    /// All is well.
    pub fn new() -> Self {
        Self::default()
    }

    /// A request or a retry failed, and `engine` was told: what to do; nothing where it is given up.
    pub fn failed(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Option<Step> {
        if !failed.failure.is_the_engines() {
            self.recovered();
            return None;
        }
        let incident = self.incident.get_or_insert(Incident::new(now));
        if std::mem::take(&mut incident.pending) {
            self.counts.add(Tier::Soft, false);
        }
        if let Some(at) = incident.retry(now, engine, failed) {
            incident.pending = true;
            return Some(Step::Retry { at });
        }
        incident.retries = None;
        failed.spare.then_some(Step::FailOver)
    }

    /// A line broke that had served, and is made again: a soft step that uses up no retry.
    pub fn interrupted(&mut self, now: Timestamp) {
        self.recovered();
        self.incident = Some(Incident { pending: true, ..Incident::new(now) });
    }

    /// The engine did what it was asked.
    pub fn recovered(&mut self) {
        if self.incident.take().is_some_and(|incident| incident.pending) {
            self.counts.add(Tier::Soft, true);
        }
    }

    /// What came of [`Step::FailOver`]: whether another engine answered.
    pub fn failed_over(&mut self, success: bool) {
        self.counts.add(Tier::Failover, success);
    }

    /// Whether the engine failed and has not answered since.
    pub const fn is_mending(&self) -> bool {
        self.incident.is_some()
    }

    /// What was done since this was asked last.
    pub fn take_counts(&mut self) -> RecoveryCounts {
        std::mem::take(&mut self.counts)
    }
}

impl Incident {
    /// When the request is made again, if it can be in time and the engine may be asked then.
    fn retry(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Option<Timestamp> {
        let Failed { failure, mut deadline, spare, draw } = failed;
        if spare {
            if failure == Failure::Silent {
                return None;
            }
            deadline = deadline.min(self.began + FAIL_OVER_AFTER);
        }
        let at = self.retries.as_mut()?.next(now, failure, deadline, draw)?;
        (engine.lets_through(at) && engine.spend_retry(now)).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(ms)
    }

    /// One leg and its engine; each failure is told to both, as the contract says.
    struct Leg {
        engine: Engine,
        recovery: Recovery,
        spare: bool,
    }

    impl Leg {
        fn new(spare: bool) -> Self {
            Self { engine: Engine::new(), recovery: Recovery::new(), spare }
        }

        fn fails(&mut self, ms: u64, failure: Failure) -> Option<Step> {
            if let Some(permit) = self.engine.insist(at(ms)) {
                self.engine.answered(at(ms), permit, Err(failure));
            }
            let failed = Failed { failure, deadline: at(ms + 2_000), spare: self.spare, draw: u32::MAX };
            self.recovery.failed(at(ms), &mut self.engine, failed)
        }

        fn succeeds(&mut self, ms: u64) {
            if let Some(permit) = self.engine.insist(at(ms)) {
                self.engine.answered(at(ms), permit, Ok(()));
            }
            self.recovery.recovered();
        }
    }

    fn retry(ms: u64) -> Step {
        Step::Retry { at: at(ms) }
    }

    #[test]
    fn retries_come_first_and_then_another_engine() {
        let mut leg = Leg::new(true);
        assert_eq!(leg.fails(1_000, Failure::Passing), Some(retry(1_250)));
        assert_eq!(leg.fails(1_260, Failure::Passing), Some(retry(1_760)));
        assert_eq!(leg.fails(1_770, Failure::Passing), Some(Step::FailOver));
        leg.recovery.failed_over(true);
        assert_eq!(leg.fails(6_770, Failure::Passing), Some(Step::FailOver), "no retry before it is proven");
        leg.succeeds(9_000);
        let counts = leg.recovery.take_counts();
        let pairs = Tier::ALL.map(|tier| (counts.get(tier, true), counts.get(tier, false)));
        assert_eq!(pairs, [(0, 2), (0, 0), (1, 0), (0, 0)]);
        assert!(!leg.recovery.is_mending());
    }

    #[test]
    fn a_retry_that_works_is_a_soft_recovery() {
        let mut leg = Leg::new(true);
        leg.fails(1_000, Failure::Passing);
        leg.succeeds(1_250);
        assert_eq!(leg.recovery.take_counts().get(Tier::Soft, true), 1);
        assert_eq!(leg.fails(1_500, Failure::Passing), Some(retry(1_750)), "a new incident");
    }

    #[test]
    fn a_line_that_is_made_again_is_a_soft_recovery_however_often() {
        let mut leg = Leg::new(true);
        for ms in (0..200).map(|n| 1_000 + n * 10_000) {
            leg.recovery.interrupted(at(ms));
        }
        leg.succeeds(3_000_000);
        assert_eq!(leg.recovery.take_counts().get(Tier::Soft, true), 200);
        leg.recovery.interrupted(at(4_000_000));
        assert_eq!(leg.fails(4_000_100, Failure::Passing), Some(retry(4_000_350)), "all retries are left");
        assert_eq!(leg.fails(4_001_100, Failure::Passing), Some(Step::FailOver), "a second after it broke");
        let counts = leg.recovery.take_counts();
        assert_eq!([true, false].map(|success| counts.get(Tier::Soft, success)), [0, 2]);
    }

    #[test]
    fn what_only_a_person_can_mend_is_not_tried_again() {
        assert_eq!(Leg::new(true).fails(1_000, Failure::Fatal), Some(Step::FailOver));
        assert_eq!(Leg::new(false).fails(1_000, Failure::Fatal), None);
    }

    #[test]
    fn silence_has_spent_the_time_of_a_retry() {
        assert_eq!(Leg::new(true).fails(1_000, Failure::Silent), Some(Step::FailOver));
        assert_eq!(Leg::new(false).fails(1_000, Failure::Silent), Some(retry(1_250)));
    }

    #[test]
    fn a_refused_request_is_no_incident() {
        let mut leg = Leg::new(true);
        assert_eq!(leg.fails(1_000, Failure::Refused), None);
        assert!(!leg.recovery.is_mending());
    }

    proptest! {
        #[test]
        fn another_engine_serves_within_a_second_of_the_first_hard_failure(
            draws in proptest::collection::vec(any::<u32>(), 8),
            takes in 0_u64..200,
        ) {
            let (mut engine, mut recovery) = (Engine::new(), Recovery::new());
            let mut now = at(1_000);
            for draw in draws {
                let permit = engine.insist(now).expect("it may pass");
                engine.answered(now, permit, Err(Failure::Passing));
                let deadline = now + Duration::from_secs(30);
                let failed = Failed { failure: Failure::Passing, deadline, spare: true, draw };
                match recovery.failed(now, &mut engine, failed) {
                    Some(Step::Retry { at }) => now = at + Duration::from_millis(takes),
                    Some(Step::FailOver) => break,
                    None => panic!("another can serve"),
                }
            }
            prop_assert!(now <= at(2_000 + takes), "{now:?}");
        }

        #[test]
        fn every_retry_is_counted_once(
            answers in proptest::collection::vec((0_u64..3_000, 0_u8..6), 1..100),
            spare in any::<bool>(),
        ) {
            let (mut leg, mut now, mut taken) = (Leg::new(spare), 1_000, 0);
            for (wait, answer) in answers {
                now += wait;
                let failure = match answer {
                    0 => { leg.succeeds(now); continue }
                    1 => Failure::Fatal,
                    2 => Failure::RateLimited { retry_after: None },
                    3 => Failure::Silent,
                    _ => Failure::Passing,
                };
                taken += u64::from(matches!(leg.fails(now, failure), Some(Step::Retry { .. })));
            }
            leg.succeeds(now);
            let counts = leg.recovery.take_counts();
            let counted = Tier::ALL.map(|tier| counts.get(tier, true) + counts.get(tier, false));
            prop_assert_eq!(counted.iter().sum::<u64>(), taken);
        }
    }
}
