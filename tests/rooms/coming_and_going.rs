//! Who comes late, leaves early, or cannot be told that a machine translates.

use super::*;

#[test]
fn who_comes_late_is_told_first_and_hears_what_is_said_from_then_on() {
    // While he is announced to, one speaks whom only he needs translated, and one whom others hear already.
    let mut callers = vec![caller(1, "en", &[6, 20, 30]), caller(2, "es", &[10]), caller(3, "es", &[12, 40])];
    callers[0].script[0] = speech(1, 0, secs(6), 5);
    callers[2].joins = secs(9);
    let simulation = run(CONFERENCE, callers.clone(), secs(50));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script));
    assert_eq!(words(&simulation, 3, 1), said(&callers[0].script[1..]), "he was not there when it began");
    let told = when_told(&simulation, 3).unwrap();
    let first = simulation.phone(LegId(3)).heard.iter().find(|heard| heard.talker.is_some()).unwrap();
    assert!(told > secs(9) && told < first.at);
    assert!(simulation.phone(LegId(3)).originals[0].0 < told, "voices he hears at once");
}

#[test]
fn nobody_is_listened_to_before_he_is_told() {
    let callers = vec![caller(1, "en", &[0]), caller(2, "es", &[0])];
    let simulation = run(CALL, callers, secs(8));
    assert!(simulation.requests.recognitions.iter().all(|(.., frames)| *frames < 40));
    let told = [1, 2].map(|leg| when_told(&simulation, leg).unwrap());
    let began = simulation.events.iter().filter(|(.., e)| matches!(e, Event::SpeechStarted { .. }));
    for (at, leg, _) in began {
        assert!(*at > told[leg.0 as usize - 1]);
    }
    let unannounced = simulation.room.frames(LegId(1)).unwrap().unannounced;
    assert!(unannounced > 40 && u128::from(unannounced) <= told[0].as_millis() / 20 + 1, "{unannounced}");
}

#[test]
fn what_was_said_before_hanging_up_is_heard_and_then_the_call_is_over() {
    let mut callers = vec![caller(1, "en", &[6]), caller(2, "es", &[])];
    callers[0].leaves = Duration::from_millis(7_200);
    let mut simulation = run(CALL, callers, Duration::from_millis(7_300));
    assert!(!simulation.phone(LegId(1)).is_forgotten);
    assert_eq!(simulation.phone(LegId(2)).originals.last().unwrap().1, []);
    simulation.run(secs(20));
    assert_eq!(words(&simulation, 2, 1), ["w100000", "w100001", "w100002"]);
    assert!(simulation.phone(LegId(1)).is_forgotten && simulation.phone(LegId(2)).is_dismissed);
    let last = simulation.phone(LegId(2)).heard.last().unwrap();
    assert!(last.frames > 30, "it was heard to its end");
    assert!(!simulation.room.is_empty());
    simulation.hang_up(LegId(2));
    assert!(simulation.room.is_empty() && simulation.room.next_deadline().is_none());
}

#[test]
fn a_listener_who_leaves_takes_only_his_own_language_with_him() {
    // Two hear it in Spanish, one in French; one of each leaves in the middle of it.
    let mut callers = vec![
        caller(1, "en", &[6, 20]),
        caller(2, "es", &[]),
        caller(3, "es", &[]),
        caller(4, "fr", &[]),
        caller(5, "en", &[30]),
    ];
    callers[0].script[0] = speech(1, 0, secs(6), 4);
    for place in [1, 3] {
        callers[place].leaves = Duration::from_millis(9_500);
    }
    let simulation = run(CONFERENCE, callers.clone(), secs(40));
    assert_eq!(words(&simulation, 3, 1), said(&callers[0].script));
    assert!(words(&simulation, 4, 1).len() < 16);
    let french = simulation.requests.translations.iter().filter(|asked| asked.target == "fr");
    assert!(french.into_iter().all(|asked| asked.text.starts_with("w1000")), "nobody needs it any more");
    assert!(simulation.phone(LegId(2)).is_forgotten && simulation.phone(LegId(4)).is_forgotten);
    assert!(!simulation.phone(LegId(3)).is_dismissed, "others go on");
    assert_eq!(words(&simulation, 3, 5), said(&callers[4].script));
}

#[test]
fn where_nobody_is_left_who_needs_it_nothing_is_recognised() {
    let mut callers = vec![caller(1, "en", &[6, 20]), caller(2, "es", &[]), caller(3, "en", &[])];
    callers[0].script[0] = speech(1, 0, secs(6), 3);
    callers[1].leaves = secs(8);
    let simulation = run(CONFERENCE, callers, secs(30));
    assert_eq!(simulation.requests.recognitions.len(), 1);
    assert_eq!(simulation.requests.cancelled.len(), 1);
    assert_eq!(original(&simulation, 3, 1), Some(Original::Plain));
}

#[test]
fn whom_nobody_can_tell_of_the_machine_is_heard_as_he_is() {
    let callers = vec![caller(1, "en", &[8, 20, 40]), caller(2, "es", &[])];
    let mut simulation =
        RoomSimulation::new(CALL, callers.clone(), Behaviour { fails: 100, ..Behaviour::GOOD }, 3);
    simulation.run(secs(28));
    assert_eq!(simulation.requests.recognitions, []);
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
    assert_eq!(cues(&simulation, 1), [Cue::Error], "the tone is heard once");
    simulation.set_behaviour(Behaviour::GOOD);
    simulation.run(secs(50));
    assert_eq!(original(&simulation, 2, 1), Some(DUCKED));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script[2..]));
}
