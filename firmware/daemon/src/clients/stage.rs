//! The engines of a stage, as all legs share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use engines::{Failure, FailureKind};
use session::recovery::{self, BreakerState, HealthState, Permit, RecoveryCounts, Standing, Tier};
use tokio::sync::Notify;

use super::advice::Site;
use crate::config::Engine;
use crate::hub::now;
use crate::supervision::Part;

/// An engine that refuses callers' texts now and then, and is well, is not tried for each of them.
const DOUBT_EVERY: Duration = Duration::from_secs(60);

/// The engines of one stage, best first.
pub struct Stage<P> {
    pub(super) name: &'static str,
    pub(super) engines: Vec<Shared<P>>,
    /// What of legs serves them this stage, and can be started anew alone.
    pub(super) workers: Part,
    /// One of them is to be looked at now.
    unsure: Notify,
}

/// An engine, and what is held against it.
pub(super) struct Shared<P> {
    pub(super) name: String,
    pub(super) provider: P,
    pub(super) state: Mutex<recovery::Engine>,
    site: Site,
    known: Mutex<Known>,
    role: Role,
}

/// How an engine takes part in its stage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// How long nothing may be heard of it while nobody needs it.
    pub(super) look_every: Duration,
    /// See [`EngineReport::alone`].
    pub(super) alone: bool,
}

#[derive(Default)]
struct Known {
    /// What it failed of last, until it works again.
    fault: Option<Failure>,
    /// In the order of [`FailureKind::ALL`].
    failures: [u64; FailureKind::ALL.len()],
    recoveries: RecoveryCounts,
    /// When something was heard of it last.
    heard: Timestamp,
    /// It is being tried.
    trying: bool,
    /// It refused what a caller said: whether it refuses all else, too, is to be seen.
    doubted: bool,
    /// When it was asked for something real last because of a doubt.
    doubt_tried: Option<Timestamp>,
    /// It may be reached or not, unlike when it was tried last.
    unsure: bool,
}

/// How an engine does.
#[derive(Clone, Debug)]
pub struct EngineReport {
    /// What it is for: `asr`, `mt`, `tts`, `emotion`.
    pub stage: &'static str,
    /// As the configuration calls it.
    pub name: String,
    /// Whether it does this for whatever is said, announcements too, and not only for what it heard itself.
    pub alone: bool,
    /// How well it works.
    pub health: HealthState,
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// The part of its last operations that succeeded, 0 to 1, if there were any.
    pub success_rate: Option<f64>,
    /// What it failed of last, until it works again.
    pub fault: Option<Failure>,
    /// Where it is asked.
    pub site: Site,
    /// How often it failed of what.
    pub failures: Vec<(FailureKind, u64)>,
    /// What was done about that, over all legs, those that hung up included.
    pub recoveries: RecoveryCounts,
}

impl EngineReport {
    /// Whether nothing is held against it.
    pub const fn serves(&self) -> bool {
        self.fault.is_none()
    }

    /// What to do about its fault.
    pub fn advice(&self) -> Option<String> {
        self.fault.as_ref().map(|fault| self.site.advice(&self.name, fault.kind))
    }
}

impl Known {
    /// Whether nothing reached it, so that to knock costs nothing.
    fn is_unreached(&self) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.is_unreached)
    }

    fn is_doubted(&self, now: Timestamp) -> bool {
        self.doubted && self.doubt_tried.is_none_or(|at| now.since(at) >= DOUBT_EVERY)
    }
}

/// An engine that is to be looked after.
pub(super) struct Due {
    pub(super) index: usize,
    /// Without one nobody waits for it: what is known already is not told again.
    permit: Option<Permit>,
    /// It failed, or is doubted: whether it works is seen by what it is for.
    pub(super) real: bool,
    /// It failed, and is asked anew from the start.
    renewed: bool,
}

impl<P> Stage<P> {
    /// Nothing is held against any of `chain`'s engines, of which there is at least one. Each takes part as
    /// `role` says.
    pub(super) fn new(name: &'static str, chain: &[Engine<P>], role: impl Fn(&P) -> Role) -> Arc<Self>
    where
        P: Clone,
        for<'a> &'a P: Into<Site>,
    {
        let shared = |engine: &Engine<P>| Shared {
            name: engine.name.clone(),
            provider: engine.provider.clone(),
            state: Mutex::default(),
            site: (&engine.provider).into(),
            known: Mutex::default(),
            role: role(&engine.provider),
        };
        Arc::new(Self {
            name,
            engines: chain.iter().map(shared).collect(),
            workers: Part::new(name),
            unsure: Notify::new(),
        })
    }

    /// Who they are, best first.
    pub(super) fn providers(&self) -> impl Iterator<Item = &P> {
        self.engines.iter().map(|engine| &engine.provider)
    }

    /// Who stands at this place.
    pub(super) fn provider(&self, index: usize) -> &P {
        &self.engines[index].provider
    }

    /// Where the one at this place is asked, as a URL has it.
    pub(super) fn address(&self, index: usize) -> &str {
        &self.engines[index].site.address
    }

    /// Waits until one of them is to be looked at now.
    pub(super) async fn unsure(&self) {
        self.unsure.notified().await;
    }

    /// Other links lead to them now: each is looked at, as far as he may be.
    pub(super) fn links_changed(&self) {
        self.engines.iter().for_each(Shared::doubt_its_reach);
        self.unsure.notify_one();
    }

    /// A line to the one at `index` ended while nobody needed it.
    pub(super) fn line_lost(&self, index: usize, failure: &Failure) {
        let engine = &self.engines[index];
        if !failure.is_unreached {
            engine.doubt_its_reach();
            self.unsure.notify_one();
        } else if engine.fault().is_none()
            && let Some(permit) = engine.permit_to_warm()
        {
            // What was seen of its host needs no further look.
            engine.answered(self.name, permit, Some(failure));
        }
    }

    /// The engines that are to be tried now: `all`, or those that failed and those of which nothing was heard for long.
    /// Whoever is left alone is tried by his breaker's leave only; where nobody takes connections, it is seen whether that
    /// has changed.
    pub(super) fn due(&self, all: bool) -> Vec<Due> {
        let engines = self.engines.iter().enumerate();
        engines.filter_map(|(index, engine)| engine.due(index, all)).collect()
    }

    /// What came of trying one of them.
    pub(super) fn probed(&self, due: Due, outcome: &Result<(), Failure>) {
        let index = due.index;
        self.engines[index].probed(self.name, due, outcome.as_ref().err());
    }

    /// The machine's clock was set: who was not trusted because of it may be trusted now.
    pub(super) fn clock_was_set(&self) {
        let expired = |engine: &&Shared<P>| engine.failed_of(FailureKind::Certificate);
        self.engines.iter().filter(expired).for_each(|engine| lock(&engine.state).hope(now()));
    }

    /// How each engine does.
    pub(super) fn report(&self) -> impl Iterator<Item = EngineReport> {
        self.engines.iter().map(|engine| engine.report(self.name))
    }

    pub(super) fn standings(&self) -> Vec<Standing> {
        self.engines.iter().map(|engine| lock(&engine.state).standing()).collect()
    }
}

impl<P> Shared<P> {
    /// Whether it is to be tried, and with which leave.
    fn due(&self, index: usize, all: bool) -> Option<Due> {
        let now = now();
        let mut state = lock(&self.state);
        let mut known = lock(&self.known);
        if known.trying {
            return None;
        }
        let (doubted, failed) = (known.is_doubted(now), known.fault.is_some());
        let left_alone = state.breaker() != BreakerState::Closed;
        let looks = doubted || known.unsure || now.since(known.heard) >= self.role.look_every;
        let permit =
            if all || state.next_probe().is_some_and(|at| at <= now) || (looks && failed && !left_alone) {
                Some(state.ask_again(now)?)
            } else if looks && (!left_alone || known.is_unreached()) {
                None
            } else {
                return None;
            };
        (known.trying, known.unsure) = (true, false);
        if doubted {
            (known.doubted, known.doubt_tried) = (false, Some(now));
        }
        let knocks = left_alone && permit.is_none();
        let real = (doubted || failed) && !knocks;
        Some(Due { index, permit, real, renewed: real && failed && self.role.alone })
    }

    /// What does not answer alone is looked at where it hears.
    fn doubt_its_reach(&self) {
        lock(&self.known).unsure = self.role.alone;
    }

    fn probed(&self, stage: &str, due: Due, failure: Option<&Failure>) {
        let (before, was_unreached) = {
            let mut known = lock(&self.known);
            (known.trying, known.heard) = (false, now());
            if due.renewed {
                known.recoveries.add(Tier::Hard, failure.is_none());
            }
            (known.fault.as_ref().map(|fault| fault.kind), known.is_unreached())
        };
        let permit = match due.permit {
            None if was_unreached => {
                // Where nobody took connections and somebody does now, all is new.
                if failure.is_none() {
                    lock(&self.state).hope(now());
                }
                None
            }
            None if !self.role.alone || before == failure.map(|failure| failure.kind) => None,
            None => lock(&self.state).ask_again(now()),
            permit => permit,
        };
        match permit {
            // Only calls tell whether it goes on with what it heard; the breaker lets the next one try.
            Some(permit) if !self.role.alone => lock(&self.state).answered(now(), permit, Ok(())),
            Some(permit) => self.learned(stage, permit, failure, meaning_of_trial),
            // It is known, or callers were failed meanwhile.
            None => {}
        }
    }

    /// Leave to have a connection ready: none before it is proven that it works.
    pub(super) fn permit_to_warm(&self) -> Option<Permit> {
        let mut state = lock(&self.state);
        (state.breaker() == BreakerState::Closed).then(|| state.ask_again(now())).flatten()
    }

    /// Remembers what came of a caller's request, and says so where it changes something.
    pub(super) fn answered(&self, stage: &str, permit: Permit, failure: Option<&Failure>) {
        let refused = failure.is_some_and(|failure| failure.kind == FailureKind::Refused);
        let refuses_all = refused && {
            let mut known = lock(&self.known);
            known.doubted = self.role.alone;
            known.fault.as_ref().is_some_and(|fault| fault.kind == FailureKind::Refused)
        };
        // Who refuses what is known to be good proves nothing by refusing a caller, too.
        self.learned(stage, permit, failure, if refuses_all { meaning_of_trial } else { meaning });
    }

    fn learned(
        &self,
        stage: &str,
        permit: Permit,
        failure: Option<&Failure>,
        meaning: fn(&Failure) -> recovery::Failure,
    ) {
        let answer = failure.map_or(Ok(()), |failure| Err(meaning(failure)));
        lock(&self.state).answered(now(), permit, answer);
        let speaks_against_it = failure.filter(|failure| meaning(failure).is_the_engines());
        let mut known = lock(&self.known);
        known.heard = now();
        if let Some(failure) = failure {
            known.failures[failure.kind as usize] += 1;
        }
        if failure.is_some() && speaks_against_it.is_none() && !self.role.alone {
            // What it did not hear says nothing of it.
            return;
        }
        match (&known.fault, speaks_against_it) {
            (None, None) => {}
            (Some(_), None) => log::info!("{stage}: {} works again", self.name),
            (Some(before), Some(new)) if before.kind == new.kind => {}
            (_, Some(new)) => {
                let advice = self.site.advice(&self.name, new.kind);
                log::warn!("{stage}: {} fails, {}: {new}; {advice}", self.name, new.kind.name());
            }
        }
        known.fault = speaks_against_it.cloned();
    }

    /// What it failed of last, if it does not work again.
    pub(super) fn fault(&self) -> Option<Failure> {
        lock(&self.known).fault.clone()
    }

    fn failed_of(&self, kind: FailureKind) -> bool {
        lock(&self.known).fault.as_ref().is_some_and(|fault| fault.kind == kind)
    }

    pub(super) fn count(&self, recoveries: RecoveryCounts) {
        lock(&self.known).recoveries.include(recoveries);
    }

    fn report(&self, stage: &'static str) -> EngineReport {
        let engine = lock(&self.state);
        let known = lock(&self.known);
        // What is known to fail is not well, however few operations were seen.
        let least = if known.fault.is_some() { HealthState::Unhealthy } else { HealthState::Healthy };
        EngineReport {
            stage,
            name: self.name.clone(),
            alone: self.role.alone,
            health: engine.health(now()).max(least),
            breaker: engine.breaker(),
            success_rate: engine.success_rate(now()),
            fault: known.fault.clone(),
            site: self.site.clone(),
            failures: FailureKind::ALL.into_iter().zip(known.failures).collect(),
            recoveries: known.recoveries,
        }
    }
}

/// What a failure means for what is done next.
pub(super) fn meaning(failure: &Failure) -> recovery::Failure {
    match failure.kind {
        FailureKind::Credential | FailureKind::Quota | FailureKind::Certificate => recovery::Failure::Fatal,
        FailureKind::Refused => recovery::Failure::Refused,
        // Whoever names a time wants to be left alone, whatever else he says.
        _ if failure.retry_after.is_some() => {
            recovery::Failure::RateLimited { retry_after: failure.retry_after }
        }
        FailureKind::RateLimited => recovery::Failure::RateLimited { retry_after: None },
        FailureKind::Slow => recovery::Failure::Silent,
        FailureKind::Network | FailureKind::Down | FailureKind::Protocol if failure.is_spent => {
            recovery::Failure::Silent
        }
        FailureKind::Network | FailureKind::Down | FailureKind::Protocol => recovery::Failure::Passing,
    }
}

/// The same for a request that is known to be good: whoever refuses it refuses all. One that names a time is but busy.
fn meaning_of_trial(failure: &Failure) -> recovery::Failure {
    match failure.kind {
        FailureKind::Refused if failure.retry_after.is_none() => recovery::Failure::Passing,
        _ => meaning(failure),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Endpoint;

    fn stage() -> Arc<Stage<Endpoint>> {
        looked_at_every(DOUBT_EVERY)
    }

    fn looked_at_every(look_every: Duration) -> Arc<Stage<Endpoint>> {
        let provider = Endpoint::Tcp("127.0.0.1".into(), 1);
        let engine = Engine { name: "cloud".into(), provider };
        Stage::new("mt", &[engine], |_| Role { look_every, alone: true })
    }

    fn refused() -> Failure {
        Failure::new(FailureKind::Refused, "404")
    }

    fn called(stage: &Stage<Endpoint>, outcome: Option<&Failure>) {
        let permit = lock(&stage.engines[0].state).insist(now()).expect("it may be asked");
        stage.engines[0].answered("mt", permit, outcome);
    }

    #[test]
    fn who_refuses_what_is_known_to_be_good_has_a_fault_and_is_not_healthy() {
        let stage = stage();
        stage.probed(stage.due(true).remove(0), &Err(refused()));
        let report = stage.report().next().unwrap();
        assert_eq!(report.fault.as_ref().map(|fault| fault.kind), Some(FailureKind::Refused));
        assert_eq!((report.health, report.success_rate), (HealthState::Unhealthy, Some(0.0)));
        assert!(report.advice().unwrap().contains("address"));
        called(&stage, Some(&refused()));
        assert!(!stage.report().next().unwrap().serves(), "a refused caller proves nothing");
        called(&stage, None);
        assert!(stage.report().next().unwrap().serves());
    }

    #[test]
    fn a_refused_caller_speaks_against_nobody_but_has_the_engine_tried() {
        let stage = stage();
        stage.probed(stage.due(true).remove(0), &Ok(()));
        assert!(stage.due(false).is_empty());
        called(&stage, Some(&refused()));
        assert!(stage.report().next().unwrap().serves());
        let due = stage.due(false).remove(0);
        assert!(due.real);
        stage.probed(due, &Ok(()));
        called(&stage, Some(&refused()));
        assert!(stage.due(false).is_empty(), "once for many");
    }

    #[test]
    fn who_is_busy_has_no_fault() {
        let stage = stage();
        let busy = Failure { retry_after: Some(DOUBT_EVERY), ..refused() };
        stage.probed(stage.due(true).remove(0), &Err(busy));
        assert!(stage.report().next().unwrap().serves());
    }

    #[test]
    fn who_is_left_alone_is_not_even_looked_at() {
        let stage = looked_at_every(Duration::ZERO);
        stage.probed(stage.due(true).remove(0), &Ok(()));
        let look = stage.due(false).remove(0);
        assert!(!look.real);
        stage.probed(look, &Err(Failure::of_status(429, Some("60"))));
        assert!(stage.due(false).is_empty());
    }

    #[test]
    fn a_look_that_fails_again_and_again_counts_each_time() {
        let stage = looked_at_every(Duration::ZERO);
        for left_alone in [false, false, true] {
            stage.probed(stage.due(false).remove(0), &Err(Failure::of_status(500, None)));
            assert_eq!(stage.report().next().unwrap().breaker == BreakerState::Open, left_alone);
        }
        assert!(stage.due(false).is_empty());
    }

    #[test]
    fn where_nobody_took_connections_and_somebody_does_he_is_tried_at_once() {
        let stage = looked_at_every(Duration::ZERO);
        let down = Failure::new(FailureKind::Down, "nothing listens there").unreached();
        (0..3).for_each(|_| stage.probed(stage.due(false).remove(0), &Err(down.clone())));
        for outcome in [Err(down), Ok(())] {
            let knock = stage.due(false).remove(0);
            assert!(!knock.real, "nothing is asked");
            stage.probed(knock, &outcome);
            assert_eq!(stage.report().next().unwrap().breaker, BreakerState::Open);
        }
        let probe = stage.due(false).remove(0);
        assert!(probe.real);
        stage.probed(probe, &Ok(()));
        assert!(stage.report().next().unwrap().serves());
    }

    #[test]
    fn a_link_that_comes_or_goes_has_each_looked_at_once_who_may_be() {
        let stage = stage();
        stage.probed(stage.due(true).remove(0), &Ok(()));
        assert!(stage.due(false).is_empty());
        stage.links_changed();
        let look = stage.due(false).remove(0);
        assert!(!look.real);
        // Told meanwhile, it may be too late for that look.
        stage.links_changed();
        assert!(stage.due(false).is_empty(), "it is being looked at");
        stage.probed(look, &Ok(()));
        stage.probed(stage.due(false).remove(0), &Err(Failure::of_status(429, Some("60"))));
        stage.links_changed();
        assert!(stage.due(false).is_empty(), "who wants peace gets it");
    }

    #[test]
    fn a_link_that_comes_has_those_knocked_at_who_were_not_reached() {
        let stage = stage();
        let gone = Failure::new(FailureKind::Network, "no connection in time").unreached();
        (0..3).for_each(|_| stage.probed(stage.due(true).remove(0), &Err(gone.clone())));
        assert!(stage.due(false).is_empty());
        stage.links_changed();
        let knock = stage.due(false).remove(0);
        assert!(!knock.real, "nothing is asked");
        stage.probed(knock, &Ok(()));
        assert!(stage.due(false).remove(0).real);
    }

    #[test]
    fn a_line_that_is_lost_has_its_engine_looked_at_and_one_that_is_swallowed_tells() {
        let stage = stage();
        stage.probed(stage.due(true).remove(0), &Ok(()));
        stage.line_lost(0, &Failure::new(FailureKind::Down, "the server hung up"));
        assert!(stage.report().next().unwrap().serves());
        let look = stage.due(false).remove(0);
        assert!(!look.real);
        stage.probed(look, &Ok(()));
        let swallowed = Failure::new(FailureKind::Network, "not even a connection").unreached();
        (0..50).for_each(|_| stage.line_lost(0, &swallowed));
        let report = stage.report().next().unwrap();
        assert_eq!(report.fault.map(|fault| fault.kind), Some(FailureKind::Network));
        assert_eq!(report.failures[FailureKind::Network as usize].1, 1, "fifty lines, one network");
    }

    #[test]
    fn a_clock_that_is_set_has_certificates_looked_at_again_and_nothing_else() {
        for (kind, again) in [(FailureKind::Certificate, true), (FailureKind::Credential, false)] {
            let stage = stage();
            stage.probed(stage.due(true).remove(0), &Err(Failure::new(kind, "")));
            assert!(stage.due(false).is_empty());
            stage.clock_was_set();
            assert_eq!(!stage.due(false).is_empty(), again, "{kind:?}");
        }
    }

    #[test]
    fn who_failed_and_is_tried_was_renewed() {
        let stage = stage();
        stage.probed(stage.due(true).remove(0), &Ok(()));
        let hard = |success| stage.report().next().unwrap().recoveries.get(Tier::Hard, success);
        assert_eq!([true, false].map(hard), [0, 0], "nothing had failed");
        stage.probed(stage.due(true).remove(0), &Err(refused()));
        stage.probed(stage.due(true).remove(0), &Err(refused()));
        stage.probed(stage.due(true).remove(0), &Ok(()));
        assert_eq!([true, false].map(hard), [1, 1]);
    }

    #[test]
    fn who_names_a_time_gets_it_and_who_took_long_is_not_asked_the_same_again() {
        let busy = Failure::of_status(503, Some("7"));
        let wanted = recovery::Failure::RateLimited { retry_after: busy.retry_after };
        assert_eq!(meaning(&busy), wanted);
        assert_eq!(meaning(&Failure::of_status(503, None)), recovery::Failure::Passing);
        let after = |ms| meaning(&Failure::new(FailureKind::Network, "").after(Duration::from_millis(ms)));
        assert_eq!([100, 1_600].map(after), [recovery::Failure::Passing, recovery::Failure::Silent]);
    }
}
