//! A daemon whose engines are emulated cloud services, the best of each stage first, and spares behind them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::{Daemon, Machine};
use dragoman_tests::interpreted::Call;
use engine_emulators::{Counts, Delays, Emulator, Line, Relay, Voices, World, deepgram, deepl};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// By what a cloud hears and speaks where nothing else is planned.
const USUAL: [&str; 2] = ["deepgram-listen", "deepgram-aura"];
pub(crate) const KEY: &str = "test-key-1";
pub(crate) const WORDS: [&str; 4] =
    ["good morning to you all", "where is the station", "thank you very much", "see you soon"];

/// One provider of all three stages: Deepgram hears and speaks, `DeepL` translates.
pub(crate) struct Cloud {
    /// Where it hears: each connection meets the next fault of its script.
    pub(crate) deepgram: Emulator,
    /// Where it speaks.
    pub(crate) aura: Emulator,
    pub(crate) deepl: Emulator,
    /// The lines to them, in this order.
    pub(crate) lines: [Relay; 3],
}

/// How a test's clouds differ from good ones.
pub(crate) struct Plan {
    /// What the daemon brings to the first cloud.
    pub(crate) key: &'static str,
    /// Where the first cloud's hearing, translating and speaking is looked for instead.
    pub(crate) elsewhere: [Option<String>; 3],
    /// What is heard, an utterance each, where the audio itself does not tell.
    pub(crate) heard: Vec<Line>,
    /// How long the clouds take.
    pub(crate) delays: Delays,
    /// What a character of their speech lasts.
    pub(crate) pace: Duration,
    /// Who hears before the others: a name of the configuration's, and a comma.
    pub(crate) hearer: String,
    /// Who speaks before the others: a name of the configuration's, and a comma.
    pub(crate) speaker: String,
    /// Whether nobody speaks but the first cloud.
    pub(crate) alone: bool,
    /// How many languages the callers may speak.
    pub(crate) languages: u64,
    /// What the configuration has besides.
    pub(crate) tables: String,
    /// By what the first cloud hears.
    pub(crate) hears: &'static str,
    /// By what it speaks.
    pub(crate) speaks: &'static str,
    /// Who the daemon asks for names.
    pub(crate) name_server: Option<IpAddr>,
    /// Where the daemon's machine has a disk that is soon full.
    pub(crate) small_disk: Option<PathBuf>,
    /// The certificates that the daemon trusts alone, PEM.
    pub(crate) trusted: Option<String>,
    /// By how many seconds the wall clock of the daemon's machine is off.
    pub(crate) clock: Option<i64>,
    /// Where the lines to the first cloud begin: an address of this machine.
    pub(crate) host: Ipv4Addr,
    /// Where the daemon is asked over HTTP, instead of on loopback.
    pub(crate) page: Option<Ipv4Addr>,
}

impl Default for Plan {
    fn default() -> Self {
        let elsewhere = [None, None, None];
        let [hears, speaks] = USUAL;
        Self {
            key: KEY,
            elsewhere,
            heard: WORDS.map(Line::from).to_vec(),
            delays: Delays::NONE,
            pace: Duration::from_millis(12),
            hearer: String::new(),
            speaker: String::new(),
            alone: false,
            languages: 2,
            tables: String::new(),
            hears,
            speaks,
            name_server: None,
            small_disk: None,
            trusted: None,
            clock: None,
            host: Ipv4Addr::LOCALHOST,
            page: None,
        }
    }
}

/// Two clouds on one runtime; the daemon prefers the first.
pub(crate) struct Clouds {
    pub(crate) first: Cloud,
    pub(crate) spare: Cloud,
    pub(crate) daemon: Daemon,
    /// How long it took from the daemon's being there until each of its engines had been tried.
    pub(crate) tried_within: Duration,
    _keys: TempDir,
    _runtime: Runtime,
}

/// Known sentences are translated by the name of who does it; all others in a word.
pub(crate) fn voices(name: &str, heard: &[Line]) -> Voices {
    let translations: Vec<(String, String)> =
        WORDS.iter().map(|words| (words.to_string(), format!("{name} {words}"))).collect();
    let pairs = translations.iter().map(|(a, b)| (a.as_str(), b.as_str()));
    Voices::timed(heard.iter().cloned(), pairs.chain([("", "so")]))
}

impl Cloud {
    pub(crate) async fn start(name: &str, plan: &Plan) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, name, plan).await
    }

    /// The same, with its lines beginning at this address.
    async fn start_at(host: Ipv4Addr, name: &str, plan: &Plan) -> Self {
        let world = || Arc::new(World::new(KEY, voices(name, &plan.heard).paced(plan.pace), plan.delays, 1));
        let deepgram = deepgram::start(world(), 0).await.expect("Deepgram's emulator starts");
        let deepl = deepl::start(world(), 0).await.expect("DeepL's emulator starts");
        let aura = deepgram::start(world(), 0).await.expect("Deepgram's emulator starts");
        let line = async |emulator: &Emulator| {
            Relay::start_at(SocketAddr::from((host, 0)), emulator.address).await.expect("a port")
        };
        let lines = [line(&deepgram).await, line(&deepl).await, line(&aura).await];
        Self { deepgram, aura, deepl, lines }
    }

    pub(crate) fn heard(&self) -> Counts {
        self.deepgram.world.tally.read()
    }

    pub(crate) fn spoken(&self) -> Counts {
        self.aura.world.tally.read()
    }

    pub(crate) fn translated(&self) -> Counts {
        self.deepl.world.tally.read()
    }

    pub(crate) fn tables(&self, name: &str, key_file: &Path, elsewhere: [Option<String>; 3]) -> String {
        self.tables_by(name, key_file, USUAL, elsewhere)
    }

    fn tables_by(
        &self,
        name: &str,
        key_file: &Path,
        [hears, speaks]: [&str; 2],
        elsewhere: [Option<String>; 3],
    ) -> String {
        let stages = [("asr", hears, "ws"), ("mt", "deepl", "http"), ("tts", speaks, "ws")];
        let mut text = String::new();
        for (((stage, kind, scheme), line), elsewhere) in stages.iter().zip(&self.lines).zip(elsewhere) {
            let url = elsewhere.unwrap_or_else(|| format!("{scheme}://{}", line.address));
            let key_file = key_file.display();
            writeln!(
                text,
                "[engine.{name}-{stage}]\nkind = \"{kind}\"\nurl = \"{url}\"\nkey_file = \"{key_file}\""
            )
            .expect("a string takes it");
        }
        text
    }
}

impl Clouds {
    /// All is well.
    pub(crate) fn start() -> Self {
        Self::planned(Plan::default())
    }

    /// The daemon brings this key to the first cloud, and looks for its Deepgram elsewhere.
    pub(crate) fn start_with(key: &'static str, elsewhere: Option<&str>) -> Self {
        Self::start_trusting(key, elsewhere, None)
    }

    /// The same, on a machine that trusts these certificates alone.
    pub(crate) fn start_trusting(key: &'static str, elsewhere: Option<&str>, trusted: Option<&str>) -> Self {
        let deepgram = elsewhere.map(str::to_owned);
        let elsewhere = [deepgram.clone(), None, deepgram];
        Self::planned(Plan { key, elsewhere, trusted: trusted.map(str::to_owned), ..Plan::default() })
    }

    /// All is well, and the configuration has these tables, too.
    pub(crate) fn start_and(tables: &str) -> Self {
        Self::planned(Plan { tables: tables.to_owned(), ..Plan::default() })
    }

    /// All is well, and this engine, which is among `tables`, speaks before the others; the tables begin within the room's.
    pub(crate) fn start_speaking_by(engine: &str, tables: &str) -> Self {
        let speaker = format!("\"{engine}\", ");
        Self::planned(Plan { tables: tables.to_owned(), speaker, ..Plan::default() })
    }

    /// Two clouds as `plan` says, and a daemon that has tried each of their engines.
    pub(crate) fn planned(plan: Plan) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (first, spare) = runtime.block_on(async {
            (Cloud::start_at(plan.host, "first", &plan).await, Cloud::start("spare", &plan).await)
        });
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, key: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, key).expect("a key file");
            path
        };
        let tables = [
            first.tables_by("first", &file("first", plan.key), [plan.hears, plan.speaks], plan.elsewhere),
            spare.tables("spare", &file("spare", KEY), [None, None, None]),
        ];
        let configuration = format!(
            "[engines]\nasr = [{}\"first-asr\", \"spare-asr\"]\nmt = [\"first-mt\", \"spare-mt\"]\n\
             tts = [{}\"first-tts\"{}]\n{}\
             [[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n{}",
            plan.hearer,
            plan.speaker,
            if plan.alone { "" } else { ", \"spare-tts\"" },
            tables.concat(),
            plan.tables
        );
        let machine = Machine {
            certificates: plan.trusted.as_deref(),
            name_server: plan.name_server,
            small_disk: plan.small_disk.as_deref(),
            clock: plan.clock,
            page: plan.page,
        };
        let daemon = Daemon::start_in(&configuration, &machine);
        let began = Instant::now();
        wait_until_tried(&daemon);
        let tried_within = began.elapsed();
        let clouds = Self { first, spare, daemon, tried_within, _keys: directory, _runtime: runtime };
        // One in each language for the beginning and one for the end of an outage.
        clouds.wait_until("the notices are spoken", |status| status["notices"] == 2 * plan.languages);
        clouds
    }

    /// A caller to whom it was said that a machine translates.
    pub(crate) fn call(&self) -> Call {
        let mut call = Call::new(&self.daemon);
        call.wait_for("listening", Duration::from_secs(20));
        call
    }

    /// The only leg lost nothing and the media thread was never late.
    pub(crate) fn assert_on_time(&self) {
        let status = self.daemon.status().expect("a status");
        let dropped = status["legs"][0]["frames"]["dropped"].as_object().expect("reasons").values();
        assert_eq!(dropped.filter_map(Value::as_u64).sum::<u64>(), 0, "{status:#}");
        assert_eq!(status["media"]["missed_ticks"], 0, "{status:#}");
    }

    /// What the status says of the engine at this place.
    pub(crate) fn engine(&self, stage: &str, place: usize) -> Value {
        self.daemon.status().expect("a status")["engines"][stage][place].clone()
    }

    /// Asks for the status until it is as wanted.
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        wait_until(&self.daemon, what, wanted);
    }
}

/// Waits until every engine was tried.
pub(crate) fn wait_until_tried(daemon: &Daemon) {
    wait_until(daemon, "every engine was tried", |status| {
        let stages = status["engines"].as_object().expect("stages");
        stages
            .values()
            .flat_map(|stage| stage.as_array().expect("engines"))
            .all(|engine| !engine["success_rate"].is_null())
    });
}

/// Asks for the status until it is as wanted.
pub(crate) fn wait_until(daemon: &Daemon, what: &str, wanted: impl Fn(&Value) -> bool) {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let status = daemon.status().expect("a status");
        if wanted(&status) {
            return;
        }
        assert!(Instant::now() < until, "not seen: {what}; {:#}", status["engines"]);
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Says something, and waits for its translation: what was heard, what is said, and how long that took from the end of
/// the speech.
pub(crate) fn converse(call: &mut Call) -> (String, String, Duration) {
    saying(call, 3)
}

/// The same, in so many bursts of 600 ms.
pub(crate) fn saying(call: &mut Call, bursts: u32) -> (String, String, Duration) {
    let before = call.seen.len();
    call.say(bursts);
    let ended = Instant::now();
    let heard = call.wait_since(before, "final", Duration::from_secs(8))["text"].clone();
    let said = call.wait_since(before, "translation", Duration::from_secs(8))["text"].clone();
    call.loud = None;
    call.wait_since(before, "playback_started", Duration::from_secs(8));
    let took = ended.elapsed();
    call.wait_since(before, "playback_ended", Duration::from_secs(10));
    assert!(call.loud.is_some(), "the translation is heard");
    (0..20).for_each(|_| call.pass(false));
    let text = |value: Value| value.as_str().expect("a text").to_owned();
    (text(heard), text(said), took)
}
