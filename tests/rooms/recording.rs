//! Who is recorded is told so before, each in his language; nobody is overheard who was told nothing.

use super::*;

const RECORDED: &str = "This call is recorded. Star for help.";

fn texts(simulation: &RoomSimulation, leg: u32) -> Vec<&str> {
    simulation.phone(LegId(leg)).heard.iter().filter_map(text).collect()
}

fn overheard(simulation: &RoomSimulation) -> Vec<u32> {
    (1..=3).filter(|leg| simulation.room.may_be_overheard(LegId(*leg))).collect()
}

fn when_told_of_recording(simulation: &RoomSimulation, leg: u32) -> Option<Duration> {
    let told =
        |(_, of, event): &&(Duration, LegId, Event)| *of == LegId(leg) && *event == Event::ToldOfRecording;
    simulation.events.iter().find(told).map(|(at, ..)| *at)
}

/// Two who share a language, and one with another who comes at ten seconds.
fn conference(is_recorded: bool) -> RoomSimulation {
    let mut callers = vec![caller(1, "en", &[]), caller(2, "en", &[]), caller(3, "es", &[])];
    callers[2].joins = secs(10);
    RoomSimulation::new(Rules { is_recorded, ..CONFERENCE }, callers, Behaviour::GOOD, 1)
}

#[test]
fn each_is_told_in_his_language_before_he_is_overheard() {
    let mut simulation = conference(true);
    simulation.run(Duration::from_millis(400));
    assert_eq!(overheard(&simulation), [0; 0]);
    simulation.run(secs(9));
    assert_eq!(overheard(&simulation), [1, 2]);
    assert_eq!(texts(&simulation, 1), [RECORDED], "no machine translates it yet");
    assert_eq!(when_told(&simulation, 1), None);
    simulation.run(Duration::from_millis(10_400));
    assert_eq!(overheard(&simulation), [1, 2], "they know");
    simulation.run(secs(20));
    assert_eq!(overheard(&simulation), [1, 2, 3]);
    assert_eq!(texts(&simulation, 1), [RECORDED, "A machine translates this call."], "he knows of the keys");
    assert_eq!(
        texts(&simulation, 3),
        ["Una máquina traduce esta llamada. Esta llamada se graba. Asterisco para ayuda."]
    );
    assert_eq!(when_told_of_recording(&simulation, 3), when_told(&simulation, 3));
    simulation.press(2, "7");
    assert_eq!(overheard(&simulation), [1, 3], "who is muted is not");
    simulation.hang_up(LegId(1));
    assert_eq!(overheard(&simulation), [3]);
}

#[test]
fn where_nothing_is_recorded_who_is_told_of_the_machine_is_overheard() {
    let mut simulation = conference(false);
    simulation.run(secs(9));
    assert_eq!(overheard(&simulation), [0; 0]);
    simulation.run(secs(20));
    assert_eq!(overheard(&simulation), [1, 2, 3]);
    assert!((1..=3).all(|leg| when_told_of_recording(&simulation, leg).is_none()));
}

#[test]
fn whom_nobody_can_tell_is_not_overheard() {
    let mut simulation = conference(true);
    simulation.set_behaviour(Behaviour { fails: 100, ..Behaviour::GOOD });
    simulation.run(secs(9));
    assert_eq!((overheard(&simulation), texts(&simulation, 1)), (vec![], vec![]));
    simulation.set_behaviour(Behaviour::GOOD);
    simulation.run(secs(30));
    assert_eq!(overheard(&simulation), [1, 2, 3]);
    assert!(texts(&simulation, 3).join(" ").contains("Esta llamada se graba."));
}
