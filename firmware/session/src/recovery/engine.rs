use std::time::Duration;

use audio_path::Timestamp;

use super::{Breaker, BreakerState, Failure, Health, HealthState, Permit, RetryBudget};

/// An engine must be healthy for this long before a leg goes back to it …
pub(super) const PROVEN: Duration = Duration::from_secs(30);
/// … and is asked this often meanwhile, by probes where nobody uses it.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// What a chain needs to know of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its breaker is closed.
    pub serves: bool,
    /// The first success since the last failure; the origin of time where nothing ever failed.
    pub healthy_since: Option<Timestamp>,
}

/// One configured engine, as all legs see it.
#[derive(Debug)]
pub struct Engine {
    breaker: Breaker,
    budget: RetryBudget,
    health: Health,
    healthy_since: Option<Timestamp>,
    answered: Timestamp,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// Nothing is held against it.
    pub fn new() -> Self {
        Self {
            breaker: Breaker::new(),
            budget: RetryBudget::new(),
            health: Health::new(),
            healthy_since: Some(Timestamp::default()),
            answered: Timestamp::default(),
        }
    }

    /// Leave for a new request or connection, or none.
    pub fn ask(&mut self, now: Timestamp) -> Option<Permit> {
        let permit = self.breaker.ask(now)?;
        self.budget.requested(now);
        Some(permit)
    }

    /// Leave for a retry that [`Recovery`](super::Recovery) ordered, or for a probe.
    pub fn ask_again(&mut self, now: Timestamp) -> Option<Permit> {
        self.breaker.ask(now)
    }

    /// Leave for a new request to the last engine of a chain: none only where asking would not help.
    pub fn insist(&mut self, now: Timestamp) -> Option<Permit> {
        let permit = self.breaker.insist(now)?;
        self.budget.requested(now);
        Some(permit)
    }

    /// What it failed of may be mended: where its breaker is open, the next probe may be made at once.
    pub fn hope(&mut self, now: Timestamp) {
        self.breaker.hope(now);
    }

    /// What came of a request.
    pub fn answered(&mut self, now: Timestamp, permit: Permit, answer: Result<(), Failure>) {
        let works = !matches!(answer, Err(failure) if failure.is_the_engines());
        self.health.record(now, works);
        let counted = self.breaker.answered(now, permit, answer);
        if !works {
            self.healthy_since = None;
        } else if counted {
            self.healthy_since.get_or_insert(now);
        }
        self.answered = self.answered.max(now);
    }

    /// What a chain needs to know.
    pub fn standing(&self) -> Standing {
        let serves = self.breaker.state() == BreakerState::Closed;
        Standing { serves, healthy_since: self.healthy_since }
    }

    /// How well it works. What its breaker holds against it counts before five operations were seen.
    pub fn health(&self, now: Timestamp) -> HealthState {
        let least = match self.breaker.state() {
            _ if self.breaker.is_fatal() => HealthState::Failed,
            BreakerState::Closed => HealthState::Healthy,
            BreakerState::Open | BreakerState::HalfOpen => HealthState::Unhealthy,
        };
        self.health.state(now).max(least)
    }

    /// The part of its last operations that succeeded, 0 to 1; `None` where there was none.
    pub fn success_rate(&self, now: Timestamp) -> Option<f64> {
        self.health.success_rate(now)
    }

    /// For reports.
    pub fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// When it is to be probed where nobody asks it: from a failure until it is proven again.
    pub fn next_probe(&self) -> Option<Timestamp> {
        let proven = self.healthy_since.is_some_and(|since| self.answered.since(since) >= PROVEN);
        let never_failed = self.healthy_since == Some(Timestamp::default());
        match self.breaker.next_probe() {
            Some(at) => Some(at),
            None if proven || never_failed => None,
            None => Some(self.answered + PROBE_EVERY),
        }
    }

    /// Whether a request that begins at `at` would be let through.
    pub(super) fn lets_through(&self, at: Timestamp) -> bool {
        self.breaker.next_probe().is_none_or(|probe| at >= probe)
    }

    /// Whether the budget has a retry left; it is then spent.
    pub(super) fn spend_retry(&mut self, now: Timestamp) -> bool {
        self.budget.retry(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::default() + Duration::from_secs(secs)
    }

    fn request(engine: &mut Engine, now: Timestamp, answer: Result<(), Failure>) {
        let permit = engine.ask(now).expect("the breaker lets it through");
        engine.answered(now, permit, answer);
    }

    #[test]
    fn a_wrong_key_is_shown_before_five_operations() {
        let mut engine = Engine::new();
        request(&mut engine, at(100), Err(Failure::Fatal));
        assert_eq!(engine.health(at(101)), HealthState::Failed);
        assert_eq!(engine.health(at(200)), HealthState::Failed, "also when the window is empty");
        request(&mut engine, at(400), Ok(()));
        assert_eq!(engine.health(at(400)), HealthState::Healthy);
    }

    #[test]
    fn it_is_probed_from_a_failure_until_it_is_proven() {
        let mut engine = Engine::new();
        assert_eq!(engine.next_probe(), None);
        request(&mut engine, at(100), Err(Failure::Passing));
        for secs in (105..=135).step_by(5) {
            assert_eq!(engine.next_probe(), Some(at(secs)));
            let permit = engine.ask_again(at(secs)).expect("closed");
            engine.answered(at(secs), permit, Ok(()));
        }
        assert_eq!(engine.next_probe(), None);
        assert_eq!(engine.standing(), Standing { serves: true, healthy_since: Some(at(105)) });
    }

    #[test]
    fn an_answer_from_before_the_breaker_opened_does_not_make_it_healthy() {
        let mut engine = Engine::new();
        let early = engine.ask(at(100)).expect("closed");
        (0..3).for_each(|_| request(&mut engine, at(101), Err(Failure::Passing)));
        engine.answered(at(102), early, Ok(()));
        assert_eq!(engine.standing(), Standing { serves: false, healthy_since: None });
    }
}
