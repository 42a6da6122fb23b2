//! `hume-expression-measurement` from `PyPI`: its realtime audio.

use std::sync::Arc;

use engine_emulators::{Delays, Emulator, Fault, Voices, World, hume};
use serde_json::{Value, json};

use crate::client;

async fn emulator() -> Emulator {
    let world = World::new("k", Voices::scripted([], []), Delays::NONE, 1);
    hume::start(Arc::new(world), 0).await.expect("a free port")
}

async fn run(emulator: &Emulator, key: &str, seconds: &str, speed: &str) -> Value {
    client::run("hume_client.py", emulator, key, &[seconds, speed]).await
}

#[tokio::test]
async fn speech_is_measured_and_every_message_is_of_a_class_that_the_client_knows() {
    let emulator = emulator().await;
    let answer = run(&emulator, "k", "4.5", "1").await;
    let expected = json!({
        "classes": [
            "AudioSessionCreated", "AudioSessionUpdated", "UtteranceStart", "AudioMeasurementResult", "UtteranceEnd",
            "AudioSessionClosed",
        ],
        "triggers": ["interval", "speech_ended"],
        "spans": [[0, 3_000], [0, 4_500]],
        "best": ["excitement", "excitement"],
        "reason": "client_request",
        "frames": 51,
        "errors": [],
    });
    assert_eq!(answer, expected);
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn audio_that_comes_too_fast_is_told() {
    let emulator = emulator().await;
    let answer = run(&emulator, "k", "4", "10").await;
    let errors = answer["errors"].as_array().expect("a list");
    assert!(!errors.is_empty() && errors.iter().all(|error| error == "rate_limited"), "{answer}");
    assert_eq!(answer["frames"].as_u64(), Some(46 - errors.len() as u64), "{answer}");
}

#[tokio::test]
async fn refusals_are_the_clients_own_errors() {
    let emulator = emulator().await;
    assert_eq!(run(&emulator, "other", "1", "1").await, json!({"status": 401}));
    emulator.world.script.push(Fault::Refuse { status: 503, retry_after: None });
    assert_eq!(run(&emulator, "k", "1", "1").await, json!({"status": 503}));
}
