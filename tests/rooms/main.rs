//! Rooms of several legs on a simulated clock: who hears whom in which language, and what is asked of engines for it.

mod chaos;
mod coming_and_going;
mod company;
mod door;
mod hearing;
mod house;
mod keys;
mod memory;
mod recording;

use std::time::Duration;

use audio_path::LegId;
use dragoman_tests::simulation::room::{Caller, Heard, RoomSimulation, Sound};
use dragoman_tests::simulation::{Behaviour, Speech};
use session::room::{HOUSE, Mode, Original, Rules};
use session::{Cue, Event, Manner};

/// Under its translation, as loud as usual.
const DUCKED: Original = Original::Ducked { louder_db: 0 };

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A call of two.
const CALL: Rules = Rules {
    mode: Mode::Bidirectional,
    manner: Manner::Consecutive,
    ends_with_the_first_to_leave: true,
    languages: Vec::new(),
    pin: None,
    is_recorded: false,
    hides_originals: false,
};
/// Phones that return nothing.
const CONFERENCE: Rules = Rules {
    mode: Mode::Bidirectional,
    manner: Manner::Simultaneous,
    ends_with_the_first_to_leave: false,
    languages: Vec::new(),
    pin: None,
    is_recorded: false,
    hides_originals: false,
};

/// Says sentences of four words from `at` on, 400 ms each word. The words tell speaker, speech and place.
fn speech(leg: u32, number: u32, at: Duration, sentences: u32) -> Speech {
    let word = |n| format!("w{leg}{number:03}{n:02}{}", if n % 4 == 3 { "." } else { "" });
    let text = (0..4 * sentences).map(word).collect::<Vec<_>>().join(" ");
    Speech { at, lasts: Duration::from_millis(1_600) * sentences, text, language: "" }
}

/// Somebody who calls at once, stays, and says one sentence at each of these seconds.
fn caller(leg: u32, language: &'static str, speaks: &[u64]) -> Caller {
    let script = (0..).zip(speaks).map(|(number, at)| speech(leg, number, secs(*at), 1)).collect();
    Caller {
        leg: LegId(leg),
        language,
        script,
        joins: Duration::ZERO,
        leaves: Duration::MAX,
        echo_halvings: None,
        lag: 0,
    }
}

fn run(rules: Rules, callers: Vec<Caller>, end: Duration) -> RoomSimulation {
    let mut simulation = RoomSimulation::new(rules, callers, Behaviour::GOOD, 1);
    simulation.run(end);
    simulation
}

/// What one heard of another in translation, word by word.
fn words(simulation: &RoomSimulation, listener: u32, talker: u32) -> Vec<String> {
    let heard = simulation.phone(LegId(listener)).heard.iter();
    let texts = heard.filter(|heard| heard.talker == Some(LegId(talker))).filter_map(text);
    let words = texts.flat_map(str::split_whitespace).filter(|word| word.starts_with('w'));
    words.map(|word| word.trim_end_matches('.').to_owned()).collect()
}

fn text(heard: &Heard) -> Option<&str> {
    match &heard.sound {
        Sound::Speech(text) => Some(text),
        Sound::Cue(_) => None,
    }
}

/// The words of these speeches of a script.
fn said<'a>(speeches: impl IntoIterator<Item = &'a Speech>) -> Vec<String> {
    let words = speeches.into_iter().flat_map(|speech| speech.text.split_whitespace());
    words.map(|word| word.trim_end_matches('.').to_owned()).collect()
}

fn cues(simulation: &RoomSimulation, listener: u32) -> Vec<Cue> {
    let heard = simulation.phone(LegId(listener)).heard.iter();
    heard.filter_map(|heard| if let Sound::Cue(cue) = heard.sound { Some(cue) } else { None }).collect()
}

/// How a listener hears a talker's voice now.
fn original(simulation: &RoomSimulation, listener: u32, talker: u32) -> Option<Original> {
    let (_, originals) = simulation.phone(LegId(listener)).originals.last()?;
    originals.iter().find(|(leg, _)| *leg == LegId(talker)).map(|(_, original)| *original)
}

fn when_told(simulation: &RoomSimulation, leg: u32) -> Option<Duration> {
    let told = |(_, of, event): &&(Duration, LegId, Event)| *of == LegId(leg) && *event == Event::Listening;
    simulation.events.iter().find(told).map(|(at, ..)| *at)
}

fn errors(simulation: &RoomSimulation) -> usize {
    simulation.events.iter().filter(|(.., event)| matches!(event, Event::Error { .. })).count()
}

/// Nobody hears a word twice or before an earlier one of the same speaker.
fn assert_in_order_and_once(simulation: &RoomSimulation) {
    for listener in simulation.phones.keys() {
        for talker in simulation.phones.keys() {
            let words = words(simulation, listener.0, talker.0);
            assert!(words.is_sorted_by(|a, b| a < b), "{listener:?} of {talker:?}: {words:?}");
        }
    }
}
