//! The emulator of `DeepL` Voice, asked by our core and by clients that do it wrong.

mod over_http;
mod over_websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, deepl_voice};
use engines::speech::deepl_voice::{Options, RATE, Stream, Ticket, read_ticket, request};
use engines::speech::{Interpreted, Next};
use engines::websocket::Message;
use engines::{Failure, FailureKind};
use over_websocket::{Client, Event};
use serde_json::{Value, json};

/// Scripted speech: 50 ms a character.
const BYTES_A_CHARACTER: usize = RATE as usize / 20 * 2;
const SAID: &str = "where is the station";
const MEANT: &str = "dónde está la estación";

async fn emulator() -> Emulator {
    let delays = Delays { asr: Delay::Fixed(Duration::from_millis(100)), ..Delays::NONE };
    let world = World::new("k", Voices::scripted([SAID, "thank you"], [(SAID, MEANT)]), delays, 1);
    deepl_voice::start(Arc::new(world), 0).await.expect("a free port")
}

fn into(target: &str) -> Options {
    Options { source: "en".into(), target: target.into(), spoken: true }
}

async fn ticket(emulator: &Emulator, key: &str, options: &Options) -> Result<Ticket, Failure> {
    let base = format!("http://{}", emulator.address);
    let mut asked = request(Some(&base), key, options)?;
    asked.headers.push(("User-Agent", "test".into()));
    let response = over_http::send(&over_http::client(), asked).await;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let retry_after = headers.get("retry-after").and_then(|value| value.to_str().ok());
    read_ticket(status, retry_after, &response.bytes().await.expect("a body"), &base)
}

/// What came of an utterance.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    source: String,
    language: Option<String>,
    target: String,
    audio: usize,
    ends: usize,
}

async fn interpret(emulator: &Emulator, options: &Options, seconds: f64) -> Result<Answer, Failure> {
    let ticket = ticket(emulator, "k", options).await?;
    let mut client =
        Client::connect(&ticket.handshake()).await.map_err(|status| Stream::refused(status, None))?;
    let began = Instant::now();
    let mut stream = Stream::new(Duration::ZERO);
    stream.push(&vec![9_000; (seconds * f64::from(RATE)) as usize]);
    stream.finish();
    loop {
        match stream.poll(began.elapsed()) {
            Next::Send(message) => client.send(message).await,
            Next::Wait(at) => tokio::time::sleep(at.saturating_sub(began.elapsed())).await,
            _ => break,
        }
    }
    let mut answer = Answer::default();
    loop {
        let message = match client.next().await {
            Event::Message(message) => message,
            Event::Closed(code, reason) => return Err(Stream::closed(code, &reason)),
            Event::Broken => return Err(Failure::new(FailureKind::Down, "broken off")),
        };
        for told in stream.receive(&message)? {
            match told {
                Interpreted::Source { text, language } => {
                    answer.source += &text;
                    answer.language = language;
                }
                Interpreted::Target(text) => answer.target += &text,
                Interpreted::Audio(samples) => answer.audio += samples.len(),
                Interpreted::SourceEnded | Interpreted::TargetEnded => answer.ends += 1,
                Interpreted::Finished => return Ok(answer),
                Interpreted::Failed(failure) => return Err(failure),
                Interpreted::Warning(warning) => panic!("{warning}"),
            }
        }
    }
}

#[tokio::test]
async fn an_utterance_is_heard_translated_and_spoken() {
    let emulator = emulator().await;
    let answer = interpret(&emulator, &into("es"), 1.25).await.unwrap();
    let expected = Answer {
        source: SAID.into(),
        language: Some("en".into()),
        target: MEANT.into(),
        audio: MEANT.chars().count() * BYTES_A_CHARACTER,
        ends: 2,
    };
    assert_eq!(answer, expected);
    let counts = emulator.world.tally.read();
    assert_eq!((counts.audio_ms, counts.violations), (1_250, vec![]));
}

#[tokio::test]
async fn the_same_speech_is_repeated_in_its_own_language() {
    let emulator = emulator().await;
    let (spanish, english) = (into("es"), into("en"));
    let (es, en) = tokio::join!(interpret(&emulator, &spanish, 0.3), interpret(&emulator, &english, 0.3));
    let (es, en) = (es.unwrap(), en.unwrap());
    assert_eq!((es.source.as_str(), es.target.as_str()), (SAID, MEANT));
    assert_eq!((en.source.as_str(), en.target.as_str()), (SAID, SAID));
    let silent = Options { spoken: false, ..into("es") };
    let next = interpret(&emulator, &silent, 0.3).await.unwrap();
    assert_eq!((next.source.as_str(), next.audio), ("thank you", 0));
}

#[tokio::test]
async fn keys_languages_and_tokens_are_checked() {
    let emulator = emulator().await;
    let kind = |outcome: Result<Ticket, Failure>| outcome.unwrap_err().kind;
    assert_eq!(kind(ticket(&emulator, "other", &into("es")).await), FailureKind::Credential);
    assert_eq!(kind(ticket(&emulator, "k", &into("xx")).await), FailureKind::Refused);
    let once = ticket(&emulator, "k", &into("es")).await.unwrap().handshake();
    let _open = Client::connect(&once).await.unwrap();
    assert_eq!(Client::connect(&once).await.err(), Some(403));
}

/// The error that these messages bring.
async fn refused(emulator: &Emulator, messages: &[Message]) -> Value {
    let handshake = ticket(emulator, "k", &into("es")).await.unwrap().handshake();
    let mut client = Client::connect(&handshake).await.expect("an upgrade");
    for message in messages {
        client.send(message.clone()).await;
    }
    let mut error = Value::Null;
    loop {
        match client.next().await {
            Event::Message(Message::Text(text)) => {
                error = serde_json::from_str::<Value>(&text).expect("JSON")["error"]["error_code"].clone();
            }
            Event::Closed(1008, _) => return error,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_the_vendor_does_not_take_ends_the_session() {
    let emulator = emulator().await;
    let text = |value: Value| Message::Text(value.to_string());
    let chunk = |bytes: usize| {
        use base64::Engine;
        let data = base64::prelude::BASE64_STANDARD.encode(vec![0; bytes]);
        text(json!({"source_media_chunk": {"data": data}}))
    };
    let cases = [
        (vec![Message::Binary(vec![0; 3_200])], 400),
        (vec![Message::Text("{".into())], 400),
        (vec![text(json!({"new": {}}))], 400),
        (vec![chunk(3)], 400),
        (vec![chunk(32_002)], 400),
        (vec![chunk(32_000); 2], 429),
    ];
    for (messages, code) in cases {
        assert_eq!(refused(&emulator, &messages).await, json!(code), "{messages:.60?}");
    }
}

#[tokio::test]
async fn scripted_faults_happen_and_then_it_works() {
    let emulator = emulator().await;
    let refuse = |status| Fault::Refuse { status, retry_after: None };
    let after = Duration::from_millis(100);
    let faults = [
        (refuse(401), FailureKind::Credential),
        (refuse(456), FailureKind::Quota),
        (refuse(429), FailureKind::RateLimited),
        (refuse(503), FailureKind::Down),
        (Fault::Garbage(vec![b"{\"source_".to_vec()]), FailureKind::Protocol),
        (Fault::Flood { most: 8 << 20 }, FailureKind::Down),
        (Fault::Close { code: 1011, reason: "broken".into(), after }, FailureKind::Down),
    ];
    for (fault, kind) in faults {
        emulator.world.script.push(fault.clone());
        let outcome = interpret(&emulator, &into("es"), 0.2).await;
        assert_eq!(outcome.unwrap_err().kind, kind, "{fault:?}");
    }
    emulator.world.script.push(Fault::Silence);
    let silence =
        tokio::time::timeout(Duration::from_millis(600), interpret(&emulator, &into("es"), 0.2)).await;
    assert!(silence.is_err());
    interpret(&emulator, &into("es"), 0.2).await.unwrap();
}
