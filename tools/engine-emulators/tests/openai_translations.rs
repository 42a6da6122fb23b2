//! The emulator of `OpenAI`'s realtime translations, asked by our core and by clients that do it wrong.

mod over_websocket;

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, openai_translations};
use engines::speech::openai_translations::{MODEL, Options, RATE, Stream};
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
    let world = World::new("k", Voices::scripted([SAID], [(SAID, MEANT)]), delays, 1);
    openai_translations::start(Arc::new(world), 0).await.expect("a free port")
}

fn stream(model: &str) -> Stream {
    Stream::new(Options { model: model.into(), target: "es".into() })
}

async fn connect(emulator: &Emulator, stream: &Stream, key: &str) -> Result<Client, u16> {
    Client::connect(&stream.handshake(&format!("ws://{}", emulator.address), key)).await
}

/// What was said, its translation and the bytes of its speech.
async fn interpret(emulator: &Emulator) -> Result<(String, String, usize), Failure> {
    let mut stream = stream(MODEL);
    let mut client = connect(emulator, &stream, "k").await.map_err(|status| Stream::refused(status, None))?;
    let began = Instant::now();
    stream.push(&vec![9_000; RATE as usize * 5 / 4]);
    stream.finish();
    let mut answer = (String::new(), String::new(), 0);
    loop {
        let mut told = Vec::new();
        match stream.poll(began.elapsed()) {
            Next::Send(message) => {
                client.send(message).await;
                continue;
            }
            Next::Tell(interpreted) => told.push(interpreted),
            Next::Wait(_) | Next::Nothing => match client.next().await {
                Event::Message(message) => told = stream.receive(began.elapsed(), &message)?,
                Event::Closed(code, reason) => return Err(Stream::closed(code, &reason)),
                Event::Broken => return Err(Failure::new(FailureKind::Down, "broken off")),
            },
        }
        for interpreted in told {
            match interpreted {
                Interpreted::Source { text, .. } => answer.0 += &text,
                Interpreted::Target(text) => answer.1 += &text,
                Interpreted::Audio(samples) => answer.2 += samples.len(),
                Interpreted::Finished => return Ok(answer),
                Interpreted::Failed(failure) => return Err(failure),
                Interpreted::SourceEnded | Interpreted::TargetEnded => {}
                Interpreted::Warning(warning) => panic!("{warning}"),
            }
        }
    }
}

#[tokio::test]
async fn an_utterance_is_heard_translated_and_spoken() {
    let emulator = emulator().await;
    let (said, meant, bytes) = interpret(&emulator).await.unwrap();
    assert_eq!((said.as_str(), meant.as_str()), (SAID, MEANT));
    // The silence before is not heard; a tone goes through zero, and a few samples before it began are lost.
    let spoken = MEANT.chars().count() * BYTES_A_CHARACTER;
    assert!((spoken - 8..=spoken).contains(&bytes), "{bytes} of {spoken}");
    let counts = emulator.world.tally.read();
    assert_eq!((counts.audio_ms, counts.connections, counts.violations), (1_250, 1, vec![]));
}

#[tokio::test]
async fn keys_and_models_are_checked_at_the_upgrade() {
    let emulator = emulator().await;
    assert_eq!(connect(&emulator, &stream(MODEL), "other").await.err(), Some(401));
    assert_eq!(connect(&emulator, &stream("gpt-2"), "k").await.err(), Some(400));
}

#[tokio::test]
async fn mistakes_are_told_and_leave_the_session_open() {
    let emulator = emulator().await;
    let mut client = connect(&emulator, &stream(MODEL), "k").await.unwrap();
    let update = |session: Value| json!({"type": "session.update", "session": session});
    let cases = [
        (json!({"audio": "AAA="}), "invalid_event"),
        (json!({"type": "response.create"}), "invalid_event"),
        (json!({"type": "session.input_audio_buffer.append"}), "invalid_event"),
        (json!({"type": "session.input_audio_buffer.append", "audio": "AA=="}), "invalid_event"),
        (update(json!({"model": "other"})), "unknown_parameter"),
        (update(json!({"audio": {"output": {"language": 1}}})), "invalid_value"),
        (update(json!({"audio": {"input": {"transcription": {"model": "x"}}}})), "invalid_value"),
    ];
    let next = async |client: &mut Client| {
        let Event::Message(Message::Text(text)) = client.next().await else { panic!("an event") };
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    assert_eq!(next(&mut client).await["type"], "session.created");
    for (event, code) in &cases {
        client.send(Message::Text(event.to_string())).await;
        assert_eq!(next(&mut client).await["error"]["code"], *code, "{event}");
    }
    client.send(Message::Text(json!({"type": "session.close"}).to_string())).await;
    assert_eq!(next(&mut client).await["type"], "session.closed");
    assert!(matches!(client.next().await, Event::Closed(1000, _)));
    assert_eq!(emulator.world.tally.read().violations.len(), cases.len());
}

#[tokio::test]
async fn scripted_faults_happen_and_then_it_works() {
    let emulator = emulator().await;
    let refuse = |status| Fault::Refuse { status, retry_after: None };
    let after = Duration::from_millis(100);
    let faults = [
        (refuse(401), FailureKind::Credential),
        (refuse(429), FailureKind::RateLimited),
        (refuse(503), FailureKind::Down),
        (Fault::Garbage(vec![vec![0xff]]), FailureKind::Protocol),
        (Fault::Flood { most: 8 << 20 }, FailureKind::Down),
        (Fault::Close { code: 1011, reason: "broken".into(), after }, FailureKind::Down),
    ];
    for (fault, kind) in faults {
        emulator.world.script.push(fault.clone());
        assert_eq!(interpret(&emulator).await.unwrap_err().kind, kind, "{fault:?}");
    }
    interpret(&emulator).await.unwrap();
}
