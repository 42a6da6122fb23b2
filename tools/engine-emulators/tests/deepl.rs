//! The emulator of `DeepL`, asked by our core and by clients that do it wrong.

mod over_http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, deepl};
use engines::FailureKind;
use engines::mt::deepl::glossary::{self, Dictionary, Glossary};
use engines::mt::deepl::{ANSWER_AT_MOST, Translate, read_answer, request};
use over_http::{client, send};
use reqwest::{Client, Response};
use serde_json::{Value, json};

const HELLO: Translate<'_> = Translate {
    texts: &["Hello.", "Bye."],
    source: Some("en"),
    target: "es",
    context: "Good morning.",
    glossary: None,
    formality: None,
};

async fn emulator() -> Emulator {
    let voices = Voices::scripted([], [("Hello.", "Hola."), ("Bye.", "Adiós.")]);
    let delays = Delays { mt: Delay::Fixed(Duration::from_millis(80)), ..Delays::NONE };
    deepl::start(Arc::new(World::new("k", voices, delays, 1)), 0).await.expect("a free port")
}

fn base(emulator: &Emulator) -> String {
    format!("http://{}", emulator.address)
}

async fn translate(emulator: &Emulator, client: &Client, key: &str) -> Result<Vec<String>, FailureKind> {
    let request = request(Some(&base(emulator)), key, &HELLO).expect("a valid request");
    let (status, retry_after, body) = read(send(client, request).await).await;
    let answer = read_answer(status, retry_after.as_deref(), &body, 2);
    answer.map(|texts| texts.into_iter().map(|text| text.text).collect()).map_err(|failure| failure.kind)
}

/// As much of the body as our core takes, and a piece more.
async fn read(mut response: Response) -> (u16, Option<String>, Vec<u8>) {
    let retry_after = response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend(chunk);
        if body.len() > ANSWER_AT_MOST {
            break;
        }
    }
    (status, retry_after, body)
}

async fn post(emulator: &Emulator, body: &Value) -> (u16, String) {
    let request = client().post(format!("{}/v2/translate", base(emulator))).header("User-Agent", "test");
    let response =
        request.header("Authorization", "DeepL-Auth-Key k").json(body).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.text().await.expect("a body"))
}

#[tokio::test]
async fn texts_are_translated_over_one_connection_and_not_early() {
    let (emulator, client) = (emulator().await, client());
    let asked = Instant::now();
    for _ in 0..3 {
        assert_eq!(translate(&emulator, &client, "k").await.unwrap(), ["Hola.", "Adiós."]);
    }
    assert!(asked.elapsed() >= Duration::from_millis(240));
    let counts = emulator.world.tally.read();
    assert_eq!((counts.requests, counts.needless_connections, counts.violations), (3, 0, vec![]));
}

#[tokio::test]
async fn needless_connections_are_counted() {
    let (emulator, one, other) = (emulator().await, client(), client());
    translate(&emulator, &one, "k").await.unwrap();
    translate(&emulator, &other, "k").await.unwrap();
    assert_eq!(emulator.world.tally.read().needless_connections, 1);
}

#[tokio::test]
async fn connections_made_at_once_are_not_needless() {
    let (emulator, client) = (emulator().await, client());
    let both = tokio::join!(translate(&emulator, &client, "k"), translate(&emulator, &client, "k"));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(emulator.world.tally.read().needless_connections, 0);
}

#[tokio::test]
async fn keys_and_clients_without_a_name_are_refused() {
    let emulator = emulator().await;
    assert_eq!(translate(&emulator, &client(), "other").await, Err(FailureKind::Credential));
    let url = format!("{}/v2/translate", base(&emulator));
    let nameless = client().post(url).header("Authorization", "DeepL-Auth-Key k");
    let response = nameless.json(&json!({"text": ["x"], "target_lang": "DE"})).send().await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.text().await.unwrap().contains("User-Agent header missing."));
    assert_eq!(emulator.world.tally.read().violations.len(), 2);
}

#[tokio::test]
async fn wrong_requests_are_refused_in_the_vendor_s_words() {
    let emulator = emulator().await;
    let cases = [
        (json!({"text": ["x"]}), 400, "Value for 'target_lang' not supported."),
        (json!({"text": ["x"], "target_lang": "EN"}), 400, "Value for 'target_lang' not supported."),
        (json!({"text": ["x"], "target_lang": "DE", "source_lang": "EN-US"}), 400, "Value for 'source_lang'"),
        (json!({"text": "x", "target_lang": "DE"}), 400, "Value for 'text' not supported."),
        (json!({"target_lang": "DE"}), 400, "Parameter 'text' not specified"),
        (json!({"text": vec!["x"; 51], "target_lang": "DE"}), 400, "Too many texts"),
        (
            json!({"text": ["x"], "target_lang": "EN-GB", "formality": "more"}),
            400,
            "'formality' is not supported",
        ),
        (json!({"text": ["x"], "target_lang": "DE", "glossary_id": "g"}), 400, "requires the source_lang"),
        (
            json!({"text": ["x"], "target_lang": "DE", "source_lang": "EN", "glossary_id": "g"}),
            404,
            "Glossary",
        ),
        (json!({"text": ["x".repeat(128 << 10)], "target_lang": "DE"}), 413, "size exceeds"),
    ];
    for (body, status, words) in &cases {
        let (answered, text) = post(&emulator, body).await;
        assert!(answered == *status && text.contains(words), "{words}: {answered} {text}");
    }
    assert_eq!(emulator.world.tally.read().violations.len(), cases.len());
}

const TERMS: Dictionary<'_> = Dictionary { source: "en", target: "es", terms: &[("Hello", "Bye")] };

async fn listed(emulator: &Emulator, client: &Client) -> Vec<glossary::Listed> {
    let (status, _, body) = read(send(client, glossary::list(Some(&base(emulator)), "k")).await).await;
    glossary::read_list(status, None, &body).expect("a list")
}

async fn made(emulator: &Emulator, client: &Client, wanted: &Glossary) -> String {
    let (status, _, body) = read(send(client, wanted.create(Some(&base(emulator)), "k")).await).await;
    glossary::read_created(status, None, &body).expect("it is made")
}

#[tokio::test]
async fn a_glossary_is_made_found_used_and_deleted() {
    let (emulator, client) = (emulator().await, client());
    let reversed = Dictionary { source: "es", target: "en", terms: &[("Bye", "Hello")] };
    let older = Glossary::new("box", &[TERMS, reversed]).unwrap();
    let wanted = Glossary::new("box", &[TERMS]).unwrap();
    let stale = made(&emulator, &client, &older).await;
    let id = made(&emulator, &client, &wanted).await;
    let plan = wanted.plan(&listed(&emulator, &client).await);
    assert_eq!(plan, glossary::Plan { present: Some(id.clone()), stale: vec![stale.clone()] });

    for _ in 0..2 {
        let answer = send(&client, glossary::delete(Some(&base(&emulator)), "k", &stale)).await;
        assert_eq!(glossary::read_deleted(answer.status().as_u16(), None, b""), Ok(()));
    }
    assert_eq!(listed(&emulator, &client).await.len(), 1);

    let ask = Translate { texts: &["Hello."], glossary: Some(&id), ..HELLO };
    let (status, _, body) =
        read(send(&client, request(Some(&base(&emulator)), "k", &ask).unwrap()).await).await;
    assert_eq!(read_answer(status, None, &body, 1).unwrap()[0].text, "Adiós.");
    let ask = Translate { target: "de", ..ask };
    let answer = send(&client, request(Some(&base(&emulator)), "k", &ask).unwrap()).await;
    assert_eq!(answer.status(), 400, "there is no such dictionary");
}

#[tokio::test]
async fn glossaries_that_the_vendor_refuses_are_refused() {
    let emulator = emulator().await;
    let with = |entries: &str| {
        json!({"name": "n", "dictionaries": [
            {"source_lang": "en", "target_lang": "es", "entries": entries, "entries_format": "tsv"}]})
    };
    let pair = json!({"source_lang": "en", "target_lang": "en", "entries": "a\tb", "entries_format": "tsv"});
    let cases = [
        (json!({"name": "", "dictionaries": []}), "argument: name"),
        (json!({"name": "n", "dictionaries": []}), "dictionaries must be provided"),
        (json!({"name": "n", "dictionaries": [pair]}), "language pair"),
        (with("a b"), "misses tab"),
        (with("a\tb\na\tc"), "index 1 (starting at position 4) duplicates key with the index 0"),
        (with("a\t b"), "whitespace"),
        (with("a\tb\tc"), "control characters"),
        (with(&format!("a\t{}", "x".repeat(1_025))), "too long"),
    ];
    for (body, words) in &cases {
        let request =
            client().post(format!("{}/v3/glossaries", base(&emulator))).header("User-Agent", "test");
        let answer = request.header("Authorization", "DeepL-Auth-Key k").json(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{words}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn other_content_types_are_refused() {
    let emulator = emulator().await;
    let request = client().post(format!("{}/v2/translate", base(&emulator))).header("User-Agent", "test");
    let request = request.header("Authorization", "DeepL-Auth-Key k").header("Content-Type", "text/plain");
    assert_eq!(request.body("{}").send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn scripted_faults_happen_and_then_it_works() {
    let (emulator, client) = (emulator().await, client());
    let script = &emulator.world.script;
    let refuse = |status| Fault::Refuse { status, retry_after: Some(3) };
    let faults = [
        (refuse(429), FailureKind::RateLimited),
        (refuse(456), FailureKind::Quota),
        (refuse(529), FailureKind::RateLimited),
        (refuse(503), FailureKind::Down),
        (Fault::Garbage(vec![b"{\"translations\":[{\0".to_vec()]), FailureKind::Protocol),
        (Fault::Flood { most: 100 << 20 }, FailureKind::Protocol),
        (Fault::GzipBomb, FailureKind::Protocol),
    ];
    for (fault, kind) in faults {
        script.push(fault.clone());
        assert_eq!(translate(&emulator, &client, "k").await, Err(kind), "{fault:?}");
    }
    script.push(Fault::Late(Duration::from_millis(200)));
    let asked = Instant::now();
    assert!(translate(&emulator, &client, "k").await.is_ok());
    assert!(asked.elapsed() >= Duration::from_millis(280));
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back() {
    let (emulator, client) = (emulator().await, client());
    emulator.world.script.push(Fault::Refuse { status: 429, retry_after: Some(7) });
    let request = request(Some(&base(&emulator)), "k", &HELLO).unwrap();
    let (status, retry_after, body) = read(send(&client, request).await).await;
    let failure = read_answer(status, retry_after.as_deref(), &body, 2).unwrap_err();
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn an_emulator_that_is_dropped_answers_no_more() {
    let (emulator, client) = (emulator().await, client());
    translate(&emulator, &client, "k").await.unwrap();
    let url = format!("{}/v2/usage", base(&emulator));
    drop(emulator);
    let gone = async { while client.get(&url).send().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("its connections end");
}
