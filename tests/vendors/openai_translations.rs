//! `openai` from `PyPI`: its realtime translations.

use std::sync::Arc;

use engine_emulators::{Delays, Emulator, Fault, Voices, World, openai_translations};
use serde_json::{Value, json};

use crate::client;

/// Scripted speech: 50 ms a character, at 24 kHz.
const BYTES_A_CHARACTER: usize = 24_000 / 20 * 2;
const SAID: &str = "where is the station";
const MEANT: &str = "dónde está la estación";

async fn run(key: &str, model: &str, language: &str, fault: Option<Fault>) -> (Value, Emulator) {
    let world = World::new("k", Voices::scripted([SAID], [(SAID, MEANT)]), Delays::NONE, 1);
    if let Some(fault) = fault {
        world.script.push(fault);
    }
    let emulator = openai_translations::start(Arc::new(world), 0).await.expect("a free port");
    let answer =
        client::run("openai_translations_client.py", &emulator, key, &[model, language, "1.3"]).await;
    (answer, emulator)
}

#[tokio::test]
async fn speech_is_translated_and_every_event_is_of_a_class_that_the_client_knows() {
    let (answer, emulator) = run("k", "gpt-realtime-translate", "es", None).await;
    assert_eq!((&answer["source"], &answer["target"]), (&json!(SAID), &json!(MEANT)), "{answer}");
    // Of the input, 200 ms frames of silence; then the speech.
    let silence = 6 * 24_000 / 5 * 2;
    assert_eq!(answer["bytes"], silence + MEANT.chars().count() * BYTES_A_CHARACTER);
    let classes = [
        "RealtimeTranslationSessionCreatedEvent",
        "RealtimeTranslationSessionUpdatedEvent",
        "RealtimeTranslationOutputAudioDeltaEvent",
        "RealtimeTranslationInputTranscriptDeltaEvent",
        "RealtimeTranslationOutputTranscriptDeltaEvent",
        "RealtimeTranslationSessionClosedEvent",
    ];
    assert_eq!(answer["classes"], json!(classes));
    let counts = emulator.world.tally.read();
    assert_eq!((counts.audio_ms, counts.violations), (1_300, vec![]));
}

#[tokio::test]
async fn refusals_are_the_clients_own_errors() {
    let (answer, _) = run("other", "gpt-realtime-translate", "es", None).await;
    assert_eq!(answer, json!({"status": 401}));
    let (answer, _) = run("k", "gpt-2", "es", None).await;
    assert_eq!(answer, json!({"status": 400}));
    let limited = Fault::Refuse { status: 429, retry_after: Some(1) };
    let (answer, _) = run("k", "gpt-realtime-translate", "es", Some(limited)).await;
    assert_eq!(answer, json!({"status": 429}));
    let (answer, _) = run("k", "gpt-realtime-translate", "", None).await;
    assert_eq!(answer["error"], "invalid_value", "{answer}");
}
