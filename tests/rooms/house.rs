//! What the house says to everybody.

use dragoman_tests::simulation::room::Translation;

use super::*;

const TEXT: &str = "Dinner is served.";

fn languages(codes: &[&'static str]) -> RoomSimulation {
    let callers = (1..).zip(codes).map(|(leg, language)| caller(leg, language, &[]));
    run(CONFERENCE, callers.collect(), secs(5))
}

/// What one heard of the house, with the time.
fn told(simulation: &RoomSimulation, leg: u32) -> Vec<(Duration, &str)> {
    let heard = simulation.phone(LegId(leg)).heard.iter();
    let of_house = heard.filter(|heard| heard.talker == Some(HOUSE));
    of_house.filter_map(|heard| Some((heard.at, text(heard)?))).collect()
}

fn texts(simulation: &RoomSimulation, leg: u32) -> Vec<&str> {
    told(simulation, leg).into_iter().map(|(_, text)| text).collect()
}

#[test]
fn everybody_hears_it_in_his_language_and_no_engine_is_asked_twice() {
    let mut simulation = languages(&["en", "en", "es", "es", "fr"]);
    let before = simulation.requests.speech.len();
    assert!(simulation.say(TEXT));
    simulation.run(secs(12));
    let expected = [TEXT, TEXT, "es: Dinner is served.", "es: Dinner is served.", "fr: Dinner is served."];
    for (leg, expected) in (1..).zip(expected) {
        assert_eq!(texts(&simulation, leg), [expected]);
    }
    let asked = |target: &str| Translation { talker: HOUSE, text: TEXT.into(), target: target.into() };
    assert_eq!(simulation.requests.translations, [asked("es"), asked("fr")]);
    assert_eq!(simulation.requests.speech.len(), before + 3);
    assert_eq!(simulation.requests.recognitions, []);
}

#[test]
fn it_is_heard_beside_who_speaks_and_can_be_repeated() {
    let mut simulation = run(CONFERENCE, vec![caller(1, "en", &[6]), caller(2, "es", &[])], secs(6));
    assert!(simulation.say(TEXT));
    simulation.run(secs(14));
    assert_eq!(words(&simulation, 2, 1).len(), 4);
    assert_eq!(texts(&simulation, 2), ["es: Dinner is served."]);
    assert!(simulation.say("Good night."));
    simulation.run(secs(20));
    simulation.press(2, "1");
    simulation.run(secs(26));
    let last = simulation.phone(LegId(2)).heard.last().unwrap();
    assert_eq!((last.talker, text(last)), (None, Some("es: Good night.")));
}

#[test]
fn who_is_alone_hears_it_and_who_comes_later_does_not() {
    let mut callers = vec![caller(1, "en", &[]), caller(2, "es", &[]), caller(3, "es", &[])];
    (callers[1].joins, callers[2].joins) = (secs(1), secs(9));
    let mut simulation = run(CONFERENCE, callers, Duration::from_millis(500));
    assert!(simulation.say(TEXT));
    simulation.run(Duration::from_millis(1_200));
    // He is being told that a machine translates.
    assert!(simulation.say("Good night."));
    simulation.run(secs(20));
    assert_eq!(texts(&simulation, 1), [TEXT, "Good night."]);
    assert_eq!(texts(&simulation, 2), ["es: Good night."]);
    assert!(told(&simulation, 2)[0].0 > when_told(&simulation, 2).unwrap());
    assert_eq!(texts(&simulation, 3), [] as [&str; 0]);
}

#[test]
fn it_is_said_to_nobody_at_the_door_nor_in_an_empty_room() {
    let mut simulation = run(CONFERENCE, Vec::new(), secs(1));
    assert!(!simulation.say(TEXT));
    let pin = session::room::Pin::new("2424");
    let mut simulation = run(Rules { pin, ..CONFERENCE }, vec![caller(1, "es", &[])], secs(1));
    assert!(!simulation.say(TEXT));
    simulation.press(1, "2424");
    assert!(simulation.say(TEXT));
    simulation.run(secs(8));
    assert_eq!(texts(&simulation, 1), ["es: Dinner is served."]);
}

#[test]
fn no_more_waits_than_can_be_heard_soon() {
    let mut simulation = languages(&["en", "es"]);
    assert_eq!((0..20).filter(|_| simulation.say(TEXT)).count(), 8);
    simulation.run(secs(30));
    assert!(simulation.say(TEXT));
    simulation.run(secs(40));
    assert_eq!([texts(&simulation, 1).len(), texts(&simulation, 2).len()], [9, 9]);
}

#[test]
fn with_its_last_listener_it_is_over() {
    let mut simulation = languages(&["en", "es"]);
    (0..3).for_each(|_| assert!(simulation.say(TEXT)));
    simulation.run(secs(6));
    simulation.hang_up(LegId(2));
    simulation.run(secs(15));
    assert_eq!(texts(&simulation, 1).len(), 3);
    assert!(texts(&simulation, 2).len() < 3);
    simulation.hang_up(LegId(1));
    assert!(simulation.room.is_empty() && simulation.room.next_deadline().is_none());
}

#[test]
fn what_cannot_be_translated_is_a_tone_for_whom_it_concerns() {
    let mut simulation = languages(&["en", "es"]);
    simulation.set_behaviour(Behaviour { fails: 100, ..Behaviour::GOOD });
    assert!(simulation.say(TEXT));
    simulation.run(secs(10));
    assert_eq!((errors(&simulation), cues(&simulation, 2)), (2, vec![Cue::Error]));
}
