//! The daemon dies in a call.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const KILLS: usize = 100;
const KILLS_IN_A_CONFERENCE: usize = 20;
const PIN: &str = "4711";
/// Half a second of frames each way tells that audio is back.
const ENOUGH: u64 = 25;

/// Row 9 of the fault matrix.
#[test]
fn the_call_survives_a_hundred_kills_and_the_audio_comes_back() {
    let mut rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, SECOND, 16_000);
    let mut caller = Pjsua2::call(&Plan { extension: "790", ..rig.plan(0, "G722", &speech) });
    kill_again_and_again(&mut rig, 1, KILLS);
    let answered = Instant::now();
    caller.speak();
    thread::sleep(4 * SECOND);
    assert_heard(&caller.hang_up(), answered.elapsed());
}

/// 101 and 103 speak one language, so that each hears the other's own voice.
#[test]
fn a_call_between_phones_survives_a_hundred_kills() {
    let mut rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, SECOND, 16_000);
    let plan = |index, speech| Plan { extension: "103", ..rig.plan(index, "G722", speech) };
    let mut answering = Pjsua2::register(&plan(2, Path::new("/dev/null")), 200);
    let mut caller = Pjsua2::call(&plan(0, &speech));
    answering.wait_connected();
    kill_again_and_again(&mut rig, 2, KILLS);
    let spoken = Instant::now();
    caller.speak();
    thread::sleep(6 * SECOND);
    assert_heard(&answering.hang_up(), spoken.elapsed());
    caller.ended(2 * SECOND);
}

/// 101 and 103 speak one language, 102 another: all three are in, and are translated again at once.
#[test]
fn a_conference_with_a_pin_survives_kills() {
    let (mut rig, mut callers) = conference();
    kill_again_and_again(&mut rig, 3, KILLS_IN_A_CONFERENCE);
    let mut watch = rig.watch();
    let spoken = Instant::now();
    callers[0].speak();
    watch.wait_for("speech_started", 3 * SECOND, |_| true);
    watch.wait_for("translation", 20 * SECOND, |_| true);
    let since = spoken.elapsed();
    assert_heard(&callers.remove(2).hang_up(), since);
    assert_eq!(rig.appliance.daemon.status().expect("a status")["asterisk"]["refusals"], json!([]));
    for caller in callers {
        caller.hang_up();
    }
    wait_until_remembered(&rig, 0);
}

#[test]
fn an_interpreter_listens_at_once_after_a_kill() {
    let mut rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, 2 * SECOND, 16_000);
    let mut watch = rig.watch();
    let mut caller = Pjsua2::call(&rig.plan(0, "G722", &speech));
    watch.wait_for("listening", 20 * SECOND, |_| true);
    wait_until_remembered(&rig, 1);
    kill_again_and_again(&mut rig, 1, 1);
    let mut watch = rig.watch();
    caller.speak();
    watch.wait_for("speech_started", 3 * SECOND, |_| true);
    watch.wait_for("translation", 20 * SECOND, |_| true);
    caller.hang_up();
}

#[test]
fn who_muted_himself_is_mute_after_a_kill() {
    let (mut rig, mut callers) = conference();
    callers[0].press("7");
    thread::sleep(2 * SECOND);
    kill_again_and_again(&mut rig, 3, 1);
    let mut watch = rig.watch();
    let spoken = Instant::now();
    callers[0].speak();
    thread::sleep(6 * SECOND);
    watch.catch_up();
    assert_eq!(watch.seen_since(0, "speech_started"), [] as [&Value; 0]);
    let heard = callers.remove(2).hang_up();
    assert!(loudest(&heard, spoken.elapsed()) < Some(300), "his voice is heard");
    callers[0].press("7");
    thread::sleep(SECOND);
    callers[0].speak();
    watch.wait_for("translation", 20 * SECOND, |_| true);
}

/// A box and three callers who entered its conference's PIN and were told that a machine translates.
fn conference() -> (Rig, Vec<Pjsua2>) {
    let rig = Rig::start_with_pin(PIN);
    let mut watch = rig.watch();
    let speech = rig.speech(Duration::ZERO, SECOND, 16_000);
    let call = |index| {
        let mut caller = Pjsua2::call(&Plan { extension: "800", ..rig.plan(index, "G722", &speech) });
        caller.press(PIN);
        caller
    };
    let callers = (0..3).map(call).collect();
    for _ in 0..3 {
        watch.wait_for("listening", 30 * SECOND, |_| true);
    }
    wait_until_remembered(&rig, 3);
    (rig, callers)
}

/// Of so many legs something is written, and of those that are over nothing.
fn wait_until_remembered(rig: &Rig, legs: usize) {
    let memory = rig.appliance.run_dir().join("calls");
    let until = Instant::now() + 3 * SECOND;
    let written = || memory.read_dir().expect("a directory").count();
    while written() != legs {
        assert!(Instant::now() < until, "{} of {legs} legs", written());
        thread::sleep(SECOND / 50);
    }
}

fn kill_again_and_again(rig: &mut Rig, legs: usize, kills: usize) {
    for kill in 0..kills {
        let killed = Instant::now();
        rig.appliance.daemon.process().signal(Signal::KILL).expect("dragomand runs");
        rig.appliance.daemon.restart().expect("dragomand starts again");
        let before = frames_to_callers(rig);
        assert_eq!(before.len(), legs, "a leg ended");
        // The new daemon counts from 0: it hears the callers, and they are sent what it makes of that.
        while !is_back(rig, &before) {
            assert!(
                killed.elapsed() < 3 * SECOND,
                "no audio within 3 s of kill {kill}: {}\n{}\n{:?}",
                rig.appliance.asterisk.cli("slinpipe show channels").unwrap_or_default(),
                rig.appliance.daemon.process().log_tail(),
                rig.appliance.daemon.status(),
            );
            thread::sleep(SECOND / 50);
        }
    }
    let call = rig.appliance.asterisk.cli("core show channels").expect("Asterisk answers");
    assert!(call.contains(&format!("{legs} active call")), "{call}");
}

fn is_back(rig: &Rig, before: &[u64]) -> bool {
    let sent = frames_to_callers(rig);
    let heard = frames_from_callers(rig);
    heard.len() == before.len()
        && heard.iter().all(|frames| *frames >= ENOUGH)
        && sent.iter().zip(before).all(|(sent, before)| *sent >= before + ENOUGH)
}

fn frames_from_callers(rig: &Rig) -> Vec<u64> {
    let status = rig.appliance.daemon.status().expect("the daemon answers");
    let legs = status["legs"].as_array().expect("legs");
    legs.iter().map(|leg| leg["frames"]["in"].as_u64().unwrap_or(0)).collect()
}

/// In the order of the driver's own list, which no kill changes.
fn frames_to_callers(rig: &Rig) -> Vec<u64> {
    let table = rig.appliance.asterisk.cli("slinpipe show channels").expect("Asterisk answers");
    let legs =
        table.lines().filter(|line| ["700-", "790-", "103-", "800-"].iter().any(|leg| line.starts_with(leg)));
    let sent = |leg: &str| leg.split_whitespace().nth(3)?.parse().ok();
    legs.map(|leg| sent(leg).expect("a number of frames")).collect()
}

fn assert_heard(heard: &Wav, lately: Duration) {
    let loudest = loudest(heard, lately);
    assert!(loudest > Some(3000), "nothing that was said after the kills is heard: {loudest:?}");
}

fn loudest(heard: &Wav, lately: Duration) -> Option<u16> {
    let spoken = (lately.as_secs_f64() * f64::from(heard.rate)) as usize;
    let tail = heard.samples.len().saturating_sub(spoken);
    heard.samples[tail..].iter().map(|sample| sample.unsigned_abs()).max()
}
