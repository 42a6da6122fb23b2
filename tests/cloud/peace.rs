//! Who is to be left alone is, also where nobody else is left to be asked, and where asking costs nothing. (Rows 13, 14 and
//! 16 of the fault matrix.)

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::Daemon;
use dragoman_tests::interpreted::Call;
use engine_emulators::{Delays, Fault, Voices, World, xtts};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::clouds::{Cloud, Clouds, KEY, Plan, converse, wait_until, wait_until_tried};

const PEACE: Duration = Duration::from_secs(5);

fn refuse(status: u16, retry_after: Option<u32>) -> Fault {
    Fault::Refuse { status, retry_after }
}

/// What an engine without a key does at once costs nothing, and is not done all the same.
#[test]
fn a_voice_without_a_key_that_wants_peace_is_not_even_looked_at() {
    let runtime = Runtime::new().expect("a runtime");
    let voices = Voices::scripted([], []).paced(Duration::from_millis(2));
    let world = Arc::new(World::new("", voices, Delays::NONE, 1));
    let near = runtime.block_on(xtts::start(world, 0)).expect("the emulator starts");
    let tables = format!("[engine.near]\nkind = \"xtts\"\nurl = \"http://{}\"\n", near.address);
    let clouds = Clouds::start_speaking_by("near", &tables);
    let requests = || near.world.tally.read().requests;
    let mut call = clouds.call();
    let asked = requests();
    near.world.script.push(refuse(429, Some(5)));
    let before = Instant::now();
    converse(&mut call);
    drop(call);
    assert_eq!(requests() - asked, 1);
    while before.elapsed() < PEACE {
        assert_eq!(requests() - asked, 1, "asked again after {:?}", before.elapsed());
        thread::sleep(Duration::from_millis(20));
    }
    // Within its time it is asked again, once, and serves.
    clouds.wait_until("it serves", |status| status["engines"]["tts"][0]["fault"].is_null());
    assert_eq!(requests() - asked, 2);
    let renewed = clouds.daemon.metric("recoveries_total{component=\"tts\",tier=\"hard\",success=\"true\"}");
    assert!((renewed - 1.0).abs() < f64::EPSILON, "{renewed}");
}

/// A daemon with one engine a stage, and one cloud.
struct Alone {
    cloud: Cloud,
    daemon: Daemon,
    _keys: TempDir,
    _runtime: Runtime,
}

impl Alone {
    fn start(prepare: impl FnOnce(&Cloud)) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let cloud = runtime.block_on(Cloud::start("first", &Plan::default()));
        prepare(&cloud);
        let keys = tempfile::tempdir().expect("a directory");
        let key_file = keys.path().join("key");
        std::fs::write(&key_file, KEY).expect("a key file");
        let configuration = format!(
            "[engines]\nasr = [\"first-asr\"]\nmt = [\"first-mt\"]\ntts = [\"first-tts\"]\n[[room]]\nextension = \"700\"\n\
             kind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n{}",
            cloud.tables("first", &key_file, [None, None, None])
        );
        let daemon = Daemon::start_with(&configuration);
        wait_until(&daemon, "the notices are spoken", |status| status["notices"] == 4);
        wait_until_tried(&daemon);
        Self { cloud, daemon, _keys: keys, _runtime: runtime }
    }

    fn fault(&self, stage: &str) -> String {
        self.daemon.status().expect("a status")["engines"][stage][0]["fault"]["kind"].to_string()
    }
}

/// Says so many utterances, and listens for two seconds after each.
fn speak(call: &mut Call, utterances: u32) {
    for _ in 0..utterances {
        call.say(3);
        (0..100).for_each(|_| call.pass(false));
    }
}

#[test]
fn the_only_recogniser_with_a_wrong_key_is_asked_once() {
    let alone = Alone::start(|cloud| {
        (0..50).for_each(|_| cloud.deepgram.world.script.push(refuse(401, None)));
    });
    assert_eq!(alone.fault("asr"), "\"credential\"");
    let mut call = Call::new(&alone.daemon);
    speak(&mut call, 3);
    let heard = alone.cloud.heard();
    assert_eq!((heard.requests, heard.connections), (1, 0), "{heard:?}");
}

#[test]
fn the_only_translator_that_wants_peace_or_money_is_not_asked_for_each_clause() {
    let cases = [(429, Some(60), "rate_limited"), (456, None, "quota")];
    let cases = cases.map(|(status, retry_after, kind)| {
        thread::spawn(move || {
            let alone = Alone::start(|_| {});
            let mut call = Call::new(&alone.daemon);
            call.wait_for("listening", Duration::from_secs(20));
            converse(&mut call);
            let asked = alone.cloud.translated().requests;
            (0..50).for_each(|_| alone.cloud.deepl.world.script.push(refuse(status, retry_after)));
            speak(&mut call, 3);
            let finals = call.seen.iter().filter(|event| event["type"] == "final").count();
            assert_eq!(finals, 4, "{:#?}", call.seen);
            assert_eq!(alone.cloud.translated().requests - asked, 1, "{status}");
            assert_eq!(alone.fault("mt"), format!("\"{kind}\""));
        })
    });
    let failed = cases.map(|case| case.join().is_err());
    assert_eq!(failed, [false; 2]);
}
