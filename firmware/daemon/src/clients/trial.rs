//! Engines asked for something short and real: who can be reached may still not work.

use std::time::{Duration, Instant};

use audio_path::Frame;
use engines::{Failure, FailureKind};
use session::{Language, LanguagePair};
use tokio::time::{sleep, timeout};

use super::hosts::{SILENT_AFTER, beside};
use super::mt::TranslateJob;
use super::speech::Took;
use super::{Exchanges, Outside, Site, Transport};
use crate::config::{Asr, Engine, Mt, Service, SpeechToSpeech, Tts};

/// How long an engine on a busy Pi may take to answer.
const DEADLINE: Duration = Duration::from_secs(8);
/// How long it may take to be reached.
const REACH_DEADLINE: Duration = Duration::from_secs(4);
const WORD: &str = "yes";
/// Half a second.
const PAUSE_FRAMES: usize = 25;

/// What came of trying an engine.
#[derive(Clone, Debug)]
pub struct Trial {
    /// `asr`, `mt`, `tts`, `emotion`.
    pub stage: &'static str,
    /// As the configuration calls it.
    pub engine: String,
    /// Whether it does this for whatever is said, and not only for what it heard itself.
    pub alone: bool,
    /// Where it was asked.
    pub site: Site,
    /// How long it took to be reached, TLS and a first exchange included.
    pub connect: Result<Duration, Failure>,
    /// How long the first answer to a real request took, connecting included; that it was not made, where the engine
    /// could not be reached or heard nothing to go on with. Where it does all stages: from the end of what was said.
    pub answer: Option<Result<Duration, Failure>>,
}

impl Trial {
    /// What it failed of, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        self.connect.as_ref().err().or_else(|| self.answer.as_ref()?.as_ref().err())
    }
}

impl Outside {
    /// Has a second of silence recognised.
    pub async fn try_asr(&self, engine: &Engine<Asr>, languages: LanguagePair) -> Trial {
        let probe = Box::pin(super::asr::probe(&self.transport, &engine.provider));
        let answer = Box::pin(asr(&self.transport, &engine.provider, languages));
        self.try_both("asr", &engine.name, (&engine.provider).into(), probe, answer).await
    }

    /// Has a word interpreted by the engine, which does all stages, as one of `voices` speaks it; a second of silence
    /// where nobody does. What came of it in `asr`, `mt` and `tts`.
    pub async fn try_speech(
        &self,
        engine: &Engine<Asr>,
        speech: &SpeechToSpeech,
        voices: &[Engine<Tts>],
        languages: LanguagePair,
    ) -> [Trial; 3] {
        let word = self.word(voices, languages.both()[0]).await;
        let site = Site::from(&engine.provider);
        let probe = Box::pin(super::speech::probe(&self.transport, speech));
        let connect = self.reached(&site, probe).await;
        let asked = super::speech::trial(&self.transport, speech, languages.both(), &word);
        let done = if connect.is_ok() { Some(timed(DEADLINE, Box::pin(asked)).await) } else { None };
        let trial = |stage, took: fn(Took) -> Result<Option<Duration>, Failure>| Trial {
            stage,
            engine: engine.name.clone(),
            alone: stage == "asr",
            site: site.clone(),
            connect: connect.clone(),
            answer: done.clone().and_then(|done| done.and_then(|(_, stages)| took(stages)).transpose()),
        };
        [
            trial("asr", |took| Ok(Some(took.heard))),
            trial("mt", |took| took.translated),
            trial("tts", |took| took.spoken),
        ]
    }

    /// A word as the first of `voices` speaks it that does, between silence.
    async fn word(&self, voices: &[Engine<Tts>], language: Language) -> Vec<Frame> {
        let mut frames = vec![Frame::SILENCE; PAUSE_FRAMES];
        for voice in voices.iter().filter(|voice| voice.provider.speech().is_none()) {
            let spoken = super::tts::word(&self.transport, &voice.provider, language);
            if let Ok((_, samples)) = timed(DEADLINE, Box::pin(spoken)).await {
                let (whole, _) = samples.as_chunks();
                frames.extend(whole.iter().map(|samples| Frame(*samples)));
                break;
            }
        }
        frames.extend([Frame::SILENCE; PAUSE_FRAMES]);
        frames
    }

    /// Has a word translated.
    pub async fn try_mt(&self, engine: &Engine<Mt>, languages: LanguagePair) -> Trial {
        let probe = Box::pin(super::mt::probe(&self.transport, &engine.provider));
        let answer = Box::pin(mt(&self.transport, &engine.provider, languages));
        self.try_both("mt", &engine.name, (&engine.provider).into(), probe, answer).await
    }

    /// Has a word spoken.
    pub async fn try_tts(&self, engine: &Engine<Tts>, languages: LanguagePair) -> Trial {
        let probe = Box::pin(super::tts::probe(&self.transport, &engine.provider));
        let answer = Box::pin(tts(&self.transport, &engine.provider, languages));
        self.try_both("tts", &engine.name, (&engine.provider).into(), probe, answer).await
    }

    /// Has a measurement begin.
    pub async fn try_emotion(&self, engine: &Engine<Service>) -> Trial {
        let probe = Box::pin(super::emotion::probe(&self.transport, &engine.provider));
        let answer = Box::pin(super::emotion::trial(&self.transport, &engine.provider));
        self.try_both("emotion", &engine.name, (&engine.provider).into(), probe, answer).await
    }

    async fn try_both(
        &self,
        stage: &'static str,
        engine: &str,
        site: Site,
        probe: impl Future<Output = Result<(), Failure>>,
        answer: impl Future<Output = Result<(), Failure>>,
    ) -> Trial {
        let connect = self.reached(&site, probe).await;
        let answer =
            if connect.is_ok() { Some(timed(DEADLINE, answer).await.map(|(took, ())| took)) } else { None };
        Trial { stage, engine: engine.to_owned(), alone: true, site, connect, answer }
    }

    /// How long it took to reach what is at `site`.
    async fn reached(
        &self,
        site: &Site,
        probe: impl Future<Output = Result<(), Failure>>,
    ) -> Result<Duration, Failure> {
        let host = self.transport.hosts.at(&site.address);
        let probe = async { beside(host.as_ref(), sleep(SILENT_AFTER), probe).await.flatten() };
        timed(REACH_DEADLINE, probe).await.map(|(took, ())| took)
    }
}

pub(super) async fn asr(transport: &Transport, asr: &Asr, languages: LanguagePair) -> Result<(), Failure> {
    super::asr::trial(transport, asr, languages.both()).await
}

pub(super) async fn mt(transport: &Transport, mt: &Mt, languages: LanguagePair) -> Result<(), Failure> {
    // It translates only what it heard.
    if let Mt::Speech(engine) = mt {
        return super::speech::probe(transport, engine).await;
    }
    let [source, target] = languages.both();
    let job = TranslateJob { text: WORD.to_owned(), context: String::new(), source, target };
    super::mt::ask(transport, &Exchanges::default(), mt, &job).await.map(drop)
}

pub(super) async fn tts(transport: &Transport, tts: &Tts, languages: LanguagePair) -> Result<(), Failure> {
    // It speaks only what it heard.
    if let Tts::Speech(engine) = tts {
        return super::speech::probe(transport, engine).await;
    }
    let [_, target]: [Language; 2] = languages.both();
    super::tts::trial(transport, tts, target).await
}

async fn timed<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, Failure>>,
) -> Result<(Duration, T), Failure> {
    let began = Instant::now();
    let late = |_| Failure::new(FailureKind::Slow, format!("no answer within {} s", limit.as_secs()));
    let done = timeout(limit, asked).await.map_err(late).flatten()?;
    Ok((began.elapsed(), done))
}
