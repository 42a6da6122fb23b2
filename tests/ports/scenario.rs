//! What holds at every port.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::audiosocket::Sender;
use crate::phone::{FRAME, HungUpOn, PATIENCE, PIN, Phone, Place, frame};

const SECOND: Duration = Duration::from_secs(1);

/// A phone whose leg is up.
pub(crate) fn connected<P: Phone>(place: &Place) -> P {
    let mut phone = P::call(place);
    place.wait_for_legs(1, PATIENCE);
    phone.is_up();
    phone
}

/// Sends `frames` in real time and takes what is heard meanwhile.
pub(crate) fn talk<P: Phone>(phone: &mut P, frames: std::ops::Range<u32>, heard: &mut Vec<Vec<u8>>) {
    let start = Instant::now();
    for (turn, number) in frames.enumerate() {
        sleep((start + FRAME * turn as u32).saturating_duration_since(Instant::now()));
        assert!(phone.send(&frame(number)), "frame {number} finds no room");
        heard.extend(std::iter::from_fn(|| phone.hear()));
    }
}

/// Takes what is still under way.
pub(crate) fn listen<P: Phone>(phone: &mut P, time: Duration, heard: &mut Vec<Vec<u8>>) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        heard.extend(std::iter::from_fn(|| phone.hear()));
        sleep(Duration::from_millis(5));
    }
}

pub(crate) fn exact<P: Phone>() {
    let place = P::place();
    let mut phone: P = connected(&place);
    let mut heard = Vec::new();
    talk(&mut phone, 0..200, &mut heard);
    listen(&mut phone, SECOND / 2, &mut heard);
    assert_eq!(P::fault(&heard, &phone.echo()), None, "{}", place.frames());
    assert_eq!(place.frames()["dropped"], serde_json::json!({}));
}

fn sum(counts: &Value, reasons: &[&str]) -> u64 {
    reasons.iter().filter_map(|reason| counts["dropped"][reason].as_u64()).sum()
}

/// On the way in: for these reasons a frame that was sent is not passed on.
const NOT_PASSED_ON: [&str; 8] =
    ["uplink_full", "flood", "stale", "late", "duplicate", "skipped", "unfit", "overrun"];

pub(crate) fn accounted<P: Phone>() {
    let place = P::place();
    let mut phone: P = connected(&place);
    let mut heard = Vec::new();
    talk(&mut phone, 0..20, &mut heard);
    phone.flood(&place, 20..120);
    listen(&mut phone, 2 * SECOND, &mut heard);
    talk(&mut phone, 120..140, &mut heard);
    listen(&mut phone, SECOND, &mut heard);

    let counts = place.frames();
    let count = |name: &str| counts[name].as_u64().expect("a count");
    let sent = phone.sent();
    assert!(sum(&counts, &NOT_PASSED_ON) + sum(&counts, &["pipe_full"]) > 0, "nothing was dropped: {counts}");
    let arrived = count("in") + sum(&counts, &NOT_PASSED_ON) - sum(&counts, &["lost"]);
    assert!(sent.abs_diff(arrived) <= P::UNDER_WAY, "{sent} sent: {counts}");
    assert_eq!(count("in"), count("out") + sum(&counts, &["pipe_full", "port_down"]), "{counts}");
    let played = count("out") - sum(&counts, &["unplayed"]);
    assert!(played.abs_diff(heard.len() as u64) <= P::UNDER_WAY, "{} heard: {counts}", heard.len());
}

pub(crate) fn phone_hangs_up<P: Phone>() {
    let place = P::place();
    let holding = place.daemon.holding();
    for call in 0..3 {
        let mut phone: P = connected(&place);
        let mut heard = Vec::new();
        talk(&mut phone, 0..20, &mut heard);
        assert!(!heard.is_empty(), "call {call}");
        phone.hang_up();
        place.wait_for_legs(0, P::MISSED_WITHIN);
        if P::MISSED_WITHIN > PATIENCE {
            break;
        }
    }
    place.daemon.assert_nothing_left(&holding);
}

/// The daemon hangs up on one, and lives on for another.
pub(crate) fn daemon_hangs_up<P: HungUpOn>() {
    let place = Place::with_a_pin();
    let mut other: Sender<true> = connected(&place);
    place.press(PIN);
    let mut phone = P::call(&place);
    place.wait_for_legs(2, PATIENCE);
    let mut heard = Vec::new();
    listen(&mut phone, SECOND / 2, &mut heard);
    assert!(heard.len() > 10, "{} frames before", heard.len());
    place.press("000011112222");
    // What he is told first cannot be spoken, which takes its time; an RTP phone that says nothing is given up later.
    let until = Instant::now() + 20 * SECOND;
    while place.legs() == 2 {
        assert!(Instant::now() < until, "nobody is hung up on: {}", place.daemon.logged());
        listen(&mut phone, 2 * FRAME, &mut Vec::new());
        listen(&mut other, FRAME, &mut Vec::new());
    }
    assert!(place.daemon.logged().contains("is dismissed"), "{}", place.daemon.logged());
    assert!(phone.is_over());
    listen(&mut other, SECOND / 5, &mut Vec::new());
    let mut heard = Vec::new();
    talk(&mut other, 0..50, &mut heard);
    assert!((45..=55).contains(&heard.len()), "{} of 50 frames after", heard.len());
    assert_eq!(place.legs(), 1);
}

pub(crate) fn daemon_ends<P: HungUpOn>() {
    let mut place = P::place();
    let mut phone: P = connected(&place);
    talk(&mut phone, 0..20, &mut Vec::new());
    place.daemon.terminate();
    assert!(place.daemon.ended_well(PATIENCE), "the daemon ends in order");
    assert!(phone.is_over());
}

pub(crate) fn phone_comes_back<P: Phone>() {
    let place = P::place();
    let holding = place.daemon.holding();
    for call in 0..3 {
        let mut phone: P = P::call(&place);
        let began = Instant::now();
        while phone.hear().is_none() {
            assert!(began.elapsed() < P::SERVED_WITHIN, "call {call} hears nothing");
            phone.send(&frame(1));
            sleep(FRAME);
        }
        phone.vanish();
        // A phone takes its time to start again.
        sleep(2 * SECOND + SECOND / 2);
    }
    place.wait_for_legs(0, P::MISSED_WITHIN);
    place.daemon.assert_nothing_left(&holding);
}
