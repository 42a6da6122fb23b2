//! A voice server that speaks one text at a time, and one that wants peace.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use dragoman_tests::fake_phone::FakePhone;
use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, xtts};
use tokio::runtime::Runtime;

use crate::clouds::{Clouds, KEY, Plan, converse};

fn voice_server(delays: Delays) -> (Clouds, Emulator, Runtime) {
    let runtime = Runtime::new().expect("a runtime");
    let voices = Voices::scripted([], []).paced(Duration::from_millis(2));
    let world = Arc::new(World::new(KEY, voices, delays, 1));
    let emulator = runtime.block_on(xtts::start(world, 0)).expect("an emulator");
    let elsewhere = [None, None, Some(format!("http://{}", emulator.address))];
    (Clouds::planned(Plan { speaks: "xtts", elsewhere, ..Plan::default() }), emulator, runtime)
}

#[test]
fn texts_wait_for_their_turn_and_go_elsewhere_when_that_is_late() {
    let delays = Delays { tts: Delay::Fixed(Duration::from_millis(300)), ..Delays::NONE };
    let (clouds, emulator, _runtime) = voice_server(delays);
    let pipes = clouds.daemon.pipes();
    let phones: Vec<_> = (0..12).map(|n| FakePhone::connect(&pipes, &format!("700-{n}"))).collect();
    // Each is told in two languages that a machine translates.
    let told = |status: &serde_json::Value| {
        let legs = status["legs"].as_array().expect("legs");
        legs.len() == 12
    };
    clouds.wait_until("all are there", told);
    thread::sleep(Duration::from_secs(5));
    drop(phones);
    let (here, elsewhere) = (emulator.world.tally.read(), clouds.spare.spoken());
    assert!(here.requests >= 6, "{here:?}");
    assert!(elsewhere.connections > 1, "nobody waits for ever: {elsewhere:?}");
    let engine = clouds.engine("tts", 0);
    assert_eq!(
        (&engine["breaker"], &engine["fault"]),
        (&"closed".into(), &serde_json::Value::Null),
        "{engine}"
    );
    assert_eq!(engine["success_rate"], 1.0, "to be busy is no fault: {engine}");
}

#[test]
fn a_voice_server_that_wants_peace_gets_it() {
    let (clouds, emulator, _runtime) = voice_server(Delays::NONE);
    let mut call = clouds.call();
    converse(&mut call);
    let asked = emulator.world.tally.read().requests;
    emulator.world.script.push(Fault::Refuse { status: 429, retry_after: Some(60) });
    for _ in 0..2 {
        converse(&mut call);
    }
    assert_eq!(emulator.world.tally.read().requests - asked, 1);
    assert_eq!(clouds.engine("tts", 0)["fault"]["kind"], "rate_limited", "{}", clouds.engine("tts", 0));
}
