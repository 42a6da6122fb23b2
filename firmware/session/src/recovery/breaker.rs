use std::time::Duration;

use audio_path::Timestamp;

use super::Failure;

/// This many failures …
const FAILURES: usize = 3;
/// … within this time open it …
const WITHIN: Duration = Duration::from_secs(10);
/// … for this long at first, and twice as long after each probe that fails …
const FIRST_OPEN: Duration = Duration::from_secs(5);
/// … up to this.
const LONGEST_OPEN: Duration = Duration::from_secs(60);
/// What a person has to mend is asked for this seldom.
const FATAL_OPEN: Duration = Duration::from_secs(300);
/// No service is left alone for longer, whatever it asks.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// A probe that was not answered by then has lost its caller: another one may ask. Longer than any request's deadline.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// Leave to make one request. An answer under a permit from before the breaker last moved is too late to count.
#[derive(Debug)]
#[must_use = "a request was permitted"]
pub struct Permit {
    epoch: u64,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go through.
    Closed,
    /// None does.
    Open,
    /// One does, to see whether it works again.
    HalfOpen,
}

impl BreakerState {
    /// The state as reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Timestamp },
    HalfOpen { until: Timestamp },
}

/// Keeps requests from an engine that fails, and lets one probe through from time to time.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    /// Grows with each change of state, and with each probe.
    epoch: u64,
    /// The last failures before the newest, oldest first.
    recent: [Option<Timestamp>; FAILURES - 1],
    /// For how long it opens next.
    open_for: Duration,
    /// Only a person can mend what it was opened for.
    fatal: bool,
    /// More requests would not close it: a person has to mend something, or the service named a time.
    firm: bool,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed one.
    pub const fn new() -> Self {
        Self {
            state: State::Closed,
            epoch: 0,
            recent: [None; FAILURES - 1],
            open_for: FIRST_OPEN,
            fatal: false,
            firm: false,
        }
    }

    /// Leave to make a request now, or none.
    pub fn ask(&mut self, now: Timestamp) -> Option<Permit> {
        match self.state {
            State::Closed => Some(Permit { epoch: self.epoch }),
            State::Open { until } | State::HalfOpen { until } if now >= until => Some(self.probe(now)),
            State::Open { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// Leave to make a request now, since nobody else is left to be asked. None where only a person can mend it, and
    /// where the service named a time: asking would not help, and be counted.
    pub fn insist(&mut self, now: Timestamp) -> Option<Permit> {
        match self.state {
            _ if self.firm => self.ask(now),
            State::Open { .. } => Some(self.probe(now)),
            State::Closed | State::HalfOpen { .. } => Some(Permit { epoch: self.epoch }),
        }
    }

    /// What it was opened for may be mended: whoever asks next is let through.
    pub fn hope(&mut self, now: Timestamp) {
        if let State::Open { until } = &mut self.state {
            *until = now.min(*until);
        }
    }

    /// What came of a request. Returns whether the answer counted.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is answered once")]
    pub fn answered(&mut self, now: Timestamp, permit: Permit, answer: Result<(), Failure>) -> bool {
        if permit.epoch != self.epoch {
            return false;
        }
        match answer {
            Ok(()) | Err(Failure::Refused) => self.worked(),
            Err(Failure::Fatal) => self.trip(now),
            Err(Failure::RateLimited { retry_after: Some(wait) }) => {
                self.open(now, wait.min(LONGEST_RETRY_AFTER));
                self.firm = true;
            }
            Err(Failure::Passing | Failure::Silent | Failure::RateLimited { retry_after: None }) => {
                self.failed(now);
            }
        }
        true
    }

    /// Opens at once and for long: a person has to mend something before it can work.
    pub fn trip(&mut self, now: Timestamp) {
        self.open(now, FATAL_OPEN);
        (self.fatal, self.firm) = (true, true);
    }

    /// Where it stands. Open lasts until somebody asks.
    pub const fn state(&self) -> BreakerState {
        match self.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a person has to mend something.
    pub const fn is_fatal(&self) -> bool {
        self.fatal
    }

    /// When the next probe may be made; `None` while it is closed.
    pub const fn next_probe(&self) -> Option<Timestamp> {
        match self.state {
            State::Closed => None,
            State::Open { until } | State::HalfOpen { until } => Some(until),
        }
    }

    fn probe(&mut self, now: Timestamp) -> Permit {
        self.enter(State::HalfOpen { until: now + PROBE_LIMIT });
        Permit { epoch: self.epoch }
    }

    fn worked(&mut self) {
        if !matches!(self.state, State::Closed) {
            let epoch = self.epoch + 1;
            *self = Self { epoch, ..Self::new() };
        }
    }

    fn failed(&mut self, now: Timestamp) {
        let oldest = self.recent[0];
        let too_many = oldest.is_some_and(|oldest| now.since(oldest) <= WITHIN);
        match self.state {
            State::Closed if !too_many => {
                self.recent.rotate_left(1);
                self.recent[FAILURES - 2] = Some(now);
            }
            _ => {
                self.open(now, self.open_for);
                self.open_for = (self.open_for * 2).min(LONGEST_OPEN);
            }
        }
    }

    fn open(&mut self, now: Timestamp, how_long: Duration) {
        (self.fatal, self.firm) = (false, false);
        self.recent = [None; FAILURES - 1];
        self.enter(State::Open { until: now + how_long });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.epoch += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::default() + Duration::from_millis(ms)
    }

    /// Asks and answers at once; whether leave was given.
    fn request(breaker: &mut Breaker, now: Timestamp, answer: Result<(), Failure>) -> bool {
        let permit = breaker.ask(now);
        permit.is_some_and(|permit| breaker.answered(now, permit, answer))
    }

    fn opened_at(ms: u64) -> Breaker {
        let mut breaker = Breaker::new();
        (0..3).for_each(|_| assert!(request(&mut breaker, at(ms), Err(Failure::Passing))));
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker
    }

    #[test]
    fn three_failures_in_ten_seconds_open_it() {
        let failures_every = |ms: u64| {
            let mut breaker = Breaker::new();
            (0..3).for_each(|n| assert!(request(&mut breaker, at(n * ms), Err(Failure::Silent))));
            breaker.state()
        };
        assert_eq!(failures_every(5_000), BreakerState::Open);
        assert_eq!(failures_every(5_001), BreakerState::Closed);
    }

    #[test]
    fn it_stays_open_for_five_seconds_then_twice_as_long_up_to_a_minute() {
        let (mut breaker, mut now) = (opened_at(0), 0);
        for open_for in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
            assert_eq!(breaker.next_probe(), Some(at(now + open_for)));
            assert!(breaker.ask(at(now + open_for - 1)).is_none());
            now += open_for;
            assert!(request(&mut breaker, at(now), Err(Failure::Passing)));
        }
        now += 60_000;
        assert!(request(&mut breaker, at(now), Ok(())));
        assert_eq!((breaker.state(), breaker.next_probe()), (BreakerState::Closed, None));
        (0..3).for_each(|_| assert!(request(&mut breaker, at(now), Err(Failure::Passing))));
        assert_eq!(breaker.next_probe(), Some(at(now + 5_000)), "a success resets it");
    }

    #[test]
    fn one_probe_at_a_time_and_a_vanished_one_does_not_wedge_it() {
        let mut breaker = opened_at(0);
        let lost = breaker.ask(at(5_000)).expect("it is time for a probe");
        assert!((5_000..15_000).all(|ms| breaker.ask(at(ms)).is_none()));
        let second = breaker.ask(at(15_000)).expect("nobody answers for the first");
        assert!(!breaker.answered(at(15_001), lost, Err(Failure::Passing)), "too late to count");
        assert!(breaker.answered(at(15_002), second, Ok(())));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn answers_from_before_it_moved_do_not_count() {
        let mut breaker = Breaker::new();
        let early = breaker.ask(at(0)).expect("closed");
        (0..3).for_each(|_| assert!(request(&mut breaker, at(0), Err(Failure::Passing))));
        assert!(!breaker.answered(at(1), early, Ok(())));
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn what_a_person_must_mend_opens_it_at_once_for_five_minutes() {
        let mut breaker = Breaker::new();
        assert!(request(&mut breaker, at(0), Err(Failure::Fatal)));
        assert!(breaker.is_fatal() && breaker.ask(at(299_999)).is_none());
        assert!(request(&mut breaker, at(300_000), Ok(())));
        assert!(!breaker.is_fatal());
    }

    #[test]
    fn retry_after_is_honoured_up_to_an_hour() {
        let limited = |secs| Err(Failure::RateLimited { retry_after: Some(Duration::from_secs(secs)) });
        let mut breaker = Breaker::new();
        assert!(request(&mut breaker, at(0), limited(7)));
        assert!(breaker.ask(at(6_999)).is_none());
        assert!(request(&mut breaker, at(7_000), limited(u64::MAX)));
        assert_eq!(breaker.next_probe(), Some(at(3_607_000)));
    }

    #[test]
    fn a_refused_request_says_that_the_engine_works() {
        let mut breaker = opened_at(0);
        assert!(request(&mut breaker, at(5_000), Err(Failure::Refused)));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn where_nobody_else_is_left_leave_is_always_given() {
        let mut breaker = opened_at(0);
        let [first, second] = [1, 2].map(|ms| breaker.insist(at(ms)).expect("whatever happened before"));
        assert!(breaker.ask(at(3)).is_none(), "those are the probe");
        assert!(breaker.answered(at(4), second, Ok(())));
        assert!(!breaker.answered(at(5), first, Err(Failure::Passing)));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn nobody_insists_on_what_asking_does_not_mend() {
        let limited = Failure::RateLimited { retry_after: Some(Duration::from_secs(7)) };
        for (failure, until) in [(Failure::Fatal, 300_000), (limited, 7_000)] {
            let mut breaker = Breaker::new();
            assert!(request(&mut breaker, at(0), Err(failure)));
            assert!((1..until).step_by(100).all(|ms| breaker.insist(at(ms)).is_none()), "{failure:?}");
            let probe = breaker.insist(at(until)).expect("it is time for a probe");
            assert!(breaker.insist(at(until)).is_none(), "one at a time");
            assert!(breaker.answered(at(until), probe, Ok(())));
            assert!(breaker.insist(at(until)).is_some());
        }
        let mut breaker = Breaker::new();
        let limited = Failure::RateLimited { retry_after: None };
        (0..3).for_each(|_| assert!(request(&mut breaker, at(0), Err(limited))));
        assert!(breaker.insist(at(1)).is_some(), "no time was named");
    }

    #[test]
    fn what_may_be_mended_is_probed_at_once_and_once() {
        let mut breaker = Breaker::new();
        breaker.trip(at(0));
        breaker.hope(at(10));
        assert_eq!(breaker.next_probe(), Some(at(10)));
        assert!(request(&mut breaker, at(10), Err(Failure::Fatal)));
        assert_eq!(breaker.next_probe(), Some(at(300_010)), "it was not");
        breaker.hope(at(20));
        let probe = breaker.ask(at(20)).expect("it may be now");
        breaker.hope(at(21));
        assert!(breaker.ask(at(21)).is_none(), "the probe is under way");
        assert!(breaker.answered(at(22), probe, Ok(())));
        breaker.hope(at(23));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        /// Whoever asks, answers or vanishes: never two probes within its limit, and never wedged.
        #[test]
        fn it_never_wedges_and_never_floods(
            steps in proptest::collection::vec((0_u64..8_000, 0_u8..6), 1..200),
        ) {
            let mut breaker = Breaker::new();
            let mut now = 0;
            for (wait, what) in steps {
                now += wait;
                let before = breaker.state();
                let Some(permit) = breaker.ask(at(now)) else { continue };
                if before != BreakerState::Closed {
                    prop_assert!(breaker.ask(at(now)).is_none(), "two probes");
                }
                let limited = Failure::RateLimited { retry_after: Some(Duration::from_millis(wait)) };
                let answer = match what {
                    0 => continue,
                    1 => Ok(()),
                    2 => Err(limited),
                    3 => Err(Failure::Fatal),
                    _ => Err(Failure::Passing),
                };
                prop_assert!(breaker.answered(at(now), permit, answer));
            }
            prop_assert!(request(&mut breaker, at(now + 300_000), Ok(())));
            prop_assert_eq!(breaker.state(), BreakerState::Closed);
        }
    }
}
