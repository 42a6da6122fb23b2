//! `openai` from `PyPI`: its streamed speech.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, openai_speech};
use serde_json::{Value, json};

use crate::client;

/// Scripted speech: 50 ms a character, at 24 kHz.
const BYTES_A_CHARACTER: usize = 24_000 / 20 * 2;
const TEXT: &str = "Where is the station?";

async fn emulator() -> Emulator {
    let delays = Delays { tts: Delay::Fixed(Duration::from_millis(100)), ..Delays::NONE };
    let world = World::new("k", Voices::scripted([], []), delays, 1);
    openai_speech::start(Arc::new(world), 0).await.expect("a free port")
}

/// `retries` is how often the client tries again by itself.
async fn run(emulator: &Emulator, key: &str, voice: &str, retries: &str) -> Value {
    client::run("openai_client.py", emulator, key, &[retries, "tts-1", voice, "/dev/null", TEXT]).await
}

#[tokio::test]
async fn speech_is_streamed() {
    let emulator = emulator().await;
    let answer = run(&emulator, "k", "alloy", "0").await;
    assert_eq!(answer["bytes"], TEXT.len() * BYTES_A_CHARACTER);
    assert!(answer["pieces"].as_u64() > Some(10), "{answer}");
    // More than a second of speech, four times as fast as it is heard.
    assert!(answer["first_ms"].as_f64() >= Some(100.0), "{answer}");
    assert!(answer["spread_ms"].as_f64() >= Some(150.0), "{answer}");
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn refusals_are_the_client_s_own_exceptions() {
    let emulator = emulator().await;
    let wrong = run(&emulator, "other", "alloy", "0").await;
    assert_eq!(wrong, json!({"error": "AuthenticationError", "status": 401, "code": "invalid_api_key"}));
    let wrong = run(&emulator, "k", "nobody", "0").await;
    assert_eq!(wrong, json!({"error": "BadRequestError", "status": 400, "code": "invalid_value"}));
    let cases = [
        (429, 429, "RateLimitError", "rate_limit_exceeded"),
        (402, 429, "RateLimitError", "insufficient_quota"),
        (503, 503, "InternalServerError", "server_error"),
    ];
    for (status, told, error, code) in cases {
        emulator.world.script.push(Fault::Refuse { status, retry_after: None });
        let answer = run(&emulator, "k", "alloy", "0").await;
        assert_eq!(answer, json!({"error": error, "status": told, "code": code}));
    }
}

#[tokio::test]
async fn the_client_comes_back_when_it_is_told_to() {
    let emulator = emulator().await;
    emulator.world.script.push(Fault::Refuse { status: 429, retry_after: Some(1) });
    let answer = run(&emulator, "k", "alloy", "1").await;
    assert_eq!(answer["bytes"], TEXT.len() * BYTES_A_CHARACTER);
    assert!(answer["first_ms"].as_f64() >= Some(1000.0), "{answer}");
}
