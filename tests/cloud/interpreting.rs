//! One engine that hears, translates and speaks, with the usual three behind it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::{Daemon, program};
use dragoman_tests::interpreted::Call;
use engine_emulators::{
    Counts, Delays, Emulator, Fault, Line, Voices, World, deepl_voice, openai_translations,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::clouds::{Cloud, KEY, Plan, WORDS, converse, voices, wait_until_tried};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Vendor {
    DeepL,
    OpenAi,
}

struct Interpreted {
    interpreter: Option<Emulator>,
    spare: Cloud,
    daemon: Daemon,
    runtime: Runtime,
    _keys: TempDir,
}

impl Interpreted {
    /// All of it by one engine.
    fn start(vendor: Vendor) -> Self {
        Self::start_with(vendor, voices("direct", &WORDS.map(Line::from)), &["asr", "mt", "tts"])
    }

    fn start_with(vendor: Vendor, voices: Voices, stages: &[&str]) -> Self {
        Self::start_besides(vendor, voices, stages, [None, None, None])
    }

    /// The daemon looks for the spare's stages elsewhere.
    fn start_besides(vendor: Vendor, voices: Voices, stages: &[&str], spare_at: [Option<String>; 3]) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = Arc::new(World::new(KEY, voices, Delays::NONE, 1));
        let (interpreter, spare) = runtime.block_on(async {
            let interpreter = match vendor {
                Vendor::DeepL => deepl_voice::start(world, 0).await,
                Vendor::OpenAi => openai_translations::start(world, 0).await,
            };
            (interpreter.expect("the emulator starts"), Cloud::start("spare", &Plan::default()).await)
        });
        let directory = tempfile::tempdir().expect("a directory");
        let key = directory.path().join("key");
        std::fs::write(&key, KEY).expect("a key file");
        let daemon = Daemon::start_with(&configuration(
            vendor,
            stages,
            &interpreter,
            &spare.tables("spare", &key, spare_at),
            &key,
        ));
        wait_until_tried(&daemon);
        Self { interpreter: Some(interpreter), spare, daemon, runtime, _keys: directory }
    }

    fn call(&self) -> Call {
        let mut call = Call::new(&self.daemon);
        call.wait_for("listening", Duration::from_secs(20));
        call
    }

    fn emulator(&self) -> &Emulator {
        self.interpreter.as_ref().expect("it runs")
    }

    fn counts(&self) -> Counts {
        self.emulator().world.tally.read()
    }

    /// Until so many of its sessions are open.
    fn wait_for_open(&self, sessions: u64) {
        let until = Instant::now() + Duration::from_secs(5);
        while self.counts().open != sessions {
            assert!(Instant::now() < until, "not {sessions} sessions: {:?}", self.counts());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn configuration(vendor: Vendor, stages: &[&str], interpreter: &Emulator, spare: &str, key: &Path) -> String {
    let mut text = "[engines]\n".to_owned();
    for stage in ["asr", "mt", "tts"] {
        let first = if stages.contains(&stage) { "\"direct\", " } else { "" };
        writeln!(text, "{stage} = [{first}\"spare-{stage}\"]").expect("a string takes it");
    }
    let (kind, scheme) = match vendor {
        Vendor::DeepL => ("deepl-voice", "http"),
        Vendor::OpenAi => ("openai-translations", "ws"),
    };
    let address = interpreter.address;
    let key_file = key.display();
    let room = "[[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n";
    text + &format!(
        "[engine.direct]\nkind = \"{kind}\"\nurl = \"{scheme}://{address}\"\nkey_file = \"{key_file}\"\n"
    ) + spare
        + room
}

/// The report of `dragoman engines check`, and its exit code.
fn checked(daemon: &Daemon) -> (Option<i32>, Value) {
    let config = daemon.directory().join("dragomand.toml");
    let output = Command::new(program("dragoman"))
        .args(["engines", "check", "--json", "--config"])
        .arg(config)
        .output()
        .expect("it runs");
    (output.status.code(), serde_json::from_slice(&output.stdout).expect("an object"))
}

#[test]
fn one_engine_is_tried_once_for_all_its_stages() {
    for vendor in [Vendor::DeepL, Vendor::OpenAi] {
        let cloud = Interpreted::start(vendor);
        thread::sleep(Duration::from_secs(2));
        assert_eq!(cloud.counts().connections, 1, "{vendor:?}: a probe");
        let (code, report) = checked(&cloud.daemon);
        assert_eq!(code, Some(0), "{report:#}");
        let lines = report["engines"].as_array().expect("a list").iter();
        let direct: Vec<_> = lines.filter(|line| line["engine"] == "direct").collect();
        assert_eq!(direct.len(), 3);
        for line in direct {
            assert!(line["fault"].is_null() && line["connect_ms"].is_u64(), "{line}");
            assert_eq!(line["alone"], line["stage"] == "asr", "{line}");
            // Nothing is shown that was not measured.
            assert!(line["answer_ms"].as_u64() != Some(0), "{line}");
        }
    }
}

#[test]
fn who_translates_only_what_it_heard_cannot_serve_alone() {
    let nobody = |scheme: &str| Some(format!("{scheme}://127.0.0.1:1"));
    let voices = voices("direct", &WORDS.map(Line::from));
    let spare_at = [None, nobody("http"), nobody("ws")];
    let cloud = Interpreted::start_besides(Vendor::DeepL, voices, &["asr", "mt", "tts"], spare_at);
    let (status, health) = cloud.daemon.health();
    assert_eq!((status, &health["status"]), (503, &"failing".into()), "{health:#}");
    let (code, report) = checked(&cloud.daemon);
    assert_eq!((code, &report["lost"]), (Some(1), &serde_json::json!(["mt", "tts"])), "{report:#}");
}

#[test]
fn one_engine_does_it_all() {
    for vendor in [Vendor::DeepL, Vendor::OpenAi] {
        let cloud = Interpreted::start(vendor);
        let heard_before = cloud.spare.heard().audio_ms;
        let mut call = cloud.call();
        cloud.wait_for_open(2);
        let before = cloud.counts().connections;
        for words in &WORDS[..2] {
            let (heard, said, took) = converse(&mut call);
            assert_eq!((heard.as_str(), said), (*words, format!("direct {words}")), "{vendor:?}");
            assert!(took < Duration::from_secs(2), "{vendor:?}: {took:?}");
        }
        assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
        cloud.wait_for_open(2);
        // Two utterances, each into two languages.
        assert_eq!(cloud.counts().connections - before, 4, "{vendor:?}");
        assert_eq!(cloud.counts().violations, Vec::<String>::new(), "{vendor:?}");
        assert_eq!(cloud.spare.heard().audio_ms, heard_before, "{vendor:?}: the spare is not needed");
        drop(call);
        cloud.wait_for_open(0);
    }
}

#[test]
fn the_language_that_is_spoken_is_told_or_found_out() {
    let said = "dónde está la estación por favor";
    for vendor in [Vendor::DeepL, Vendor::OpenAi] {
        let voices = Voices::scripted([said], [(said, "where is the station please")]);
        let cloud = Interpreted::start_with(vendor, voices, &["asr", "mt", "tts"]);
        let mut call = cloud.call();
        let (heard, translated, _) = converse(&mut call);
        assert_eq!(
            (heard.as_str(), translated.as_str()),
            (said, "where is the station please"),
            "{vendor:?}"
        );
        let event = call.seen.iter().find(|event| event["type"] == "final").expect("it was heard");
        assert_eq!(event["language"], "es", "{vendor:?}");
    }
}

#[test]
fn what_it_does_not_do_the_next_engine_does() {
    let cloud =
        Interpreted::start_with(Vendor::DeepL, voices("direct", &WORDS.map(Line::from)), &["asr", "mt"]);
    let mut call = cloud.call();
    let spoken = cloud.spare.spoken();
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), (WORDS[0], "direct good morning to you all"));
    assert_eq!(cloud.spare.spoken().connections, spoken.connections, "on the line of the announcement");

    let cloud = Interpreted::start_with(Vendor::DeepL, voices("direct", &WORDS.map(Line::from)), &["asr"]);
    let mut call = cloud.call();
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), (WORDS[0], "spare good morning to you all"));
}

#[test]
fn a_session_that_breaks_midway_is_opened_anew_and_told_all() {
    for vendor in [Vendor::DeepL, Vendor::OpenAi] {
        let cloud = Interpreted::start(vendor);
        let after = Duration::from_millis(700);
        let close = Fault::Close { code: 1011, reason: "broken".to_owned(), after };
        (0..2).for_each(|_| cloud.emulator().world.script.push(close.clone()));
        let mut call = cloud.call();
        let (heard, said, _) = converse(&mut call);
        assert_eq!(
            (heard.as_str(), said.as_str()),
            (WORDS[0], "direct good morning to you all"),
            "{vendor:?}"
        );
        assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{vendor:?}: {:#?}", call.seen);
        assert_eq!(cloud.counts().violations, Vec::<String>::new(), "{vendor:?}");
    }
}

#[test]
fn when_it_is_gone_in_the_middle_of_a_call_the_others_take_over() {
    for vendor in [Vendor::DeepL, Vendor::OpenAi] {
        let mut cloud = Interpreted::start(vendor);
        let mut call = cloud.call();
        let (_, said, _) = converse(&mut call);
        assert_eq!(said, "direct good morning to you all", "{vendor:?}");
        let holding = cloud.interpreter.take();
        cloud.runtime.block_on(async { drop(holding) });
        // The spare hears from the beginning what was translated a moment ago; of that the translation is known.
        for (words, by) in [(WORDS[0], "direct"), (WORDS[1], "spare"), (WORDS[2], "spare")] {
            let (heard, said, took) = converse(&mut call);
            assert_eq!((heard.as_str(), said), (words, format!("{by} {words}")), "{vendor:?}");
            assert!(took < Duration::from_secs(4), "{vendor:?}: {took:?}");
        }
        let fault = &cloud.daemon.status().expect("a status")["engines"]["asr"][0]["fault"]["kind"];
        assert!(["network", "down"].iter().any(|kind| fault == kind), "{vendor:?}: {fault}");
    }
}

#[test]
fn one_that_says_nothing_is_not_waited_for() {
    let cloud = Interpreted::start(Vendor::DeepL);
    (0..8).for_each(|_| cloud.emulator().world.script.push(Fault::Silence));
    let mut call = cloud.call();
    let (heard, said, took) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), (WORDS[0], "spare good morning to you all"));
    assert!(took < Duration::from_secs(5), "{took:?}");
}
