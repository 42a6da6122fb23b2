//! Several calls at once.

use std::thread;
use std::time::Duration;

use dragoman_tests::callers::Pjsua2;
use serde_json::Value;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const CALLERS: usize = 8;

#[test]
fn eight_calls_lose_no_frame() {
    let rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, 20 * SECOND, 16_000);
    let mut watch = rig.watch();
    let mut callers: Vec<_> =
        (0..CALLERS).map(|phone| Pjsua2::call(&rig.plan(phone, "G722", &speech))).collect();
    for _ in 0..CALLERS {
        watch.wait_for("listening", 40 * SECOND, |_| true);
    }
    callers.iter_mut().for_each(Pjsua2::speak);
    let mut answered = Vec::new();
    while answered.len() < CALLERS {
        let event = watch.wait_for("playback_ended", 60 * SECOND, |_| true);
        if !answered.contains(&event["leg"]) && translated(&watch.seen, &event) {
            answered.push(event["leg"].clone());
        }
    }
    thread::sleep(SECOND);

    let status = rig.appliance.daemon.status().expect("the daemon answers");
    let legs = status["legs"].as_array().expect("legs");
    for leg in legs {
        let frames = &leg["frames"];
        assert!(frames["in"].as_u64() > Some(300) && frames["out"].as_u64() > Some(300), "{leg}");
    }
    rig.assert_none_dropped(CALLERS);
    assert_eq!(status["media"]["allocations"], 0);
    for caller in callers {
        caller.hang_up();
    }
}

/// Whether what ended was a translation, not the announcement.
fn translated(seen: &[Value], ended: &Value) -> bool {
    let same = |event: &&Value| event["leg"] == ended["leg"] && event["segment"] == ended["segment"];
    seen.iter().filter(|event| event["type"] == "translation").any(|event| same(&event))
}
