//! The engines of a stage, as all legs share them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use engines::{Failure, FailureKind};
use session::recovery::{self, BreakerState, HealthState, Permit, RecoveryCounts, Standing};

use super::advice::Site;
use crate::config::Engine;
use crate::hub::now;

/// An engine that refuses callers' texts now and then, and is well, is not tried for each of them.
const DOUBT_EVERY: Duration = Duration::from_secs(60);

/// The engines of one stage, best first.
pub struct Stage<P> {
    pub(super) name: &'static str,
    pub(super) engines: Vec<Shared<P>>,
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
        Arc::new(Self { name, engines: chain.iter().map(shared).collect() })
    }

    /// Who they are, best first.
    pub(super) fn providers(&self) -> impl Iterator<Item = &P> {
        self.engines.iter().map(|engine| &engine.provider)
    }

    /// Who stands at this place.
    pub(super) fn provider(&self, index: usize) -> &P {
        &self.engines[index].provider
    }

    /// The engines that are to be tried now: `all`, or those that failed and those of which nothing was heard for long.
    pub(super) fn due(&self, all: bool) -> Vec<Due> {
        let engines = self.engines.iter().enumerate();
        engines.filter_map(|(index, engine)| engine.due(index, all)).collect()
    }

    /// What came of trying one of them.
    pub(super) fn probed(&self, due: Due, outcome: &Result<(), Failure>) {
        self.engines[due.index].probed(self.name, due.permit, outcome.as_ref().err());
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
        let doubted = known.is_doubted(now);
        let permit = if all || state.next_probe().is_some_and(|at| at <= now) {
            Some(state.ask_again(now)?)
        } else if doubted || now.since(known.heard) >= self.role.look_every {
            None
        } else {
            return None;
        };
        known.trying = true;
        if doubted {
            (known.doubted, known.doubt_tried) = (false, Some(now));
        }
        Some(Due { index, permit, real: doubted || known.fault.is_some() })
    }

    fn probed(&self, stage: &str, permit: Option<Permit>, failure: Option<&Failure>) {
        let before = {
            let mut known = lock(&self.known);
            (known.trying, known.heard) = (false, now());
            known.fault.as_ref().map(|fault| fault.kind)
        };
        match permit {
            // Only calls tell whether it goes on with what it heard; the breaker lets the next one try.
            Some(permit) if !self.role.alone => lock(&self.state).answered(now(), permit, Ok(())),
            None if !self.role.alone => {}
            Some(permit) => self.learned(stage, permit, failure, meaning_of_trial),
            None if before != failure.map(|failure| failure.kind) => {
                let permit = lock(&self.state).insist(now());
                self.learned(stage, permit, failure, meaning_of_trial);
            }
            None => {}
        }
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
        FailureKind::Network | FailureKind::Down | FailureKind::Protocol => recovery::Failure::Passing,
        FailureKind::Slow => recovery::Failure::Silent,
        FailureKind::RateLimited => recovery::Failure::RateLimited { retry_after: failure.retry_after },
        FailureKind::Credential | FailureKind::Quota | FailureKind::Certificate => recovery::Failure::Fatal,
        FailureKind::Refused => recovery::Failure::Refused,
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
        let provider = Endpoint::Tcp("127.0.0.1".into(), 1);
        Stage::new("mt", &[Engine { name: "cloud".into(), provider }], |_| Role {
            look_every: DOUBT_EVERY,
            alone: true,
        })
    }

    fn refused() -> Failure {
        Failure::new(FailureKind::Refused, "404")
    }

    fn called(stage: &Stage<Endpoint>, outcome: Option<&Failure>) {
        let permit = lock(&stage.engines[0].state).insist(now());
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
}
