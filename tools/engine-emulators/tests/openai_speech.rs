//! The emulator of `OpenAI`'s speech, asked by our core and by clients that do it wrong.

mod over_http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, openai_speech};
use engines::tts::openai_speech::{Options, refused, request};
use engines::tts::pcm::Pcm;
use engines::{Failure, FailureKind};
use over_http::{client, send};
use serde_json::{Value, json};

/// Scripted speech: 50 ms a character, at 24 kHz.
const BYTES_A_CHARACTER: usize = 24_000 / 20 * 2;

async fn emulator() -> Emulator {
    let delays = Delays { tts: Delay::Fixed(Duration::from_millis(100)), ..Delays::NONE };
    let world = World::new("k", Voices::scripted([], []), delays, 1);
    openai_speech::start(Arc::new(world), 0).await.expect("a free port")
}

async fn speak(emulator: &Emulator, key: &str, text: &str) -> Result<Vec<u8>, Failure> {
    let options = Options { model: "tts-1".into(), voice: "alloy".into() };
    let request = request(&format!("http://{}", emulator.address), key, &options, text)?;
    let mut response = send(&client(), request).await;
    let status = response.status().as_u16();
    if status != 200 {
        let header = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        return Err(refused(status, header.as_deref(), &response.bytes().await.unwrap()));
    }
    let broken = |_| Failure::new(FailureKind::Down, "broken off");
    let (mut pcm, mut speech) = (Pcm::default(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        speech.extend(pcm.push(&chunk)?);
    }
    Ok(speech)
}

async fn post(emulator: &Emulator, body: &Value) -> (u16, Value) {
    let url = format!("http://{}/v1/audio/speech", emulator.address);
    let response = client().post(url).bearer_auth("k").json(body).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

#[tokio::test]
async fn speech_comes_in_pieces_and_not_early() {
    let emulator = emulator().await;
    let asked = Instant::now();
    let speech = speak(&emulator, "k", "twenty characters !!").await.unwrap();
    assert_eq!(speech.len(), 20 * BYTES_A_CHARACTER);
    assert!(speech.chunks(2).any(|sample| sample != [0, 0]));
    // A second of speech in pieces of 40 ms, 10 ms apart, after 100 ms.
    assert!(asked.elapsed() >= Duration::from_millis(100 + 24 * 10));
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_vendor_s_words() {
    let emulator = emulator().await;
    let right = json!({"model": "tts-1", "voice": "alloy", "input": "x", "response_format": "pcm"});
    let cases = [
        ("model", Value::Null, 400, "invalid_type"),
        ("model", json!("tts-9"), 404, "model_not_found"),
        ("voice", json!("me"), 400, "invalid_value"),
        ("input", json!("x".repeat(4097)), 400, "string_above_max_length"),
        ("input", json!(""), 400, "string_below_min_length"),
        ("response_format", json!("tape"), 400, "invalid_value"),
        ("speed", json!(9), 400, "invalid_value"),
    ];
    for (field, value, status, code) in &cases {
        let mut body = right.clone();
        body[*field] = value.clone();
        let (answered, answer) = post(&emulator, &body).await;
        assert_eq!((answered, answer["error"]["code"].as_str()), (*status, Some(*code)), "{answer}");
    }
    assert_eq!(emulator.world.tally.read().violations.len(), cases.len());
}

#[tokio::test]
async fn refusals_tell_who_can_act() {
    let emulator = emulator().await;
    assert_eq!(speak(&emulator, "other", "x").await.unwrap_err().kind, FailureKind::Credential);
    let cases = [(429, FailureKind::RateLimited), (402, FailureKind::Quota), (503, FailureKind::Down)];
    for (status, kind) in cases {
        emulator.world.script.push(Fault::Refuse { status, retry_after: Some(2) });
        assert_eq!(speak(&emulator, "k", "x").await.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn scripted_faults_happen() {
    let emulator = emulator().await;
    emulator.world.script.push(Fault::Flood { most: 100 << 20 });
    assert_eq!(speak(&emulator, "k", "x").await.unwrap_err().kind, FailureKind::Protocol);
    let after = Duration::from_millis(100);
    emulator.world.script.push(Fault::Close { code: 1011, reason: String::new(), after });
    assert_eq!(speak(&emulator, "k", "ten letter").await.unwrap_err().kind, FailureKind::Down);
    emulator.world.script.push(Fault::Silence);
    let silence = tokio::time::timeout(Duration::from_millis(300), speak(&emulator, "k", "x")).await;
    assert!(silence.is_err());
    assert_eq!(speak(&emulator, "k", "x").await.unwrap().len(), BYTES_A_CHARACTER);
}
