//! The emulator of the XTTS server, asked by our core and by clients that do it wrong.

mod over_http;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use engine_emulators::{Delay, Delays, Emulator, Fault, Voices, World, xtts as emulated};
use engines::tts::xtts::{self, Audio, Speaker};
use engines::{Failure, FailureKind};
use over_http::{client, send};
use serde_json::{Value, json};

/// Scripted speech: 50 ms a character, at 24 kHz.
const BYTES_A_CHARACTER: usize = 24_000 / 20 * 2;

async fn emulator() -> Emulator {
    let delays = Delays { tts: Delay::Fixed(Duration::from_millis(50)), ..Delays::NONE };
    let world = World::new("", Voices::scripted([], []), delays, 1);
    emulated::start(Arc::new(world), 0).await.expect("a free port")
}

fn base(emulator: &Emulator) -> String {
    format!("http://{}", emulator.address)
}

async fn cloned(emulator: &Emulator, samples: &[i16]) -> Speaker {
    let response = send(&client(), xtts::clone_speaker(&base(emulator), samples)).await;
    let status = response.status().as_u16();
    xtts::read_speaker(status, &response.bytes().await.unwrap()).expect("a voice")
}

/// `heard` counts pieces as they come.
async fn speak(emulator: &Emulator, speaker: &Speaker, heard: &AtomicUsize) -> Result<Vec<u8>, Failure> {
    let mut response = send(&client(), xtts::speak(&base(emulator), speaker, "ten letter", "es")).await;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(xtts::refused(status, &response.bytes().await.unwrap()));
    }
    let broken = |_| Failure::new(FailureKind::Down, "broken off");
    let (mut audio, mut speech) = (Audio::default(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        speech.extend(audio.push(&chunk)?);
        heard.fetch_add(1, Ordering::SeqCst);
    }
    Ok(speech)
}

async fn post(emulator: &Emulator, body: &Value) -> (u16, Value) {
    let response = client().post(format!("{}/tts_stream", base(emulator))).json(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or_default())
}

#[tokio::test]
async fn a_cloned_voice_speaks() {
    let emulator = emulator().await;
    let speaker = cloned(&emulator, &vec![7; 16_000]).await;
    assert_eq!(speaker, cloned(&emulator, &vec![7; 16_000]).await);
    assert_ne!(speaker, cloned(&emulator, &vec![8; 16_000]).await);
    let pieces = AtomicUsize::new(0);
    let speech = speak(&emulator, &speaker, &pieces).await.unwrap();
    assert_eq!(speech.len(), 10 * BYTES_A_CHARACTER);
    assert!(pieces.into_inner() > 5);
    let counts = emulator.world.tally.read();
    assert_eq!((counts.cloned, counts.audio_ms, counts.spoken_in_cloned), (3, 3_000, 1));
    assert_eq!(emulator.world.tally.read().violations, Vec::<String>::new());
}

#[tokio::test]
async fn the_studio_has_voices_and_the_model_languages() {
    let emulator = emulator().await;
    let response = send(&client(), xtts::studio_speakers(&base(&emulator))).await;
    let mut reader = xtts::StudioReader::new(vec!["Viktor Menelaos".into()], 0);
    reader.push(&response.bytes().await.unwrap()).unwrap();
    let studio = reader.finish().unwrap();
    assert_eq!(studio.names, ["Claribel Dervla", "Viktor Menelaos"]);
    let [(name, voice)] = &studio.voices[..] else { panic!("one is wanted") };
    assert_eq!(name, "Viktor Menelaos");
    let heard = AtomicUsize::new(0);
    speak(&emulator, voice, &heard).await.unwrap();
    assert_eq!(emulator.world.tally.read().spoken_in_cloned, 0);
    let response = send(&client(), xtts::languages(&base(&emulator))).await;
    assert!(xtts::read_languages(200, &response.bytes().await.unwrap()).unwrap().contains(&"es".to_owned()));
}

#[tokio::test]
async fn one_text_is_spoken_at_a_time() {
    let emulator = emulator().await;
    let speaker = cloned(&emulator, &[7; 160]).await;
    let (heard, asked) = (AtomicUsize::new(0), Instant::now());
    let both = tokio::join!(speak(&emulator, &speaker, &heard), speak(&emulator, &speaker, &heard));
    assert!(both.0.unwrap().len() == both.1.unwrap().len());
    // Twice 50 ms until the first of 13 pieces, which are 10 ms apart.
    assert!(asked.elapsed() >= Duration::from_millis(2 * (50 + 12 * 10)));
}

#[tokio::test]
async fn one_that_hangs_up_gives_its_turn() {
    let emulator = emulator().await;
    let speaker = cloned(&emulator, &[7; 160]).await;
    let heard = AtomicUsize::new(0);
    let hung_up = tokio::time::timeout(Duration::from_millis(60), speak(&emulator, &speaker, &heard)).await;
    assert!(hung_up.is_err());
    assert!(speak(&emulator, &speaker, &heard).await.is_ok());
}

#[tokio::test]
async fn wrong_types_are_refused_field_by_field() {
    let emulator = emulator().await;
    let right = json!({"speaker_embedding": [0.5], "gpt_cond_latent": vec![vec![0.5; 1024]], "text": "x",
        "language": "en", "add_wav_header": true, "stream_chunk_size": "20"});
    let cases = [
        ("stream_chunk_size", json!(20), "string_type"),
        ("language", json!("xx"), "literal_error"),
        ("speaker_embedding", json!(["a"]), "list_type"),
        ("gpt_cond_latent", json!([0.5]), "list_type"),
        ("text", Value::Null, "string_type"),
    ];
    for (field, value, kind) in &cases {
        let mut body = right.clone();
        body[*field] = value.clone();
        let (status, answer) = post(&emulator, &body).await;
        assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!(kind)), "{field}");
        assert_eq!(answer["detail"][0]["loc"], json!(["body", field]));
    }
    assert_eq!(emulator.world.tally.read().violations.len(), cases.len());
    assert_eq!(post(&emulator, &right).await.0, 200);
}

#[tokio::test]
async fn scripted_faults_happen() {
    let emulator = emulator().await;
    let speaker = cloned(&emulator, &[7; 160]).await;
    let heard = AtomicUsize::new(0);
    let after = Duration::from_millis(100);
    let faults = [
        (Fault::Refuse { status: 503, retry_after: None }, FailureKind::Down),
        (Fault::Garbage(vec![b"<html>".to_vec()]), FailureKind::Protocol),
        (Fault::Flood { most: 100 << 20 }, FailureKind::Protocol),
        (Fault::GzipBomb, FailureKind::Protocol),
        (Fault::Close { code: 1011, reason: String::new(), after }, FailureKind::Down),
    ];
    for (fault, kind) in faults {
        emulator.world.script.push(fault.clone());
        assert_eq!(speak(&emulator, &speaker, &heard).await.unwrap_err().kind, kind, "{fault:?}");
    }
}
