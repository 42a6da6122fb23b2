//! Who hears whom in which language, and what is asked of engines for it.

use std::collections::BTreeSet;

use dragoman_tests::simulation::room::Translation;
use session::{Component, Input, announcement};

use super::*;

#[test]
fn in_a_call_of_two_each_hears_the_other_in_his_language() {
    let callers = vec![caller(1, "en", &[6, 16]), caller(2, "es", &[11, 21])];
    let simulation = run(CALL, callers.clone(), secs(30));
    assert_eq!(words(&simulation, 2, 1), said(&callers[0].script));
    assert_eq!(words(&simulation, 1, 2), said(&callers[1].script));
    for (leg, language) in [(1, "en"), (2, "es")] {
        let heard = &simulation.phone(LegId(leg)).heard;
        assert_eq!(text(&heard[0]), Some(&*announcement(language.parse().unwrap()).0));
        let translated = heard.iter().skip(1).filter_map(text);
        assert!(translated.into_iter().all(|text| text.starts_with(language)));
        assert_eq!(original(&simulation, leg, 3 - leg), Some(DUCKED));
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
            let expected = if is_translated { DUCKED } else { Original::Plain };
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
fn one_way_only_who_came_first_is_translated() {
    let rules = Rules { mode: Mode::Unidirectional, ..CONFERENCE };
    let callers = vec![caller(1, "en", &[6]), caller(2, "es", &[12]), caller(3, "fr", &[18])];
    let simulation = run(rules, callers.clone(), secs(25));
    assert!([2, 3].map(|leg| words(&simulation, leg, 1)).iter().all(|w| *w == said(&callers[0].script)));
    let talkers: BTreeSet<_> = simulation.requests.recognitions.iter().map(|(leg, ..)| *leg).collect();
    assert_eq!(talkers, [LegId(1)].into());
    assert_eq!(original(&simulation, 1, 2), Some(Original::Plain));
    assert_eq!(original(&simulation, 2, 1), Some(DUCKED));
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
    assert_eq!(original(&simulation, 2, 1), Some(DUCKED));
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
