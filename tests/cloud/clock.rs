//! The wall clock is wrong, and is set. (Row 24 of the fault matrix.)

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine_emulators::{Delays, Line, World, deepgram};
use tokio::runtime::Runtime;

use crate::clouds::{Clouds, KEY, Plan, WORDS, converse, voices};
use crate::strangers::Authority;

const TEN_YEARS: i64 = 315_360_000;

/// By how much a clock is off that begins in 1970.
fn at_the_epoch() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    -i64::try_from(now).expect("no such year")
}

/// The year of the last line of its log.
fn year(clouds: &Clouds) -> String {
    let logged = clouds.daemon.logged();
    let times = logged.lines().rev().filter_map(|line| line.strip_prefix('[')?.get(..4));
    times.map(str::to_owned).next().expect("a line with its time")
}

#[test]
fn a_call_goes_on_whatever_the_clock_shows() {
    let heard = WORDS.iter().cycle().take(12).copied().map(Line::from).collect();
    let clouds = Clouds::planned(Plan { heard, clock: Some(at_the_epoch()), ..Plan::default() });
    assert_eq!(year(&clouds), "1970");
    let mut call = clouds.call();
    let lines = || [clouds.first.heard().connections, clouds.first.spoken().connections];
    let (open, heard, frames) = (lines(), call.heard, call.frames);
    for (off, words) in [0, TEN_YEARS, -TEN_YEARS, at_the_epoch(), 0].into_iter().zip(WORDS.iter().cycle()) {
        // In the midst of what is said; what is found out about engines meanwhile is none of it.
        (0..15).for_each(|_| call.pass(true));
        clouds.daemon.set_clock(off);
        let (said, translated, took) = converse(&mut call);
        assert_eq!((said.as_str(), translated), (*words, format!("first {words}")), "{off}");
        assert!(took < Duration::from_secs(2), "{off}: {took:?}");
    }
    assert_eq!(lines(), open, "no line was given up: {}", clouds.daemon.logged());
    let (heard, frames) = (call.heard - heard, call.frames - frames);
    assert!(heard.abs_diff(frames) <= 2, "{heard} frames came in {frames} ticks");
    clouds.assert_on_time();
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    for (stage, place) in [("asr", 0), ("mt", 0), ("tts", 0), ("asr", 1), ("mt", 1), ("tts", 1)] {
        assert!(clouds.engine(stage, place)["fault"].is_null(), "{}", clouds.engine(stage, place));
    }
}

#[test]
fn who_boots_in_1970_trusts_nobody_and_is_served_by_who_needs_no_trust() {
    let runtime = Runtime::new().expect("a runtime");
    let world = Arc::new(World::new(KEY, voices("first", &WORDS.map(Line::from)), Delays::NONE, 1));
    let emulator = runtime.block_on(deepgram::start(world, 0)).expect("Deepgram's emulator starts");
    let authority = Authority::new();
    let url = runtime.block_on(authority.vouches_before(emulator.address));
    let clouds = Clouds::planned(Plan {
        elsewhere: [Some(url), None, None],
        trusted: Some(authority.certificate),
        clock: Some(at_the_epoch()),
        ..Plan::default()
    });
    let fault = || clouds.engine("asr", 0)["fault"].clone();
    assert_eq!(fault()["kind"], "certificate", "{}", clouds.daemon.logged());
    let mut call = clouds.call();
    let (heard, ..) = converse(&mut call);
    assert_eq!(heard, WORDS[0], "the spare hears");
    assert_eq!(emulator.world.tally.read().requests, 0, "nothing is said to who is not trusted");
}
