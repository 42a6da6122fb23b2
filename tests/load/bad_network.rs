//! Calls over a network that loses, delays and reorders.

use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::bad_network::{BadNetworkBeforeSip, Weather};
use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::watch::Watch;
use dragoman_tests::wav::Wav;
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::speech::{SENTENCE_IN_SPANISH, sentence, word_overlap};
use lab::transcribe::transcribe;
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);
/// A crowded wireless LAN: packets come 20 ms apart, so that few overtake others.
const WEATHER: Weather = Weather { lost_of_1000: 20, delay_at_most: Duration::from_millis(28), seed: 33 };

#[test]
fn a_caller_behind_a_bad_network_is_understood_and_hears_the_translation() {
    let cache = Cache::locate().expect("a cache");
    let appliance = Appliance::start(&cache, Options::default()).expect("the box starts");
    let said = sentence(&cache).expect("the sentence");
    let speech = appliance.run_dir().join("speech.wav");
    Wav::read(&said.wav).at(16_000).padded(Duration::ZERO, 30 * SECOND).write(&speech);
    let network = BadNetworkBeforeSip::before(appliance.asterisk.sip(), WEATHER);
    let mut watch = Watch::new(&appliance);

    let mut caller = Pjsua2::call(&Plan {
        sip: network.sip,
        extension: "700",
        phone: &appliance.asterisk.phones()[0],
        codec: "PCMA",
        speech: &speech,
        directory: appliance.run_dir().path(),
    });
    let answered = Instant::now();
    watch.wait_for("listening", 30 * SECOND, |_| true);
    caller.speak();
    let from = watch.seen.len();
    let heard = watch.wait_for("final", 30 * SECOND, |_| true);
    let right = word_overlap(&said.text, heard["text"].as_str().expect("a text"));
    assert!(right >= 0.6, "said {:?}, recognised {heard}", said.text);
    if watch.seen_since(from, "translation").is_empty() {
        watch.wait_for("translation", 10 * SECOND, |_| true);
    }
    let translation = watch.seen_since(from, "translation")[0].clone();
    let text = translation["text"].as_str().expect("a text").to_owned();
    assert!(word_overlap(SENTENCE_IN_SPANISH, &text) >= 0.3, "{text:?} is not what was said");
    let is_it = |event: &Value| event["segment"] == translation["segment"];
    watch.wait_for("playback_started", 10 * SECOND, is_it);
    let began = answered.elapsed();
    watch.wait_for("playback_ended", 20 * SECOND, is_it);
    thread::sleep(SECOND / 2);

    // What the network lost is told by Asterisk, which passes nothing on that was overtaken; the rest comes through.
    let channels = appliance.asterisk.cli("pjsip show channelstats").expect("Asterisk answers");
    let lost = channels.lines().find_map(lost).expect("a stream");
    let (there, back) = (&network.speech.there, &network.speech.back);
    assert!(there.lost() > 5 && back.lost() > 5 && there.overtaken() > 0, "{network:?}");
    assert!(lost.abs_diff(there.lost()) <= 2 + there.overtaken(), "{lost} lost, {there:?}\n{channels}");
    let status = appliance.daemon.status().expect("the daemon answers");
    let frames = &status["legs"][0]["frames"];
    let arrived = frames["in"].as_u64().expect("a number");
    let in_order = there.passed() - there.overtaken();
    assert!(arrived.abs_diff(in_order) <= 10, "{arrived} frames of {there:?}");
    assert_eq!(frames["dropped"], json!({}), "{status}");

    let heard = caller.hang_up().after(began.saturating_sub(SECOND / 5)).at(16_000);
    let server = appliance.engines.options().wyoming;
    // What the network left of it may sound like another language.
    let understood = transcribe(server, Some("es"), &heard.samples).expect("the engines answer");
    let same = word_overlap(&text, &understood.text);
    assert!(same >= 0.5, "should hear {text:?}, and heard {understood:?}");
    watch.wait_for("leg_down", 5 * SECOND, |_| true);
}

/// Packets that Asterisk missed, in a line of `pjsip show channelstats`.
fn lost(line: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let codec = words.iter().position(|word| *word == "alaw")?;
    words.get(codec + 2)?.parse().ok()
}
