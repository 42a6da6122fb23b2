//! All is well.

use std::thread;
use std::time::{Duration, Instant};

use crate::clouds::{Clouds, converse};

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
fn ten_calls_have_a_line_each_and_no_more() {
    let clouds = Clouds::start();
    let lines = || [clouds.first.heard().connections, clouds.first.spoken().connections];
    let [hearing, speaking] = lines();
    let pipes = clouds.daemon.pipes();
    let phones: Vec<_> = (0..10)
        .map(|number| dragoman_tests::fake_phone::FakePhone::connect(&pipes, &format!("700-{number}")))
        .collect();
    let until = Instant::now() + Duration::from_secs(5);
    // A recogniser's line and two voices' each.
    while clouds.first.heard().open + clouds.first.spoken().open < 30 && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(Duration::from_millis(500));
    assert_eq!(lines(), [hearing + 10, speaking + 20]);
    drop(phones);
}
