//! No engine of a stage answers any more: the caller is told, and told when one does again.

use std::time::{Duration, Instant};

use dragoman_tests::interpreted::Call;
use engine_emulators::{Emulator, Fault};

use crate::clouds::{Clouds, Plan, converse};

/// From now on it refuses whatever it is asked.
fn breaks(emulator: &Emulator) {
    (0..500).for_each(|_| emulator.world.script.push(Fault::Refuse { status: 503, retry_after: None }));
}

/// Waits for `count` more notices of this kind, and how long something is heard with them.
fn notices(call: &mut Call, kind: &str, count: usize, limit: Duration) -> Duration {
    let until = Instant::now() + limit;
    let told = |call: &Call| call.seen.iter().filter(|event| event["cue"] == kind).count();
    let before = told(call);
    while told(call) < before + count {
        assert!(Instant::now() < until, "no notice that it is {kind}: {:#?}", call.seen);
        call.pass(false);
    }
    let began = Instant::now();
    call.loud = None;
    (0..150).for_each(|_| call.pass(false));
    call.loud.map_or(Duration::ZERO, |loud| loud.saturating_duration_since(began))
}

/// Words last longer than any tone.
fn slow_spoken() -> Clouds {
    Clouds::planned(Plan { pace: Duration::from_millis(50), ..Plan::default() })
}

#[test]
fn a_caller_is_told_that_there_is_no_translation_and_when_there_is_again() {
    let clouds = slow_spoken();
    let mut call = clouds.call();
    converse(&mut call);
    [&clouds.first.deepl, &clouds.spare.deepl].into_iter().for_each(breaks);
    call.say(3);
    let words = notices(&mut call, "unavailable", 2, Duration::from_secs(12));
    assert!(words > Duration::from_secs(1), "more than a tone: {words:?}");
    call.say(3);
    call.wait_for("error", Duration::from_secs(10));
    let told = call.seen.iter().filter(|event| event["cue"] == "unavailable").count();
    assert_eq!(told, 2, "once an outage, in two languages");

    for cloud in [&clouds.first, &clouds.spare] {
        cloud.deepl.world.script.clear();
    }
    notices(&mut call, "available", 2, Duration::from_secs(30));
    let (_, said, _) = converse(&mut call);
    assert!(said.contains("see you soon"), "{said}");
}

#[test]
fn the_notice_needs_nobody_who_speaks() {
    let clouds = slow_spoken();
    let mut call = clouds.call();
    converse(&mut call);
    [&clouds.first.aura, &clouds.spare.aura].into_iter().for_each(Emulator::end);
    call.say(3);
    let words = notices(&mut call, "unavailable", 2, Duration::from_secs(15));
    assert!(words > Duration::from_secs(1), "more than a tone: {words:?}");
}
