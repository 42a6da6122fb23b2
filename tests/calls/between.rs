//! Calls of two phones: each hears the other's translation and, under it, the other's voice.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use lab::speech::{SENTENCE_IN_SPANISH, word_overlap};
use lab::transcribe::transcribe;

use crate::rig::{Rig, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// 101, who speaks English, says the sentence to 102, who speaks Spanish.
#[test]
fn a_spanish_phone_hears_what_an_english_one_says() {
    let rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, 20 * SECOND, 16_000);
    let silence = silence(&rig);
    let mut watch = rig.watch();
    let plan = rig.plan(1, "G722", &silence);
    let mut answering = Pjsua2::register(&Plan { extension: "102", ..plan }, 200);
    let plan = rig.plan(0, "G722", &speech);
    let mut caller = Pjsua2::call(&Plan { extension: "102", ..plan });
    answering.wait_connected();
    let answered = Instant::now();
    watch.wait_for("listening", 30 * SECOND, |_| true);
    watch.wait_for("listening", 30 * SECOND, |_| true);
    let spoke = answered.elapsed();
    caller.speak();
    let translation = translation(&rig, &mut watch);
    rig.assert_none_dropped(2);
    let heard = answering.hang_up().after(spoke);
    let server = rig.appliance.engines.options().wyoming;
    let text = transcribe(server, &heard.at(16_000).samples).expect("the engines answer");
    assert!(word_overlap(&translation, &text.text) >= 0.5, "{translation:?}, heard {text:?}");
    caller.ended(5 * SECOND);
}

fn silence(rig: &Rig) -> PathBuf {
    let path = rig.appliance.run_dir().join("silence.wav");
    Wav { rate: 16_000, samples: vec![0; 16_000] }.write(&path);
    path
}

/// Follows one sentence to the end of its translation.
fn translation(rig: &Rig, watch: &mut Watch) -> String {
    let heard = watch.wait_for("final", 30 * SECOND, |_| true);
    let transcript = heard["text"].as_str().expect("a text");
    assert!(word_overlap(&rig.utterance.text, transcript) >= 0.8, "recognised {transcript:?}");
    let told = watch.wait_for("playback_ended", 30 * SECOND, |_| true);
    let of_it = |event: &&serde_json::Value| event["type"] == "translation";
    let said: Vec<_> = watch.seen.iter().filter(of_it).filter_map(|e| e["text"].as_str()).collect();
    let translation = said.join(" ");
    assert!(word_overlap(SENTENCE_IN_SPANISH, &translation) >= 0.4, "{translation:?}, {told}");
    translation
}
