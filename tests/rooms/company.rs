//! Who is alone in a conference, and who comes and goes.

use session::room::Pin;

use super::*;

const ALONE: &str = "You are in the conference. You are the only one.";

/// What one heard of the room itself from one time to another: words, or a cue's name.
fn heard(simulation: &RoomSimulation, leg: u32, from: u64, to: u64) -> Vec<&str> {
    let heard = simulation.phone(LegId(leg)).heard.iter();
    let own = heard.filter(|heard| heard.talker.is_none() && (secs(from)..secs(to)).contains(&heard.at));
    own.map(|heard| match &heard.sound {
        Sound::Speech(text) => text.as_str(),
        Sound::Cue(cue) => cue.name(),
    })
    .collect()
}

/// The longest time in which one hears nothing begin.
fn longest_silence(simulation: &RoomSimulation, leg: u32, from: u64, to: u64) -> Duration {
    let begins = simulation.phone(LegId(leg)).heard.iter().map(|heard| heard.at);
    let begins = begins.filter(|at| (secs(from)..secs(to)).contains(at));
    let all: Vec<Duration> = [secs(from)].into_iter().chain(begins).chain([secs(to)]).collect();
    all.windows(2).map(|pair| pair[1].abs_diff(pair[0])).max().unwrap()
}

#[test]
fn who_is_alone_is_told_once_and_hears_that_the_line_is_not_dead() {
    let mut callers = vec![caller(1, "en", &[]), caller(2, "en", &[])];
    (callers[1].joins, callers[1].leaves) = (secs(30), secs(40));
    let simulation = run(CONFERENCE, callers, secs(70));
    let keys = format!("{ALONE} Star for help.");
    assert_eq!(heard(&simulation, 1, 0, 3), [keys.as_str()]);
    assert!(longest_silence(&simulation, 1, 0, 30) < secs(8));
    assert!(heard(&simulation, 1, 3, 30).iter().all(|cue| *cue == "wait"));
    assert_eq!(heard(&simulation, 1, 30, 40), ["joined"]);
    assert_eq!(heard(&simulation, 2, 30, 40), ["joined"], "he is not alone");
    assert_eq!(heard(&simulation, 1, 40, 44), ["left", ALONE], "he knows of the keys");
    assert!(longest_silence(&simulation, 1, 40, 70) < secs(8));
    assert_eq!(simulation.requests.speech.len(), 2);
    assert_eq!(errors(&simulation), 0);
}

#[test]
fn who_enters_the_pin_first_is_told_that_he_is_in() {
    let rules = Rules { pin: Pin::new("2424"), ..CONFERENCE };
    let mut simulation = RoomSimulation::new(rules, vec![caller(1, "es", &[])], Behaviour::GOOD, 1);
    simulation.run(secs(6));
    assert_eq!(heard(&simulation, 1, 0, 6), ["Introduzca el PIN."]);
    simulation.press(1, "2424");
    simulation.run(secs(9));
    let alone = "Está en la conferencia. No hay nadie más. Asterisco para ayuda.";
    assert_eq!(heard(&simulation, 1, 6, 9), [alone]);
    // Who stands at the door is no company.
    simulation.call(caller(2, "en", &[]));
    simulation.run(secs(20));
    assert!(heard(&simulation, 1, 9, 20).iter().all(|cue| *cue == "wait"));
    assert!(longest_silence(&simulation, 1, 9, 20) < secs(8));
    assert_eq!(heard(&simulation, 2, 9, 20), ["Please enter the PIN."]);
}

#[test]
fn who_comes_with_others_or_calls_somebody_is_not_told_that_he_is_alone() {
    let mut callers = vec![caller(1, "en", &[]), caller(2, "es", &[])];
    callers[1].joins = Duration::from_millis(900);
    let simulation = run(CONFERENCE, callers, secs(20));
    let said = heard(&simulation, 1, 0, 20);
    assert!(said.len() == 1 && said[0].starts_with("A machine translates this call."), "{said:?}");
    let simulation = run(CALL, vec![caller(1, "en", &[])], secs(20));
    assert_eq!(heard(&simulation, 1, 0, 20), [] as [&str; 0]);
}

#[test]
fn where_nothing_can_be_spoken_the_lonely_hear_sounds() {
    let fails = Behaviour { fails: 100, ..Behaviour::GOOD };
    let mut simulation = RoomSimulation::new(CONFERENCE, vec![caller(1, "en", &[])], fails, 1);
    simulation.run(secs(30));
    assert!(longest_silence(&simulation, 1, 0, 30) < secs(8));
    assert_eq!(cues(&simulation, 1).iter().filter(|cue| **cue == Cue::Error).count(), 1);
}

#[test]
fn a_sound_of_the_door_hides_no_translation() {
    // Six come and go while one speaks without a pause.
    let mut callers = vec![caller(1, "en", &[]), caller(2, "es", &[])];
    callers[0].script = vec![speech(1, 0, secs(6), 10)];
    callers.extend((3..9).map(|leg| {
        let joins = secs(6 + u64::from(leg));
        Caller { joins, leaves: joins + Duration::from_millis(3_500), ..caller(leg, "es", &[]) }
    }));
    let simulation = run(CONFERENCE, callers.clone(), secs(40));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script));
    let sounds = heard(&simulation, 2, 7, 40);
    assert_eq!(["joined", "left"].map(|cue| sounds.iter().filter(|other| **other == cue).count()), [6, 6]);
}
