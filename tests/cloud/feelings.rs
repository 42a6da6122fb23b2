//! How somebody speaks is measured beside the call, and the call never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dragoman_tests::daemon::Daemon;
use dragoman_tests::interpreted::Call;
use engine_emulators::{Delays, Emulator, Fault, Voices, World, hume};
use serde_json::Value;
use tokio::runtime::Runtime;
use tungstenite::protocol::CloseFrame;
use tungstenite::{Message, accept};

use crate::clouds::{Cloud, KEY, Plan, WORDS, converse, wait_until, wait_until_tried};
use crate::vendor::serve;

struct Measured {
    hume: Emulator,
    daemon: Daemon,
    _cloud: Cloud,
    _runtime: Runtime,
}

impl Measured {
    fn start(faults: &[Fault]) -> Self {
        Self::start_at(None, faults)
    }

    /// The daemon looks for the measurement there.
    fn start_at(elsewhere: Option<String>, faults: &[Fault]) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let world = Arc::new(World::new(KEY, Voices::scripted([], []), Delays::NONE, 1));
        for fault in faults {
            world.script.push(fault.clone());
        }
        let (hume, cloud) = runtime.block_on(async {
            (
                hume::start(world, 0).await.expect("Hume's emulator starts"),
                Cloud::start("first", &Plan::default()).await,
            )
        });
        let directory = tempfile::tempdir().expect("a directory");
        let key = directory.path().join("key");
        std::fs::write(&key, KEY).expect("a key file");
        let daemon = Daemon::start_with(&format!(
            "[engines]\nasr = [\"first-asr\"]\nmt = [\"first-mt\"]\ntts = [\"first-tts\"]\nemotion = [\"hume\"]\n\
             [engine.hume]\nkind = \"hume\"\nurl = \"ws://{}\"\nkey_file = \"{}\"\n{}\
             [[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n",
            elsewhere.unwrap_or_else(|| hume.address.to_string()),
            key.display(),
            cloud.tables("first", &key, [None, None, None])
        ));
        wait_until_tried(&daemon);
        Self { hume, daemon, _cloud: cloud, _runtime: runtime }
    }

    fn call(&self) -> Call {
        let mut call = Call::new(&self.daemon);
        call.wait_for("listening", Duration::from_secs(20));
        call
    }

    /// What became of the leg's speech, once it hung up; `watcher` is another leg.
    fn after(&self, call: Call) -> Value {
        let mut watcher = Call::named(&self.daemon, "700-2");
        drop(call);
        let down = watcher.wait_since(0, "leg_down", Duration::from_secs(5));
        down["session"]["emotion"].clone()
    }
}

#[test]
fn speech_is_measured_and_shown() {
    let measured = Measured::start(&[]);
    let mut call = measured.call();
    let (_, said, took) = converse(&mut call);
    assert_eq!(said, format!("first {}", WORDS[0]));
    assert!(took < Duration::from_secs(2), "{took:?}");
    let felt = call.wait_since(0, "emotion", Duration::from_secs(5));
    assert_eq!(felt["expressions"][0]["name"], "excitement", "{felt}");
    assert!(felt["to_ms"].as_u64() > felt["from_ms"].as_u64(), "{felt}");
    assert!(felt["behind_ms"].as_u64() < Some(1_500), "{felt}");
    assert_eq!(measured.hume.world.tally.read().violations, Vec::<String>::new());
    let counts = measured.after(call);
    assert!(counts["measurements"].as_u64() >= Some(1) && counts["dropped_ms"] == 0, "{counts}");
    assert!(counts["sent_ms"].as_u64() > Some(2_000), "{counts}");
}

#[test]
fn a_measurement_that_never_answers_costs_the_call_nothing() {
    // The first meets the probe.
    let silent = [Fault::Silence, Fault::Silence, Fault::Silence];
    let measured = Measured::start(&silent);
    let mut call = measured.call();
    let (_, said, took) = converse(&mut call);
    assert_eq!(said, format!("first {}", WORDS[0]));
    assert!(took < Duration::from_secs(2), "{took:?}");
    // Until it is given up, two seconds of speech wait for it.
    (0..150).for_each(|_| call.pass(false));
    let counts = measured.after(call);
    assert_eq!(counts["measurements"], 0, "{counts}");
    assert!(counts["dropped_ms"].as_u64() > Some(500), "{counts}");
}

const BEGINS: &str = "{\"type\":\"session.updated\"}";
const MEASURES: &str =
    "{\"type\":\"measurement.result\",\"audio_start_ms\":0,\"audio_end_ms\":100,\"expressions\":[]}";

/// Takes connections, says this on each, and closes it as if all were well; how many there were.
fn closes_after(words: &'static [&'static str]) -> (String, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let address = serve(move |stream| {
        let Ok(mut socket) = accept(stream) else { return };
        counted.fetch_add(1, Ordering::Relaxed);
        for words in words {
            socket.send(Message::text(*words)).unwrap_or_default();
        }
        let normal = CloseFrame { code: 1000.into(), reason: "bye".into() };
        socket.close(Some(normal)).unwrap_or_default();
        while socket.read().is_ok() {}
    });
    (address, taken)
}

#[test]
fn a_measurement_that_hangs_up_at_once_is_left_alone() {
    for words in [&[][..], &[BEGINS], &[BEGINS, MEASURES]] {
        let (address, taken) = closes_after(words);
        let measured = Measured::start_at(Some(address), &[]);
        let before = taken.load(Ordering::Relaxed);
        let mut call = measured.call();
        for _ in 0..2 {
            converse(&mut call);
        }
        let tried = taken.load(Ordering::Relaxed) - before;
        // Within some ten seconds: a first attempt, its retries and probes.
        assert!((1..=8).contains(&tried), "{words:?}: {tried} connections");
        let errors =
            "errors_total{component=\"emotion\",engine=\"hume\",error_type=\"down\",severity=\"warning\"}";
        // Whoever measured anything did what was asked of him.
        let failed = measured.daemon.metric(errors) >= 1.0;
        assert_eq!(failed, words.len() < 2, "{words:?}: {}", measured.daemon.logged());
    }
}

#[test]
fn a_wrong_key_is_named_and_the_call_goes_on() {
    let refuse = Fault::Refuse { status: 401, retry_after: None };
    let measured = Measured::start(&[refuse.clone(), refuse.clone(), refuse]);
    wait_until(&measured.daemon, "the key is refused", |status| {
        status["engines"]["emotion"][0]["fault"]["kind"] == "credential"
    });
    let mut call = measured.call();
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, format!("first {}", WORDS[0]));
}
