//! All is well.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Delays, Line, World, elevenlabs};
use tokio::runtime::Runtime;

use crate::clouds::{Clouds, KEY, Plan, WORDS, converse, voices};

/// Idle connections to a translator that are kept for all legs together.
const KEPT: u64 = 8;

#[test]
fn a_call_is_heard_translated_and_spoken_by_cloud_engines() {
    let clouds = Clouds::start();
    let lines = || [clouds.first.heard().connections, clouds.first.spoken().connections];
    let [hearing, speaking] = lines();
    let mut call = clouds.call();
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), ("good morning to you all", "first good morning to you all"));
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), ("where is the station", "first where is the station"));
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);

    // One line to the recogniser, one to each of two voices: the announcement is in both languages.
    assert_eq!(lines(), [hearing + 1, speaking + 2], "{}", clouds.daemon.logged());
    for cloud in [&clouds.first, &clouds.spare] {
        assert!(cloud.heard().violations.is_empty(), "{:?}", cloud.heard().violations);
        assert!(cloud.translated().violations.is_empty(), "{:?}", cloud.translated().violations);
    }
    drop(call);
    let until = Instant::now() + Duration::from_secs(5);
    while clouds.first.heard().open + clouds.first.spoken().open > 0 {
        assert!(Instant::now() < until, "a line is left after the hangup: {:?}", clouds.first.heard());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_hundred_calls_have_a_line_each_and_leave_none() {
    let clouds = Clouds::start_and("[calls]\nmost = 100\n");
    let descriptors = clouds.daemon.descriptors();
    let lines = || [clouds.first.heard().connections, clouds.first.spoken().connections];
    let [before, spare] = [clouds.first.translated(), clouds.spare.translated()];
    let open = || clouds.first.heard().open + clouds.first.spoken().open;
    let [hearing, speaking] = lines();
    let pipes = clouds.daemon.pipes();
    let phones: Vec<_> = (0..100)
        .map(|number| dragoman_tests::fake_phone::FakePhone::connect(&pipes, &format!("700-{number}")))
        .collect();
    // A recogniser's line and two voices' each.
    let until = Instant::now() + Duration::from_secs(20);
    while open() < 300 && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(lines(), [hearing + 100, speaking + 200], "{}", clouds.daemon.logged());
    assert_eq!(clouds.spare.heard().connections + clouds.spare.spoken().connections, 2, "only probes");
    // Those to the translator belong to no leg: each asks once, by whichever is idle or by a new one.
    let translated = clouds.first.translated();
    assert_eq!(translated.requests, before.requests + 100, "{translated:?}");
    assert!((1..=100).contains(&(translated.http_connections - before.http_connections)), "{translated:?}");
    let alone = clouds.spare.translated();
    assert_eq!(
        [alone.requests, alone.http_connections],
        [spare.requests, spare.http_connections],
        "{alone:?}"
    );
    assert!(alone.http_open <= 1, "{alone:?}");
    drop(phones);
    let until = Instant::now() + Duration::from_secs(5);
    while open() > 0 {
        assert!(Instant::now() < until, "{} lines are left after the hangup", open());
        thread::sleep(Duration::from_millis(50));
    }
    // Those to the translator are kept for the next call, as many as one needs, and nothing else is.
    let kept = || clouds.first.translated().http_open;
    while kept() > KEPT || clouds.daemon.descriptors() > descriptors + KEPT as usize {
        assert!(Instant::now() < until, "{} descriptors, before {descriptors}", clouds.daemon.descriptors());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(kept() > 0, "the next call finds one");
}

#[test]
fn a_voice_whose_lines_speak_one_text_each_has_the_next_open() {
    let runtime = Runtime::new().expect("a runtime");
    let world = Arc::new(World::new(KEY, voices("first", &WORDS.map(Line::from)), Delays::NONE, 1));
    let emulator = runtime.block_on(elevenlabs::start(world, 0)).expect("ElevenLabs' emulator starts");
    let url = format!("ws://{}", emulator.address);
    let elsewhere = [None, None, Some(url)];
    let clouds = Clouds::planned(Plan { speaks: "elevenlabs", elsewhere, ..Plan::default() });
    let counts = || emulator.world.tally.read();
    let mut call = clouds.call();
    for words in &WORDS[..2] {
        let (_, said, _) = converse(&mut call);
        assert_eq!(said, format!("first {words}"));
        // The announcement was in both languages.
        let until = Instant::now() + Duration::from_secs(2);
        while counts().open != 2 {
            assert!(Instant::now() < until, "{:?}", counts());
            thread::sleep(Duration::from_millis(20));
        }
    }
    assert_eq!(counts().violations, Vec::<String>::new());
}
