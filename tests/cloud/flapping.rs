//! A link that comes and goes. (Row 23 of the fault matrix.)

use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Line, Relay, Weather};

use crate::clouds::{Clouds, Plan, WORDS};

/// For the last second of five nothing passes …
const UP: Duration = Duration::from_secs(4);
const EVERY: Duration = Duration::from_secs(5);
/// … for a minute.
const FLAPS: u32 = 12;
const MOST_MOVES: usize = 2;

/// What is sent meanwhile comes late; where it `breaks` connections, none survives, and none is made.
fn flap(lines: &[Relay], breaks: bool) {
    let began = Instant::now();
    let set = |weather| {
        for line in lines {
            line.set(weather);
        }
    };
    for flap in 0..FLAPS {
        thread::sleep((EVERY * flap + UP).saturating_sub(began.elapsed()));
        set(Weather::Down);
        while began.elapsed() < EVERY * (flap + 1) {
            if breaks {
                lines.iter().for_each(Relay::hang_up);
            }
            thread::sleep(Duration::from_millis(20));
        }
        set(Weather::Good);
    }
}

/// A talk of a minute over such a link, while the spare is well.
fn talk(breaks: bool) {
    let heard = WORDS.iter().cycle().take(100).copied().map(Line::from).collect();
    let clouds = Clouds::planned(Plan { heard, ..Plan::default() });
    let mut call = clouds.call();
    let (seen, logged) = (call.seen.len(), clouds.daemon.logged().len());
    let said = thread::scope(|scope| {
        let flapping = scope.spawn(|| flap(&clouds.first.lines, breaks));
        let mut said = 0;
        while !flapping.is_finished() {
            let before = call.seen.len();
            call.say(3);
            call.wait_since(before, "translation", Duration::from_secs(8));
            call.wait_since(before, "playback_ended", Duration::from_secs(10));
            (0..20).for_each(|_| call.pass(false));
            said += 1;
        }
        said
    });
    let seen = &call.seen[seen..];
    let of = |kind: &str| seen.iter().filter(|event| event["type"] == kind).count();
    assert_eq!(of("translation"), said, "{seen:#?}");
    // What was cut off while it was heard is not said again: the caller hears that.
    assert!(breaks || of("error") == 0, "{seen:#?}");
    let logged = &clouds.daemon.logged()[logged..];
    let mut all = 0;
    for stage in ["asr", "mt", "tts"] {
        let moves = logged.lines().filter(|line| {
            let of_stage = line.contains(&format!("{stage}: "));
            of_stage && (line.ends_with(" takes over") || line.ends_with(" serves again"))
        });
        let moves = moves.count();
        all += moves;
        println!("{stage}: {moves} moves, {said} utterances, connections broken: {breaks}");
        assert!(moves <= MOST_MOVES, "{stage}: {moves} moves\n{logged}");
    }
    assert!(!breaks || all > 0, "nobody noticed\n{logged}");
}

#[test]
fn a_link_that_flaps_moves_a_call_twice_a_minute_at_most() {
    let cases = [false, true].map(|breaks| thread::spawn(move || talk(breaks)));
    let failed = cases.map(|case| case.join().is_err());
    assert_eq!(failed, [false; 2]);
}
