//! Translation for one leg, by the first engine of a chain that answers.

mod cache;
mod deepl;
mod glossary;
mod libretranslate;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use audio_path::SegmentId;
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::chain::Line;
use super::hosts::{SILENT_AFTER, beside};
use super::speech::{self, Exchanges};
use super::stage::Stage;
use super::{Answer, Transport};
use crate::config::{Mt, Service};
use crate::hub::now;
use cache::Key;

pub use cache::{Cache, CacheCounts};
pub(super) use glossary::Glossaries;

/// How long one translation may take, retries and other engines included; the session gives up at about the same time.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long an engine may take that another comes after, who must still be in time.
const ANSWER_DEADLINE: Duration = Duration::from_millis(1_500);
/// Translations of one leg under way at once.
const MOST_AT_ONCE: usize = 4;

/// Translation for one leg.
#[derive(Clone)]
pub struct Translator(Arc<Inner>);

struct Inner {
    stage: Arc<Stage<Mt>>,
    line: Line<Mt>,
    transport: Transport,
    cache: Arc<Cache>,
    exchanges: Exchanges,
    answers: mpsc::Sender<Answer>,
    at_once: Semaphore,
    under_way: AtomicUsize,
}

/// What is to be translated.
pub struct TranslateJob {
    /// A clause or more.
    pub text: String,
    /// What was said before it in the same language.
    pub context: String,
    /// Its language.
    pub source: Language,
    /// The language wanted.
    pub target: Language,
}

/// What came of it.
pub(super) struct Done {
    text: String,
    /// Whether the glossary's terms are in it.
    has_glossary: bool,
}

impl Translator {
    /// A translator by `stage`'s engines that answers to `answers`.
    pub fn new(
        stage: &Arc<Stage<Mt>>,
        transport: &Transport,
        cache: &Arc<Cache>,
        exchanges: &Exchanges,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        Self(Arc::new(Inner {
            stage: Arc::clone(stage),
            line: Line::new(stage),
            transport: transport.clone(),
            cache: Arc::clone(cache),
            exchanges: exchanges.clone(),
            answers,
            at_once: Semaphore::new(MOST_AT_ONCE),
            under_way: AtomicUsize::new(0),
        }))
    }

    /// Connects before the first text.
    pub async fn warm(self) {
        self.0.line.warm(|place| probe(&self.0.transport, self.0.stage.provider(place))).await;
    }

    /// Whether any engine answers, as far as is known.
    pub fn is_served(&self) -> bool {
        self.0.line.is_served()
    }

    /// Translations that were asked for and are not answered.
    pub fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// Has a text translated.
    pub fn translate(&self, segment: SegmentId, job: TranslateJob) {
        let this = self.clone();
        this.0.under_way.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            let answer = match this.0.line.caught(this.run(&job)).await {
                Ok(text) => Answer::Translated { segment, text },
                Err(failure) => Answer::NotTranslated { segment, reason: failure.to_string() },
            };
            this.0.under_way.fetch_sub(1, Ordering::Relaxed);
            // A leg that hung up does not listen any more.
            let _hung_up = this.0.answers.send(answer).await;
        });
    }

    async fn run(&self, job: &TranslateJob) -> Result<String, Failure> {
        let gone = |_| Failure::new(FailureKind::Down, "the leg is gone");
        let pause = self.0.at_once.available_permits() == MOST_AT_ONCE;
        let key = Key::new(&job.text, job.source, job.target);
        // The translation of who heard it comes with its speech, one from before would not.
        if !self.0.exchanges.heard(&job.text, job.target)
            && let Some(known) = self.0.cache.get(now(), &key, self.0.line.current(pause))
        {
            return Ok(known);
        }
        let _turn = self.0.at_once.acquire().await.map_err(gone)?;
        let mut effort = self.0.line.effort(DEADLINE, pause);
        loop {
            let turn = effort.turn().await?;
            let provider = self.0.stage.provider(turn.index);
            let asked = ask(&self.0.transport, &self.0.exchanges, provider, job);
            let patience = if turn.is_last { DEADLINE } else { ANSWER_DEADLINE };
            let late = |_| Failure::new(FailureKind::Slow, "no translation in time");
            let host = self.0.transport.hosts.at(self.0.stage.address(turn.index));
            let asked = beside(host.as_ref(), sleep(SILENT_AFTER), timeout(patience, asked)).await;
            let outcome = asked.and_then(|answer| answer.map_err(late).flatten());
            if let Some(Done { text, has_glossary }) = effort.judge(outcome) {
                let service = service(provider);
                // With the glossary it would be another text: it is made anew the next time.
                if has_glossary || !self.0.transport.glossaries.is_missed(service, job) {
                    self.0.cache.put(now(), key, &text, turn.index);
                }
                return Ok(text);
            }
        }
    }
}

pub(super) async fn ask(
    transport: &Transport,
    exchanges: &Exchanges,
    provider: &Mt,
    job: &TranslateJob,
) -> Result<Done, Failure> {
    match provider {
        Mt::LibreTranslate(service) => libretranslate::translate(transport, service, job).await,
        Mt::DeepL(service) => deepl::translate(transport, service, job).await,
        Mt::Speech(engine) => {
            let text = exchanges.to(engine).translation(&job.text, job.target).await?;
            Ok(Done { text, has_glossary: false })
        }
    }
}

fn service(provider: &Mt) -> &Service {
    match provider {
        Mt::LibreTranslate(service) | Mt::DeepL(service) => service,
        Mt::Speech(engine) => &engine.service,
    }
}

/// Tries to reach an engine, and leaves a connection open.
pub(super) async fn probe(transport: &Transport, provider: &Mt) -> Result<(), Failure> {
    match provider {
        Mt::LibreTranslate(service) => libretranslate::probe(transport, service).await,
        Mt::DeepL(service) => deepl::probe(transport, service).await,
        Mt::Speech(engine) => speech::probe(transport, engine).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::role;
    use crate::clients::tests::{engine, unheard};
    use crate::supervision::report;

    #[tokio::test]
    async fn a_text_that_we_cannot_bear_is_told_and_waits_no_more() {
        // The configuration admits no such engine.
        let stage = Stage::new("mt", &[engine("cloud", Mt::Speech(unheard()))], |_| role(false, true));
        let (answers, mut told) = mpsc::channel(1);
        let transport = Transport::new().unwrap();
        let translator = Translator::new(&stage, &transport, &Arc::default(), &Exchanges::default(), answers);
        let [source, target] = ["en", "es"].map(|code| code.parse().unwrap());
        for segment in [1, 2].map(SegmentId) {
            let job = TranslateJob { text: "a secret".into(), context: String::new(), source, target };
            translator.translate(segment, job);
            let Some(Answer::NotTranslated { segment: whose, reason }) = told.recv().await else {
                panic!("it is told");
            };
            assert_eq!((whose, translator.under_way()), (segment, 0));
            assert!(reason.contains("a fault in dragomand") && !reason.contains("secret"), "{reason}");
        }
        assert_eq!(report([&stage.workers].into_iter())["mt"]["deaths"], 2);
    }
}
