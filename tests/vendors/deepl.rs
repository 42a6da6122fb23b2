//! `deepl` from `PyPI`.

use std::sync::Arc;

use engine_emulators::{Delays, Emulator, Fault, Voices, World, deepl};
use serde_json::{Value, json};

use crate::client;

async fn emulator() -> Emulator {
    let pairs =
        [("Hello, world!", "¡Hola, mundo!"), ("Bye.", "Adiós."), ("The rayo arrives.", "Llega el rayo.")];
    let world = World::new("k", Voices::scripted([], pairs), Delays::NONE, 1);
    deepl::start(Arc::new(world), 0).await.expect("a free port")
}

async fn run(emulator: &Emulator, arguments: &[&str]) -> Value {
    client::run("deepl_client.py", emulator, "k", arguments).await
}

#[tokio::test]
async fn texts_and_batches_are_translated_over_one_connection() {
    let emulator = emulator().await;
    let answer = run(&emulator, &["translate", "Hello, world!", "Bye."]).await;
    let one = json!({"text": "¡Hola, mundo!", "source": "EN", "billed": 13, "model": "latency_optimized"});
    assert_eq!(answer["one"], one);
    assert_eq!(answer["batch"], json!(["¡Hola, mundo!", "Adiós."]));
    assert_eq!(answer["characters"], 13 + 13 + 4);
    let counts = emulator.world.tally.read();
    assert_eq!((counts.requests, counts.needless_connections, counts.violations), (3, 0, vec![]));
}

#[tokio::test]
async fn a_glossary_puts_its_terms_into_the_translation() {
    let emulator = emulator().await;
    let answer = run(&emulator, &["glossary", "ray", "rayo", "The ray arrives."]).await;
    assert_eq!(answer, json!({"ready": true, "entries": 1, "text": "Llega el rayo."}));
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
    assert_eq!(run(&emulator, &["unknown_glossary"]).await["error"], "DeepLException");
}

#[tokio::test]
async fn a_glossary_of_two_directions_is_made_listed_read_used_and_deleted() {
    let emulator = emulator().await;
    let answer = run(&emulator, &["glossaries", "ray", "rayo", "The ray arrives."]).await;
    let wanted = json!({
        "listed": true, "name": "two ways", "dictionaries": [["EN", "ES", 1], ["ES", "EN", 2]],
        "entries": "ray\trayo", "text": "Llega el rayo.", "gone": "GlossaryNotFoundException",
    });
    assert_eq!(answer, wanted);
    // What was looked for in vain.
    assert_eq!(emulator.world.tally.read().violations, ["404: Glossary not found"]);
}

#[tokio::test]
async fn refusals_are_the_client_s_own_exceptions() {
    let emulator = emulator().await;
    let cases = [
        (403, "AuthorizationException"),
        (456, "QuotaExceededException"),
        (429, "TooManyRequestsException"),
        (400, "DeepLException"),
        (529, "DeepLException"),
    ];
    for (status, exception) in cases {
        emulator.world.script.push(Fault::Refuse { status, retry_after: Some(1) });
        let answer = run(&emulator, &["fail"]).await;
        assert_eq!(answer, json!({"error": exception, "status": status}));
    }
}

#[tokio::test]
async fn a_wrong_key_is_told() {
    let emulator = emulator().await;
    let answer = client::run("deepl_client.py", &emulator, "other", &["fail"]).await;
    assert_eq!(answer["error"], "AuthorizationException");
}

#[tokio::test]
async fn the_client_comes_back_after_a_rate_limit() {
    let emulator = emulator().await;
    emulator.world.script.push(Fault::Refuse { status: 429, retry_after: Some(1) });
    let answer = run(&emulator, &["translate", "Hello, world!"]).await;
    assert_eq!(answer["one"]["text"], "¡Hola, mundo!");
    assert_eq!(emulator.world.tally.read().refused, 1);
}
