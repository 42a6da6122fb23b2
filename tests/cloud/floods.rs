//! Answers without end. (Row 20 of the fault matrix.)

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Delays, Emulator, Fault, Voices, World, openai_speech, xtts};
use tokio::runtime::Runtime;

use crate::clouds::{Clouds, KEY, Plan, converse};

const MOST_GROWTH_KIB: u64 = 2 * 1_024;
const FLOOD: Fault = Fault::Flood { most: 100 << 20 };

/// What speaks over HTTP.
const OVER_HTTP: [&str; 2] = ["openai-speech", "xtts"];

/// The daemon's memory at its peak while a caller is served in spite of what `break_it` scripted, against that of a
/// call before.
fn survives(clouds: &Clouds, what: &str, break_it: impl FnOnce()) {
    for _ in 0..2 {
        converse(&mut clouds.call());
    }
    clouds.daemon.take_peak_kib();
    let before = clouds.daemon.resident_kib();
    if OVER_HTTP.contains(&what) {
        // Not in the midst of the announcement, without which there is no call.
        let mut call = clouds.call();
        break_it();
        let told = call.seen.len();
        call.say(3);
        // What has no end begins to be heard, or the spare speaks.
        call.wait_since(told, "playback_started", Duration::from_secs(10));
        (0..50).for_each(|_| call.pass(false));
    } else {
        break_it();
    }
    let (heard, ..) = converse(&mut clouds.call());
    assert!(!heard.is_empty(), "{what}");
    let grown = clouds.daemon.take_peak_kib().saturating_sub(before);
    assert!(grown <= MOST_GROWTH_KIB, "{what}: {grown} KiB more");
}

fn hearing() {
    let clouds = Clouds::start();
    survives(&clouds, "hearing", || clouds.first.deepgram.world.script.push(FLOOD));
}

fn translating(fault: &Fault) {
    let clouds = Clouds::start();
    // The leg that begins asks, too.
    survives(&clouds, "translating", || {
        (0..3).for_each(|_| clouds.first.deepl.world.script.push(fault.clone()));
    });
}

fn speaking() {
    let clouds = Clouds::start();
    survives(&clouds, "speaking", || {
        (0..2).for_each(|_| clouds.first.aura.world.script.push(FLOOD));
    });
}

fn speaking_over_http(kind: &'static str, fault: &Fault) {
    let runtime = Runtime::new().expect("a runtime");
    let world = || Arc::new(World::new(KEY, Voices::scripted([], []), Delays::NONE, 1));
    let emulator: Emulator = runtime.block_on(async {
        match kind {
            "xtts" => xtts::start(world(), 0).await.expect("an emulator"),
            _ => openai_speech::start(world(), 0).await.expect("an emulator"),
        }
    });
    let url = format!("http://{}", emulator.address);
    let clouds =
        Clouds::planned(Plan { speaks: kind, elsewhere: [None, None, Some(url)], ..Plan::default() });
    survives(&clouds, kind, || emulator.world.script.push(fault.clone()));
}

/// A studio that is never read to its end, however often that is tried.
fn choosing_a_voice() {
    let runtime = Runtime::new().expect("a runtime");
    let world = Arc::new(World::new(KEY, Voices::scripted([], []), Delays::NONE, 1));
    let emulator = runtime.block_on(xtts::start(world, 0)).expect("an emulator");
    (0..500).for_each(|_| emulator.world.script.push(FLOOD));
    let url = format!("http://{}", emulator.address);
    let tables = format!("[engine.studio]\nkind = \"xtts\"\nurl = \"{url}\"\n");
    let clouds = Clouds::planned(Plan { speaker: "\"studio\", ".into(), tables, ..Plan::default() });
    let studios = || emulator.world.tally.read().studios;
    survives(&clouds, "studio", || {
        let (before, until) = (studios(), Instant::now() + Duration::from_secs(60));
        while studios() == before {
            assert!(Instant::now() < until, "{before} studios were asked for, and no more");
            thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn whatever_has_no_end_is_cut_off_and_costs_little_memory() {
    let cases: [fn(); 8] = [
        hearing,
        || translating(&FLOOD),
        || translating(&Fault::GzipBomb),
        speaking,
        || speaking_over_http("openai-speech", &FLOOD),
        || speaking_over_http("openai-speech", &Fault::GzipBomb),
        || speaking_over_http("xtts", &FLOOD),
        choosing_a_voice,
    ];
    let cases = cases.map(thread::spawn);
    let failed = cases.map(|case| case.join().is_err());
    assert_eq!(failed, [false; 8]);
}
