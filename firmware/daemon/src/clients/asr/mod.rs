//! Speech recognition for one leg, by the first engine of a chain that answers.

mod provider;
mod speech;
mod stream;
#[cfg(test)]
mod together;
mod trial;
mod turns;
mod wyoming;

use std::sync::Arc;
use std::time::Duration;

use audio_path::{FRAME_MS, Frame};
use engines::Failure;
use session::{Language, UtteranceId};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::chain::Line;
use super::hosts::{Host, SILENT_AFTER, beside};
use super::speech::{self as interpreters, Exchange, Exchanges};
use super::stage::Stage;
use super::{Answer, Transport};
use crate::config::Asr;
use stream::Stream;
use wyoming::Wyoming;

pub(super) use trial::trial;

/// How long the whole text may take after the last audio, whoever gives it; soon afterwards the session gives up.
const ANSWER_DEADLINE: Duration = Duration::from_millis(9_500);
/// How long an engine may take for it, once all audio was sent to it, where another could still be asked.
const FALL_BACK_AFTER: Duration = Duration::from_millis(1_500);
/// How long an utterance may last: the session ends each before this.
const SPEECH_DEADLINE: Duration = Duration::from_secs(40);
/// How long a recognition that nobody wants any more may go on.
const TAKEN_BACK_WITHIN: Duration = Duration::from_millis(100);
const FRAME: Duration = Duration::from_millis(FRAME_MS as u64);
/// Frames of an utterance that may wait for the connection, and that are kept to be sent again: 30 s.
const MOST_FRAMES: usize = 1_500;
/// The session cuts texts off long before this; it keeps a flood from growing without bound.
const LONGEST_TEXT: usize = 16 << 10;

/// What a recognition is given.
#[derive(Debug)]
pub enum AsrInput {
    /// The next 20 ms.
    Audio(Box<Frame>),
    /// That was all.
    Finish,
}

/// Speech recognition for one leg.
#[derive(Clone)]
pub struct Recogniser(Arc<Inner>);

struct Inner {
    line: Line<Asr>,
    /// One for each engine of the chain, in its order.
    backends: Vec<Backend>,
    /// Theirs.
    hosts: Vec<Option<Arc<Host>>>,
    answers: mpsc::Sender<Answer>,
}

/// A leg's connections to one engine.
enum Backend {
    Wyoming(Wyoming),
    Stream(Box<Stream>),
    Speech(Arc<Exchange>),
}

/// Why an attempt ended without a text.
enum Ended {
    /// The leg no longer wants it.
    Unwanted,
    /// It failed.
    Failed(Failure),
    /// A line that had served broke.
    Interrupted(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// One utterance on its way to a text: what is to be sent again, and what is certain already.
struct Utterance {
    id: UtteranceId,
    languages: [Language; 2],
    input: mpsc::Receiver<AsrInput>,
    /// What no engine has answered yet.
    kept: Vec<Frame>,
    /// The audio before that.
    answered: Duration,
    /// When its end was told.
    finished: watch::Sender<Option<Instant>>,
    /// When its line was lost, until it goes on by another one.
    lost: Option<Instant>,
    /// Text was passed on that the kept audio will bring again: from then on only the whole text counts.
    streamed: bool,
    /// What was answered, and is not taken back.
    text: String,
    language: Option<Language>,
    answers: mpsc::Sender<Answer>,
}

impl Recogniser {
    /// A recogniser of `stage`'s engines that answers to `answers`.
    pub fn new(
        stage: &Arc<Stage<Asr>>,
        transport: &Transport,
        exchanges: &Exchanges,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let on_loss = |place| {
            let stage = Arc::clone(stage);
            move |failure: &Failure| stage.line_lost(place, failure)
        };
        let backend = |(place, provider)| Backend::new(provider, transport, exchanges, on_loss(place));
        let backends: Vec<_> = stage.providers().enumerate().map(backend).collect();
        let hosts = (0..backends.len()).map(|place| transport.hosts.at(stage.address(place))).collect();
        Self(Arc::new(Inner { line: Line::new(stage), backends, hosts, answers }))
    }

    /// Connects before the first frame.
    pub async fn warm(self, languages: [Language; 2]) {
        let ready = async |place: usize| match &self.0.backends[place] {
            Backend::Wyoming(wyoming) => wyoming.warm().await,
            Backend::Stream(stream) => stream.warm(languages).await,
            Backend::Speech(exchange) => {
                exchange.warm(languages).await;
                Ok(())
            }
        };
        self.0.line.warm(ready).await;
    }

    /// Whether any engine answers, as far as is known.
    pub fn is_served(&self) -> bool {
        self.0.line.is_served()
    }

    /// Begins an utterance: audio goes into what is returned, dropping it takes the wish back.
    pub fn recognise(&self, id: UtteranceId, languages: [Language; 2]) -> mpsc::Sender<AsrInput> {
        let (sender, input) = mpsc::channel(MOST_FRAMES);
        let utterance = Utterance::new(id, languages, input, self.0.answers.clone());
        tokio::spawn(self.clone().run(utterance, sender.downgrade()));
        sender
    }

    async fn run(self, mut utterance: Utterance, wish: mpsc::WeakSender<AsrInput>) {
        let (id, languages) = (utterance.id, utterance.languages);
        let outcome = tokio::select! {
            outcome = self.0.line.caught(self.recognised(&mut utterance)) => outcome,
            () = taken_back(&wish) => return,
        };
        let answer = match outcome {
            Ok(()) => Answer::Final { utterance: id, text: utterance.text, language: utterance.language },
            Err(Ended::Unwanted) => return,
            Err(Ended::Failed(failure) | Ended::Interrupted(failure)) => {
                Answer::NotRecognised { utterance: id, reason: failure.to_string() }
            }
        };
        // A leg that hung up does not listen any more.
        if self.0.answers.send(answer).await.is_ok() {
            self.warm(languages).await;
        }
    }
}

/// Waits until the leg has dropped its end, whatever audio is still under way.
async fn taken_back(wish: &mpsc::WeakSender<AsrInput>) {
    while wish.strong_count() > 0 {
        tokio::time::sleep(TAKEN_BACK_WITHIN).await;
    }
}

impl Recogniser {
    async fn recognised(&self, utterance: &mut Utterance) -> Result<(), Ended> {
        let mut effort = self.0.line.effort(SPEECH_DEADLINE + ANSWER_DEADLINE, true);
        loop {
            let turn = effort.turn().await?;
            let host = self.0.hosts[turn.index].as_ref();
            let outcome = self.0.backends[turn.index].attempt(utterance, turn.is_last, host).await;
            if outcome.is_err() {
                utterance.lost.get_or_insert_with(Instant::now);
            }
            let done = match outcome {
                Err(Ended::Unwanted) => return Err(Ended::Unwanted),
                // A text that nobody waits for any more saved nothing.
                Ok(()) if utterance.input.is_closed() => return Err(Ended::Unwanted),
                Err(Ended::Interrupted(failure)) => effort.interrupted(failure),
                Err(Ended::Failed(failure)) => effort.judge(Err(failure)),
                Ok(()) => effort.judge(Ok(())),
            };
            if done.is_some() {
                return Ok(());
            }
        }
    }
}

impl Backend {
    /// `lost` is told of a line that ended while nobody needed it.
    fn new(
        provider: &Asr,
        transport: &Transport,
        exchanges: &Exchanges,
        lost: impl Fn(&Failure) + Send + Sync + 'static,
    ) -> Self {
        match provider {
            Asr::Wyoming(endpoint) => Self::Wyoming(Wyoming::new(endpoint.clone())),
            Asr::DeepgramListen(_) | Asr::DeepgramFlux(_) => {
                Self::Stream(Box::new(Stream::new(transport.clone(), provider.clone(), Arc::new(lost))))
            }
            Asr::Speech(engine) => Self::Speech(exchanges.to(engine)),
        }
    }

    async fn attempt(
        &self,
        utterance: &mut Utterance,
        is_last: bool,
        host: Option<&Arc<Host>>,
    ) -> Result<(), Ended> {
        let silent = utterance.silent();
        let attempted = match self {
            Self::Wyoming(wyoming) => beside(host, silent, wyoming.attempt(utterance, is_last)).await,
            Self::Stream(stream) => Ok(stream.attempt(utterance, host).await),
            Self::Speech(exchange) => beside(host, silent, speech::attempt(exchange, utterance)).await,
        };
        attempted.unwrap_or_else(|swallowed| Err(swallowed.into()))
    }
}

/// Until when the text is waited for where the utterance `finished` and all of it was `sent` then: `patience`, and no
/// longer than it is of use to the session.
fn answer_by(finished: Option<Instant>, sent: Instant, patience: Duration) -> Instant {
    (finished.unwrap_or(sent) + ANSWER_DEADLINE).min(sent + patience)
}

impl Utterance {
    fn new(
        id: UtteranceId,
        languages: [Language; 2],
        input: mpsc::Receiver<AsrInput>,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        Self {
            id,
            languages,
            input,
            kept: Vec::new(),
            answered: Duration::ZERO,
            finished: watch::Sender::default(),
            lost: None,
            streamed: false,
            text: String::new(),
            language: None,
            answers,
        }
    }

    /// That was all.
    fn finish(&self) {
        self.finished.send_replace(Some(Instant::now()));
    }

    fn finished(&self) -> Option<Instant> {
        *self.finished.borrow()
    }

    /// Waits until the whole text, asked for now or later, is not there for so long that its engine's host is to be
    /// knocked at.
    fn silent(&self) -> impl Future<Output = ()> + use<> {
        let (began, mut finished) = (Instant::now(), self.finished.subscribe());
        async move {
            let at = finished.wait_for(Option::is_some).await.map_or(None, |at| *at);
            match at {
                Some(at) => sleep_until(at.max(began) + SILENT_AFTER).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Keeps a frame in case it must be sent again.
    fn keep(&mut self, frame: &Frame) {
        if self.kept.len() < MOST_FRAMES {
            self.kept.push(*frame);
        }
    }

    /// Takes text that is not taken back, and passes it on; the utterance's audio up to `heard` is answered with it.
    async fn certain(&mut self, delta: &str, language: Option<Language>, heard: Duration) {
        let answered = (heard.saturating_sub(self.answered).as_millis() / FRAME.as_millis()) as usize;
        let frames = answered.min(self.kept.len());
        self.kept.drain(..frames);
        self.answered += FRAME * frames as u32;
        self.language = language.or(self.language);
        let delta = self.joined(delta);
        if delta.is_empty() {
            return;
        }
        self.text.push_str(&delta);
        if !self.streamed {
            self.tell_partial(delta).await;
        }
    }

    /// `text` as it goes on after what is certain already; empty where it would grow too long.
    fn joined(&self, text: &str) -> String {
        let text = text.trim();
        let gap = if self.text.is_empty() || text.is_empty() { "" } else { " " };
        if self.text.len() + text.len() < LONGEST_TEXT { [gap, text].concat() } else { String::new() }
    }

    /// Passes on what may follow, made of the utterance's audio up to `heard`.
    async fn tell_interim(&self, text: String, language: Option<Language>, heard: Duration) {
        if self.streamed || text.len() > LONGEST_TEXT {
            return;
        }
        let language = language.or(self.language);
        let answer = Answer::Interim { utterance: self.id, text, heard, language };
        // A leg that hung up does not listen any more.
        let _hung_up = self.answers.send(answer).await;
    }

    async fn tell_partial(&self, delta: String) {
        let answer = Answer::Partial { utterance: self.id, delta, language: self.language };
        // A leg that hung up does not listen any more.
        let _hung_up = self.answers.send(answer).await;
    }
}

/// Tries to reach an engine.
pub(super) async fn probe(transport: &Transport, provider: &Asr) -> Result<(), Failure> {
    match provider {
        Asr::Wyoming(endpoint) => super::connection::probe(endpoint).await,
        Asr::Speech(engine) => interpreters::probe(transport, engine).await,
        Asr::DeepgramListen(_) | Asr::DeepgramFlux(_) => {
            let languages = ["en", "es"].map(|code| code.parse().expect("a language code"));
            let (mut socket, provider) = stream::open(transport, provider, languages).await?;
            socket.send(provider.close()).await?;
            socket.close().await;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::role;
    use crate::clients::tests::{engine, service};

    #[tokio::test]
    async fn an_utterance_that_we_cannot_bear_is_told_of() {
        let provider = Asr::DeepgramListen(service("ws://127.0.0.1:1"));
        let stage = Stage::new("asr", &[engine("cloud", provider)], |_| role(false, false));
        let (answers, mut told) = mpsc::channel(1);
        // Whose engines it knows, and not how to ask any.
        let inner = Inner { line: Line::new(&stage), backends: Vec::new(), hosts: vec![None], answers };
        let recogniser = Recogniser(Arc::new(inner));
        let languages = ["en", "es"].map(|code| code.parse().unwrap());
        for utterance in [1, 2].map(UtteranceId) {
            let _input = recogniser.recognise(utterance, languages);
            let Some(Answer::NotRecognised { utterance: whose, reason }) = told.recv().await else {
                panic!("it is told");
            };
            assert_eq!(whose, utterance);
            assert!(reason.contains("a fault in dragomand"), "{reason}");
        }
    }
}
