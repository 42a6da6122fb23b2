//! The daemon has no descriptor left.

use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::watch::Watch;
use dragoman_tests::wav::Wav;
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// Row 30 of the fault matrix, the half without a flood.
#[test]
fn without_descriptors_new_calls_are_refused_and_the_one_that_stands_loses_nothing() {
    let cache = Cache::locate().expect("a cache");
    let mut appliance = Appliance::start(&cache, Options::default()).expect("the box starts");
    thread::sleep(2 * SECOND);
    let sentence = lab::speech::sentence(&cache).expect("the sentence");
    let speech = appliance.run_dir().join("speech.wav");
    Wav::read(&sentence.wav).at(16_000).padded(Duration::ZERO, 30 * SECOND).write(&speech);
    let directory = appliance.run_dir().path().to_owned();
    let (sip, phones) = (appliance.asterisk.sip(), appliance.asterisk.phones().to_vec());
    let plan = |index: usize| Plan {
        sip,
        extension: "790",
        phone: &phones[index],
        codec: "G722",
        speech: &speech,
        directory: &directory,
    };
    let mut caller = Pjsua2::call(&plan(0));
    caller.speak();
    thread::sleep(SECOND);
    // What is told meanwhile comes by a connection that stands already.
    let mut watch = Watch::new(&appliance);
    let before = legs(&watch.wait_for("status", SECOND, |_| true));

    let daemon = appliance.daemon.process().id();
    let allowed = allowed(daemon);
    limit(daemon, Rlimit { current: Some(descriptors(daemon)), maximum: allowed.maximum });
    let began = Instant::now();
    for index in [1, 2] {
        let told = Pjsua2::dial(&plan(index)).ended(15 * SECOND);
        assert!(told.starts_with("503"), "{told}");
        let number = phones[index].extension.as_str();
        watch.wait_for("refused", 5 * SECOND, |refused| {
            let why = refused["reason"].as_str().unwrap_or_default();
            refused["phone"] == number && why.contains("Too many open files")
        });
    }
    let exhausted = began.elapsed();
    limit(daemon, allowed);

    let status = appliance.daemon.status().expect("the daemon answers again");
    let after = legs(&status);
    assert_eq!((before.len(), after.len()), (1, 1), "{status}");
    let wanted = (0.98 * exhausted.as_secs_f64() * 50.0) as u64;
    for way in ["in", "out"] {
        let passed = number(&after[0]["frames"][way]) - number(&before[0]["frames"][way]);
        assert!(passed >= wanted, "{passed} frames {way} in {exhausted:?}");
    }
    assert_eq!(after[0]["frames"]["dropped"], json!({}), "{status}");
    assert_eq!(status["media"]["missed_ticks"], 0, "{status}");

    let next = Pjsua2::call(&plan(3));
    next.hang_up();
    let heard = caller.hang_up();
    let likeness = heard.loudness_of(&Wav::read(&sentence.wav).at(heard.rate)).1;
    assert!(likeness > 0.9, "he hears himself: {likeness:.2}");
}

fn legs(status: &Value) -> Vec<Value> {
    status["legs"].as_array().expect("legs").clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

/// Those of `process` now.
fn descriptors(process: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("the daemon runs").count() as u64
}

/// How many `process` may have: now, and at the most that may be allowed.
fn allowed(process: u32) -> Rlimit {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).expect("the daemon runs");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut words = line.split_whitespace().map(|word| word.parse().ok());
    Rlimit { current: words.next().flatten(), maximum: words.next().flatten() }
}

fn limit(process: u32, limit: Rlimit) {
    let process = Pid::from_raw(process.cast_signed()).expect("a process id");
    prlimit(Some(process), Resource::Nofile, limit).expect("its limit can be set");
}
