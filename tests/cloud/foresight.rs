//! What is likely a clause is worked on before it is over, and heard only if it was one.

use std::time::Duration;

use dragoman_tests::interpreted::Call;
use engine_emulators::{Delay, Delays, Line};
use serde_json::Value;

use crate::clouds::{Clouds, Plan};

const SECOND: Duration = Duration::from_secs(1);

/// A call in which this English line is heard, word by word over that time.
fn hearing(text: &str, lasts: Duration) -> (Clouds, Call) {
    let delays = Delays { asr: Delay::Fixed(Duration::from_millis(100)), ..Delays::NONE };
    let heard = vec![Line { text: text.to_owned(), language: Some("en".into()), lasts: Some(lasts) }];
    let clouds = Clouds::planned(Plan { heard, delays, ..Plan::default() });
    let mut call = clouds.call();
    // The last echo of the announcement.
    (0..20).for_each(|_| call.pass(false));
    (clouds, call)
}

fn of_type<'a>(call: &'a Call, kind: &'a str) -> Vec<(usize, &'a Value)> {
    call.seen.iter().enumerate().filter(|(_, event)| event["type"] == kind).collect()
}

#[test]
fn a_sentence_is_translated_once_and_before_its_speaker_is_known_to_be_done() {
    let (clouds, mut call) = hearing("good morning to you all.", Duration::from_millis(2_200));
    let asked = [clouds.first.translated().requests, clouds.first.spoken().requests];
    let before = call.seen.len();
    call.say(3);
    call.wait_since(before, "final", 8 * SECOND);
    call.wait_since(before, "playback_ended", 8 * SECOND);
    let ([(translated, translation)], [(ended, _)]) =
        (&of_type(&call, "translation")[..], &of_type(&call, "speech_ended")[..])
    else {
        panic!("one sentence, one translation: {:#?}", call.seen)
    };
    assert_eq!(translation["source"], "good morning to you all.");
    assert!(translated < ended, "{:#?}", call.seen);
    assert_eq!(clouds.first.translated().requests, asked[0] + 1, "nothing is asked for twice");
    assert_eq!(clouds.first.spoken().requests, asked[1], "a line spoke that was there");
}

#[test]
fn who_pauses_within_a_sentence_is_not_translated_by_halves() {
    let (clouds, mut call) = hearing("good morning to every one of you.", Duration::from_millis(1_900));
    let (asked, before) = (clouds.first.translated().requests, call.seen.len());
    (0..40).for_each(|_| call.pass(true));
    (0..16).for_each(|_| call.pass(false));
    (0..40).for_each(|_| call.pass(true));
    call.wait_since(before, "final", 8 * SECOND);
    call.wait_since(before, "playback_ended", 8 * SECOND);
    let translations = of_type(&call, "translation");
    let sources: Vec<&Value> = translations.iter().map(|(_, event)| &event["source"]).collect();
    assert_eq!(sources, ["good morning to every one of you."]);
    let requests = clouds.first.translated().requests;
    assert!(requests >= asked + 2, "half of it was translated beforehand, too: {requests}, {asked} before");
}
