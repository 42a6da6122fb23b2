//! Calls of two phones: each hears the other's translation and, softly, the other's voice.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Baresip, Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use lab::cache::Cache;
use lab::speech::{self, Utterance, word_overlap};
use lab::transcribe::transcribe;
use serde_json::Value;

use crate::rig::{Rig, Watch};

const SECOND: Duration = Duration::from_secs(1);
/// baresip cannot be told when to speak: the other is done by then.
const HE_SPEAKS_AFTER: Duration = Duration::from_secs(18);
/// How much softer than it was said a voice is heard under its translation, dB: 12, and 6 more while that plays.
const SOFTER: std::ops::Range<f64> = 9.0..20.0;

/// One sentence on its way: what was understood of it, and its translation.
struct Interpreted {
    translation: String,
    /// When the translation began and ended.
    heard: [Instant; 2],
}

/// Follows a sentence from `language` to the end of its translation.
fn follow(watch: &mut Watch, said: &Utterance) -> Interpreted {
    let from = watch.seen.len();
    let heard = watch.wait_for("final", 40 * SECOND, |event| event["language"] == said.language);
    let transcript = heard["text"].as_str().expect("a text");
    assert!(word_overlap(&said.text, transcript) >= 0.6, "said {:?}, recognised {transcript:?}", said.text);
    let is_it = |event: &Value| event["type"] == "translation" && event["source_lang"] == said.language;
    if !watch.seen[from..].iter().any(is_it) {
        watch.wait_for("translation", 10 * SECOND, is_it);
    }
    let last = watch.seen.iter().rfind(|event| is_it(event)).expect("there is one")["segment"].clone();
    let is_last = |event: &Value| event["segment"] == last;
    watch.wait_for("playback_started", 20 * SECOND, is_last);
    let began = Instant::now();
    watch.wait_for("playback_ended", 20 * SECOND, is_last);
    let all =
        watch.seen[from..].iter().filter(|event| is_it(event)).filter_map(|event| event["text"].as_str());
    Interpreted { translation: all.collect::<Vec<_>>().join(" "), heard: [began, Instant::now()] }
}

/// The other heard the translation, and the voice itself, softly.
fn assert_heard(rig: &Rig, recording: &Wav, answered: Instant, said: &Utterance, told: &Interpreted) {
    let recording = recording.at(16_000);
    let [began, ended] = told.heard.map(|at| at.duration_since(answered));
    let reply = recording.after(began.saturating_sub(SECOND / 5)).until(ended.saturating_sub(began) + SECOND);
    let server = rig.appliance.engines.options().wyoming;
    let heard = transcribe(server, None, &reply.samples).expect("the engines answer");
    let same = word_overlap(&told.translation, &heard.text);
    assert!(same >= 0.5, "should hear {:?}, and heard {heard:?}", told.translation);
    let (softer, likeness) = recording.loudness_of(&Wav::read(&said.wav).at(16_000));
    assert!(likeness > 0.7 && SOFTER.contains(&softer), "{softer:.1} dB softer, alike {likeness:.2}");
}

#[test]
fn an_english_and_a_spanish_phone_hear_each_other() {
    let rig = Rig::start();
    let cache = Cache::locate().expect("a cache");
    let english = rig.utterance.clone();
    let spanish =
        speech::prompts(&cache, "es").expect("recordings").into_iter().find(|u| u.name == english.name);
    let spanish = spanish.expect("the same sentence");
    let hers = rig.speech(Duration::ZERO, 40 * SECOND, 16_000);
    let his = spoken(&rig, &spanish);
    let mut watch = rig.watch();

    let mut she = Pjsua2::register(&rig.plan(0, "G722", &hers), 200);
    let he = Baresip::call(&Plan { extension: "101", ..rig.plan(1, "l16/16000/1", &his) });
    she.wait_connected();
    let answered = Instant::now();
    for _ in 0..2 {
        watch.wait_for("listening", 15 * SECOND, |_| true);
    }
    she.speak();
    let to_him = follow(&mut watch, &english);
    let to_her = follow(&mut watch, &spanish);
    assert_eq!(rig.appliance.daemon.status().expect("a status")["media"]["allocations"], 0);

    let (she_heard, he_heard) = (she.hang_up(), he.hang_up());
    assert_heard(&rig, &she_heard, answered, &spanish, &to_her);
    assert_heard(&rig, &he_heard, answered, &english, &to_him);
}

fn spoken(rig: &Rig, utterance: &Utterance) -> PathBuf {
    let path = rig.appliance.run_dir().join("his.wav");
    Wav::read(&utterance.wav).at(16_000).padded(HE_SPEAKS_AFTER, 40 * SECOND).write(&path);
    path
}
