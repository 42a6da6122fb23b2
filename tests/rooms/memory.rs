//! Somebody else serves a room from one moment to the next: whoever is in it notices nothing.

use audio_path::Timestamp;
use session::room::{Pace, Pin, Remembered};
use session::{Action, Input, Interpreter, LanguagePair};

use super::*;

fn rules() -> Rules {
    let languages = ["en", "es", "fr"].map(|code| code.parse().unwrap()).into();
    Rules { languages, pin: Pin::new("4711"), ..CONFERENCE }
}

/// An English and a Spanish caller who are in, and a French one at the door; one presses `keys`.
fn conference(rules: Rules, keys: &str) -> RoomSimulation {
    let callers = vec![caller(1, "en", &[]), caller(2, "es", &[]), caller(3, "fr", &[])];
    let mut simulation = RoomSimulation::new(rules, callers, Behaviour::GOOD, 1);
    simulation.run(Duration::from_millis(100));
    simulation.press(1, "4711");
    simulation.press(2, "4711");
    simulation.run(secs(8));
    simulation.press(1, keys);
    simulation
}

/// The same, served by somebody else, where 1 and 2 speak at these seconds.
fn succeeded(before: RoomSimulation, rules: Rules, speak: [&[u64]; 2]) -> RoomSimulation {
    let callers = vec![caller(1, "en", speak[0]), caller(2, "es", speak[1]), caller(3, "fr", &[])];
    before.succeeded(rules, callers)
}

fn told(simulation: &RoomSimulation, leg: u32) -> Vec<&str> {
    let heard = simulation.phone(LegId(leg)).heard.iter();
    heard.filter(|heard| heard.talker.is_none()).filter_map(text).collect()
}

#[test]
fn who_was_in_is_in_and_translated_at_once() {
    let mut simulation = succeeded(conference(rules(), ""), rules(), [&[0], &[4]]);
    simulation.run(Duration::from_millis(40));
    assert_eq!((original(&simulation, 1, 2), original(&simulation, 2, 1)), (Some(DUCKED), Some(DUCKED)));
    simulation.run(secs(12));
    assert_eq!((told(&simulation, 1), told(&simulation, 2)), (vec![], vec![]));
    assert_eq!((words(&simulation, 2, 1).len(), words(&simulation, 1, 2).len()), (4, 4));
    let frames = simulation.room.frames(LegId(1)).unwrap();
    assert_eq!(frames.unannounced, 0, "he is listened to from the first frame on");
}

#[test]
fn who_was_at_the_door_is_at_the_door() {
    let mut simulation = succeeded(conference(rules(), ""), rules(), [&[5], &[]]);
    simulation.run(secs(15));
    assert_eq!(told(&simulation, 3), ["Entrez le code PIN."]);
    assert_eq!((original(&simulation, 1, 3), original(&simulation, 3, 1)), (None, None));
    simulation.press(3, "4711");
    assert_eq!(original(&simulation, 3, 1), Some(DUCKED));
}

#[test]
fn a_room_that_got_a_pin_asks_for_it() {
    let open = Rules { pin: None, ..rules() };
    let before = run(open, vec![caller(1, "en", &[]), caller(2, "es", &[])], secs(8));
    assert_eq!(original(&before, 1, 2), Some(DUCKED));
    let mut simulation = succeeded(before, rules(), [&[], &[]]);
    simulation.run(secs(2));
    assert_eq!(original(&simulation, 1, 2), None);
    simulation.press(1, "4711");
    simulation.press(2, "4711");
    assert_eq!(original(&simulation, 1, 2), Some(DUCKED));
}

#[test]
fn who_muted_himself_stays_mute_until_he_wants_to_be_heard() {
    let mut simulation = succeeded(conference(rules(), "7"), rules(), [&[1, 14], &[5]]);
    simulation.run(secs(12));
    assert_eq!((original(&simulation, 2, 1), words(&simulation, 2, 1)), (None, vec![]));
    assert_eq!(words(&simulation, 1, 2).len(), 4, "he hears the others");
    simulation.press(1, "7");
    simulation.run(secs(24));
    assert_eq!(told(&simulation, 1), ["You can be heard."]);
    assert_eq!(words(&simulation, 2, 1).len(), 4);
}

#[test]
fn wishes_stay() {
    let mut simulation = succeeded(conference(rules(), "26"), rules(), [&[], &[1]]);
    simulation.run(secs(8));
    assert_eq!(original(&simulation, 1, 2), Some(Original::Ducked { louder_db: 6 }));
    let heard = simulation.phone(LegId(1)).heard.iter().find(|heard| heard.talker == Some(LegId(2)));
    assert_eq!(heard.unwrap().pace, Pace::Slow);

    let mut simulation = succeeded(conference(rules(), "0"), rules(), [&[1], &[5]]);
    simulation.run(secs(12));
    assert_eq!((original(&simulation, 1, 2), words(&simulation, 1, 2)), (Some(Original::Plain), vec![]));
}

#[test]
fn a_changed_language_stays_where_there_still_is_such() {
    // English, Spanish: 1 and 2 share a language then.
    let mut simulation = succeeded(conference(rules(), "9"), rules(), [&[1], &[5]]);
    simulation.run(secs(12));
    assert_eq!(simulation.phone(LegId(1)).language.code(), "es");
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
    assert_eq!(simulation.requests.translations.len(), 0);
    let without = Rules { languages: vec!["en".parse().unwrap()], ..rules() };
    let mut simulation = succeeded(conference(rules(), "9"), without, [&[1], &[]]);
    simulation.run(secs(8));
    assert_eq!((simulation.phone(LegId(1)).language.code(), words(&simulation, 2, 1).len()), ("en", 4));
}

#[test]
fn who_is_recorded_is_told_again() {
    let recorded = Rules { is_recorded: true, ..rules() };
    let mut simulation = succeeded(conference(recorded.clone(), ""), recorded, [&[0], &[]]);
    simulation.run(secs(1));
    assert!(!simulation.room.may_be_overheard(LegId(1)), "not before he was told");
    simulation.run(secs(14));
    assert!(told(&simulation, 1).join(" ").contains("This call is recorded."));
    assert!(simulation.room.may_be_overheard(LegId(1)));
}

#[test]
fn who_came_first_still_did() {
    let first = Rules { mode: Mode::Unidirectional, ..rules() };
    let mut before = RoomSimulation::new(
        first.clone(),
        vec![caller(2, "es", &[]), Caller { joins: secs(1), ..caller(1, "en", &[]) }],
        Behaviour::GOOD,
        1,
    );
    before.run(secs(2));
    before.press(2, "4711");
    before.press(1, "4711");
    before.run(secs(9));
    let mut simulation = succeeded(before, first, [&[1], &[6]]);
    simulation.run(secs(14));
    assert_eq!((words(&simulation, 2, 1).len(), words(&simulation, 1, 2).len()), (0, 4));
}

#[test]
fn what_is_remembered_reads_back_and_nothing_else_does() {
    let simulation = conference(rules(), "2679");
    let known = simulation.remembered[&LegId(1)];
    let text = serde_json::to_string(&known).unwrap();
    assert_eq!(serde_json::from_str::<Remembered>(&text).unwrap(), known);
    for (part, other) in
        [("true", "1"), ("\"es\"", "\"\\u0000\""), ("louder_db\":6", "louder_db\":600"), ("{", "{\"pin\":1,")]
    {
        let foreign = text.replacen(part, other, 1);
        assert!(serde_json::from_str::<Remembered>(&foreign).is_err(), "{foreign}");
    }
    let loud: Remembered = serde_json::from_str("{\"wishes\":{\"louder_db\":127}}").unwrap();
    let mut simulation = succeeded(conference(rules(), ""), Rules { pin: None, ..rules() }, [&[], &[]]);
    simulation.remembered.insert(LegId(1), loud);
    simulation.run(secs(9));
    assert_eq!(original(&simulation, 1, 2), Some(Original::Ducked { louder_db: 12 }));
}

#[test]
fn an_interpreters_callers_are_told_once_a_call() {
    let pair = LanguagePair::new("en".parse().unwrap(), "es".parse().unwrap()).unwrap();
    let connected = |mut interpreter: Interpreter| {
        interpreter.handle(Timestamp::from_nanos(1_000_000_000), Input::Connected);
        std::iter::from_fn(|| interpreter.poll_action()).collect::<Vec<_>>()
    };
    let known = Remembered::told();
    let told_before = || Interpreter::new(pair, Manner::Consecutive).knowing(known);
    assert_eq!(connected(told_before()), [Action::Emit(Event::Listening)]);
    for more_to_tell in [told_before().recorded(), told_before().offering_own_voices()] {
        assert!(matches!(connected(more_to_tell)[..], [Action::Speak { .. }, Action::Speak { .. }]));
    }
}

#[test]
fn wishes_of_an_interpreters_callers_stay() {
    let [first, second] = ["en", "es"].map(|code| code.parse().unwrap());
    let pair = LanguagePair::new(first, second).unwrap();
    let now = Timestamp::from_nanos(1_000_000_000);
    let connected = |known: Remembered| {
        let mut interpreter = Interpreter::new(pair, Manner::Consecutive).knowing(known);
        interpreter.handle(now, Input::Connected);
        interpreter
    };
    let mut before = connected(Remembered::told());
    assert!(before.translates() && before.remembered() == Remembered::told());
    "029".chars().for_each(|key| before.key(now, key));
    let mut after = connected(before.remembered());
    assert!(!after.translates() && after.remembered() == before.remembered());
    "029".chars().for_each(|key| after.key(now, key));
    assert_ne!(after.remembered(), before.remembered());
    assert!(after.translates());
}
