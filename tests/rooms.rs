//! Rooms of several legs on a simulated clock: who hears whom in which language, and what is asked of engines for it.

use std::collections::BTreeSet;
use std::time::Duration;

use audio_path::LegId;
use dragoman_tests::simulation::room::{Caller, Heard, RoomSimulation, Sound, Translation};
use dragoman_tests::simulation::{Behaviour, Speech};
use session::room::{Mode, Original, Rules};
use session::{Component, Cue, Event, Input, Manner, announcement};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A call of two.
const CALL: Rules =
    Rules { mode: Mode::Bidirectional, manner: Manner::Consecutive, ends_with_the_first_to_leave: true };
/// Phones that return nothing.
const CONFERENCE: Rules =
    Rules { mode: Mode::Bidirectional, manner: Manner::Simultaneous, ends_with_the_first_to_leave: false };

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

#[test]
fn in_a_call_of_two_each_hears_the_other_in_his_language() {
    let callers = vec![caller(1, "en", &[6, 16]), caller(2, "es", &[11, 21])];
    let simulation = run(CALL, callers.clone(), secs(30));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script));
    assert_eq!(words(&simulation, 1, 2), said(&callers[1].script));
    for (leg, language) in [(1, "en"), (2, "es")] {
        let heard = &simulation.phone(LegId(leg)).heard;
        assert_eq!(text(&heard[0]), Some(announcement(language.parse().unwrap()).0));
        let translated = heard.iter().skip(1).filter_map(text);
        assert!(translated.into_iter().all(|text| text.starts_with(language)));
        assert_eq!(original(&simulation, leg, 3 - leg), Some(Original::Ducked));
    }
    assert_eq!(errors(&simulation), 0);
    assert_eq!(simulation.room.discards(), session::Discards::default());
}

#[test]
fn who_shares_a_language_needs_no_engine() {
    let callers = vec![caller(1, "en", &[1, 6]), caller(2, "en", &[4])];
    let simulation = run(CALL, callers, secs(12));
    assert_eq!(simulation.requests.recognitions, []);
    assert_eq!((simulation.requests.translations.len(), simulation.requests.speech.len()), (0, 0));
    assert_eq!(original(&simulation, 1, 2), Some(Original::Plain));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
    assert!(simulation.events.is_empty(), "nothing is announced: {:?}", simulation.events);
    assert_eq!(simulation.room.frames(LegId(1)).unwrap().unwanted, simulation.phone(LegId(1)).sent);
}

#[test]
fn a_conference_of_four_in_three_languages_asks_for_nothing_twice() {
    let callers = vec![
        caller(1, "en", &[6, 30]),
        caller(2, "en", &[12]),
        caller(3, "es", &[18, 36]),
        caller(4, "fr", &[24]),
    ];
    let simulation = run(CONFERENCE, callers.clone(), secs(45));
    let mut expected = BTreeSet::new();
    for talker in &callers {
        let targets: BTreeSet<&str> =
            callers.iter().map(|other| other.language).filter(|other| *other != talker.language).collect();
        for target in targets {
            expected.extend(talker.script.iter().map(|speech| Translation {
                talker: talker.leg,
                text: speech.text.clone(),
                target: target.to_owned(),
            }));
        }
        for other in callers.iter().filter(|other| other.leg != talker.leg) {
            let heard = words(&simulation, other.leg.0, talker.leg.0);
            let is_translated = other.language != talker.language;
            assert_eq!(heard, if is_translated { said(&talker.script) } else { Vec::new() });
            let expected = if is_translated { Original::Ducked } else { Original::Plain };
            assert_eq!(original(&simulation, other.leg.0, talker.leg.0), Some(expected));
        }
    }
    let requests = &simulation.requests;
    assert_eq!(requests.recognitions.len(), 6, "one stream an utterance: {:?}", requests.recognitions);
    assert_eq!(requests.translations.len(), expected.len(), "none twice");
    assert_eq!(requests.translations.iter().cloned().collect::<BTreeSet<_>>(), expected);
    // Each of them, and four announcements.
    assert_eq!(requests.speech.len(), expected.len() + 4);
    assert_eq!(errors(&simulation), 0);
}

#[test]
fn people_who_talk_at_once_are_heard_at_once() {
    let callers = vec![caller(1, "en", &[8]), caller(2, "es", &[8]), caller(3, "fr", &[])];
    let simulation = run(CONFERENCE, callers.clone(), secs(16));
    let begins = |talker| {
        let heard = &simulation.phone(LegId(3)).heard;
        heard.iter().find(|heard| heard.talker == Some(LegId(talker))).map(|heard| heard.at).unwrap()
    };
    assert!(begins(1).abs_diff(begins(2)) < Duration::from_millis(900), "{:?} {:?}", begins(1), begins(2));
    for (listener, talker) in [(3, 1), (3, 2), (2, 1), (1, 2)] {
        assert_eq!(words(&simulation, listener, talker), said(&callers[talker as usize - 1].script));
    }
}

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
fn one_way_only_who_came_first_is_translated() {
    let rules = Rules { mode: Mode::Unidirectional, ..CONFERENCE };
    let callers = vec![caller(1, "en", &[6]), caller(2, "es", &[12]), caller(3, "fr", &[18])];
    let simulation = run(rules, callers.clone(), secs(25));
    assert!([2, 3].map(|leg| words(&simulation, leg, 1)).iter().all(|w| *w == said(&callers[0].script)));
    let talkers: BTreeSet<_> = simulation.requests.recognitions.iter().map(|(leg, ..)| *leg).collect();
    assert_eq!(talkers, [LegId(1)].into());
    assert_eq!(original(&simulation, 1, 2), Some(Original::Plain));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Ducked));
}

#[test]
fn passthrough_uses_no_engine() {
    let rules = Rules { mode: Mode::Passthrough, ..CONFERENCE };
    let simulation = run(rules, vec![caller(1, "en", &[2]), caller(2, "es", &[5])], secs(10));
    assert_eq!((simulation.requests.recognitions.len(), simulation.requests.speech.len()), (0, 0));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
}

#[test]
fn without_engines_voices_are_heard_as_they_are_and_everybody_is_told_in_his_language() {
    let callers = vec![caller(1, "en", &[12, 40]), caller(2, "es", &[])];
    let mut simulation = run(CALL, callers.clone(), secs(8));
    let served = |served| Input::Served { component: Component::Mt, served };
    simulation.set_behaviour(Behaviour { fails: 100, streams: false, ..Behaviour::GOOD });
    simulation.tell(LegId(1), served(false));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Plain));
    simulation.run(secs(30));
    simulation.set_behaviour(Behaviour::GOOD);
    simulation.tell(LegId(1), served(true));
    assert_eq!(original(&simulation, 2, 1), Some(Original::Ducked));
    simulation.run(secs(50));
    for (leg, language) in [(1, "en"), (2, "es")] {
        let notices =
            [Cue::notice(true, language.parse().unwrap()), Cue::notice(false, language.parse().unwrap())];
        let told = cues(&simulation, leg).into_iter().filter(|cue| cue.words().is_some());
        assert_eq!(told.collect::<Vec<_>>(), notices);
    }
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script[1..]));
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
    assert_eq!(original(&simulation, 2, 1), Some(Original::Ducked));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script[2..]));
}

#[test]
fn what_a_phone_returns_is_not_recognised() {
    for seed in 0..20 {
        let mut callers =
            vec![caller(1, "en", &[6, 20, 34]), caller(2, "es", &[13, 27]), caller(3, "es", &[41])];
        for (caller, lag) in callers.iter_mut().zip([0, 12, 5]) {
            (caller.echo_halvings, caller.lag) = (Some(1 + seed as u32 % 3), lag);
        }
        let rules = Rules { ends_with_the_first_to_leave: false, ..CALL };
        let mut simulation = RoomSimulation::new(rules, callers.clone(), Behaviour::GOOD, seed);
        simulation.run(secs(50));
        assert_eq!(simulation.echo_recognised, 0, "seed {seed}");
        assert_eq!(words(&simulation, 2, 1), said(&callers[0].script), "seed {seed}");
        assert_eq!(words(&simulation, 1, 2), said(&callers[1].script), "seed {seed}");
    }
}

/// A conference of `legs` with a script, comings and goings by the seed.
fn chaos(legs: u32, seed: u64) -> Vec<Caller> {
    let mut random = fastrand::Rng::with_seed(seed);
    let languages = ["en", "es", "fr"];
    let mut callers = Vec::new();
    for leg in 1..=legs {
        let joins = Duration::from_millis(random.u64(0..12_000));
        let leaves =
            if random.bool() { joins + Duration::from_millis(random.u64(1_000..25_000)) } else { secs(34) };
        let mut script = Vec::new();
        let mut at = random.u64(0..9_000);
        while at < 30_000 {
            let sentences = random.u32(1..4);
            script.push(speech(leg, script.len() as u32, Duration::from_millis(at), sentences));
            at += u64::from(sentences) * 1_600 + random.u64(800..9_000);
        }
        let language = languages[random.usize(0..languages.len())];
        let echo_halvings = random.bool().then(|| random.u32(2..4));
        callers.push(Caller {
            leg: LegId(leg),
            language,
            script,
            joins,
            leaves,
            echo_halvings,
            lag: random.u32(0..12),
        });
    }
    callers
}

#[test]
fn a_thousand_conferences_in_chaos_keep_order_and_end_clean() {
    let mut heard = 0;
    for seed in 0..1_000 {
        let behaviour = Behaviour {
            slowest: Duration::from_millis(if seed % 3 == 0 { 6_000 } else { 900 }),
            fails: 6,
            mute: 3,
            repeats: 30,
            streams: seed % 2 == 0,
            ..Behaviour::GOOD
        };
        let rules = Rules {
            mode: if seed % 10 == 0 { Mode::Unidirectional } else { Mode::Bidirectional },
            manner: if seed % 2 == 0 { Manner::Consecutive } else { Manner::Simultaneous },
            ends_with_the_first_to_leave: seed % 7 == 0,
        };
        let callers = chaos(2 + seed as u32 % 4, seed);
        let returns =
            rules.manner == Manner::Simultaneous && callers.iter().any(|c| c.echo_halvings.is_some());
        let mut simulation = RoomSimulation::new(rules, callers, behaviour, seed);
        simulation.run(secs(34));
        for leg in simulation.phones.keys().copied().collect::<Vec<_>>() {
            simulation.hang_up(leg);
        }
        simulation.run(secs(100));
        if !returns {
            assert_in_order_and_once(&simulation);
            assert_eq!(simulation.echo_recognised, 0, "seed {seed}");
        }
        assert!(simulation.phones.values().all(|phone| phone.is_forgotten), "seed {seed}");
        assert!(simulation.room.is_empty() && simulation.room.next_deadline().is_none(), "seed {seed}");
        heard += simulation.phones.values().map(|phone| phone.heard.len()).sum::<usize>();
    }
    assert!(heard > 10_000, "{heard}");
}
