//! Speech synthesis for one leg, by the first engine of a chain that answers: one text after the other.

mod aura;
mod elevenlabs;
mod openai_speech;
mod profiles;
mod socket;
mod speech;
pub(super) mod studio;
#[cfg(test)]
mod tests;
mod trial;
mod wyoming;
pub(super) mod xtts;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use audio_path::{SAMPLE_RATE, SegmentId, Timestamp};
use engines::{Failure, FailureKind};
use session::{Language, Seat};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::chain::Line;
use super::hosts::{Host, SILENT_AFTER, beside};
use super::resample::Converter;
use super::speech::{self as interpreters, Exchange, Exchanges};
use super::stage::Stage;
use super::{Answer, Transport, http};
use crate::config::{Service, Tts};
use crate::hub::now;
use crate::supervision::{Fault, Lives, Part};

pub use profiles::{MadeVoice, Profiles, VoiceKey, VoiceOwner, make_voice};
pub(super) use trial::{trial, word};

/// How long a text may take to be heard from when it was given, other texts before it, retries and other engines
/// included: half a second less than the session waits, so that what failed is told while it does.
const DEADLINE: Duration = Duration::from_millis(5_500);
/// How long an engine may take to its first audio that another comes after, who must still be in time.
const FIRST_DEADLINE: Duration = Duration::from_millis(1_500);
/// How long the last one may.
const LAST_DEADLINE: Duration = Duration::from_secs(4);
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
/// How long the words of a refusal may take …
const REFUSAL_DEADLINE: Duration = Duration::from_millis(300);
/// … and how many of them are read, bytes.
const REFUSAL_AT_MOST: usize = 16 << 10;

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

/// What a worker is asked.
enum Ask {
    /// To speak this, which was given at that time.
    Speak(SpeakJob, Instant),
    /// To be ready to speak for him.
    Warm(socket::Speaker),
}

/// Speech synthesis for one leg.
pub struct Speaker {
    jobs: mpsc::Sender<Ask>,
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
    /// Theirs.
    hosts: Vec<Option<Arc<Host>>>,
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
    /// When the engine is given up that has said nothing more until then. None while the leg takes what was said.
    due: watch::Sender<Option<Instant>>,
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
        let (line, unwanted) = (Arc::new(Line::new(stage)), Arc::<Unwanted>::default());
        let speaker = Self { jobs, line: Arc::clone(&line), unwanted: Arc::clone(&unwanted) };
        let (stage, transport, exchanges) = (Arc::clone(stage), transport.clone(), exchanges.clone());
        tokio::spawn(async move {
            let worker = || {
                let backend = |provider| Backend::new(provider, &transport, &exchanges);
                let backends: Vec<_> = stage.providers().map(backend).collect();
                let host = |place| transport.hosts.at(stage.address(place));
                Worker {
                    line: Arc::clone(&line),
                    hosts: (0..backends.len()).map(host).collect(),
                    backends,
                    answers: answers.clone(),
                    unwanted: Arc::clone(&unwanted),
                    playing_until: Timestamp::default(),
                }
            };
            serve(&stage.workers, worker, &answers, queue).await;
        });
        speaker
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
    /// Where too many wait, or nobody is left to speak.
    pub fn speak(&self, job: SpeakJob) -> Result<(), Failure> {
        self.jobs.try_send(Ask::Speak(job, Instant::now())).map_err(|refused| match refused {
            TrySendError::Full(_) => Failure::new(FailureKind::Slow, "too much waits to be spoken"),
            TrySendError::Closed(_) => Failure::new(FailureKind::Down, "nobody is left to speak on this leg"),
        })
    }

    /// Connects before the first text for this speaker, in the voice that is wanted for him.
    pub fn warm(&self, language: Language, seat: Seat, voice: Option<Arc<str>>) {
        // Who has that much to say needs no warm line.
        let _full = self.jobs.try_send(Ask::Warm((language, seat, voice)));
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
        while !self.is(segment) {
            self.changed.notified().await;
        }
    }

    fn is(&self, segment: SegmentId) -> bool {
        self.lock().contains(&segment)
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
            Self::Aura(aura) => aura.stay(),
            Self::OpenAi(..) | Self::Xtts(..) => {}
        }
    }

    /// Begins to connect for one speaker, where each has a line of his own.
    fn warm(&mut self, speaker: &socket::Speaker) {
        match self {
            Self::ElevenLabs(elevenlabs) => elevenlabs.warm(speaker),
            Self::Aura(aura) => aura.warm(speaker),
            Self::Wyoming(_) | Self::Speech(_) | Self::OpenAi(..) | Self::Xtts(..) => {}
        }
    }

    /// Speaks. Whatever it waits for, it is given up when `output` says.
    async fn speak(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
        let late = late(output.due.subscribe());
        tokio::select! {
            biased;
            spoken = self.speak_untimed(job, output) => spoken,
            failure = late => Err(failure),
        }
    }

    async fn speak_untimed(&mut self, job: &SpeakJob, output: &mut Output<'_>) -> Result<(), Failure> {
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

/// Has one worker of the leg's speak, and after one that died the next one, until the leg is gone. The text that it died of
/// is lost, and what comes while there is none.
async fn serve(
    part: &Part,
    worker: impl Fn() -> Worker,
    answers: &mpsc::Sender<Answer>,
    mut queue: mpsc::Receiver<Ask>,
) {
    let mut lives = Lives::of(part);
    loop {
        let mut at_hand = None;
        let life = Box::pin(async { worker().run(&mut queue, &mut at_hand).await });
        let Err(again) = lives.live(life).await else { return };
        if let Some(segment) = at_hand {
            let reason = Failure::from(Fault).to_string();
            // A leg that hung up does not listen any more.
            let _hung_up = answers.send(Answer::NotSpoken { segment, reason }).await;
        }
        while Instant::now() < again {
            match timeout_at(again, queue.recv()).await {
                Ok(None) => return,
                Ok(Some(Ask::Speak(SpeakJob { segment, .. }, _))) => {
                    let reason =
                        "speech died twice within a minute, and is started anew within another".to_owned();
                    let _hung_up = answers.send(Answer::NotSpoken { segment, reason }).await;
                }
                Ok(Some(Ask::Warm(_))) | Err(_) => {}
            }
        }
    }
}

impl Worker {
    /// Whether nothing that was spoken is still being heard, so that another voice may begin.
    fn is_silent(&self) -> bool {
        self.playing_until <= now()
    }

    /// Speaks what is in `queue` until the leg is gone; meanwhile `at_hand` is what it speaks.
    async fn run(mut self, queue: &mut mpsc::Receiver<Ask>, at_hand: &mut Option<SegmentId>) {
        loop {
            *at_hand = None;
            let place = self.line.current(self.is_silent());
            let backend = &mut self.backends[place];
            let (job, asked) = tokio::select! {
                biased;
                ask = queue.recv() => match ask {
                    None => return,
                    Some(Ask::Warm(speaker)) => {
                        backend.warm(&speaker);
                        continue;
                    }
                    Some(Ask::Speak(job, asked)) => (job, asked),
                },
                () = stay(backend) => continue,
            };
            let segment = job.segment;
            *at_hand = Some(segment);
            let answer = match self.speak(&job, asked).await {
                Ok(Spoken::Whole) => Answer::SpeechComplete { segment },
                Ok(Spoken::Unwanted) => continue,
                Err(failure) => Answer::NotSpoken { segment, reason: failure.to_string() },
            };
            if self.answers.send(answer).await.is_err() {
                return;
            }
        }
    }

    async fn speak(&mut self, job: &SpeakJob, asked: Instant) -> Result<Spoken, Failure> {
        let left = DEADLINE.saturating_sub(asked.elapsed());
        if left.is_zero() {
            return Err(Failure::new(FailureKind::Slow, "other texts took too long"));
        }
        let most = LEAST_MOST_SAMPLES + MOST_SAMPLES_A_CHARACTER * job.text.chars().count();
        let mut output = Output::new(job.segment, &self.answers, most.min(MOST_SAMPLES));
        // Whoever is asked later than that has too little time left.
        let mut effort = self.line.effort(left.saturating_sub(FIRST_DEADLINE), self.is_silent());
        let unwanted = Arc::clone(&self.unwanted);
        loop {
            let turn = tokio::select! {
                biased;
                () = unwanted.has(job.segment) => return Ok(Spoken::Unwanted),
                turn = effort.turn() => turn?,
            };
            let now_asked = Instant::now();
            let limit = if turn.is_last { LAST_DEADLINE } else { FIRST_DEADLINE };
            let due = (now_asked + limit).min(asked + DEADLINE);
            output.due.send_replace(Some(due));
            let began = self.playing_until.max(now());
            let (host, mute) = (self.hosts[turn.index].as_ref(), output.mute());
            let speaking = self.backends[turn.index].speak(job, &mut output);
            let spoken = tokio::select! {
                biased;
                () = unwanted.has(job.segment) => None,
                spoken = beside(host, mute, speaking) => Some(spoken.flatten()),
            };
            self.playing_until = began + output.duration();
            let outcome = match spoken {
                None if output.is_mute_since(now_asked) => Err(no_speech()),
                None => return Ok(Spoken::Unwanted),
                Some(Ok(())) if output.given == 0 => {
                    Err(Failure::new(FailureKind::Protocol, "the speech is empty"))
                }
                // What other texts left of the time was too little for anybody: that tells nothing of the engine.
                Some(Err(late)) if late.kind == FailureKind::Slow && due - now_asked < FIRST_DEADLINE => {
                    return Err(late);
                }
                Some(outcome) => outcome,
            };
            let failure = outcome.as_ref().err().cloned();
            match effort.judge(outcome) {
                Some(()) => return Ok(Spoken::Whole),
                None if unwanted.is(job.segment) => return Ok(Spoken::Unwanted),
                // What was heard is not said again by another voice.
                None if output.given > 0 => return Err(failure.expect("only a failure is not the end")),
                None => {}
            }
        }
    }
}

/// What came of a text that did not fail.
enum Spoken {
    Whole,
    /// It was taken back.
    Unwanted,
}

/// Looks after an engine's lines, and is over when that is to be done again. It may be broken off.
async fn stay(backend: &mut Backend) {
    backend.stay().await;
    sleep(STAY_EVERY).await;
}

/// Waits until `due` is past.
async fn late(mut due: watch::Receiver<Option<Instant>>) -> Failure {
    loop {
        let until = *due.borrow_and_update();
        let past = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = due.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = past => return no_speech(),
        }
    }
}

fn no_speech() -> Failure {
    Failure::new(FailureKind::Slow, "no speech in time")
}

/// What a refusal says: its status, its `Retry-After`, and its words as far as they come soon. Who refuses is known by the
/// status alone.
async fn refusal(response: reqwest::Response) -> (u16, Option<String>, Vec<u8>) {
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let words = timeout(REFUSAL_DEADLINE, http::body(response, REFUSAL_AT_MOST)).await;
    (status, retry_after, words.ok().and_then(Result::ok).unwrap_or_default())
}

impl<'a> Output<'a> {
    fn new(segment: SegmentId, answers: &'a mpsc::Sender<Answer>, most: usize) -> Self {
        Self { segment, answers, given: 0, most, due: watch::Sender::new(None) }
    }

    /// Whether an engine that was asked at that time let pass without a sound what any should need.
    fn is_mute_since(&self, asked: Instant) -> bool {
        self.given == 0 && asked.elapsed() >= FIRST_DEADLINE
    }

    /// Waits until one that is asked now was not heard for so long that its host is to be knocked at.
    fn mute(&self) -> impl Future<Output = ()> + use<> {
        let mut due = self.due.subscribe();
        async move {
            if timeout(SILENT_AFTER, due.changed()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How long an engine has until it is given up.
    fn left(&self) -> Duration {
        self.due.borrow().map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()))
    }

    /// How long what was passed on lasts.
    fn duration(&self) -> Duration {
        Duration::from_micros(self.given as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
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
        self.due.send_replace(None);
        self.answers.send(Answer::Speech { segment: self.segment, samples }).await.map_err(gone)?;
        self.due.send_replace(Some(Instant::now() + NEXT_DEADLINE));
        Ok(())
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
