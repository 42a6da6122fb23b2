//! The emulator of Hume, asked by our core and by clients that do it wrong.

mod over_websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delays, Emulator, Fault, Voices, World, hume};
use engines::emotion::hume::{Felt, Measured, Next, RATE, Stream};
use engines::websocket::Message;
use engines::{Failure, FailureKind};
use over_websocket::{Client, Event};
use serde_json::{Value, json};

async fn emulator() -> Emulator {
    let world = World::new("k", Voices::scripted([], []), Delays::NONE, 1);
    hume::start(Arc::new(world), 0).await.expect("a free port")
}

async fn connect(emulator: &Emulator, stream: &Stream, key: &str) -> Result<Client, u16> {
    Client::connect(&stream.handshake(&format!("ws://{}", emulator.address), key)).await
}

/// What is measured in a second of speech.
async fn measure(emulator: &Emulator) -> Result<Measured, Failure> {
    let mut stream = Stream::new();
    let mut client = connect(emulator, &stream, "k").await.map_err(|status| Stream::refused(status, None))?;
    client.send(stream.open()).await;
    let began = Instant::now();
    let mut closes = false;
    stream.push(&vec![5_000; RATE as usize]);
    loop {
        match stream.poll(began.elapsed()) {
            Next::Send(message) => {
                client.send(message).await;
                continue;
            }
            Next::Wait(at) => {
                tokio::time::sleep(at.saturating_sub(began.elapsed())).await;
                continue;
            }
            Next::Nothing if stream.sent() == Duration::from_secs(1) && !closes => {
                closes = true;
                client.send(stream.close()).await;
            }
            Next::Nothing => {}
        }
        match client.next().await {
            Event::Message(message) => match stream.receive(&message)? {
                Some(Felt::Measured(measured)) => return Ok(measured),
                Some(Felt::Failed(failure)) => return Err(failure),
                _ => {}
            },
            Event::Closed(code, reason) => return Err(Stream::closed(code, &reason)),
            Event::Broken => return Err(Failure::new(FailureKind::Down, "broken off")),
        }
    }
}

#[tokio::test]
async fn speech_is_measured() {
    let emulator = emulator().await;
    let measured = measure(&emulator).await.unwrap();
    assert_eq!((measured.from, measured.to), (Duration::ZERO, Duration::from_secs(1)));
    assert_eq!(
        (measured.expressions[0].name.as_str(), measured.expressions[0].probability),
        ("excitement", 0.5)
    );
    let counts = emulator.world.tally.read();
    assert_eq!((counts.audio_ms, counts.violations), (1_000, vec![]));
}

#[tokio::test]
async fn wrong_messages_are_told_apart() {
    let emulator = emulator().await;
    assert_eq!(connect(&emulator, &Stream::new(), "other").await.err(), Some(401));
    let mut client = connect(&emulator, &Stream::new(), "k").await.unwrap();
    let next = async |client: &mut Client| {
        let Event::Message(Message::Text(text)) = client.next().await else { panic!("a message") };
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    assert_eq!(next(&mut client).await["type"], "session.created");
    let second = || Message::Binary(vec![0; 32_000]);
    let survived = [
        (Message::Text("{".into()), "message_invalid"),
        (Message::Binary(vec![]), "invalid_audio_frame"),
        (Message::Binary(vec![0; 3]), "invalid_audio_frame"),
        (Message::Binary(vec![0; 320_002]), "invalid_audio_frame"),
    ];
    for (message, code) in survived {
        client.send(message).await;
        let error = next(&mut client).await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!(code), &json!(true)));
    }
    client.send(second()).await;
    client.send(second()).await;
    assert_eq!(next(&mut client).await["code"], "rate_limited");
    client.send(Stream::new().open()).await;
    let error = next(&mut client).await;
    assert_eq!((&error["code"], &error["retryable"]), (&json!("config_invalid"), &json!(false)));
    let closed = next(&mut client).await;
    assert_eq!((&closed["reason"], &closed["received"]["frames"]), (&json!("error"), &json!(1)));
    assert!(matches!(client.next().await, Event::Closed(1008, _)));
}

#[tokio::test]
async fn scripted_faults_happen_and_then_it_works() {
    let emulator = emulator().await;
    let after = Duration::from_millis(300);
    let faults = [
        (Fault::Refuse { status: 401, retry_after: None }, FailureKind::Credential),
        (Fault::Refuse { status: 429, retry_after: Some(2) }, FailureKind::RateLimited),
        (Fault::Garbage(vec![b"{\"type\":".to_vec()]), FailureKind::Protocol),
        (Fault::Close { code: 1011, reason: "broken".into(), after }, FailureKind::Down),
    ];
    for (fault, kind) in faults {
        emulator.world.script.push(fault.clone());
        assert_eq!(measure(&emulator).await.unwrap_err().kind, kind, "{fault:?}");
    }
    measure(&emulator).await.unwrap();
}
