//! The engines of a stage, as all legs share them, and one leg's place among them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::Timestamp;
use engines::{Failure, FailureKind};
use serde_json::{Value, json};
use session::recovery::{self, Chain, Failed, Permit, Recovery, Serving, Standing, Step};

use crate::config::Engine;
use crate::hub::now;

/// The engines of one stage, best first.
pub struct Stage<P> {
    name: &'static str,
    engines: Vec<Shared<P>>,
}

struct Shared<P> {
    name: String,
    provider: P,
    state: Mutex<recovery::Engine>,
    /// What it failed of last, until it works again.
    fault: Mutex<Option<Failure>>,
}

/// An attempt: by which engine, and whether no other comes after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) index: usize,
    pub(super) is_last: bool,
}

impl<P> Stage<P> {
    /// Nothing is held against any of `chain`'s engines, of which there is at least one.
    pub(super) fn new(name: &'static str, chain: &[Engine<P>]) -> Arc<Self>
    where
        P: Clone,
    {
        let shared = |engine: &Engine<P>| Shared {
            name: engine.name.clone(),
            provider: engine.provider.clone(),
            state: Mutex::default(),
            fault: Mutex::default(),
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

    /// The engines that are due for a probe, or all of them, with the leave to ask.
    pub(super) fn due(&self, all: bool) -> Vec<(usize, Permit)> {
        let permit = |(index, engine): (usize, &Shared<P>)| {
            let mut state = lock(&engine.state);
            let due = all || state.next_probe().is_some_and(|at| at <= now());
            due.then(|| state.ask_again(now())).flatten().map(|permit| (index, permit))
        };
        self.engines.iter().enumerate().filter_map(permit).collect()
    }

    /// What came of asking one of them.
    pub(super) fn probed(&self, index: usize, permit: Permit, outcome: &Result<(), Failure>) {
        self.engines[index].answered(self.name, permit, outcome.as_ref().err());
    }

    /// How each engine does, for the status.
    pub(super) fn report(&self) -> Value {
        self.engines.iter().map(Shared::report).collect()
    }

    fn standings(&self) -> Vec<Standing> {
        self.engines.iter().map(|engine| lock(&engine.state).standing()).collect()
    }
}

impl<P> Shared<P> {
    /// Remembers what came of a request, and says so where it changes something.
    fn answered(&self, stage: &str, permit: Permit, failure: Option<&Failure>) {
        let answer = failure.map_or(Ok(()), |failure| Err(meaning(failure)));
        lock(&self.state).answered(now(), permit, answer);
        let speaks_against_it = failure.filter(|failure| meaning(failure).is_the_engines());
        let mut fault = lock(&self.fault);
        match (fault.as_ref(), speaks_against_it) {
            (None, None) => {}
            (Some(_), None) => log::info!("{stage}: {} works again", self.name),
            (Some(known), Some(new)) if known.kind == new.kind => {}
            (_, Some(new)) => log::warn!("{stage}: {} fails, {}: {new}", self.name, new.kind.name()),
        }
        if failure.is_none() || speaks_against_it.is_some() {
            *fault = speaks_against_it.cloned();
        }
    }

    fn report(&self) -> Value {
        let state = lock(&self.state);
        let fault = lock(&self.fault);
        json!({
            "name": self.name,
            "health": state.health(now()).name(),
            "breaker": state.breaker().name(),
            "success_rate": state.success_rate(now()),
            "fault": fault.as_ref().map(|fault| json!({ "kind": fault.kind.name(), "detail": fault.detail })),
        })
    }
}

/// One leg's place in a stage's chain.
pub(super) struct Line<P> {
    stage: Arc<Stage<P>>,
    place: Mutex<Place>,
}

struct Place {
    chain: Chain,
    recoveries: Vec<Recovery>,
}

/// What is done about a failed attempt.
#[derive(Clone, Copy)]
enum Next {
    Again { at: Timestamp },
    Other(usize),
    GiveUp,
}

impl<P> Line<P> {
    /// A leg that is served by the best engine.
    pub(super) fn new(stage: &Arc<Stage<P>>) -> Self {
        let engines = stage.engines.len();
        let chain = Chain::new(engines).expect("the configuration admits no empty chain");
        let recoveries = (0..engines).map(|_| Recovery::new()).collect();
        Self { stage: Arc::clone(stage), place: Mutex::new(Place { chain, recoveries }) }
    }

    /// Whose turn it is.
    pub(super) fn current(&self) -> usize {
        self.choose()
    }

    /// Between two efforts, so that a better engine may be gone back to.
    fn choose(&self) -> usize {
        index_of(lock(&self.place).chain.choose(now(), &self.stage.standings(), true))
    }

    /// Begins an effort that is of no more use after `within`.
    pub(super) fn effort(&self, within: Duration) -> Effort<'_, P> {
        Effort {
            line: self,
            deadline: now() + within,
            index: self.choose(),
            tried: vec![false; self.stage.engines.len()],
            again: None,
            permit: None,
            failure: None,
        }
    }

    fn recovered(&self, index: usize, failed_over_from: Option<usize>) {
        let mut place = lock(&self.place);
        place.recoveries[index].recovered();
        if let Some(from) = failed_over_from.filter(|from| *from != index) {
            place.recoveries[from].failed_over(true);
        }
    }

    /// The engine at `index` may not be asked now: who serves instead.
    fn pass_over(&self, index: usize) -> usize {
        index_of(lock(&self.place).chain.fail_over(now(), index, &self.stage.standings()))
    }

    fn next(&self, index: usize, failure: &Failure, deadline: Timestamp) -> Next {
        let (meaning, last) = (meaning(failure), self.stage.engines.len() - 1);
        if now() >= deadline {
            return Next::GiveUp;
        }
        let place = &mut *lock(&self.place);
        if !meaning.is_the_engines() {
            // It works, and does not take this request: only this one goes on to the next.
            return if index < last { Next::Other(index + 1) } else { Next::GiveUp };
        }
        let failed = Failed { failure: meaning, deadline, spare: index < last, draw: fastrand::u32(..) };
        let steps =
            place.recoveries[index].failed(now(), &mut lock(&self.stage.engines[index].state), failed);
        for step in steps {
            match step {
                Step::Retry { at } => return Next::Again { at },
                Step::FailOver => {
                    let serving = place.chain.fail_over(now(), index, &self.stage.standings());
                    return Next::Other(index_of(serving));
                }
                // The next attempt makes all anew as it is.
                Step::Renew { .. } | Step::Restart => {}
            }
        }
        Next::GiveUp
    }
}

/// One thing to be done: attempts by the same engine where that may help, then by others. A failed attempt leaves no
/// connection behind, so that each begins anew.
pub(super) struct Effort<'a, P> {
    line: &'a Line<P>,
    deadline: Timestamp,
    index: usize,
    tried: Vec<bool>,
    /// When the same engine is asked again.
    again: Option<Timestamp>,
    permit: Option<Permit>,
    /// What the last attempt failed of, where no other follows.
    failure: Option<Failure>,
}

impl<P> Effort<'_, P> {
    /// Whose turn it is, once it is time.
    ///
    /// # Errors
    /// What the last attempt failed of, when no other follows.
    pub(super) async fn turn(&mut self) -> Result<Turn, Failure> {
        loop {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let again = self.again.take();
            if let Some(at) = again {
                tokio::time::sleep(at.since(now())).await;
            }
            let engine = &self.line.stage.engines[self.index];
            let is_last = self.index + 1 == self.tried.len();
            if let Some(permit) = permit(engine, again.is_some(), is_last) {
                self.permit = Some(permit);
                return Ok(Turn { index: self.index, is_last });
            }
            let known = lock(&engine.fault).clone();
            let other = self.line.pass_over(self.index);
            self.go_on(Next::Other(other), known.unwrap_or_else(resting));
        }
    }

    /// What came of the turn: what was wanted, or `None` where another turn is to be taken.
    pub(super) fn judge<T>(&mut self, outcome: Result<T, Failure>) -> Option<T> {
        let stage = &self.line.stage;
        if let Some(permit) = self.permit.take() {
            stage.engines[self.index].answered(stage.name, permit, outcome.as_ref().err());
        }
        match outcome {
            Ok(done) => {
                self.line.recovered(self.index, self.tried.iter().position(|tried| *tried));
                Some(done)
            }
            Err(failure) => {
                let next = self.line.next(self.index, &failure, self.deadline);
                self.go_on(next, failure);
                None
            }
        }
    }

    fn go_on(&mut self, next: Next, failure: Failure) {
        self.tried[self.index] = true;
        match next {
            Next::Again { at } => self.again = Some(at),
            Next::Other(other) if !self.tried[other] => {
                let stage = &self.line.stage;
                log::info!("{}: {} takes over", stage.name, stage.engines[other].name);
                self.index = other;
            }
            Next::Other(_) | Next::GiveUp => self.failure = Some(failure),
        }
    }
}

fn permit<P>(engine: &Shared<P>, again: bool, is_last: bool) -> Option<Permit> {
    let mut state = lock(&engine.state);
    match (is_last, again) {
        (true, _) => Some(state.insist(now())),
        (false, true) => state.ask_again(now()),
        (false, false) => state.ask(now()),
    }
}

fn resting() -> Failure {
    Failure::new(FailureKind::Down, "the engine is left alone for a while, since it failed")
}

fn index_of(serving: Serving) -> usize {
    match serving {
        Serving::Engine(index) | Serving::Original { trying: index } => index,
    }
}

fn meaning(failure: &Failure) -> recovery::Failure {
    match failure.kind {
        FailureKind::Network | FailureKind::Down | FailureKind::Protocol => recovery::Failure::Passing,
        FailureKind::Slow => recovery::Failure::Silent,
        FailureKind::RateLimited => recovery::Failure::RateLimited { retry_after: failure.retry_after },
        FailureKind::Credential | FailureKind::Quota | FailureKind::Certificate => recovery::Failure::Fatal,
        FailureKind::Refused => recovery::Failure::Refused,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step, so a panic elsewhere leaves it whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
