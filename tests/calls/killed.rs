//! The daemon dies in a call.

use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::Pjsua2;
use dragoman_tests::callers::Plan;
use rustix::process::Signal;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const KILLS: usize = 100;

#[test]
fn the_call_survives_a_hundred_kills_and_the_audio_comes_back() {
    let mut rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, SECOND, 16_000);
    let plan = Plan { extension: "790", ..rig.plan(0, "G722", &speech) };
    let mut caller = Pjsua2::call(&plan);
    for kill in 0..KILLS {
        let killed = Instant::now();
        rig.appliance.daemon.process().signal(Signal::KILL).expect("dragomand runs");
        rig.appliance.daemon.restart().expect("dragomand starts again");
        let before = frames_to_caller(&rig);
        // The new daemon counts from 0: it hears the caller, and he is sent what it makes of that.
        while frames_to_caller(&rig) < before + 25 || frames_from_caller(&rig) < 25 {
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
    assert!(call.contains("1 active call"), "{call}");
    let answered = Instant::now();
    caller.speak();
    thread::sleep(4 * SECOND);
    let heard = caller.hang_up();
    let tail = heard
        .samples
        .len()
        .saturating_sub((answered.elapsed().as_secs_f64() * f64::from(heard.rate)) as usize);
    let loudest = heard.samples[tail..].iter().map(|sample| sample.unsigned_abs()).max();
    assert!(loudest > Some(3000), "the caller does not hear himself after the kills: {loudest:?}");
}

fn frames_from_caller(rig: &Rig) -> u64 {
    let status = rig.appliance.daemon.status().expect("the daemon answers");
    status["legs"][0]["frames"]["in"].as_u64().unwrap_or(0)
}

fn frames_to_caller(rig: &Rig) -> u64 {
    let table = rig.appliance.asterisk.cli("slinpipe show channels").expect("Asterisk answers");
    let leg = table
        .lines()
        .find(|line| line.starts_with("790-"))
        .unwrap_or_else(|| panic!("the call ended:\n{table}"));
    leg.split_whitespace().nth(3).and_then(|frames| frames.parse().ok()).expect("a number of frames")
}
