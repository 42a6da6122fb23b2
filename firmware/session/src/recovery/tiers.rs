use std::time::Duration;

use audio_path::Timestamp;

use super::step::{Failed, RecoveryCounts, Step, Tier};
use super::{Backoff, Engine, Failure};

/// Where another engine can serve, it does so this long after the first failure.
const FAIL_OVER_AFTER: Duration = Duration::from_secs(1);
/// A renewal takes this long at most.
const RENEWAL: Duration = Duration::from_secs(5);

/// How far the mending of the engine itself is; failing over goes beside it.
#[derive(Clone, Copy, Debug)]
enum Mending {
    Soft(Backoff),
    Hard,
    Reset,
    /// All was done; the engine's probes tell when it is back.
    Done,
}

/// From the first failure to the next success.
#[derive(Clone, Copy, Debug)]
struct Incident {
    began: Timestamp,
    mending: Mending,
    /// A step of this tier is under way.
    pending: Option<Tier>,
}

/// What is done, step by step, when an engine fails one (leg, stage): the request is made again, while that can still
/// be in time; then its state is made anew, and meanwhile another engine serves; then its subsystem is restarted.
///
/// What only a person can mend, and what the service asked to be spared, is neither renewed nor restarted.
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

    /// A request, a retry, a renewal or a restart failed, and `engine` was told: what to do, in this order.
    pub fn failed(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Vec<Step> {
        if !failed.failure.is_the_engines() {
            self.recovered();
            return Vec::new();
        }
        let mut incident = self.incident.take().unwrap_or(Incident {
            began: now,
            mending: Mending::Soft(Backoff::new()),
            pending: None,
        });
        if let Some(tier) = incident.pending.take() {
            self.counts.add(tier, false);
        }
        let steps = incident.next(now, engine, failed);
        self.incident = Some(incident);
        steps
    }

    /// The engine did what it was asked.
    pub fn recovered(&mut self) {
        if let Some(tier) = self.incident.take().and_then(|incident| incident.pending) {
            self.counts.add(tier, true);
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
    fn next(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Vec<Step> {
        if let Some(at) = self.retry(now, engine, failed) {
            self.pending = Some(Tier::Soft);
            return vec![Step::Retry { at }];
        }
        let mut steps = Vec::new();
        if failed.spare {
            steps.push(Step::FailOver);
        }
        steps.extend(self.mend(now, engine, failed));
        steps
    }

    /// When the request is made again, if it can be in time and the engine may be asked then.
    fn retry(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Option<Timestamp> {
        let Mending::Soft(backoff) = &mut self.mending else { return None };
        let Failed { failure, mut deadline, spare, draw, .. } = failed;
        if spare {
            if failure == Failure::Silent {
                return None;
            }
            deadline = deadline.min(self.began + FAIL_OVER_AFTER);
        }
        let at = backoff.next(now, failure, deadline, draw)?;
        (engine.lets_through(at) && engine.spend_retry(now)).then_some(at)
    }

    /// The next tier for the engine itself.
    fn mend(&mut self, now: Timestamp, engine: &mut Engine, failed: Failed) -> Option<Step> {
        let curable = matches!(failed.failure, Failure::Passing | Failure::Silent);
        let next = match self.mending {
            Mending::Soft(_) if curable => {
                Some((Mending::Hard, Tier::Hard, Step::Renew { until: now + RENEWAL }))
            }
            Mending::Hard if curable && failed.restartable && engine.may_restart(now) => {
                Some((Mending::Reset, Tier::Reset, Step::Restart))
            }
            Mending::Soft(_) | Mending::Hard | Mending::Reset | Mending::Done => None,
        };
        self.mending = next.map_or(Mending::Done, |(mending, ..)| mending);
        self.pending = next.map(|(_, tier, _)| tier);
        next.map(|(.., step)| step)
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

        fn fails(&mut self, ms: u64, failure: Failure) -> Vec<Step> {
            let permit = self.engine.insist(at(ms));
            self.engine.answered(at(ms), permit, Err(failure));
            let failed = Failed {
                failure,
                deadline: at(ms + 2_000),
                spare: self.spare,
                restartable: true,
                draw: u32::MAX,
            };
            self.recovery.failed(at(ms), &mut self.engine, failed)
        }

        fn succeeds(&mut self, ms: u64) {
            let permit = self.engine.insist(at(ms));
            self.engine.answered(at(ms), permit, Ok(()));
            self.recovery.recovered();
        }
    }

    fn renew(ms: u64) -> Step {
        Step::Renew { until: at(ms + 5_000) }
    }

    #[test]
    fn the_tiers_are_climbed_one_by_one() {
        let mut leg = Leg::new(true);
        assert_eq!(leg.fails(1_000, Failure::Passing), [Step::Retry { at: at(1_250) }]);
        assert_eq!(leg.fails(1_260, Failure::Passing), [Step::Retry { at: at(1_760) }]);
        assert_eq!(leg.fails(1_770, Failure::Passing), [Step::FailOver, renew(1_770)]);
        leg.recovery.failed_over(true);
        assert_eq!(leg.fails(6_770, Failure::Silent), [Step::FailOver, Step::Restart]);
        leg.succeeds(9_000);
        let counts = leg.recovery.take_counts();
        let pairs = Tier::ALL.map(|tier| (counts.get(tier, true), counts.get(tier, false)));
        assert_eq!(pairs, [(0, 2), (0, 1), (1, 0), (1, 0)]);
        assert!(!leg.recovery.is_mending());
    }

    #[test]
    fn what_cannot_be_restarted_is_not_counted_as_restarted() {
        let (mut engine, mut recovery) = (Engine::new(), Recovery::new());
        let mut steps = Vec::new();
        for ms in [1_000, 7_000, 13_000] {
            let failure = Failure::Silent;
            let permit = engine.insist(at(ms));
            engine.answered(at(ms), permit, Err(failure));
            let failed = Failed { failure, deadline: at(ms), spare: true, restartable: false, draw: 0 };
            steps.extend(recovery.failed(at(ms), &mut engine, failed));
        }
        recovery.recovered();
        assert!(!steps.contains(&Step::Restart));
        let counts = recovery.take_counts();
        assert_eq!([true, false].map(|success| counts.get(Tier::Reset, success)), [0, 0]);
    }

    #[test]
    fn a_retry_that_works_is_a_soft_recovery() {
        let mut leg = Leg::new(true);
        leg.fails(1_000, Failure::Passing);
        leg.succeeds(1_250);
        assert_eq!(leg.recovery.take_counts().get(Tier::Soft, true), 1);
        assert_eq!(leg.fails(1_500, Failure::Passing), [Step::Retry { at: at(1_750) }], "a new incident");
    }

    #[test]
    fn what_only_a_person_can_mend_is_neither_retried_nor_renewed() {
        assert_eq!(Leg::new(true).fails(1_000, Failure::Fatal), [Step::FailOver]);
        assert_eq!(Leg::new(false).fails(1_000, Failure::Fatal), []);
    }

    #[test]
    fn silence_has_spent_the_time_of_a_retry() {
        assert_eq!(Leg::new(true).fails(1_000, Failure::Silent), [Step::FailOver, renew(1_000)]);
        assert_eq!(Leg::new(false).fails(1_000, Failure::Silent), [Step::Retry { at: at(1_250) }]);
    }

    #[test]
    fn a_refused_request_is_no_incident() {
        let mut leg = Leg::new(true);
        assert_eq!(leg.fails(1_000, Failure::Refused), []);
        assert!(!leg.recovery.is_mending());
    }

    #[test]
    fn a_restart_is_made_once_a_minute_whichever_leg_asks() {
        let (mut leg, mut other) = (Leg::new(true), Recovery::new());
        let mut steps = Vec::new();
        for ms in [1_000, 2_000, 3_000] {
            steps.extend(leg.fails(ms, Failure::Silent));
            let failed = Failed {
                failure: Failure::Silent,
                deadline: at(ms),
                spare: true,
                restartable: true,
                draw: 0,
            };
            steps.extend(other.failed(at(ms), &mut leg.engine, failed));
        }
        assert_eq!(steps.iter().filter(|step| **step == Step::Restart).count(), 1);
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
                let permit = engine.insist(now);
                engine.answered(now, permit, Err(Failure::Passing));
                let deadline = now + Duration::from_secs(30);
                let failed = Failed { failure: Failure::Passing, deadline, spare: true, restartable: true, draw };
                match recovery.failed(now, &mut engine, failed)[..] {
                    [Step::Retry { at }] => now = at + Duration::from_millis(takes),
                    [Step::FailOver, ..] => break,
                    ref other => panic!("{other:?}"),
                }
            }
            prop_assert!(now <= at(2_000 + takes), "{now:?}");
        }

        #[test]
        fn every_step_of_the_engines_own_is_counted_once(
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
                taken += leg.fails(now, failure).iter().filter(|step| **step != Step::FailOver).count();
            }
            leg.succeeds(now);
            let counts = leg.recovery.take_counts();
            let counted = Tier::ALL.map(|tier| counts.get(tier, true) + counts.get(tier, false));
            prop_assert_eq!(counted.iter().sum::<u64>(), taken as u64);
        }
    }
}
