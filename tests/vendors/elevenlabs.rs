//! `elevenlabs` from `PyPI`: its streaming over a WebSocket.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delays, Emulator, Fault, Voices, World, elevenlabs};
use serde_json::{Value, json};

use crate::client;

const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";
const MODEL: &str = "eleven_flash_v2_5";
/// Scripted speech: 50 ms a character, at 16 kHz.
const BYTES_A_CHARACTER: usize = 16_000 / 20 * 2;

async fn emulator() -> Emulator {
    let world = World::new("k", Voices::scripted([], []), Delays::NONE, 1);
    elevenlabs::start(Arc::new(world), 0).await.expect("a free port")
}

async fn run(emulator: &Emulator, key: &str, voice: &str) -> Value {
    let texts = ["Where is the station? ", "I must ", "be there at nine."];
    let arguments: Vec<&str> = [voice, MODEL, "/dev/null"].into_iter().chain(texts).collect();
    client::run("elevenlabs_client.py", emulator, key, &arguments).await
}

#[tokio::test]
async fn text_in_pieces_is_spoken_in_pieces() {
    let emulator = emulator().await;
    let answer = run(&emulator, "k", VOICE).await;
    // With a space at the end of each of its pieces, less those around what is spoken at a time.
    let characters = answer["bytes"].as_u64().expect("a number") as usize / BYTES_A_CHARACTER;
    assert!((36..=46).contains(&characters), "{answer}");
    assert!(answer["pieces"].as_u64() > Some(10), "{answer}");
    let counts = emulator.world.tally.read();
    assert_eq!((counts.connections, counts.violations), (1, vec![]));
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_voice_are_told() {
    let emulator = emulator().await;
    let wrong = run(&emulator, "other", VOICE).await;
    assert_eq!(wrong, json!({"error": "Invalid API key", "status": 1008}));
    let unknown = run(&emulator, "k", "nobody").await;
    assert_eq!(unknown, json!({"error": "A voice with voice_id 'nobody' does not exist.", "status": 1008}));
}

#[tokio::test]
async fn a_connection_that_breaks_is_told() {
    let emulator = emulator().await;
    let after = Duration::from_millis(200);
    emulator.world.script.push(Fault::Close { code: 1011, reason: "broken".to_owned(), after });
    assert_eq!(run(&emulator, "k", VOICE).await, json!({"error": "broken", "status": 1011}));
}
