//! Whole calls through the session core on a simulated clock: order, echo, failures, counts.

use std::time::Duration;

use audio_path::Timestamp;
use dragoman_tests::simulation::{Behaviour, Simulation, Sound, Speech};
use proptest::prelude::*;
use session::room::Pace;
use session::{
    Action, Component, Cue, Event, Input, Interpreter, LanguagePair, Manner, UtteranceId, announcement,
};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Says `words` numbered words, 400 ms each, beginning at `at`.
fn speech(number: u32, at: Duration, words: u32, language: &'static str) -> Speech {
    let word = |n| format!("w{number:03}{n:02}{}", if n % 4 == 3 { "." } else { "" });
    let text = (0..words).map(word).collect::<Vec<_>>().join(" ");
    Speech { at, lasts: Duration::from_millis(400) * words, text, language }
}

/// A caller who speaks `count` times from the tenth second on, in either language, and listens in between.
fn conversation(count: u32, every: Duration) -> Vec<Speech> {
    let language = |n| if n % 2 == 0 { "en" } else { "es" };
    (0..count).map(|n| speech(n, secs(10) + every * n, 3 + n % 7, language(n))).collect()
}

/// The numbered words that were spoken, in order.
fn spoken_words(simulation: &Simulation) -> Vec<String> {
    let texts = simulation.played.iter().filter_map(|(_, sound)| match sound {
        Sound::Speech(text) => Some(text),
        Sound::Cue(_) => None,
    });
    let words = texts.flat_map(|text| text.split_whitespace());
    let numbered = words.map(|w| w.trim_start_matches(['x', 'X']).trim_end_matches('.').to_lowercase());
    numbered.filter(|w| w.starts_with('w') && w.len() == 6).collect()
}

fn all_words(script: &[Speech]) -> Vec<String> {
    let words = script.iter().flat_map(|s| s.text.split_whitespace());
    words.map(|w| w.trim_end_matches('.').to_owned()).collect()
}

fn cues(simulation: &Simulation, which: Cue) -> usize {
    simulation.played.iter().filter(|(_, sound)| *sound == Sound::Cue(which)).count()
}

fn errors(simulation: &Simulation) -> usize {
    simulation.events.iter().filter(|(_, event)| matches!(event, Event::Error { .. })).count()
}

fn assert_in_order_and_once(simulation: &Simulation) {
    let words = spoken_words(simulation);
    for pair in words.windows(2) {
        assert!(pair[0] < pair[1], "spoken twice or out of order: {pair:?}");
    }
}

fn assert_every_frame_counted(simulation: &Simulation) {
    let counts = simulation.room.frames();
    let explained = counts.recognised
        + counts.silent
        + counts.gated
        + counts.unannounced
        + counts.unwanted
        + counts.unrecognised
        + counts.refused
        + simulation.room.frames_undecided() as u64;
    assert_eq!(counts.captured, explained, "{counts:?}");
    assert_eq!(counts.recognised, simulation.frames_recognised);
}

fn run(script: &[Speech], behaviour: Behaviour, seed: u64, end: Duration) -> Simulation {
    let mut simulation = Simulation::new(script.to_vec(), behaviour, seed);
    simulation.run(end);
    assert_in_order_and_once(&simulation);
    assert_every_frame_counted(&simulation);
    assert_eq!(simulation.echo_recognised, 0, "the echo of playback reached the recogniser");
    simulation
}

/// How long after each clause its translation began.
fn latencies(simulation: &Simulation) -> Vec<Duration> {
    let stages = simulation.events.iter().filter_map(|(_, event)| match event {
        Event::Latency { stages, .. } => Some(stages.total()),
        _ => None,
    });
    stages.collect()
}

#[test]
fn a_guess_that_stands_is_spoken_at_once() {
    let script = conversation(12, secs(12));
    let slow = Behaviour { slowest: Duration::from_millis(150), ..Behaviour::GOOD };
    let said = |behaviour| {
        let simulation = run(&script, behaviour, 3, secs(160));
        assert_eq!(spoken_words(&simulation), all_words(&script));
        assert_eq!(errors(&simulation), 0);
        let mut all = latencies(&simulation);
        all.sort_unstable();
        all[all.len() / 2]
    };
    let (waiting, foreseeing) =
        (said(slow), said(Behaviour { guesses: Some(Duration::from_millis(150)), ..slow }));
    assert!(foreseeing + Duration::from_millis(150) < waiting, "{foreseeing:?}, not {waiting:?}");
}

/// A call whose recogniser tells one guess of the first sentence in its pause, and dies if `dies`.
fn with_one_guess(text: &str, then: Vec<Speech>, dies: bool) -> Simulation {
    let script = [vec![speech(1, secs(10), 4, "en")], then].concat();
    let mut simulation = Simulation::new(script, Behaviour { streams: false, ..Behaviour::GOOD }, 1);
    simulation.run(Duration::from_millis(11_620));
    let utterances = simulation.events.iter().filter_map(|(_, event)| match event {
        Event::SpeechStarted { utterance } => Some(*utterance),
        _ => None,
    });
    let utterance = utterances.max().expect("somebody speaks");
    let heard = Duration::from_millis(1_800);
    simulation.tell(Input::Interim { utterance, text, heard, language: "en".parse().ok() });
    if dies {
        simulation.tell(Input::RecognitionFailed { utterance, reason: "it died" });
    }
    simulation.run(secs(60));
    simulation
}

#[test]
fn what_a_dead_recogniser_guessed_is_said_once_and_blocks_nobody() {
    let later = speech(3, secs(30), 4, "en");
    let more = |lasts| Speech {
        at: Duration::from_millis(11_920),
        lasts,
        text: "w00200 w00201".into(),
        language: "en",
    };
    for (text, then) in [
        ("w00100 w00101 w00102 w00103.", vec![later.clone()]),
        ("w00100 w00101 w00102 w00103", vec![more(Duration::from_millis(800)), later.clone()]),
    ] {
        let simulation = with_one_guess(text, then, true);
        let words = spoken_words(&simulation);
        assert_eq!(words[..4], ["w00100", "w00101", "w00102", "w00103"]);
        assert_in_order_and_once(&simulation);
        assert!(words.ends_with(&["w00303".to_owned()]), "{words:?}");
    }
    // Each step of the simulation sees that no deadline lies in the past.
    with_one_guess("w00100 w00101 w00102 w00103", vec![more(secs(20)), speech(3, secs(40), 4, "en")], false);
}

#[test]
fn a_simultaneous_interpreter_keeps_up_with_a_talk() {
    // Sentences of four words, five of them in a breath, for two minutes.
    let talk: Vec<Speech> = (0..14).map(|n| speech(n, secs(10) + secs(9) * n, 20, "en")).collect();
    let guesses = Some(Duration::from_millis(150));
    let behaviour = Behaviour { guesses, slowest: Duration::from_millis(250), ..Behaviour::GOOD };
    let mut simulation = Simulation::in_manner(Manner::Simultaneous, talk.clone(), behaviour, 5);
    simulation.echo_halvings = 15;
    simulation.run(secs(150));
    assert_eq!(spoken_words(&simulation), all_words(&talk));
    assert_every_frame_counted(&simulation);
    assert_eq!((simulation.room.frames().gated, errors(&simulation)), (0, 0));
    let during =
        simulation.played.iter().filter(|(at, _)| talk.iter().any(|s| s.at < *at && *at < s.at + s.lasts));
    assert!(during.count() > 40, "the translation is heard while the speaker goes on");
}

#[test]
fn guesses_that_fall_are_not_heard() {
    let script = conversation(20, secs(14));
    let mut fallen = 0;
    for seed in 0..20 {
        let guesses = Some(Duration::from_millis(100 + 15 * seed));
        let simulation =
            run(&script, Behaviour { guesses, revises: true, ..Behaviour::GOOD }, seed, secs(300));
        assert_eq!(errors(&simulation), 0);
        fallen += simulation.room.discards().guesses;
    }
    assert!(fallen > 0, "words heard anew take guesses back: {fallen}");
}

#[test]
fn the_caller_is_told_before_he_is_listened_to() {
    // He speaks from the first moment on; nothing of it leaves before both announcements were heard.
    let early = Speech { at: secs(0), lasts: secs(2), text: "too early".into(), language: "en" };
    let simulation = run(&[early], Behaviour::GOOD, 1, secs(20));
    let texts: Vec<_> = simulation.played.iter().take(2).map(|(_, sound)| sound.clone()).collect();
    let told = ["en", "es"].map(|code| Sound::Speech(announcement(code.parse().unwrap()).0));
    assert_eq!(texts, told);
    assert_eq!(simulation.frames_recognised, 0);
    assert!(simulation.events.iter().any(|(_, event)| *event == Event::Listening));
}

#[test]
fn who_is_recorded_is_told_with_the_announcement() {
    let mut room = Interpreter::new(LanguagePair::ENGLISH_AND_SPANISH, Manner::Consecutive).recorded();
    let now = Timestamp::from_nanos(1_000_000_000);
    room.handle(now, Input::Connected);
    let mut told = Vec::new();
    while let Some(action) = room.poll_action() {
        if let Action::Speak { segment, text, .. } = action {
            told.push((segment, text));
        }
    }
    assert_eq!(told[0].1, "A machine translates this call. This call is recorded. Star for help.");
    assert_eq!(told[1].1, "Una máquina traduce esta llamada. Esta llamada se graba. Asterisco para ayuda.");
    for (segment, _) in told {
        assert!(!room.may_be_overheard());
        room.handle(now, Input::SpeechReady { segment });
        room.handle(now, Input::PlaybackEnded { segment });
    }
    assert!(room.may_be_overheard());
    let actions: Vec<_> = std::iter::from_fn(|| room.poll_action()).collect();
    assert!(actions.contains(&Action::Emit(Event::ToldOfRecording)));
}

#[test]
fn a_sentence_is_translated_and_its_time_accounted_for() {
    let script = [speech(0, secs(10), 5, "es")];
    let simulation = run(&script, Behaviour::GOOD, 2, secs(20));
    assert_eq!(spoken_words(&simulation), all_words(&script));
    let heard =
        simulation.played.iter().find(|(_, s)| matches!(s, Sound::Speech(t) if t.starts_with("en: w000")));
    let (at, _) = heard.expect("the translation is played");
    let latency = simulation.events.iter().find_map(|(_, event)| match event {
        Event::Latency { stages, .. } => Some(stages),
        _ => None,
    });
    let total = latency.expect("a latency is reported").total();
    let measured = at.saturating_sub(script[0].at + script[0].lasts);
    assert!(
        total.abs_diff(measured) <= Duration::from_millis(100),
        "reported {total:?}, measured {measured:?}"
    );
}

#[test]
fn no_first_syllable_is_lost() {
    let simulation = run(&[speech(0, secs(10), 5, "en")], Behaviour::GOOD, 3, secs(20));
    // All of the two seconds, and at most pre-roll and hangover around them.
    assert!((100..=135).contains(&simulation.frames_recognised), "{} frames", simulation.frames_recognised);
}

#[test]
fn an_hour_of_conversation_keeps_order_and_loses_nothing() {
    let script = conversation(220, secs(16));
    let behaviour = Behaviour { slowest: Duration::from_millis(1_500), repeats: 20, ..Behaviour::GOOD };
    let simulation = run(&script, behaviour, 4, secs(3_600));
    assert_eq!(spoken_words(&simulation), all_words(&script));
    assert_eq!(cues(&simulation, Cue::Error), 0);
    assert!(simulation.room.discards().late_answers > 50, "repeated answers are counted");
}

#[test]
fn a_monologue_is_spoken_in_order_after_it() {
    // Three sentences with pauses too short for playback: the answers come out of order, the speech does not.
    let script = [speech(0, secs(10), 9, "en"), speech(1, secs(15), 9, "en"), speech(2, secs(20), 9, "en")];
    let behaviour = Behaviour { slowest: Duration::from_millis(3_500), ..Behaviour::GOOD };
    for seed in 0..40 {
        let simulation = run(&script, behaviour, seed, secs(60));
        assert!(errors(&simulation) == 0, "{:?}", simulation.events);
    }
}

#[test]
fn a_revised_final_text_takes_nothing_back() {
    let script = conversation(12, secs(14));
    for seed in 0..20 {
        let behaviour = Behaviour { revises: true, ..Behaviour::GOOD };
        let simulation = run(&script, behaviour, seed, secs(190));
        let (spoken, all) = (spoken_words(&simulation), all_words(&script));
        assert_eq!(spoken, all, "seed {seed}");
    }
}

#[test]
fn a_slow_translation_is_bridged_by_soft_cues() {
    let behaviour = Behaviour { streams: false, mute: 100, ..Behaviour::GOOD };
    let mut simulation = Simulation::new(vec![speech(0, secs(25), 4, "en")], Behaviour::GOOD, 5);
    simulation.run(secs(20));
    simulation.set_behaviour(behaviour);
    simulation.run(secs(45));
    // The recogniser never answers: cues until its deadline, then the error tone, once.
    assert!((3..=5).contains(&cues(&simulation, Cue::Wait)), "{:?}", simulation.played);
    assert_eq!((cues(&simulation, Cue::Error), errors(&simulation)), (1, 1));
    assert_eq!(simulation.frames_in_playback, 0);
}

#[test]
fn failures_are_heard_and_the_call_goes_on() {
    let script = conversation(60, secs(25));
    for seed in 0..6 {
        let behaviour = Behaviour { fails: 10, mute: 5, repeats: 10, revises: true, ..Behaviour::GOOD };
        let mut simulation = Simulation::new(script.clone(), Behaviour::GOOD, seed);
        simulation.run(secs(9));
        simulation.set_behaviour(behaviour);
        simulation.run(secs(1_540));
        assert_in_order_and_once(&simulation);
        assert_every_frame_counted(&simulation);
        let (tones, errors) = (cues(&simulation, Cue::Error), errors(&simulation));
        assert!(tones > 0 && tones == errors, "seed {seed}: {tones} tones, {errors} errors");
        assert!(spoken_words(&simulation).len() > all_words(&script).len() / 2, "seed {seed}");
    }
}

#[test]
fn without_a_voice_nothing_is_listened_to() {
    let behaviour = Behaviour { fails: 100, ..Behaviour::GOOD };
    let simulation = run(&conversation(3, secs(8)), behaviour, 6, secs(40));
    assert_eq!(simulation.frames_recognised, 0);
    assert!((5..=9).contains(&cues(&simulation, Cue::Error)), "{:?}", simulation.played);
}

#[test]
fn an_outage_is_told_once_in_both_languages_and_its_end_too() {
    let served = |served| Input::Served { component: Component::Mt, served };
    let mut simulation = Simulation::new(vec![speech(0, secs(12), 4, "en")], Behaviour::GOOD, 9);
    simulation.run(secs(11));
    simulation.set_behaviour(Behaviour { fails: 100, streams: false, ..Behaviour::GOOD });
    simulation.tell(served(false));
    simulation.run(secs(40));
    simulation.set_behaviour(Behaviour::GOOD);
    simulation.tell(served(true));
    simulation.run(secs(60));
    let words = |sound: &Sound| match sound {
        Sound::Cue(cue) => cue.words().map(|(text, _)| text),
        Sound::Speech(_) => None,
    };
    let notices: Vec<_> = simulation.played.iter().filter_map(|(_, sound)| words(sound)).collect();
    assert_eq!(
        notices,
        [
            "There is no translation now.",
            "Ahora no hay traducción.",
            "The translation works again.",
            "La traducción funciona de nuevo.",
        ]
    );
    assert_eq!(cues(&simulation, Cue::Error), 1, "what he said meanwhile was lost: {:?}", simulation.played);
    assert_every_frame_counted(&simulation);
    assert_eq!(simulation.echo_recognised, 0);
}

#[test]
fn a_caller_who_finds_no_voice_is_told_why_and_nothing_of_him_is_listened_to() {
    let script = [speech(0, secs(4), 4, "en")];
    let mut simulation = Simulation::new(script.to_vec(), Behaviour { fails: 100, ..Behaviour::GOOD }, 10);
    simulation.run(Duration::from_millis(500));
    simulation.tell(Input::Served { component: Component::Tts, served: false });
    simulation.run(secs(20));
    assert_eq!(simulation.frames_recognised, 0);
    let is_notice = |sound: &Sound| matches!(sound, Sound::Cue(Cue::Unavailable(_)));
    assert_eq!(simulation.played.iter().filter(|(_, sound)| is_notice(sound)).count(), 2);
    simulation.set_behaviour(Behaviour::GOOD);
    simulation.tell(Input::Served { component: Component::Tts, served: true });
    simulation.run(secs(40));
    let is_good_news = |sound: &Sound| matches!(sound, Sound::Cue(Cue::Available(_)));
    assert!(!simulation.played.iter().any(|(_, sound)| is_good_news(sound)), "the announcement says it");
    assert!(simulation.events.iter().any(|(_, event)| *event == Event::Listening));
}

#[test]
fn talk_over_playback_is_heard_when_it_is_louder_than_any_echo() {
    let mut script = vec![speech(0, secs(10), 8, "en")];
    script.push(Speech { at: secs(14), lasts: secs(2), text: "w00100 w00101".into(), language: "en" });
    let mut quiet_echo = Simulation::new(script, Behaviour::GOOD, 7);
    quiet_echo.machine_peak = 800.0;
    quiet_echo.run(secs(40));
    assert!(quiet_echo.frames_in_playback > 20, "he spoke over the translation");
    assert_in_order_and_once(&quiet_echo);
    assert_every_frame_counted(&quiet_echo);
    assert!(spoken_words(&quiet_echo).contains(&"w00101".to_owned()));
}

#[test]
fn a_phone_that_stops_sending_ends_its_utterance() {
    let mut simulation = Simulation::new(vec![speech(0, secs(10), 20, "en")], Behaviour::GOOD, 8);
    simulation.sends_until = secs(13);
    simulation.run(secs(30));
    let ended = |event: &Event| matches!(event, Event::SpeechEnded { .. });
    assert!(simulation.events.iter().any(|(at, event)| ended(event) && *at <= secs(15)));
    assert!(spoken_words(&simulation).len() >= 5);
}

#[test]
fn nothing_is_spoken_twice_in_a_thousand_reorderings() {
    let script = conversation(2, secs(12));
    let (mut dropped, mut spoken) = (0, 0);
    for seed in 0..1_000 {
        let behaviour = Behaviour {
            slowest: Duration::from_millis(1_500),
            repeats: 50,
            streams: false,
            shuffles: true,
            guesses: (seed % 2 == 1).then_some(Duration::from_millis(150)),
            ..Behaviour::GOOD
        };
        // Checks that no word is spoken twice or before an earlier one.
        let simulation = run(&script, behaviour, seed, secs(36));
        dropped += simulation.finals_dropped();
        spoken += spoken_words(&simulation).len();
    }
    let said = all_words(&script).len() * 1_000;
    assert!(dropped > 500, "{dropped} finals came twice or late");
    assert!(spoken > said / 2, "{spoken} words of {said}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever engines answer, whenever, for whatever number: no panic, nothing out of order, all frames counted.
    #[test]
    fn garbage_from_engines_does_no_harm(
        garbage in prop::collection::vec((0u8..12, 0u32..12, "\\PC{0,40}|[\\x00-\\x20]{0,9}|(a, ){900}"), 1..60),
        seed in any::<u64>(),
    ) {
        let mut simulation = Simulation::new(conversation(2, secs(9)), Behaviour::GOOD, seed);
        for (step, (kind, number, text)) in garbage.iter().enumerate() {
            simulation.run(Duration::from_millis(500) * step as u32);
            let (utterance, segment) = (UtteranceId(*number), audio_path::SegmentId(*number));
            let language = text.parse().ok();
            simulation.tell(match kind {
                0 => Input::Partial { utterance, delta: text, language },
                1 => Input::Final { utterance, text, language },
                2 => Input::RecognitionFailed { utterance, reason: text },
                3 => Input::Translated { segment, text },
                4 => Input::TranslationFailed { segment, reason: text },
                5 => Input::SpeechFailed { segment, reason: text },
                6 => Input::Connected,
                7 => Input::PlaybackStarted { segment },
                8 => Input::Interim { utterance, text, heard: secs(u64::from(*number)), language: "en".parse().ok() },
                9 => Input::SpeechReady { segment },
                10 => Input::Served { component: Component::ALL[*number as usize % 3], served: text.len() % 2 == 0 },
                _ => Input::Tick,
            });
        }
        assert_every_frame_counted(&simulation);
    }
}

#[test]
fn what_the_house_says_is_heard_in_both_languages_after_whoever_speaks() {
    let script = [speech(0, secs(10), 8, "en")];
    let mut simulation = Simulation::new(script.to_vec(), Behaviour::GOOD, 1);
    assert!(!simulation.say("Too early.", "en"), "nobody is connected");
    simulation.run(secs(11));
    let is_said = ["fr", "en", "es"].map(|language| simulation.say("w00099.", language));
    assert_eq!(is_said, [true; 3]);
    simulation.run(secs(60));
    let texts = simulation.played.iter().filter_map(|(_, sound)| match sound {
        Sound::Speech(text) if text.contains("w00099") => Some(text.as_str()),
        _ => None,
    });
    let expected = ["en: w00099.", "es: w00099.", "w00099.", "es: w00099.", "en: w00099.", "w00099."];
    assert_eq!(texts.collect::<Vec<_>>(), expected);
    assert_eq!(spoken_words(&simulation)[..8], all_words(&script));
    assert_every_frame_counted(&simulation);
    assert_eq!(simulation.echo_recognised, 0);
}

/// What was said by the room itself from a time on.
fn replies(simulation: &Simulation, from: Duration) -> Vec<&str> {
    let said = simulation.played.iter().filter(|(at, _)| *at >= from);
    let texts = said.filter_map(|(_, sound)| if let Sound::Speech(text) = sound { Some(text) } else { None });
    texts.map(String::as_str).filter(|text| !text.contains(" w0")).collect()
}

#[test]
fn keys_repeat_slow_down_and_are_confirmed_in_both_languages() {
    let script = vec![speech(1, secs(16), 4, "en"), speech(2, secs(30), 4, "en")];
    let mut simulation = Simulation::new(script, Behaviour::GOOD, 1);
    simulation.run(secs(12));
    simulation.press("1");
    simulation.run(secs(16));
    assert_eq!(replies(&simulation, secs(12)), ["There is nothing to repeat.", "No hay nada que repetir."]);
    simulation.run(secs(22));
    simulation.press("2");
    simulation.run(secs(26));
    assert_eq!(replies(&simulation, secs(22)), ["Slower.", "Más lento."]);
    simulation.run(secs(36));
    assert_eq!(simulation.paces.last(), Some(&Pace::Slow));
    let translations = spoken_words(&simulation).len();
    simulation.press("1");
    simulation.run(secs(42));
    assert_eq!(spoken_words(&simulation)[translations..], spoken_words(&simulation)[4..translations]);
    simulation.press("2#");
    simulation.run(secs(50));
    let hint = ["Star for help.", "Asterisco para ayuda."];
    assert_eq!(replies(&simulation, secs(42)), hint, "the last of many is enough");
    assert_eq!(simulation.paces.last(), Some(&Pace::Usual));
    assert_eq!((errors(&simulation), simulation.echo_recognised), (0, 0));
    assert_every_frame_counted(&simulation);
}

#[test]
fn a_key_turns_the_translator_off_in_the_midst_of_it_and_on_again() {
    let script: Vec<_> =
        [10, 22, 34].into_iter().zip(1..).map(|(at, n)| speech(n, secs(at), 8, "en")).collect();
    let mut simulation = Simulation::new(script.clone(), Behaviour::GOOD, 1);
    // While the first is being translated.
    simulation.run(Duration::from_millis(14_400));
    assert!(simulation.room.translates());
    simulation.press("0");
    assert!(!simulation.room.translates());
    let (heard, words) = (simulation.frames_recognised, spoken_words(&simulation));
    simulation.run(secs(30));
    assert_eq!(replies(&simulation, secs(14)), ["The translator is off.", "El traductor está apagado."]);
    assert_eq!((simulation.frames_recognised, spoken_words(&simulation)), (heard, words.clone()));
    simulation.press("0");
    simulation.run(secs(50));
    assert_eq!(spoken_words(&simulation)[words.len()..], all_words(&script[2..]));
    let counts = simulation.room.frames();
    assert!(counts.unwanted > 100, "{counts:?}");
    assert_every_frame_counted(&simulation);
    assert_eq!(errors(&simulation), 0);
}

#[test]
fn a_key_chooses_the_language_that_is_spoken() {
    // The recogniser takes all of it for English.
    let script: Vec<_> =
        [16, 32, 48].into_iter().zip(1..).map(|(at, n)| speech(n, secs(at), 4, "en")).collect();
    let mut simulation = Simulation::new(script, Behaviour::GOOD, 1);
    simulation.run(secs(12));
    simulation.press("99");
    simulation.run(secs(26));
    assert_eq!(replies(&simulation, secs(12)), ["Usted habla español."], "in the one that is spoken now");
    simulation.press("9");
    simulation.run(secs(44));
    let either = ["Either language is recognised.", "Se reconoce cualquiera de los dos idiomas."];
    assert_eq!(replies(&simulation, secs(26)), either);
    simulation.press("9");
    simulation.run(secs(60));
    assert_eq!(replies(&simulation, secs(44)), ["You speak English."]);
    let directions = simulation.events.iter().filter_map(|(_, event)| match event {
        Event::Translation { source_lang, target_lang, .. } => Some(format!("{source_lang}-{target_lang}")),
        _ => None,
    });
    assert_eq!(directions.collect::<Vec<_>>(), ["es-en", "en-es", "en-es"]);
    assert_every_frame_counted(&simulation);
}

#[test]
fn the_keys_are_told_until_another_is_pressed_and_none_ends_the_announcement() {
    let mut simulation = Simulation::new(Vec::new(), Behaviour::GOOD, 1);
    simulation.run(Duration::from_millis(600));
    simulation.press("*0");
    simulation.run(secs(20));
    let announced = simulation.events.iter().find(|(_, event)| *event == Event::Listening).unwrap().0;
    assert_eq!(replies(&simulation, announced), ["The translator is off.", "El traductor está apagado."]);
    assert_eq!(replies(&simulation, Duration::ZERO).len(), 4);
    simulation.press("*");
    simulation.run(secs(22));
    assert!(replies(&simulation, secs(20))[0].starts_with("1 repeats. 2 is slower. 9 chooses"));
    simulation.press("0");
    simulation.run(secs(24));
    assert_eq!(replies(&simulation, secs(22)), ["The translator is on.", "El traductor está encendido."]);
}

#[test]
fn own_voices_have_keys_of_their_own() {
    let mut simulation = Simulation::new(Vec::new(), Behaviour::GOOD, 1);
    let room = Interpreter::new(LanguagePair::ENGLISH_AND_SPANISH, Manner::Consecutive);
    simulation.room = room.offering_own_voices();
    simulation.run(secs(14));
    let offers = replies(&simulation, Duration::ZERO);
    assert!(offers[0].contains("Press 3 to be heard in your own voice."), "{offers:?}");
    assert!(offers[1].contains("Pulse 5 para que le oigan con su propia voz."), "{offers:?}");
    for (key, from, said) in [
        ("3", 14, vec!["You will be heard in your own voice."]),
        ("5", 20, vec!["Le oirán con su propia voz."]),
        ("8", 26, vec!["Your own voices are forgotten.", "Sus propias voces se han olvidado."]),
    ] {
        simulation.press(key);
        simulation.run(secs(from + 6));
        assert_eq!(replies(&simulation, secs(from)), said);
    }
    simulation.press("*");
    simulation.run(secs(40));
    assert!(replies(&simulation, secs(32))[0].ends_with("3 and 5 are for your own voices. 8 forgets them."));
}
