//! Speech synthesis for one leg, by the first engine of a chain that answers: one text after the other.

mod aura;
mod elevenlabs;
mod openai_speech;
mod profiles;
mod socket;
mod speech;
mod trial;
mod wyoming;
pub(super) mod xtts;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::{SAMPLE_RATE, SegmentId, Timestamp};
use engines::{Failure, FailureKind};
use session::{Language, Seat};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::chain::Line;
use super::resample::Converter;
use super::speech::{self as interpreters, Exchange, Exchanges};
use super::stage::Stage;
use super::{Answer, Transport};
use crate::config::{Service, Tts};
use crate::hub::now;

pub use profiles::{MadeVoice, Profiles, VoiceKey, VoiceOwner, make_voice};
pub(super) use trial::{trial, word};

/// How long a text may take to be spoken, retries and other engines included.
const DEADLINE: Duration = Duration::from_secs(6);
/// How long an engine may take to its first audio that another comes after, who must still be in time.
const FIRST_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long more audio may take: it is being played meanwhile.
const NEXT_DEADLINE: Duration = Duration::from_secs(3);
/// Speech longer than this comes from a broken engine, as does speech of 300 ms for each character …
pub(super) const MOST_SAMPLES: usize = 60 * SAMPLE_RATE as usize;
const MOST_SAMPLES_A_CHARACTER: usize = SAMPLE_RATE as usize * 3 / 10;
/// … beyond this, since a few digits may be many words.
const LEAST_MOST_SAMPLES: usize = 4 * SAMPLE_RATE as usize;
/// How often an open line is looked after.
const STAY_EVERY: Duration = Duration::from_secs(5);
/// Texts that may wait to be spoken.
const MOST_JOBS: usize = 128;

/// A text to be spoken.
#[derive(Debug)]
pub struct SpeakJob {
    /// Under which number.
    pub segment: SegmentId,
    /// What.
    pub text: String,
    /// In which language.
    pub language: Language,
    /// Whose place in the room it is that is spoken for.
    pub seat: Seat,
    /// The voice that is wanted for him, where an engine has it.
    pub voice: Option<Arc<str>>,
    /// His own voice, where he has one.
    pub own_voice: Option<VoiceKey>,
}

impl SpeakJob {
    /// A text that nobody in a room said.
    pub fn of_machine(segment: SegmentId, text: &str, language: Language) -> Self {
        Self { segment, text: text.to_owned(), language, seat: Seat::default(), voice: None, own_voice: None }
    }

    fn speaker(&self) -> socket::Speaker {
        (self.language, self.seat, self.voice.clone())
    }
}

/// Speech synthesis for one leg.
pub struct Speaker {
    jobs: mpsc::Sender<SpeakJob>,
    line: Arc<Line<Tts>>,
    unwanted: Arc<Unwanted>,
}

/// Which of the texts that wait or are being spoken is no longer wanted.
#[derive(Default)]
struct Unwanted {
    segments: Mutex<Vec<SegmentId>>,
    changed: Notify,
}

struct Worker {
    line: Arc<Line<Tts>>,
    /// One for each engine of the chain, in its order.
    backends: Vec<Backend>,
    answers: mpsc::Sender<Answer>,
    unwanted: Arc<Unwanted>,
    /// When what was spoken so far has been heard, if that begins at once.
    playing_until: Timestamp,
}

/// A leg's way to one engine.
enum Backend {
    Wyoming(wyoming::Wyoming),
    Aura(aura::Aura),
    ElevenLabs(Box<elevenlabs::ElevenLabs>),
    OpenAi(Transport, Service),
    Xtts(Transport, Service),
    Speech(Arc<Exchange>),
}

/// Where the speech of one text goes.
struct Output<'a> {
    segment: SegmentId,
    answers: &'a mpsc::Sender<Answer>,
    /// Samples that were passed on.
    given: usize,
    /// More comes from a broken engine.
    most: usize,
    first_deadline: Duration,
}

impl Speaker {
    /// A speaker by `stage`'s engines that connects at once and answers to `answers`. It ends when it is dropped.
    pub fn new(
        stage: &Arc<Stage<Tts>>,
        transport: &Transport,
        exchanges: &Exchanges,
        answers: mpsc::Sender<Answer>,
    ) -> Self {
        let (jobs, queue) = mpsc::channel(MOST_JOBS);
        let backend = |provider| Backend::new(provider, transport, exchanges);
        let backends = stage.providers().map(backend).collect();
        let unwanted = Arc::<Unwanted>::default();
        let line = Arc::new(Line::new(stage));
        let worker = Worker {
            line: Arc::clone(&line),
            backends,
            answers,
            unwanted: Arc::clone(&unwanted),
            playing_until: Timestamp::default(),
        };
        tokio::spawn(worker.run(queue));
        Self { jobs, line, unwanted }
    }

    /// Takes a text back, whether it waits, is being spoken or was.
    pub fn cancel(&self, segment: SegmentId) {
        self.unwanted.add(segment);
    }

    /// Whether any engine answers, as far as is known.
    pub fn is_served(&self) -> bool {
        self.line.is_served()
    }

    /// Queues a text.
    ///
    /// # Errors
    /// Where too many wait.
    pub fn speak(&self, job: SpeakJob) -> Result<(), Failure> {
        let full = |_| Failure::new(FailureKind::Slow, "too much waits to be spoken");
        self.jobs.try_send(job).map_err(full)
    }
}

impl Unwanted {
    fn add(&self, segment: SegmentId) {
        let mut segments = self.lock();
        if segments.len() == MOST_JOBS {
            segments.remove(0);
        }
        segments.push(segment);
        self.changed.notify_one();
    }

    /// Waits until this one is.
    async fn has(&self, segment: SegmentId) {
        while !self.lock().contains(&segment) {
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SegmentId>> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    fn new(provider: &Tts, transport: &Transport, exchanges: &Exchanges) -> Self {
        let transport = transport.clone();
        match provider.clone() {
            Tts::Wyoming(endpoint) => Self::Wyoming(wyoming::Wyoming::new(endpoint)),
            Tts::DeepgramAura(service) => Self::Aura(aura::Aura::new(transport, service)),
            Tts::ElevenLabs(service) => {
                Self::ElevenLabs(Box::new(elevenlabs::ElevenLabs::new(transport, service)))
            }
            Tts::OpenAi(service) => Self::OpenAi(transport, service),
            Tts::Xtts(service) => Self::Xtts(transport, service),
            Tts::Speech(engine) => Self::Speech(exchanges.to(&engine)),
        }
    }

    /// Has a line ready before it is needed, where that can be known, and keeps it.
    async fn stay(&mut self) {
        match self {
            Self::Wyoming(wyoming) => wyoming.warm().await,
            Self::ElevenLabs(elevenlabs) => elevenlabs.stay().await,
            Self::Speech(exchange) => exchange.stay().await,
            Self::Aura(aura) => aura.stay().await,
            Self::OpenAi(..) | Self::Xtts(..) => {}
        }
    }

    async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        match self {
            Self::Wyoming(wyoming) => wyoming.speak(job, output).await,
            Self::Aura(aura) => aura.speak(job, output).await,
            Self::ElevenLabs(elevenlabs) => elevenlabs.speak(job, output).await,
            Self::OpenAi(transport, service) => openai_speech::speak(transport, service, job, output).await,
            Self::Xtts(transport, service) => xtts::speak(transport, service, job, output).await,
            Self::Speech(exchange) => speech::speak(exchange, job, output).await,
        }
    }
}

impl Worker {
    /// Whether nothing that was spoken is still being heard, so that another voice may begin.
    fn is_silent(&self) -> bool {
        self.playing_until <= now()
    }

    async fn run(mut self, mut queue: mpsc::Receiver<SpeakJob>) {
        loop {
            let place = self.line.current(self.is_silent());
            self.backends[place].stay().await;
            let job = match timeout(STAY_EVERY, queue.recv()).await {
                Err(_nothing_to_say) => continue,
                Ok(None) => return,
                Ok(Some(job)) => job,
            };
            let segment = job.segment;
            let unwanted = Arc::clone(&self.unwanted);
            let answer = tokio::select! {
                biased;
                () = unwanted.has(segment) => continue,
                spoken = self.speak(&job) => match spoken {
                    Ok(()) => Answer::SpeechComplete { segment },
                    Err(failure) => Answer::NotSpoken { segment, reason: failure.to_string() },
                },
            };
            if self.answers.send(answer).await.is_err() {
                return;
            }
        }
    }

    async fn speak(&mut self, job: &SpeakJob) -> Result<(), Failure> {
        let most = LEAST_MOST_SAMPLES + MOST_SAMPLES_A_CHARACTER * job.text.chars().count();
        let mut output = Output {
            segment: job.segment,
            answers: &self.answers,
            given: 0,
            most: most.min(MOST_SAMPLES),
            first_deadline: DEADLINE,
        };
        let mut effort = self.line.effort(DEADLINE, self.is_silent());
        loop {
            let turn = effort.turn().await?;
            output.first_deadline = if turn.is_last { DEADLINE } else { FIRST_DEADLINE };
            let began = self.playing_until.max(now());
            let spoken = self.backends[turn.index].speak(job, &mut output).await;
            self.playing_until = began + output.duration();
            let outcome = match spoken {
                Ok(()) if output.given == 0 => {
                    Err(Failure::new(FailureKind::Protocol, "the speech is empty"))
                }
                outcome => outcome,
            };
            let failure = outcome.as_ref().err().cloned();
            match effort.judge(outcome) {
                Some(()) => return Ok(()),
                // What was heard is not said again by another voice.
                None if output.given > 0 => return Err(failure.expect("only a failure is not the end")),
                None => {}
            }
        }
    }
}

impl Output<'_> {
    /// How long what was passed on lasts.
    fn duration(&self) -> Duration {
        Duration::from_micros(self.given as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    /// Waits for what an engine sends next, as long as that may take.
    async fn next<T>(&self, coming: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let patience = if self.given == 0 { self.first_deadline } else { NEXT_DEADLINE };
        timeout(patience, coming).await.map_err(|_| Failure::new(FailureKind::Slow, "no speech in time"))?
    }

    /// Takes raw samples of `converter`'s format.
    async fn push(&mut self, converter: &mut Converter, bytes: &[u8]) -> Result<(), Failure> {
        let samples = converter.push(bytes)?;
        self.pass_on(samples).await
    }

    /// The speech is complete.
    async fn finish(&mut self, mut converter: Converter) -> Result<(), Failure> {
        let samples = converter.finish()?;
        self.pass_on(samples).await
    }

    async fn pass_on(&mut self, samples: Vec<i16>) -> Result<(), Failure> {
        if samples.is_empty() {
            return Ok(());
        }
        self.given += samples.len();
        if self.given > self.most {
            return Err(Failure::new(FailureKind::Protocol, "the speech does not end"));
        }
        let gone = |_| Failure::new(FailureKind::Down, "the leg is gone");
        self.answers.send(Answer::Speech { segment: self.segment, samples }).await.map_err(gone)
    }
}

/// Tries to reach an engine.
pub(super) async fn probe(transport: &Transport, provider: &Tts) -> Result<(), Failure> {
    match provider {
        Tts::Wyoming(endpoint) => super::connection::probe(endpoint).await,
        Tts::DeepgramAura(service) => aura::probe(transport, service).await,
        Tts::ElevenLabs(service) => elevenlabs::probe(transport, service).await,
        Tts::OpenAi(service) => openai_speech::probe(transport, service).await,
        Tts::Xtts(service) => xtts::probe(transport, service).await,
        Tts::Speech(engine) => interpreters::probe(transport, engine).await,
    }
}
