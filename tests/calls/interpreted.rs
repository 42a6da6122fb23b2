//! English in, Spanish out, whatever the caller's program and codec.

use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Baresip, Pjsua2};
use dragoman_tests::wav::Wav;
use lab::speech::{SENTENCE_IN_SPANISH, word_overlap};
use lab::transcribe::transcribe;
use serde_json::Value;

use crate::rig::{Rig, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// What the daemon said of one interpreted sentence.
struct Interpreted {
    translation: String,
    /// When the translation began to be heard.
    began: Instant,
}

/// Follows one call from the end of the announcement to the end of the first translation.
fn follow(rig: &Rig, watch: &mut Watch) -> Interpreted {
    let heard = watch.wait_for("final", 30 * SECOND, |_| true);
    let transcript = heard["text"].as_str().expect("a text");
    let right = word_overlap(&rig.utterance.text, transcript);
    assert!(right >= 0.8, "said {:?}, recognised {transcript:?}", rig.utterance.text);
    assert_eq!(heard["language"], "en");
    let segment = first_translation(watch);
    watch.wait_for("playback_started", 10 * SECOND, |event| event["segment"] == segment["segment"]);
    let began = Instant::now();
    watch.wait_for("playback_ended", 20 * SECOND, |event| event["segment"] == segment["segment"]);
    let said: Vec<_> =
        watch.seen.iter().filter(|e| e["type"] == "translation").filter_map(|e| e["text"].as_str()).collect();
    let translation = said.join(" ");
    let near = word_overlap(SENTENCE_IN_SPANISH, &translation);
    assert!(near >= 0.4, "{translation:?} is not what was said");
    Interpreted { translation, began }
}

fn first_translation(watch: &mut Watch) -> Value {
    let before = watch.seen.iter().find(|event| event["type"] == "translation").cloned();
    before.unwrap_or_else(|| watch.wait_for("translation", 10 * SECOND, |_| true))
}

/// The reply, as the engines understand it, is the translation.
fn assert_understood(rig: &Rig, reply: &Wav, translation: &str) {
    let server = rig.appliance.engines.options().wyoming;
    let heard = transcribe(server, None, &reply.at(16_000).samples).expect("the engines answer");
    let same = word_overlap(translation, &heard.text);
    assert!(same >= 0.6, "the caller should hear {translation:?}, and heard {heard:?}");
    assert_eq!(heard.language.as_deref(), Some("es"), "{heard:?}");
}

fn interpret_for_pjsua2(codec: &str) {
    let rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, 20 * SECOND, 16_000);
    let mut watch = rig.watch();
    let mut caller = Pjsua2::call(&rig.plan(0, codec, &speech));
    let answered = Instant::now();
    watch.wait_for("listening", 30 * SECOND, |_| true);
    caller.speak();
    let interpreted = follow(&rig, &mut watch);
    thread::sleep(SECOND / 2);
    rig.assert_none_dropped(1);
    let reply = caller.hang_up().after(interpreted.began.duration_since(answered).saturating_sub(SECOND / 5));
    assert_understood(&rig, &reply, &interpreted.translation);
}

/// baresip cannot be told when to speak: its speech begins with a silence longer than the announcement. It plays files of
/// its codec's rate.
fn interpret_for_baresip(codec: &str, rate: u32) {
    let rig = Rig::start();
    let speech = rig.speech(20 * SECOND, 20 * SECOND, rate);
    let mut watch = rig.watch();
    let caller = Baresip::call(&rig.plan(0, codec, &speech));
    watch.wait_for("leg_up", 20 * SECOND, |_| true);
    let answered = Instant::now();
    watch.wait_for("listening", 20 * SECOND, |_| true);
    let interpreted = follow(&rig, &mut watch);
    thread::sleep(SECOND / 2);
    rig.assert_none_dropped(1);
    let reply = caller.hang_up().after(interpreted.began.duration_since(answered).saturating_sub(SECOND / 5));
    assert_understood(&rig, &reply, &interpreted.translation);
}

#[test]
fn pjsua2_over_g722() {
    interpret_for_pjsua2("G722");
}

#[test]
fn pjsua2_over_pcmu() {
    interpret_for_pjsua2("PCMU");
}

#[test]
fn baresip_over_l16() {
    interpret_for_baresip("l16/16000/1", 16_000);
}

#[test]
fn baresip_over_opus() {
    interpret_for_baresip("opus/48000/1", 48_000);
}
