//! Requests that a recogniser leaves without an answer, and recognitions that nobody waits for any more.

use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::interpreted::Call;
use engine_emulators::Fault;

use crate::clouds::{Clouds, WORDS};

fn until(what: &str, limit: Duration, mut wanted: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !wanted() {
        assert!(Instant::now() < end, "not seen within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn say(call: &mut Call, text: &str) -> Duration {
    let before = call.seen.len();
    call.say(3);
    let ended = Instant::now();
    let heard = call.wait_since(before, "final", Duration::from_secs(8))["text"].clone();
    let took = ended.elapsed();
    assert_eq!(heard, text);
    call.wait_since(before, "playback_ended", Duration::from_secs(8));
    (0..20).for_each(|_| call.pass(false));
    took
}

#[test]
fn silence_without_an_answer_costs_nothing() {
    let clouds = Clouds::start();
    clouds.first.deepgram.world.script.push(Fault::Unanswered);
    let connections = clouds.first.heard().connections;
    let mut call = clouds.call();
    for text in WORDS {
        let took = say(&mut call, text);
        assert!(took < Duration::from_millis(1_300), "{took:?}");
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    assert_eq!(clouds.first.heard().connections, connections + 1, "one line serves them all");
    assert!(clouds.engine("asr", 0)["fault"].is_null(), "{}", clouds.engine("asr", 0));
}

#[test]
fn a_failed_attempt_leaves_no_connection_behind() {
    let clouds = Clouds::start();
    clouds.first.deepgram.world.script.push(Fault::Silence);
    let mut call = clouds.call();
    let before = call.seen.len();
    call.say(3);
    call.wait_since(before, "final", Duration::from_secs(8));
    until("the silent line has ended", Duration::from_secs(3), || clouds.first.heard().open == 0);
}

#[test]
fn who_hung_up_is_recognised_no_more() {
    let clouds = Clouds::start();
    for cloud in [&clouds.first, &clouds.spare] {
        (0..20).for_each(|_| cloud.deepgram.world.script.push(Fault::Silence));
    }
    let mut call = clouds.call();
    call.say(3);
    // Its end was asked for, and nobody answers.
    (0..40).for_each(|_| call.pass(false));
    drop(call);
    let both = || [clouds.first.heard(), clouds.spare.heard()];
    until("all lines have ended", Duration::from_secs(1), || both().iter().all(|counts| counts.open == 0));
    let connections = || both().map(|counts| counts.connections);
    let before = connections();
    thread::sleep(Duration::from_secs(4));
    assert_eq!(connections(), before, "nothing is sent again for nobody");
}
