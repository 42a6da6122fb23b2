//! A daemon whose engines are emulated cloud services, the best of each stage first, and spares behind them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::Daemon;
use dragoman_tests::interpreted::Call;
use engine_emulators::{Counts, Delays, Emulator, Voices, World, deepgram, deepl};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) const KEY: &str = "test-key-1";
const WORDS: [&str; 4] =
    ["good morning to you all", "where is the station", "thank you very much", "see you soon"];

/// One provider of all three stages: Deepgram hears and speaks, `DeepL` translates.
pub(crate) struct Cloud {
    /// Where it hears: each connection meets the next fault of its script.
    pub(crate) deepgram: Emulator,
    /// Where it speaks.
    pub(crate) aura: Emulator,
    pub(crate) deepl: Emulator,
}

/// Two clouds on one runtime; the daemon prefers the first.
pub(crate) struct Clouds {
    pub(crate) first: Cloud,
    pub(crate) spare: Cloud,
    pub(crate) daemon: Daemon,
    _keys: TempDir,
    _runtime: Runtime,
}

fn voices(prefix: &str) -> Voices {
    let translations: Vec<(String, String)> =
        WORDS.iter().map(|words| (words.to_string(), format!("{prefix} {words}"))).collect();
    let pairs: Vec<(&str, &str)> = translations.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    Voices::scripted(WORDS, pairs)
}

impl Cloud {
    async fn start(name: &str) -> Self {
        let world = || Arc::new(World::new(KEY, voices(name), Delays::NONE, 1));
        Self {
            deepgram: deepgram::start(world(), 0).await.expect("Deepgram's emulator starts"),
            aura: deepgram::start(world(), 0).await.expect("Deepgram's emulator starts"),
            deepl: deepl::start(world(), 0).await.expect("DeepL's emulator starts"),
        }
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

    /// `elsewhere` is where Deepgram is looked for instead.
    fn tables(&self, name: &str, key_file: &Path, elsewhere: Option<&str>) -> String {
        let mut text = String::new();
        let mut table = |stage: &str, kind: &str, url: &str| {
            writeln!(
                text,
                "[engine.{name}-{stage}]\nkind = \"{kind}\"\nurl = \"{url}\"\nkey_file = \"{}\"",
                key_file.display()
            )
            .expect("a string takes it");
        };
        let place = |emulator: &Emulator| {
            elsewhere.map_or_else(|| format!("ws://{}", emulator.address), str::to_owned)
        };
        table("asr", "deepgram-listen", &place(&self.deepgram));
        table("mt", "deepl", &format!("http://{}", self.deepl.address));
        table("tts", "deepgram-aura", &place(&self.aura));
        text
    }
}

impl Clouds {
    /// All is well.
    pub(crate) fn start() -> Self {
        Self::start_with(KEY, None)
    }

    /// The daemon brings this key to the first cloud, and looks for its Deepgram elsewhere.
    pub(crate) fn start_with(key: &str, elsewhere: Option<&str>) -> Self {
        Self::start_all(key, elsewhere, None, "")
    }

    /// The same, on a machine that trusts these certificates alone.
    pub(crate) fn start_trusting(key: &str, elsewhere: Option<&str>, trusted: Option<&str>) -> Self {
        Self::start_all(key, elsewhere, trusted, "")
    }

    /// All is well, and the configuration has these tables, too.
    pub(crate) fn start_and(tables: &str) -> Self {
        Self::start_all(KEY, None, None, tables)
    }

    fn start_all(key: &str, elsewhere: Option<&str>, trusted: Option<&str>, more: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let (first, spare) =
            runtime.block_on(async { (Cloud::start("first").await, Cloud::start("spare").await) });
        let directory = tempfile::tempdir().expect("a directory");
        let file = |name: &str, key: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, key).expect("a key file");
            path
        };
        let tables = [
            first.tables("first", &file("first", key), elsewhere),
            spare.tables("spare", &file("spare", KEY), None),
        ];
        let tables = format!(
            "[engines]\nasr = [\"first-asr\", \"spare-asr\"]\nmt = [\"first-mt\", \"spare-mt\"]\n\
             tts = [\"first-tts\", \"spare-tts\"]\n{}\
             [[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n{more}",
            tables.concat()
        );
        let daemon = Daemon::start_trusting(&tables, trusted);
        let clouds = Self { first, spare, daemon, _keys: directory, _runtime: runtime };
        clouds.wait_until("every engine was tried", |status| {
            let stages = status["engines"].as_object().expect("stages");
            stages
                .values()
                .flat_map(|stage| stage.as_array().expect("engines"))
                .all(|engine| !engine["success_rate"].is_null())
        });
        clouds
    }

    /// A caller to whom it was said that a machine translates.
    pub(crate) fn call(&self) -> Call {
        let mut call = Call::new(&self.daemon);
        call.wait_for("listening", Duration::from_secs(20));
        call
    }

    /// What the status says of the engine at this place.
    pub(crate) fn engine(&self, stage: &str, place: usize) -> Value {
        self.daemon.status().expect("a status")["engines"][stage][place].clone()
    }

    /// Asks for the status until it is as wanted.
    pub(crate) fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let status = self.daemon.status().expect("a status");
            if wanted(&status) {
                return;
            }
            assert!(Instant::now() < until, "not seen: {what}; {:#}", status["engines"]);
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Says something, and waits for its translation: what was heard, what is said, and how long that took from the end of
/// the speech.
pub(crate) fn converse(call: &mut Call) -> (String, String, Duration) {
    let before = call.seen.len();
    call.say(3);
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
