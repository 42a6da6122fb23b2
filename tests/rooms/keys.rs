//! What callers change with the keys of their phones.

use session::room::Pace;

use super::*;

/// An English and a Spanish caller, and a French listener; who may speak any of four languages.
fn conference(scripts: [&[u64]; 2]) -> RoomSimulation {
    let languages = ["en", "fr", "es", "de"].map(|code| code.parse().unwrap()).into();
    let callers = vec![caller(1, "en", scripts[0]), caller(2, "es", scripts[1]), caller(3, "fr", &[])];
    let mut simulation = RoomSimulation::new(Rules { languages, ..CONFERENCE }, callers, Behaviour::GOOD, 1);
    simulation.run(secs(5));
    simulation
}

/// What one was told by the room itself from a time on.
fn told(simulation: &RoomSimulation, leg: u32, from: Duration) -> Vec<&str> {
    let heard = simulation.phone(LegId(leg)).heard.iter();
    heard.filter(|heard| heard.at >= from && heard.talker.is_none()).filter_map(text).collect()
}

#[test]
fn the_last_translation_is_repeated_for_who_asks() {
    let mut simulation = conference([&[6], &[]]);
    simulation.press(2, "1");
    simulation.run(secs(12));
    assert_eq!(told(&simulation, 2, secs(5)), ["No hay nada que repetir."]);
    simulation.press(2, "1");
    simulation.run(secs(18));
    let repeated = told(&simulation, 2, secs(12));
    assert_eq!(repeated, ["es: w100000 w100001 w100002 w100003."]);
    assert_eq!(told(&simulation, 3, secs(5)), [] as [&str; 0], "nobody else hears of it");
    assert_eq!(simulation.requests.translations.len(), 2, "it is not translated again");
}

#[test]
fn who_wants_it_slower_hears_it_slower_and_others_do_not() {
    let mut simulation = conference([&[8, 20], &[]]);
    simulation.press(2, "2");
    simulation.run(secs(15));
    simulation.press(2, "2");
    simulation.run(secs(30));
    assert_eq!(told(&simulation, 2, secs(5)), ["Más lento.", "Velocidad normal."]);
    let paces = |leg| {
        let heard = simulation.phone(LegId(leg)).heard.iter();
        heard.filter(|heard| heard.talker == Some(LegId(1))).map(|heard| heard.pace).collect::<Vec<_>>()
    };
    assert_eq!(paces(2), [Pace::Slow, Pace::Usual]);
    assert_eq!(paces(3), [Pace::Usual, Pace::Usual]);
}

#[test]
fn who_wants_it_slower_is_not_left_behind() {
    // Three sentences a breath for a minute, heard by one who wants it slow and one who does not.
    let mut simulation = conference([&[], &[]]);
    let script = (0..10).map(|n| speech(4, n, secs(8 + 6 * u64::from(n)), 3)).collect();
    simulation.press(2, "2");
    simulation.call(Caller { script, ..caller(4, "en", &[]) });
    simulation.run(secs(80));
    let last = |leg| simulation.phone(LegId(leg)).heard.last().map(|heard| heard.at).unwrap();
    assert_eq!(words(&simulation, 2, 4).len(), 120);
    assert!(last(2).abs_diff(last(3)) < secs(2), "{:?} {:?}", last(2), last(3));
}

#[test]
fn originals_are_softer_and_louder_in_steps() {
    let mut simulation = conference([&[], &[]]);
    let by = |simulation: &RoomSimulation| match original(simulation, 2, 1) {
        Some(Original::Ducked { louder_db }) => louder_db,
        other => panic!("{other:?}"),
    };
    let louder = |simulation: &mut RoomSimulation, keys: &str| {
        simulation.press(2, keys);
        by(simulation)
    };
    assert_eq!(["6", "6", "6", "4"].map(|keys| louder(&mut simulation, keys)), [6, 12, 12, 6]);
    assert_eq!(louder(&mut simulation, "44444444"), -24);
    assert_eq!(original(&simulation, 3, 1), Some(DUCKED), "it is his own wish");
    simulation.run(secs(12));
    assert_eq!(told(&simulation, 2, secs(5)), ["No puede bajar más."], "the last of many is enough");
    simulation.press(2, "6");
    simulation.run(secs(18));
    assert_eq!((by(&simulation), told(&simulation, 2, secs(12))), (-18, vec!["Voces más altas."]));
    simulation.press(2, "6666666");
    simulation.run(secs(24));
    assert_eq!((by(&simulation), told(&simulation, 2, secs(18))), (12, vec!["No puede subir más."]));
}

#[test]
fn the_mute_are_neither_heard_nor_translated() {
    let mut simulation = conference([&[6, 12, 24], &[]]);
    simulation.run(secs(7));
    simulation.press(1, "7");
    assert_eq!(original(&simulation, 2, 1), None);
    simulation.run(secs(20));
    assert_eq!(words(&simulation, 2, 1), ["w100000", "w100001", "w100002"], "what he said before");
    assert_eq!(original(&simulation, 1, 2), Some(DUCKED), "he hears the others");
    simulation.press(1, "7");
    assert_eq!(original(&simulation, 2, 1), Some(DUCKED));
    simulation.run(secs(32));
    assert_eq!(words(&simulation, 2, 1)[3..], said(&simulation.phone(LegId(1)).caller.script[2..]));
    assert_eq!(told(&simulation, 1, secs(5)), ["You are muted.", "You can be heard."]);
}

#[test]
fn a_caller_without_the_translator_is_translated_neither_way() {
    let mut simulation = conference([&[8, 24], &[16, 32]]);
    let states =
        |simulation: &RoomSimulation| [1, 2, 3].map(|leg| simulation.translated.contains(&LegId(leg)));
    assert_eq!(states(&simulation), [true; 3]);
    simulation.press(2, "0");
    assert_eq!(states(&simulation), [true, false, true]);
    simulation.run(secs(23));
    assert_eq!(told(&simulation, 2, secs(5)), ["El traductor está apagado."]);
    assert_eq!((words(&simulation, 2, 1), words(&simulation, 1, 2)), (vec![], vec![]));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
    assert_eq!(original(&simulation, 1, 2), Some(Original::Plain));
    assert_eq!(words(&simulation, 3, 1).len(), 4, "others go on");
    simulation.press(2, "0");
    assert_eq!(states(&simulation), [true; 3]);
    simulation.run(secs(40));
    assert_eq!((words(&simulation, 2, 1).len(), words(&simulation, 1, 2).len()), (4, 4));
    assert_eq!(simulation.events.iter().filter(|(.., event)| *event == Event::Listening).count(), 3);
}

#[test]
fn a_changed_language_holds_from_the_next_utterance_on() {
    let mut simulation = conference([&[6, 14, 30], &[22]]);
    // In the middle of what he says.
    simulation.run(secs(7));
    simulation.press(1, "9");
    simulation.run(secs(40));
    assert_eq!(told(&simulation, 1, secs(6)), ["Vous parlez français."]);
    let script = &simulation.phone(LegId(1)).caller.script;
    let heard = words(&simulation, 2, 1);
    assert_eq!(heard.iter().filter(|word| word.starts_with("w1000")).count(), 4, "{heard:?}");
    assert!(heard.ends_with(&said(&script[1..])), "{heard:?}");
    assert_eq!(original(&simulation, 3, 1), Some(Original::Plain), "they share a language now");
    let french = simulation.phone(LegId(1)).heard.iter().filter(|h| h.talker == Some(LegId(2)));
    assert!(french.filter_map(text).all(|text| text.starts_with("fr: w2")));
    assert_eq!(words(&simulation, 1, 2).len(), 4);
    let asked = simulation.requests.translations.iter();
    assert!(
        asked.filter(|asked| asked.text.starts_with("w2")).count() == 1,
        "one language is left to hear it"
    );
    assert_in_order_and_once(&simulation);
    assert_eq!(errors(&simulation), 0);
}

#[test]
fn keys_are_told_in_the_callers_language_and_others_tell_how() {
    let mut simulation = conference([&[], &[]]);
    for (key, from) in ["3", "5", "8", "#", "A"].into_iter().zip((5..).step_by(4)) {
        simulation.press(3, key);
        simulation.run(secs(from + 4));
        assert_eq!(told(&simulation, 3, secs(from)), ["Étoile pour l'aide."]);
    }
    simulation.press(3, "*");
    simulation.run(secs(27));
    assert!(told(&simulation, 3, secs(25))[0].starts_with("1 répète."));
    // Another key ends it.
    simulation.press(3, "7");
    simulation.run(secs(29));
    assert_eq!(told(&simulation, 3, secs(27)), ["On ne vous entend plus."]);
    simulation.hang_up(LegId(3));
    simulation.press(3, "*");
    assert!(simulation.room.frames(LegId(3)).is_none());
}

#[test]
fn a_key_that_changes_nothing_says_so() {
    let pressed = |rules: Rules, languages: [&'static str; 2], key: &str| {
        let callers = vec![caller(1, languages[0], &[]), caller(2, languages[1], &[])];
        let mut simulation = RoomSimulation::new(rules, callers, Behaviour::GOOD, 1);
        simulation.run(secs(5));
        let before = simulation.phone(LegId(1)).originals.len();
        simulation.press(1, key);
        simulation.run(secs(10));
        assert_eq!(simulation.phone(LegId(1)).originals.len(), before, "{key}");
        told(&simulation, 1, secs(5)).join(" ")
    };
    for rules in [CALL, CONFERENCE] {
        for key in ["2", "4", "6"] {
            assert_eq!(pressed(rules.clone(), ["en", "en"], key), "There is no translation here.");
        }
    }
    let passthrough = Rules { mode: Mode::Passthrough, ..CONFERENCE };
    assert_eq!(pressed(passthrough, ["en", "es"], "6"), "There is no translation here.");
    let hidden = Rules { hides_originals: true, ..CALL };
    assert_eq!(pressed(hidden, ["en", "es"], "4"), "Only the translation is heard here.");
    for languages in [vec![], vec!["en".parse().unwrap()]] {
        let one = Rules { languages, ..CONFERENCE };
        assert_eq!(pressed(one, ["en", "en"], "9"), "There is no other language.");
    }
}
