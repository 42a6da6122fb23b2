//! Conferences with a PIN.

use session::room::Pin;

use super::*;

const DOOR: u32 = 3;

/// Two who are in, and one who comes at five seconds.
fn conference() -> RoomSimulation {
    let rules = Rules { pin: Pin::new("4711"), ..CONFERENCE };
    let mut late = caller(DOOR, "fr", &[7, 40]);
    late.joins = secs(5);
    let callers = vec![caller(1, "en", &[8, 50]), caller(2, "es", &[]), late];
    let mut simulation = RoomSimulation::new(rules, callers, Behaviour::GOOD, 1);
    simulation.run(Duration::from_millis(100));
    simulation.press(1, "4711");
    simulation.press(2, "4711");
    simulation.run(secs(6));
    simulation
}

fn heard(simulation: &RoomSimulation) -> Vec<&str> {
    simulation.phone(LegId(DOOR)).heard.iter().filter_map(text).collect()
}

#[test]
fn before_the_pin_nobody_hears_or_is_heard() {
    let mut simulation = conference();
    simulation.run(secs(20));
    assert_eq!(heard(&simulation), ["Entrez le code PIN."]);
    assert!(simulation.phone(LegId(DOOR)).originals.is_empty());
    assert_eq!(original(&simulation, 1, DOOR), None);
    assert!(simulation.requests.translations.iter().all(|asked| asked.target == "es"));
    assert!(simulation.requests.recognitions.iter().all(|(leg, ..)| *leg == LegId(1)));
    simulation.press(DOOR, "4711");
    assert_eq!(original(&simulation, 1, DOOR), Some(DUCKED));
    simulation.run(secs(60));
    let script = &simulation.phone(LegId(DOOR)).caller.script;
    assert_eq!(words(&simulation, 1, DOOR), said(&script[1..]));
    assert_eq!(words(&simulation, DOOR, 1).len(), 4, "what was said while he was in");
    assert_eq!(heard(&simulation)[1], session::announcement("fr".parse().unwrap()).0);
}

#[test]
fn keys_pressed_before_the_prompt_ends_count() {
    let mut simulation = conference();
    simulation.press(DOOR, "47");
    simulation.run(Duration::from_millis(6_200));
    simulation.press(DOOR, "11");
    assert_eq!(original(&simulation, DOOR, 1), Some(DUCKED));
    simulation.run(secs(12));
    assert!(heard(&simulation).contains(&&*session::announcement("fr".parse().unwrap()).0));
}

#[test]
fn three_wrong_pins_are_too_many() {
    let mut simulation = conference();
    for (wrong, at) in [("12#", 9), ("0000", 14), ("471135", 20)] {
        simulation.press(DOOR, wrong);
        simulation.run(secs(at));
        assert_eq!(original(&simulation, 1, DOOR).is_some(), wrong == "471135", "{wrong}");
    }
    // The right one opens; what follows it are keys of the room.
    assert!(!simulation.phone(LegId(DOOR)).is_dismissed);

    let mut simulation = conference();
    simulation.press(DOOR, "1#22#");
    simulation.press(DOOR, "333#");
    simulation.press(DOOR, "4711");
    assert!(!simulation.phone(LegId(DOOR)).is_dismissed, "he is told first");
    assert!(simulation.refused.contains(&LegId(DOOR)), "whoever watches knows at once");
    simulation.run(secs(12));
    assert_eq!(heard(&simulation).last(), Some(&"Ce n'est pas le code PIN. Au revoir."));
    assert!(simulation.phone(LegId(DOOR)).is_dismissed && original(&simulation, 1, DOOR).is_none());
    simulation.hang_up(LegId(DOOR));
    assert!(simulation.phone(LegId(DOOR)).is_forgotten && !simulation.phone(LegId(1)).is_dismissed);
}

#[test]
fn who_stays_though_he_was_dismissed_is_told_to_hang_up() {
    let mut simulation = conference();
    simulation.press(DOOR, "1#22#333#");
    simulation.run(secs(12));
    for (end, times) in [(secs(20), 1), (secs(100), 4), (secs(400), 9)] {
        simulation.phones.get_mut(&LegId(DOOR)).unwrap().is_dismissed = false;
        simulation.run(end);
        assert!(simulation.phone(LegId(DOOR)).is_dismissed, "again");
        let told = heard(&simulation).iter().filter(|text| text.ends_with("Veuillez raccrocher.")).count();
        assert_eq!(told, times, "{end:?}");
    }
    simulation.press(DOOR, "4711");
    assert_eq!(original(&simulation, DOOR, 1), None);
    simulation.hang_up(LegId(DOOR));
    assert!(simulation.phone(LegId(DOOR)).is_forgotten);
}

#[test]
fn nobody_stands_at_the_door_for_ever() {
    let mut simulation = conference();
    simulation.set_behaviour(Behaviour { fails: 100, ..Behaviour::GOOD });
    simulation.press(DOOR, "4");
    simulation.run(secs(90));
    assert!(simulation.phone(LegId(DOOR)).is_dismissed, "not even where nothing can be spoken");
}

#[test]
fn a_pin_is_in_no_output() {
    assert_eq!(["", "123", "12a4", "12345678901234567"].map(Pin::new), [const { None }; 4]);
    let rules = Rules { pin: Pin::new("4711"), ..CONFERENCE };
    assert!(!format!("{rules:?}").contains("4711"));
}
