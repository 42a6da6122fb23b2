//! One leg's place in a stage's chain, and what is done when engines fail it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use audio_path::Timestamp;
use engines::{Failure, FailureKind};
use session::recovery::{Backoff, Chain, Failed, Permit, Recovery, Serving, Step};

use super::stage::{Shared, Stage, lock, meaning};
use crate::hub::now;
use crate::supervision::caught;

/// Of all draws so many: a new line is there within the time of a first wait, connecting included.
const NEW_LINE_DRAWS: u32 = u32::MAX / 5 * 4;

/// An attempt: by which engine, and whether no other comes after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) index: usize,
    pub(super) is_last: bool,
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

    /// Whose turn it is. At a `pause`, where a change is not heard, a better engine that is proven again takes over.
    pub(super) fn current(&self, pause: bool) -> usize {
        index_of(self.choose(pause))
    }

    /// Whether any engine answers, as far as is known.
    pub(super) fn is_served(&self) -> bool {
        matches!(self.choose(false), Serving::Engine(_))
    }

    /// What came of a request that has a task of its own, be it that a fault of ours ended it.
    pub(super) async fn caught<T, E: From<Failure>>(
        &self,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        caught(request).await.unwrap_or_else(|fault| {
            self.stage.workers.lost_one();
            Err(Failure::from(fault).into())
        })
    }

    fn choose(&self, pause: bool) -> Serving {
        let standings = self.stage.standings();
        let place = &mut *lock(&self.place);
        let before = index_of(place.chain.serving());
        let serving = place.chain.choose(now(), &standings, pause);
        let index = index_of(serving);
        if index < before {
            log::info!("{}: {} serves again", self.stage.name, self.stage.engines[index].name);
            self.recovered(place, index);
        }
        serving
    }

    /// Has whose turn it is made ready before he is needed, as `ready` does it; nobody who is left alone, or is to be
    /// proven first. That it fails is held against him.
    pub(super) async fn warm<F: Future<Output = Result<(), Failure>>>(&self, ready: impl FnOnce(usize) -> F) {
        let index = self.current(true);
        let engine = &self.stage.engines[index];
        let Some(permit) = engine.permit_to_warm() else { return };
        if let Err(failure) = ready(index).await {
            engine.answered(self.stage.name, permit, Some(&failure));
        }
    }

    /// Begins an effort that is of no more use after `within`; for `pause` see [`Self::current`].
    pub(super) fn effort(&self, within: Duration, pause: bool) -> Effort<'_, P> {
        Effort {
            line: self,
            deadline: now() + within,
            index: self.current(pause),
            tried: vec![false; self.stage.engines.len()],
            left: None,
            again: None,
            permit: None,
            failure: None,
        }
    }

    /// The engine at `index` works.
    fn recovered(&self, place: &mut Place, index: usize) {
        place.recoveries[index].recovered();
        self.count(place, index);
    }

    /// Another engine was to serve instead of the one at `from`: whether it did.
    fn failed_over(&self, place: &mut Place, from: usize, success: bool) {
        place.recoveries[from].failed_over(success);
        self.count(place, from);
    }

    fn count(&self, place: &mut Place, index: usize) {
        self.stage.engines[index].count(place.recoveries[index].take_counts());
    }

    /// The engine at `index` may not be asked now, or failed this leg for good: who serves instead.
    fn fail_over(&self, place: &mut Place, index: usize) -> usize {
        index_of(place.chain.fail_over(now(), index, &self.stage.standings()))
    }

    fn next(&self, index: usize, failure: &Failure, deadline: Timestamp) -> Next {
        let (meaning, last) = (meaning(failure), self.stage.engines.len() - 1);
        let place = &mut *lock(&self.place);
        if !meaning.is_the_engines() {
            // It works, and does not take this request: only this one goes on to the next.
            return if index < last && now() < deadline { Next::Other(index + 1) } else { Next::GiveUp };
        }
        if now() >= deadline {
            self.fail_over(place, index);
            return Next::GiveUp;
        }
        let failed = Failed { failure: meaning, deadline, spare: index < last, draw: fastrand::u32(..) };
        let step = place.recoveries[index].failed(now(), &mut lock(&self.stage.engines[index].state), failed);
        self.count(place, index);
        match step {
            Some(Step::Retry { at }) => Next::Again { at },
            Some(Step::FailOver) => Next::Other(self.fail_over(place, index)),
            None => {
                self.fail_over(place, index);
                Next::GiveUp
            }
        }
    }
}

/// One thing to be done: attempts by the same engine where that may help, then by others. A failed attempt leaves no
/// connection behind, so that each begins anew.
pub(super) struct Effort<'a, P> {
    line: &'a Line<P>,
    deadline: Timestamp,
    index: usize,
    tried: Vec<bool>,
    /// The first engine that failed so that another had to serve.
    left: Option<usize>,
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
            let known = engine.fault();
            let other = self.line.fail_over(&mut lock(&self.line.place), self.index);
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
                self.served();
                Some(done)
            }
            Err(failure) => {
                let next = self.line.next(self.index, &failure, self.deadline);
                self.go_on(next, failure);
                None
            }
        }
    }

    /// The turn's line broke after it had served. That is a failure of the engine's, and counted against its health and
    /// its breaker as any other, and the new line is a soft recovery; but it is a new request and not the retry of a failed
    /// one: where it breaks seldom, it may do so for ever.
    pub(super) fn interrupted<T>(&mut self, failure: Failure) -> Option<T> {
        let (now, draw) = (now(), fastrand::u32(..NEW_LINE_DRAWS));
        let Some(at) = Backoff::new().next(now, meaning(&failure), self.deadline, draw) else {
            return self.judge(Err(failure));
        };
        let stage = &self.line.stage;
        if let Some(permit) = self.permit.take() {
            stage.engines[self.index].answered(stage.name, permit, Some(&failure));
        }
        self.served();
        lock(&self.line.place).recoveries[self.index].interrupted(now);
        self.again = Some(at);
        None
    }

    fn served(&mut self) {
        let place = &mut *lock(&self.line.place);
        self.line.recovered(place, self.index);
        if let Some(from) = self.left.take() {
            self.line.failed_over(place, from, true);
        }
    }

    fn go_on(&mut self, next: Next, failure: Failure) {
        self.tried[self.index] = true;
        match next {
            Next::Again { at } => self.again = Some(at),
            Next::Other(other) if !self.tried[other] => {
                let stage = &self.line.stage;
                log::info!("{}: {} takes over", stage.name, stage.engines[other].name);
                if meaning(&failure).is_the_engines() {
                    self.left.get_or_insert(self.index);
                }
                self.index = other;
            }
            Next::Other(_) | Next::GiveUp => {
                self.failure = Some(failure);
            }
        }
    }
}

impl<P> Drop for Effort<'_, P> {
    /// Whoever gave up waiting was not served by another engine in time.
    fn drop(&mut self) {
        if let Some(from) = self.left.take() {
            self.line.failed_over(&mut lock(&self.line.place), from, false);
        }
    }
}

fn permit<P>(engine: &Shared<P>, again: bool, is_last: bool) -> Option<Permit> {
    let mut state = lock(&engine.state);
    match (is_last, again) {
        (true, _) => state.insist(now()),
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
