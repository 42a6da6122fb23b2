//! The emulator of `ElevenLabs`, asked by our core and by clients that do it wrong.

mod over_websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, elevenlabs};
use engines::tts::Spoken;
use engines::tts::elevenlabs::{Options, Stream};
use engines::websocket::Message;
use engines::{Failure, FailureKind};
use over_websocket::{Client, Event};
use serde_json::{Value, json};

/// Scripted speech: 50 ms a character, at 16 kHz.
const BYTES_A_CHARACTER: usize = 16_000 / 20 * 2;
const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";

async fn emulator() -> Emulator {
    let delays = Delays { tts: Delay::Fixed(Duration::from_millis(100)), ..Delays::NONE };
    let world = World::new("k", Voices::scripted([], []), delays, 1);
    elevenlabs::start(Arc::new(world), 0).await.expect("a free port")
}

fn stream(voice: &str, model: &str) -> Stream {
    Stream::new(Options { voice: voice.to_owned(), model: model.to_owned(), language: None })
}

async fn connect(emulator: &Emulator, stream: &Stream, key: &str) -> Result<Client, u16> {
    Client::connect(&stream.handshake(&format!("ws://{}", emulator.address), key)).await
}

/// What is heard until all is spoken.
async fn hear(client: &mut Client, stream: &mut Stream) -> Result<Vec<u8>, Failure> {
    let mut speech = Vec::new();
    loop {
        match client.next().await {
            Event::Message(message) => {
                for spoken in stream.receive(&message)? {
                    match spoken {
                        Spoken::Audio(samples) => speech.extend(samples),
                        Spoken::Flushed => return Ok(speech),
                        other => panic!("{other:?}"),
                    }
                }
            }
            Event::Closed(code, reason) => return Err(Stream::closed(code, &reason)),
            Event::Broken => return Err(Failure::new(FailureKind::Down, "broken off")),
        }
    }
}

async fn speak(emulator: &Emulator, key: &str, clauses: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut stream = stream(VOICE, "eleven_flash_v2_5");
    let mut client = connect(emulator, &stream, key).await.map_err(|status| Stream::refused(status, None))?;
    client.send(stream.open()).await;
    for clause in clauses {
        client.send(stream.speak(clause)).await;
    }
    client.send(stream.finish()).await;
    hear(&mut client, &mut stream).await
}

/// The error's name after these messages, and the close code.
async fn refused(emulator: &Emulator, query: &str, messages: &[Value]) -> (Value, u16) {
    let mut handshake =
        stream(VOICE, "eleven_flash_v2_5").handshake(&format!("ws://{}", emulator.address), "k");
    if !query.is_empty() {
        handshake.url = format!("{}?{query}", handshake.url.split('?').next().unwrap());
    }
    let mut client = Client::connect(&handshake).await.expect("an upgrade");
    for message in messages {
        client.send(Message::Text(message.to_string())).await;
    }
    let mut error = Value::Null;
    loop {
        match client.next().await {
            Event::Message(Message::Text(text)) => {
                let answer: Value = serde_json::from_str(&text).expect("JSON");
                error = answer["error"].clone();
            }
            Event::Closed(code, _) => return (error, code),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn clauses_are_spoken_and_then_the_end_is_told() {
    let emulator = emulator().await;
    let asked = Instant::now();
    let speech = speak(&emulator, "k", &["ten letter", "and more!!"]).await.unwrap();
    assert_eq!(speech.len(), 20 * BYTES_A_CHARACTER);
    assert!(asked.elapsed() >= Duration::from_millis(100 + 24 * 10));
    let counts = emulator.world.tally.read();
    assert_eq!((counts.connections, counts.violations), (1, vec![]));
}

#[tokio::test]
async fn a_flush_speaks_and_leaves_the_connection_open() {
    let emulator = emulator().await;
    let mut stream = stream(VOICE, "eleven_flash_v2_5");
    let mut client = connect(&emulator, &stream, "k").await.unwrap();
    client.send(stream.open()).await;
    client.send(stream.keep_alive()).await;
    client.send(stream.speak("x")).await;
    client.send(stream.flush()).await;
    let Event::Message(first) = client.next().await else { panic!("no audio") };
    assert!(matches!(stream.receive(&first).unwrap()[..], [Spoken::Audio(_)]));
    client.send(stream.speak("y")).await;
    client.send(stream.finish()).await;
    hear(&mut client, &mut stream).await.unwrap();
    assert_eq!(emulator.world.tally.read().keep_alives, 1);
}

#[tokio::test]
async fn without_auto_mode_little_text_waits_for_more() {
    let emulator = emulator().await;
    let url = "model_id=eleven_flash_v2_5&output_format=pcm_16000&inactivity_timeout=1";
    let open = json!({"text": " ", "generation_config": {"chunk_length_schedule": [50]}});
    let (error, code) = refused(&emulator, url, &[open, json!({"text": "Too little. "})]).await;
    assert_eq!((error, code), (json!("input_timeout_exceeded"), 1008));
}

#[tokio::test]
async fn wrong_clients_are_refused_in_the_vendor_s_words() {
    let emulator = emulator().await;
    let open = json!({"text": " ", "voice_settings": {"stability": 0.5, "similarity_boost": 0.8}});
    let other = json!({"text": "x ", "voice_settings": {"stability": 0.1, "similarity_boost": 0.8}});
    let short = json!({"text": " ", "generation_config": {"chunk_length_schedule": [5]}});
    let cases = [
        ("", vec![json!({"text": "Hello "})], "invalid_input_message"),
        ("", vec![json!({"text": 1})], "invalid_input_message"),
        ("", vec![json!([])], "invalid_input_message"),
        ("", vec![short], "invalid_input_message"),
        ("", vec![open, other], "invalid_voice_settings"),
        ("", vec![json!({"text": " ", "xi_api_key": "other"})], "invalid_api_key"),
        ("model_id=eleven_flash_v2_5", vec![json!({"text": " "})], "invalid_output_format"),
        ("model_id=nobody&output_format=pcm_16000", vec![json!({"text": " "})], "model_not_found"),
    ];
    for (query, messages, error) in &cases {
        assert_eq!(refused(&emulator, query, messages).await, (json!(error), 1008), "{messages:?}");
    }
    assert_eq!(emulator.world.tally.read().violations.len(), cases.len());
}

#[tokio::test]
async fn keys_voices_and_models_are_checked() {
    let emulator = emulator().await;
    assert_eq!(speak(&emulator, "other", &["x"]).await.unwrap_err().kind, FailureKind::Credential);
    assert_eq!(connect(&emulator, &stream(VOICE, "eleven_v3"), "k").await.err(), Some(403));
    let mut unknown = stream("nobody", "eleven_flash_v2_5");
    let mut client = connect(&emulator, &unknown, "k").await.unwrap();
    client.send(unknown.open()).await;
    assert_eq!(hear(&mut client, &mut unknown).await.unwrap_err().kind, FailureKind::Refused);
}

#[tokio::test]
async fn scripted_faults_happen_and_then_it_works() {
    let emulator = emulator().await;
    let refuse = |status| Fault::Refuse { status, retry_after: None };
    let after = Duration::from_millis(80);
    let close = |code, reason: &str| Fault::Close { code, reason: reason.to_owned(), after };
    let faults = [
        (refuse(401), FailureKind::Credential),
        (refuse(429), FailureKind::RateLimited),
        (refuse(402), FailureKind::Quota),
        (Fault::Garbage(vec![b"{\"audio\":".to_vec()]), FailureKind::Protocol),
        (Fault::Garbage(vec![vec![0xff]]), FailureKind::Protocol),
        (Fault::Flood { most: 8 << 20 }, FailureKind::Down),
        (close(1011, "broken"), FailureKind::Down),
        (close(1008, "too_many_concurrent_requests"), FailureKind::RateLimited),
    ];
    for (fault, kind) in faults {
        emulator.world.script.push(fault.clone());
        assert_eq!(speak(&emulator, "k", &["ten letter"]).await.unwrap_err().kind, kind, "{fault:?}");
    }
    emulator.world.script.push(Fault::Silence);
    let silence = tokio::time::timeout(Duration::from_millis(300), speak(&emulator, "k", &["x"])).await;
    assert!(silence.is_err());
    assert_eq!(speak(&emulator, "k", &["ten letter"]).await.unwrap().len(), 10 * BYTES_A_CHARACTER);
}

#[tokio::test]
async fn no_connection_is_left_open() {
    let emulator = emulator().await;
    for _ in 0..3 {
        speak(&emulator, "k", &["x"]).await.unwrap();
    }
    // The client drops its half; the emulator sees that a moment later.
    while emulator.world.tally.read().open > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(emulator.world.tally.read().connections, 3);
}

#[tokio::test]
async fn an_emulator_that_is_dropped_closes_its_connections() {
    let emulator = emulator().await;
    let stream = stream(VOICE, "eleven_flash_v2_5");
    let mut client = connect(&emulator, &stream, "k").await.unwrap();
    client.send(stream.open()).await;
    drop(emulator);
    assert!(matches!(client.next().await, Event::Broken));
}
