//! Anything at any time.

use audio_path::SegmentId;
use proptest::prelude::*;
use session::{Component, Input, UtteranceId};

use super::*;

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
    for seed in 0..1000 {
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
            languages: ["es", "fr", "en"].map(|code| code.parse().unwrap()).into(),
            ..CONFERENCE
        };
        let callers = chaos(2 + seed as u32 % 4, seed);
        let returns =
            rules.manner == Manner::Simultaneous && callers.iter().any(|c| c.echo_halvings.is_some());
        let mut simulation = RoomSimulation::new(rules, callers, behaviour, seed);
        // Anybody presses any key, some of which are in nobody's table.
        let mut random = fastrand::Rng::with_seed(seed);
        for second in 1..=34 {
            simulation.run(secs(second));
            if seed % 3 == 1 && random.u32(0..4) == 0 {
                let key = b"0123456789*#A"[random.usize(0..13)] as char;
                simulation.press(random.u32(1..6), &key.to_string());
            }
            if seed % 4 == 2 && random.u32(0..3) == 0 {
                simulation.say("Dinner is served.");
            }
        }
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is answered, played or pressed, for whatever leg and number: no panic, nothing out of order or twice,
    /// all frames counted, and in the end nobody is left.
    #[test]
    fn garbage_does_no_harm(
        garbage in prop::collection::vec((0u8..13, 0u32..5, 0u32..16, "\\PC{0,40}|[\\x00-\\x20]{0,9}|(a, ){900}"), 1..50),
        seed in any::<u64>(),
    ) {
        let callers = vec![caller(1, "en", &[5, 12]), caller(2, "es", &[9]), caller(3, "fr", &[14])];
        let mut simulation = RoomSimulation::new(CONFERENCE, callers, Behaviour::GOOD, seed);
        for (step, (kind, leg, number, text)) in garbage.iter().enumerate() {
            simulation.run(Duration::from_millis(400) * (step as u32 + 1));
            let (utterance, segment, language) = (UtteranceId(*number), SegmentId(*number), text.parse().ok());
            let component = Component::ALL[*number as usize % 3];
            simulation.tell(LegId(*leg), match kind {
                0 => Input::Partial { utterance, delta: text, language },
                1 => Input::Final { utterance, text, language },
                2 => Input::RecognitionFailed { utterance, reason: text },
                3 => Input::Translated { segment, text },
                4 => Input::TranslationFailed { segment, reason: text },
                5 => Input::SpeechFailed { segment, reason: text },
                6 => Input::Connected,
                7 => Input::PlaybackStarted { segment },
                8 => Input::Interim { utterance, text, heard: secs(u64::from(*number)), language },
                9 => Input::SpeechReady { segment },
                10 => Input::Served { component, served: text.len() % 2 == 0 },
                11 => Input::PlaybackEnded { segment },
                _ => Input::Tick,
            });
            simulation.press(*leg, text.get(..1).unwrap_or("*"));
        }
        for leg in 1..=3 {
            simulation.hang_up(LegId(leg));
        }
        let end = simulation.elapsed() + secs(80);
        simulation.run(end);
        prop_assert!(simulation.room.is_empty() && simulation.room.next_deadline().is_none());
    }
}
