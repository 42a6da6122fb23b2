//! Engine clients: tokio shells over the wire formats of crate `engines`. Every wait has a deadline, every size a cap.

mod advice;
mod asr;
mod chain;
mod connection;
mod emotion;
mod hosts;
pub(crate) mod http;
mod links;
mod mt;
mod notices;
mod pulse;
mod resample;
mod speech;
mod stage;
mod tls;
mod trial;
mod tts;
pub(crate) mod websocket;

use std::sync::Arc;
use std::time::Duration;

use audio_path::SegmentId;
use engines::websocket::Handshake;
use engines::{Failure, FailureKind};
use futures_util::future::join_all;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use serde_json::Value;
use session::{Cue, Language, LanguagePair, UtteranceId};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::config::{Asr, Engines, Mt, Service, Tts};
use crate::hub::now;
use crate::supervision::{Fault, Part, caught};
use hosts::{Hosts, SILENT_AFTER, beside};
use stage::{Due, Role, Stage};
use websocket::{NotOpened, Socket};

pub use advice::Site;
pub use asr::{AsrInput, Recogniser};
pub use emotion::{Emotion, EmotionCounts, Felt};
pub use mt::{Cache, CacheCounts, TranslateJob, Translator};
pub use notices::Notices;
pub use speech::Exchanges;
pub use stage::EngineReport;
pub use trial::Trial;
pub use tts::{MadeVoice, Profiles, SpeakJob, Speaker, VoiceKey, VoiceOwner, make_voice};

/// How often it is seen whether an engine is due for a probe.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// The wall clock was set where it moved by more against the monotonic one: no certificate depends on less.
const CLOCK_STEP: Duration = Duration::from_secs(1);
/// How long a probe may take; longer than a connection may, so that both are told apart.
const PROBE_DEADLINE: Duration = Duration::from_millis(1_900);
/// How long something real may take.
const TRIAL_DEADLINE: Duration = Duration::from_secs(5);
/// How long nothing may be heard of an engine next door …
const NEAR_EVERY: Duration = Duration::from_secs(1);
/// … and of one far away.
const FAR_EVERY: Duration = Duration::from_secs(60);

/// What all connections share.
#[derive(Clone)]
pub struct Transport {
    pub(crate) http: reqwest::Client,
    pub(crate) tls: Arc<ClientConfig>,
    studios: Arc<tts::studio::Studios>,
    turns: Arc<tts::xtts::Turns>,
    glossaries: Arc<mt::Glossaries>,
    /// Speakers' own voices.
    pub profiles: Arc<Profiles>,
    hosts: Arc<Hosts>,
}

impl Transport {
    /// Opens a WebSocket to an engine.
    async fn open(&self, handshake: &Handshake) -> Result<Socket, NotOpened> {
        let socket = Socket::open(&self.tls, handshake).await?;
        Ok(socket.of(self.hosts.at(&handshake.url)))
    }
}

/// All engines that the configuration names, as all legs share them.
pub struct Outside {
    /// How they are reached.
    pub transport: Transport,
    /// Speech recognition.
    pub asr: Arc<Stage<Asr>>,
    /// Translation.
    pub mt: Arc<Stage<Mt>>,
    /// Speech synthesis.
    pub tts: Arc<Stage<Tts>>,
    /// In which languages engines are tried.
    languages: LanguagePair,
    /// What callers hear when nobody can speak.
    pub notices: Notices,
    /// How somebody speaks, where that is wanted.
    pub emotion: Option<Arc<Stage<Service>>>,
    /// What was translated lately.
    pub translations: Arc<Cache>,
}

/// What engines answer to a leg.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Answer {
    /// More text that will not be taken back.
    Partial { utterance: UtteranceId, delta: String, language: Option<Language> },
    /// What is taken to follow that, made of the utterance's audio up to `heard`.
    Interim { utterance: UtteranceId, text: String, heard: Duration, language: Option<Language> },
    /// The whole text.
    Final { utterance: UtteranceId, text: String, language: Option<Language> },
    /// No text, or no more.
    NotRecognised { utterance: UtteranceId, reason: String },
    /// The translation.
    Translated { segment: SegmentId, text: String },
    /// No translation.
    NotTranslated { segment: SegmentId, reason: String },
    /// More speech, 16 kHz mono.
    Speech { segment: SegmentId, samples: Vec<i16> },
    /// There is no more speech.
    SpeechComplete { segment: SegmentId },
    /// No speech, or no more though more was to come.
    NotSpoken { segment: SegmentId, reason: String },
    /// The own voice of who speaks this language; empty where it could not be made.
    VoiceMade { language: Language, made: MadeVoice },
    /// How the caller spoke.
    Felt(Felt),
}

impl Transport {
    /// Nothing is connected yet.
    fn new() -> Result<Self, Failure> {
        let tls = tls::config()?;
        Ok(Self {
            http: http::client(&tls)?,
            tls,
            studios: Arc::default(),
            turns: Arc::default(),
            glossaries: Arc::default(),
            profiles: Arc::default(),
            hosts: Arc::default(),
        })
    }
}

impl Outside {
    /// Nothing is connected yet, and nothing held against anyone. Engines are tried in `languages`. From here on no words
    /// of theirs show a key.
    ///
    /// # Errors
    /// Where the TLS or HTTP library cannot be set up.
    pub fn new(engines: &Engines, languages: LanguagePair) -> Result<Self, Failure> {
        engines.keys().for_each(|key| ::engines::withhold(key.expose_secret()));
        mt::Glossaries::announce(engines);
        Ok(Self {
            transport: Transport::new()?,
            asr: Stage::new("asr", &engines.asr, |asr| role(asr.is_near(), false)),
            mt: Stage::new("mt", &engines.mt, |mt| role(mt.is_near(), mt.speech().is_some())),
            tts: Stage::new("tts", &engines.tts, |tts| role(tts.is_near(), tts.speech().is_some())),
            languages,
            notices: Notices::default(),
            emotion: (!engines.emotion.is_empty())
                .then(|| Stage::new("emotion", &engines.emotion, |service| role(service.is_near(), false))),
            translations: Arc::default(),
        })
    }

    /// Tries every engine, then has what `notices` says spoken and looks after the engines, for ever: those that failed,
    /// those of which nothing was heard for long, and all where a link of this machine comes or goes. Calls are answered all
    /// the same.
    pub async fn watch(&self, notices: impl Fn() -> Vec<Cue>) {
        let clock = rt_sys::wall_clock_offset_nanos();
        let tried = async {
            join_all(self.probe(true)).await;
            tokio::join!(self.notices.prepare(&self.tts, &self.transport, notices), self.look_after(clock));
        };
        tokio::join!(links::watch(|| self.links_changed()), tried);
    }

    fn links_changed(&self) {
        self.asr.links_changed();
        self.mt.links_changed();
        self.tts.links_changed();
        self.emotion.iter().for_each(|stage| stage.links_changed());
    }

    /// `clock` is how far the wall clock was ahead when the engines were tried.
    async fn look_after(&self, mut clock: i64) {
        loop {
            tokio::select! {
                () = sleep(PROBE_EVERY) => {}
                () = self.asr.unsure() => {}
                () = self.mt.unsure() => {}
                () = self.tts.unsure() => {}
            }
            let before = std::mem::replace(&mut clock, rt_sys::wall_clock_offset_nanos());
            if clock.abs_diff(before) >= CLOCK_STEP.as_nanos() as u64 {
                self.clock_was_set();
            }
            // One that takes its time holds no other up.
            drop(self.probe(false));
            self.translations.forget_old(now());
        }
    }

    fn clock_was_set(&self) {
        log::info!("this machine's clock was set");
        self.asr.clock_was_set();
        self.mt.clock_was_set();
        self.tts.clock_was_set();
        self.emotion.iter().for_each(|stage| stage.clock_was_set());
    }

    /// How it is with the glossary, for the status.
    pub fn glossary_report(&self) -> Value {
        self.transport.glossaries.report()
    }

    fn probe(&self, all: bool) -> Vec<JoinHandle<()>> {
        let (wire, languages) = (&self.transport, self.languages);
        let asr = probe_due(&self.asr, wire, all, move |wire, asr, real| async move {
            if real { trial::asr(&wire, &asr, languages).await } else { asr::probe(&wire, &asr).await }
        });
        // Who does all three stages is asked once, where he hears.
        let mt = probe_due(&self.mt, wire, all, move |wire, mt, real| async move {
            match mt.speech() {
                Some(_) => Ok(()),
                None if real => trial::mt(&wire, &mt, languages).await,
                None => mt::probe(&wire, &mt).await,
            }
        });
        let tts = probe_due(&self.tts, wire, all, move |wire, tts, real| async move {
            match tts.speech() {
                Some(_) => Ok(()),
                None if real => trial::tts(&wire, &tts, languages).await,
                None => tts::probe(&wire, &tts).await,
            }
        });
        let emotion = self.emotion.iter().flat_map(|stage| {
            probe_due(stage, wire, all, |wire, service, real| async move {
                if real {
                    emotion::trial(&wire, &service).await
                } else {
                    emotion::probe(&wire, &service).await
                }
            })
        });
        asr.into_iter().chain(mt).chain(tts).chain(emotion).collect()
    }

    /// What of legs can be started anew alone, stage by stage.
    pub(crate) fn workers(&self) -> impl Iterator<Item = &Part> {
        let interpreters = [&self.asr.workers, &self.mt.workers, &self.tts.workers];
        interpreters.into_iter().chain(self.emotion.iter().map(|stage| &stage.workers))
    }

    /// How each engine does, stage by stage, best first.
    pub fn report(&self) -> Vec<EngineReport> {
        let interpreters = self.asr.report().chain(self.mt.report()).chain(self.tts.report());
        interpreters.chain(self.emotion.iter().flat_map(|stage| stage.report())).collect()
    }
}

/// Tries the engines of a stage that are to be tried, at the same time: one that does not answer hides no other. One
/// that failed is asked for something real, since that may be what fails.
fn probe_due<P, F>(
    stage: &Arc<Stage<P>>,
    transport: &Transport,
    all: bool,
    probe: impl Fn(Transport, P, bool) -> F,
) -> Vec<JoinHandle<()>>
where
    P: Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let start = |due: Due| {
        let limit = if due.real { TRIAL_DEADLINE } else { PROBE_DEADLINE };
        let asked = timeout(limit, probe(transport.clone(), stage.provider(due.index).clone(), due.real));
        let host = transport.hosts.at(stage.address(due.index));
        let stage = Arc::clone(stage);
        tokio::spawn(async move {
            let late = |_| Failure::new(FailureKind::Slow, "no answer in time");
            let answered = beside(host.as_ref(), sleep(SILENT_AFTER), caught(asked)).await;
            // An engine whose answers are too much for us is none of use.
            let answered = answered.map(|caught| caught.unwrap_or_else(|fault| Ok(Err(fault.into()))));
            stage.probed(due, &answered.and_then(|answer| answer.map_err(late).flatten()));
        })
    };
    stage.due(all).into_iter().map(start).collect()
}

impl From<Fault> for Failure {
    /// Nothing of what it says: it may quote what was said.
    fn from(_: Fault) -> Self {
        Self::new(FailureKind::Protocol, "a fault in dragomand; its log tells where")
    }
}

/// An engine next door costs nothing to look after; one far away would count each request. One that only goes on with
/// what it `heard` is looked after where it hears.
const fn role(is_near: bool, heard: bool) -> Role {
    let look_every = match (heard, is_near) {
        (true, _) => Duration::MAX,
        (false, true) => NEAR_EVERY,
        (false, false) => FAR_EVERY,
    };
    Role { look_every, alone: !heard }
}

#[cfg(test)]
mod tests {
    use session::recovery::Tier;
    use tokio::time::Instant;

    use super::*;
    use crate::config::{Engine, SpeechToSpeech, SpeechVendor};
    use crate::endpoint::Endpoint;

    /// A service at an address where nobody is.
    pub(super) fn service(url: &str) -> Service {
        Service {
            name: "cloud".into(),
            url: url.into(),
            key: Some("key".into()),
            key_place: None,
            model: None,
            mip_opt_out: true,
            voices: [].into(),
            glossary: Arc::new([]),
        }
    }

    /// An engine that does all stages, and of which nobody's recogniser knows.
    pub(super) fn unheard() -> SpeechToSpeech {
        let service = service("ws://127.0.0.1:1");
        SpeechToSpeech { vendor: SpeechVendor::OpenAiTranslations, service, spoken: true }
    }

    pub(super) fn engine<P>(name: &str, provider: P) -> Engine<P> {
        Engine { name: name.into(), provider }
    }

    fn stage() -> Arc<Stage<Endpoint>> {
        Stage::new("mt", &[engine("cloud", Endpoint::Tcp("127.0.0.1".into(), 1))], |_| role(true, false))
    }

    async fn probed<F>(stage: &Arc<Stage<Endpoint>>, probe: impl Fn() -> F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let transport = Transport::new().unwrap();
        join_all(probe_due(stage, &transport, true, |_, _, _| probe())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_failed_has_five_seconds_to_prove_that_it_works() {
        let stage = stage();
        probed(&stage, || async { Err(Failure::new(FailureKind::Down, "503")) }).await;
        let asked = Instant::now();
        probed(&stage, std::future::pending).await;
        assert!(asked.elapsed().abs_diff(Duration::from_secs(5)) < Duration::from_millis(10));
        probed(&stage, || async { Ok(()) }).await;
        let recoveries = stage.report().next().unwrap().recoveries;
        assert_eq!([true, false].map(|success| recoveries.get(Tier::Hard, success)), [1, 1]);
    }

    #[tokio::test]
    async fn an_engine_that_we_cannot_bear_is_at_fault_and_is_probed_again() {
        let stage = stage();
        probed(&stage, || async { panic!("words of a caller") }).await;
        let fault = stage.report().next().unwrap().fault.unwrap();
        assert!(fault.detail.contains("a fault in dragomand") && !fault.detail.contains("words"), "{fault}");
        probed(&stage, || async { Ok(()) }).await;
        assert!(stage.report().next().unwrap().serves());
    }
}
