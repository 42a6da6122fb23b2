//! Fifty phones that register, five a second, and talk to themselves.

use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::Delays;
use lab::cache::Cache;
use lab::daemon::Room;
use serde_json::Value;
use soak::Look;
use soak::callers::{Callers, Load};
use soak::leftovers::look_for;
use soak::place::{Place, Plan};
use soak::speech::Speech;

const SECOND: Duration = Duration::from_secs(1);
const CALLS: u16 = 50;
/// All of them stand for so long.
const HELD: Duration = Duration::from_secs(20);

#[test]
fn fifty_registered_phones_call_five_a_second_and_all_of_them_hear_themselves() {
    let cache = Cache::locate().expect("a cache");
    let plan = Plan {
        calls: CALLS,
        rooms: vec![Room::of_kind("790", "echo")],
        phones: Vec::new(),
        heard: Vec::new(),
        translation: "",
        delays: Delays::NONE,
    };
    let mut place = Place::start(&cache, plan).expect("the box starts");
    thread::sleep(2 * SECOND);
    let before = Look::at(&mut place).expect("the daemon tells");
    let directory = place.run_dir().path().to_owned();
    let speech = Speech::write(&cache, &directory).expect("recordings");
    let mut load =
        Load { number: "790", calls: CALLS, lasts: HELD, recording: &speech.path, directory: &directory };
    load.lasts += load.ramp() + 3 * SECOND;
    let placed = Instant::now();
    let mut callers = Callers::start(&place.asterisk, &load).expect("sipp starts");
    while frames(&place).len() < usize::from(CALLS) {
        callers.ensure_running().expect("calls are answered");
        assert!(placed.elapsed() < load.ramp() + 5 * SECOND, "{} calls stand", frames(&place).len());
        thread::sleep(SECOND / 10);
    }
    let contacts = place.asterisk.cli("pjsip show contacts").expect("Asterisk answers");
    assert!(contacts.contains(&format!("Objects found: {CALLS}")), "{contacts}");

    let (first, since) = (frames(&place), Instant::now());
    thread::sleep(HELD);
    let (last, held) = (frames(&place), since.elapsed());
    assert_eq!(last.len(), usize::from(CALLS));
    let wanted = 0.99 * held.as_secs_f64() * 50.0;
    for (first, last) in first.iter().zip(&last) {
        assert_eq!(first.leg, last.leg);
        let [heard, said] = [last.heard - first.heard, last.said - first.said];
        assert!(heard as f64 >= wanted && said as f64 >= wanted, "{heard} and {said} frames in {held:?}");
    }
    // On the wire: nothing was lost of what phones said, and each was sent as much.
    let channels = place.asterisk.cli("pjsip show channelstats").expect("Asterisk answers");
    let streams: Vec<_> = channels.lines().filter_map(stream).collect();
    assert_eq!(streams.len(), usize::from(CALLS), "{channels}");
    let talked = |[received, lost, sent]: &[u64; 3]| *received >= 900 && *lost == 0 && *sent >= 900;
    assert!(streams.iter().all(talked), "{channels}");

    callers.finish().expect("every call is hung up in order");
    let left = look_for(&mut place, &before).expect("the box tells");
    assert!(left.is_empty(), "{left:?}");
    let contacts = place.asterisk.cli("pjsip show contacts").expect("Asterisk answers");
    assert!(contacts.contains("No objects found"), "{contacts}");
    let dropped = last.iter().map(|leg| leg.dropped).sum::<u64>();
    let processed = last.iter().map(|leg| leg.heard + leg.said).sum::<u64>();
    assert!(dropped * 1_000 < processed, "{dropped} frames dropped of {processed}");
}

struct Frames {
    leg: u64,
    heard: u64,
    said: u64,
    dropped: u64,
}

fn frames(place: &Place) -> Vec<Frames> {
    let status = place.daemon.status().expect("the daemon answers");
    let number = |value: &Value| value.as_u64().expect("a number");
    let of_leg = |leg: &Value| {
        let frames = &leg["frames"];
        let dropped = frames["dropped"].as_object().expect("counts").values().map(number).sum();
        Frames {
            leg: number(&leg["leg"]),
            heard: number(&frames["in"]),
            said: number(&frames["out"]),
            dropped,
        }
    };
    status["legs"].as_array().expect("legs").iter().map(of_leg).collect()
}

/// Packets received, lost and sent in a line of `pjsip show channelstats`.
fn stream(line: &str) -> Option<[u64; 3]> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let codec = words.iter().position(|word| *word == "alaw")?;
    let number = |index: usize| words.get(codec + index)?.parse().ok();
    Some([number(1)?, number(2)?, number(5)?])
}
