//! `deepgram-sdk` from `PyPI`: listen v1, listen v2 and speak, each over its WebSocket.

use std::path::PathBuf;
use std::sync::Arc;

use engine_emulators::{Delays, Emulator, Fault, Voices, World, deepgram};
use lab::cache::Cache;
use lab::speech::{self, word_overlap};
use serde_json::{Value, json};

use crate::client;
use crate::device::Device;

const TEXT: &str = "The ten of clubs, please.";
/// Scripted speech: 50 ms a character, at 16 kHz.
const BYTES_A_CHARACTER: usize = 16_000 / 20 * 2;

async fn emulator() -> Emulator {
    let voices = Voices::scripted([TEXT], []);
    let world = World::new("k", voices, Delays::NONE, 1);
    deepgram::start(Arc::new(world), 0).await.expect("a free port")
}

async fn run(emulator: &Emulator, key: &str, arguments: &[&str]) -> Value {
    client::run("deepgram_client.py", emulator, key, arguments).await
}

/// A sentence as somebody read it, 16 kHz, and its words.
fn recording(text: &str) -> (PathBuf, String) {
    let cache = Cache::locate().expect("a cache");
    let all = speech::english(&cache).expect("speech: run `cargo xtask test`");
    let found = all.into_iter().find(|utterance| utterance.text.contains(text)).expect("a recording");
    (found.wav, found.text)
}

fn messages(answer: &Value) -> &[Value] {
    answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Those that the package reads into this class.
fn of_class<'a>(answer: &'a Value, class: &'a str) -> impl Iterator<Item = &'a Value> {
    messages(answer).iter().filter(move |message| message["class"] == class)
}

fn transcript(results: &Value) -> &str {
    results["channel"]["alternatives"][0]["transcript"].as_str().expect("a transcript")
}

fn finals(answer: &Value) -> String {
    let finals = of_class(answer, "ListenV1Results").filter(|results| results["is_final"] == true);
    finals.map(transcript).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn package_reads_all_that_nova_says() {
    let emulator = emulator().await;
    let (wav, _) = recording("ten of clubs");
    let answer = run(&emulator, "k", &["hear", "4", wav.to_str().expect("UTF-8")]).await;
    assert_eq!(finals(&answer), TEXT);
    assert!(of_class(&answer, "ListenV1Results").any(|results| transcript(results) == "The ten"), "{answer}");
    for class in ["ListenV1SpeechStarted", "ListenV1UtteranceEnd", "ListenV1Metadata"] {
        assert!(of_class(&answer, class).next().is_some(), "no {class}: {answer}");
    }
    let last = of_class(&answer, "ListenV1Results").find(|results| results["speech_final"] == true);
    let words = &last.expect("an end of speech")["channel"]["alternatives"][0]["words"];
    assert_eq!((&words[3]["word"], &words[3]["punctuated_word"]), (&json!("clubs"), &json!("clubs,")));
    assert_eq!(answer["errors"], json!([]));
    let counts = emulator.world.tally.read();
    assert_eq!((counts.connections, counts.keep_alives, counts.violations), (1, 1, vec![]));
}

#[tokio::test]
async fn package_takes_turns_with_flux() {
    let emulator = emulator().await;
    let (wav, _) = recording("ten of clubs");
    let answer = run(&emulator, "k", &["turns", "4", wav.to_str().expect("UTF-8")]).await;
    assert_eq!(messages(&answer)[0]["class"], "ListenV2Connected", "{answer}");
    let events: Vec<&Value> = of_class(&answer, "ListenV2TurnInfo").map(|turn| &turn["event"]).collect();
    assert!(events.contains(&&json!("StartOfTurn")) && events.contains(&&json!("Update")), "{events:?}");
    let ended = of_class(&answer, "ListenV2TurnInfo").find(|turn| turn["event"] == "EndOfTurn");
    let ended = ended.expect("an end");
    assert_eq!((&ended["transcript"], &ended["trigger"]), (&json!(TEXT), &json!("manual")));
    let numbers: Vec<u64> = messages(&answer).iter().filter_map(|m| m["sequence_id"].as_u64()).collect();
    assert!(numbers.iter().enumerate().all(|(at, &number)| at as u64 == number), "{numbers:?}");
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn package_hears_what_aura_speaks() {
    let emulator = emulator().await;
    let texts = ["Where is the station? ", "I must be there."];
    let arguments: Vec<&str> = ["speak", "/dev/null"].into_iter().chain(texts).collect();
    let answer = run(&emulator, "k", &arguments).await;
    assert_eq!(answer["bytes"], (texts.concat().len() - 1) * BYTES_A_CHARACTER, "{answer}");
    // The package has one class for what differs by its type alone.
    let types: Vec<&Value> = messages(&answer).iter().map(|message| &message["type"]).collect();
    assert_eq!(json!(types), json!(["Metadata", "Flushed", "Cleared"]));
    assert!(of_class(&answer, "SpeakV1Metadata").next().is_some(), "{answer}");
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn a_wrong_key_is_the_package_s_own_error() {
    let emulator = emulator().await;
    let wrong = json!({"status": 401, "body": "Websocket initialized with invalid credentials."});
    assert_eq!(run(&emulator, "other", &["knock"]).await, json!([wrong, wrong, wrong]));
    emulator.world.script.push(Fault::Refuse { status: 402, retry_after: None });
    let spent = json!({"status": 402, "body": "Unexpected error when initializing websocket connection."});
    assert_eq!(run(&emulator, "k", &["knock"]).await, json!([spent, null, null]));
    assert_eq!(emulator.world.tally.read().refused, 4);
}

#[tokio::test]
async fn human_speech_is_heard_and_answered_with_real_speech() {
    let device = Device::start();
    let emulator = deepgram::start(device.world(), 0).await.expect("a free port");
    let (wav, text) = recording("he was not an ill disposed");
    let wav = wav.to_str().expect("UTF-8");
    let answer = run(&emulator, "k", &["hear", "1", wav]).await;
    let heard = finals(&answer);
    assert!(word_overlap(&text, &heard) >= 0.7, "{text:?} was heard as {heard:?}");
    let answer = run(&emulator, "k", &["turns", "1", wav]).await;
    let turn = of_class(&answer, "ListenV2TurnInfo").find(|turn| turn["event"] == "EndOfTurn");
    let heard = turn.expect("an end")["transcript"].as_str().expect("a text");
    assert!(word_overlap(&text, heard) >= 0.7, "{text:?} was heard as {heard:?}");
    let answer = run(&emulator, "k", &["speak", "/dev/null", "The train leaves at nine."]).await;
    assert!(answer["bytes"].as_u64() > Some(32_000), "{answer}");
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}
