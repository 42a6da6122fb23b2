//! Engines that hear, translate and speak: what a leg asks of one in three stages goes through one session.

mod provider;
mod trial;
mod utterance;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engines::speech::which_is_echoed;
use engines::{Failure, FailureKind};
use futures_util::future::join_all;
use session::Language;

use super::Transport;
use super::stage::Stage;
use crate::config::{Asr, SpeechToSpeech};

pub(super) use self::trial::{Took, trial};
pub(super) use self::utterance::{Command, Session};

/// Utterances whose translation or speech may still be asked for.
const MOST_HEARD: usize = 3;

/// A leg's way to each such engine that its recognition has.
#[derive(Clone, Default)]
pub struct Exchanges(Vec<Arc<Exchange>>);

/// A leg's way to one engine. An utterance has a session for each of the two languages that it may be wanted in, since
/// which one that is turns out last; the next two wait open.
pub(super) struct Exchange {
    transport: Transport,
    engine: SpeechToSpeech,
    /// Held while connecting: who comes second finds the sessions.
    ready: tokio::sync::Mutex<Vec<Session>>,
    /// What was heard, oldest first.
    heard: Mutex<VecDeque<Arc<Session>>>,
}

impl Exchanges {
    /// A leg's, to the recognisers of `stage`. Nothing is connected yet.
    pub fn new(stage: &Stage<Asr>, transport: &Transport) -> Self {
        Self::of(stage.providers().filter_map(Asr::speech), transport)
    }

    /// Those to `engines`.
    pub(super) fn of<'a>(
        engines: impl IntoIterator<Item = &'a SpeechToSpeech>,
        transport: &Transport,
    ) -> Self {
        let exchange = |engine: &SpeechToSpeech| Exchange {
            transport: transport.clone(),
            engine: engine.clone(),
            ready: tokio::sync::Mutex::default(),
            heard: Mutex::default(),
        };
        Self(engines.into_iter().map(|engine| Arc::new(exchange(engine))).collect())
    }

    /// The way to this engine.
    ///
    /// # Panics
    /// Where it does not recognise: the configuration admits no such engine.
    pub(super) fn to(&self, engine: &SpeechToSpeech) -> Arc<Exchange> {
        let found = self.0.iter().find(|exchange| exchange.engine.service.name == engine.service.name);
        Arc::clone(found.expect("the configuration admits no speech-to-speech engine that does not hear"))
    }

    /// Whether one of them heard this, and has or will have its translation.
    pub(super) fn heard(&self, text: &str, target: Language) -> bool {
        self.0.iter().any(|exchange| exchange.find(|session| session.is_of(text, target)).is_some())
    }
}

impl Exchange {
    /// Two sessions for an utterance in one of these languages: into the second one and into the first one.
    pub(super) async fn take(&self, [first, second]: [Language; 2]) -> Result<[Session; 2], Failure> {
        let mut ready = self.ready.lock().await;
        let mut one = |target: Language| {
            let place = ready.iter().position(|session| session.target == target && session.is_usable());
            place.map(|place| ready.swap_remove(place))
        };
        let (into_second, into_first) = (one(second), one(first));
        let opened = |waiting: Option<Session>, source, target| async move {
            match waiting {
                Some(session) => Ok(session),
                None => Session::open(&self.transport, &self.engine, source, target).await,
            }
        };
        let (a, b) = tokio::try_join!(opened(into_second, first, second), opened(into_first, second, first))?;
        Ok([a, b])
    }

    /// Has the sessions of the next utterance wait.
    pub(super) async fn warm(&self, [first, second]: [Language; 2]) {
        let mut ready = self.ready.lock().await;
        ready.retain(Session::is_usable);
        let missing = [(first, second), (second, first)]
            .into_iter()
            .filter(|(_, target)| !ready.iter().any(|session| session.target == *target));
        let opening =
            missing.map(|(source, target)| Session::open(&self.transport, &self.engine, source, target));
        // Who cannot be reached now may be when he is needed; the next utterance tells.
        let opened: Vec<Session> = join_all(opening).await.into_iter().flatten().collect();
        ready.extend(opened);
    }

    /// Replaces sessions that have become too old for another utterance.
    pub(super) async fn stay(&self) {
        let mut ready = self.ready.lock().await;
        let (old, fresh): (Vec<Session>, Vec<Session>) = ready.drain(..).partition(Session::is_old);
        *ready = fresh;
        let opening =
            old.iter().map(|old| Session::open(&self.transport, &self.engine, old.source, old.target));
        ready.extend(join_all(opening).await.into_iter().flatten());
    }

    /// Of two sessions that heard the same, keeps the one that translates it: what was said, and in which language.
    pub(super) fn settle(&self, sessions: [Session; 2]) -> (String, Option<Language>) {
        let texts = sessions.each_ref().map(Session::texts);
        let told = sessions.iter().find_map(Session::language);
        let [(a, b), (c, d)] = &texts;
        let language = told.or_else(|| Some(sessions[which_is_echoed([(a, b), (c, d)])?].target));
        let place = sessions.iter().position(|session| Some(session.target) != language).unwrap_or_default();
        let [first, second] = sessions;
        let chosen = if place == 0 { first } else { second };
        let mut heard = self.lock();
        if heard.len() == MOST_HEARD {
            heard.pop_front();
        }
        heard.push_back(Arc::new(chosen));
        (texts[place].0.clone(), language)
    }

    /// The translation of what was heard here.
    pub(super) async fn translation(&self, text: &str, target: Language) -> Result<String, Failure> {
        let session = self.find(|session| session.is_of(text, target)).ok_or_else(not_heard)?;
        session.translation().await
    }

    /// The session that speaks this translation of what was heard here: it is spoken once.
    pub(super) fn take_spoken(&self, text: &str, language: Language) -> Result<Arc<Session>, Failure> {
        let mut heard = self.lock();
        let place = heard.iter().position(|session| session.speaks(text, language));
        place.and_then(|place| heard.remove(place)).ok_or_else(not_heard)
    }

    fn find(&self, wanted: impl Fn(&Session) -> bool) -> Option<Arc<Session>> {
        self.lock().iter().find(|session| wanted(session)).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Session>>> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next engine of the chain does it.
fn not_heard() -> Failure {
    Failure::new(FailureKind::Refused, "it was not this engine that heard it")
}

/// Tries to have a session.
pub(super) async fn probe(transport: &Transport, engine: &SpeechToSpeech) -> Result<(), Failure> {
    let [source, target] = ["en", "es"].map(|code| code.parse().expect("a language code"));
    let (socket, _) = provider::connect(transport, engine, source, target).await?;
    socket.close().await;
    Ok(())
}
