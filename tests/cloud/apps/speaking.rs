//! What programs have said in rooms.

use std::time::Duration;

use serde_json::{Value, json};

use super::Rig;
use super::program::Program;
use crate::conference::{Conference, asked, count};

fn speak(room: &str, text: &str, language: &str) -> Value {
    json!({ "type": "speak", "id": 5, "room": room, "text": text, "language": language })
}

/// Four callers who have been told all there is to tell, and what was asked of the engines until then.
fn quiet_conference(rig: &Rig) -> (Conference, [u64; 3]) {
    let mut call = Conference::dial(&rig.clouds, "800", &[101, 102, 103, 104]);
    call.pass_until(|seen| count(seen, "listening") == 4);
    call.wait(Duration::from_secs(1));
    call.seen.clear();
    call.loudest.fill(f32::MIN);
    (call, asked(&rig.clouds))
}

#[test]
fn everybody_in_a_conference_hears_it_in_his_language() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    program.subscribe("800");
    program.say(&speak("800", "Dinner is served.", "en"));
    let refused = program.wait_for("error");
    assert_eq!((&refused["id"], &refused["message"]), (&json!(5), &json!("nobody is in 800")));
    let (mut call, [translations, texts, lines]) = quiet_conference(&rig);
    program.say(&speak("800", "Dinner is served.", "en"));
    call.pass_until(|seen| count(seen, "playback_ended") == 3);
    call.wait(Duration::from_millis(500));
    let answer = program.wait_for("speaking");
    let told = json!({ "type": "speaking", "id": 5, "room": "800", "languages": ["en", "es", "fr"] });
    assert_eq!(answer, told);
    assert_eq!(asked(&rig.clouds), [translations + 2, texts + 3, lines]);
    assert!(call.loudest.iter().all(|loudest| *loudest > -60.0), "{:?}", call.loudest);
    program.catch_up();
    let said: Vec<_> = program.events().filter(|event| event["type"] == "translation").collect();
    let mut languages: Vec<_> = said.iter().filter_map(|event| event["target_lang"].as_str()).collect();
    languages.sort_unstable();
    assert_eq!(languages, ["en", "es", "fr"], "{said:#?}");
    assert!(said.iter().all(|event| event["leg"] == 0 && event["source"] == "Dinner is served."));
    // Who hears of the room hears that, too.
    let streams = program.streams("translation");
    assert_eq!(streams.len(), 3, "{streams:#?}");
    assert!(streams.iter().all(|stream| !program.heard(stream).is_empty()));
    let violations = [rig.clouds.first.translated(), rig.clouds.first.spoken()];
    assert!(violations.iter().all(|counts| counts.violations.is_empty()), "{violations:?}");
}

#[test]
fn who_talks_to_an_interpreter_hears_it_in_both_languages() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    let mut call = rig.clouds.call();
    call.wait_for_quiet();
    let [translations, texts, lines] = asked(&rig.clouds);
    let before = call.seen.len();
    call.loud = None;
    program.say(&speak("700", "Dinner is served.", "es"));
    call.wait_since(before, "playback_ended", Duration::from_secs(10));
    call.wait_for("playback_ended", Duration::from_secs(10));
    assert_eq!(program.wait_for("speaking")["languages"], json!(["en", "es"]));
    assert!(call.loud.is_some(), "it is heard");
    assert_eq!(asked(&rig.clouds), [translations + 1, texts + 2, lines]);
    call.wait_for_quiet();
    assert_eq!(
        call.seen[before..].iter().filter(|event| event["type"] == "final").count(),
        0,
        "no echo of it"
    );
}

/// A second of a tone.
fn tone() -> Vec<i16> {
    (0..16_000).map(|n| (8_000.0 * (n as f32 * 0.2).sin()) as i16).collect()
}

/// A text of which so many samples follow.
fn aloud(room: &str, text: &str, language: &str, samples: usize) -> Value {
    let mut message = speak(room, text, language);
    message["sound"] = json!(2 * samples);
    message
}

#[test]
fn who_speaks_the_language_of_a_sound_hears_it_and_the_others_its_translation() {
    let (rig, tone) = (Rig::start(), tone());
    let mut program = Program::start(&rig);
    program.subscribe("800");
    let (mut call, [translations, texts, lines]) = quiet_conference(&rig);
    program.say(&aloud("800", "Dinner is served.", "en", tone.len()));
    program.send_sound(&tone);
    call.pass_until(|seen| count(seen, "playback_ended") == 3);
    call.wait(Duration::from_millis(500));
    assert_eq!(program.wait_for("speaking")["languages"], json!(["en", "es", "fr"]));
    assert_eq!(asked(&rig.clouds), [translations + 2, texts + 2, lines], "nobody speaks the English for it");
    assert!(call.loudest.iter().all(|loudest| *loudest > -60.0), "{:?}", call.loudest);
    program.catch_up();
    let english = program.streams("translation").into_iter().find(|stream| stream["language"] == "en");
    let heard: String =
        program.heard(english.expect("a stream")).into_iter().map(|sound| sound.samples).collect();
    assert_eq!(heard, Program::hexadecimal(&tone));
}

#[test]
fn an_interpreters_callers_hear_a_sound_and_its_translation() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    program.subscribe("700");
    let mut call = rig.clouds.call();
    call.wait_for_quiet();
    let [translations, texts, lines] = asked(&rig.clouds);
    let before = call.seen.len();
    program.say(&aloud("700", "Dinner is served.", "es", tone().len()));
    program.send_sound(&tone());
    call.wait_since(before, "playback_ended", Duration::from_secs(10));
    call.wait_for("playback_ended", Duration::from_secs(10));
    assert_eq!(program.wait_for("speaking")["languages"], json!(["en", "es"]));
    assert_eq!(asked(&rig.clouds), [translations + 1, texts + 1, lines]);
    call.wait_for_quiet();
    program.catch_up();
    let spanish = program.streams("translation").into_iter().find(|stream| stream["language"] == "es");
    let heard: String =
        program.heard(spanish.expect("a stream")).into_iter().map(|sound| sound.samples).collect();
    assert_eq!(heard, Program::hexadecimal(&tone()));
}

#[test]
fn a_sound_that_is_not_as_it_was_told_is_refused() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    let refused = |program: &mut Program, words: &str| {
        let refused = program.wait_for("error");
        assert!(refused["message"].as_str().expect("a reason").contains(words), "{refused}");
        refused["id"].clone()
    };
    program.send_sound(&[0; 100]);
    assert_eq!(refused(&mut program, "no sound is waited for"), Value::Null);
    program.say(&aloud("800", "Dinner is served.", "en", 320_001));
    assert_eq!(refused(&mut program, "640000"), 5);
    program.say(&aloud("800", "Dinner is served.", "en", 100));
    program.send_sound(&[0; 101]);
    assert_eq!(refused(&mut program, "more bytes"), 5);
    program.say(&aloud("800", "Dinner is served.", "en", 100));
    program.send_sound(&[0; 60]);
    program.say(&aloud("800", "Supper is served.", "en", 320_000));
    assert_eq!(refused(&mut program, "before this one was whole"), 5);
    program.send_sound(&vec![0; 320_000]);
    assert_eq!(refused(&mut program, "nobody is in 800"), 5);
    program.say(&json!({ "type": "rooms" }));
    program.wait_for("rooms");
}

#[test]
fn more_than_can_be_heard_soon_is_refused() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    let mut call = Conference::dial(&rig.clouds, "800", &[101]);
    call.wait(Duration::from_secs(1));
    for number in 0..12 {
        program.say(&speak("800", &format!("This is the announcement number {number}."), "en"));
    }
    call.wait(Duration::from_secs(2));
    let answers: Vec<_> = (0..12)
        .map(|_| program.wait_until("an answer", |value| value["id"] == 5)["type"] == "speaking")
        .collect();
    let said = answers.iter().filter(|is_said| **is_said).count();
    assert!((8..12).contains(&said), "{answers:?}");
    call.pass_until(|seen| count(seen, "playback_ended") == said);
}
