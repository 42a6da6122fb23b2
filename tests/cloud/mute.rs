//! Synthesisers that take a text and never come to a sound. (Row 17 of the fault matrix.)

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine_emulators::{Delays, Fault, Voices, World, openai_speech};
use serde_json::json;
use tokio::runtime::Runtime;
use tungstenite::{Message, accept};

use crate::clouds::{Clouds, KEY, Plan, WORDS, converse};
use crate::vendor::serve;

/// From the end of speech until the session takes it for one.
const END_OF_SPEECH: Duration = Duration::from_millis(480);
const FALLBACK: Duration = Duration::from_secs(2);
/// How often something comes that is no sound.
const EVERY: Duration = Duration::from_millis(300);

/// Reads one request over HTTP, the body included: its first line.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").and_then(|length| length.trim().parse().ok())
            });
            if body.len() >= length.unwrap_or(0) {
                return text.lines().next().map(str::to_owned);
            }
        }
        match stream.read(&mut piece) {
            Ok(bytes @ 1..) => read.extend(&piece[..bytes]),
            _ => return None,
        }
    }
}

/// A speech server whose refusals have no end.
fn never_says_why(mut stream: TcpStream) {
    while let Some(line) = request(&mut stream) {
        let stalls = line.starts_with("POST");
        let answer = if stalls {
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\n"
        } else {
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
        if stalls {
            while let Ok(1..) = stream.read(&mut [0; 64]) {}
        }
    }
}

/// A speech server that only warns, in Deepgram's words.
fn only_warns(stream: TcpStream) {
    let Ok(mut socket) = accept(stream) else { return };
    let warning = r#"{"type":"Warning","code":"SLOW","description":"it takes a while"}"#;
    while socket.send(Message::text(warning)).is_ok() {
        sleep(EVERY);
    }
}

/// A Wyoming server that only announces audio.
fn only_announces(mut stream: TcpStream) {
    let start = json!({"type": "audio-start", "data": {"rate": 16_000, "width": 2, "channels": 1}});
    if let Ok(1..) = stream.read(&mut [0; 4_096]) {
        while writeln!(stream, "{start}").is_ok() {
            sleep(EVERY);
        }
    }
}

/// What is given to the engine `mute` is spoken by the next one in time, and that is what is told.
fn falls_back(kind: &str, url: &str, more: &str, fault: &str) {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "k").expect("a key");
    let more = more.replace("KEY", &key.path().display().to_string());
    let tables = format!("[engine.mute]\nkind = \"{kind}\"\nurl = \"{url}\"\n{more}");
    let clouds = Clouds::planned(Plan { speaker: "\"mute\", ".into(), tables, ..Plan::default() });
    assert_eq!(clouds.engine("tts", 0)["fault"]["kind"], fault, "{}", clouds.engine("tts", 0));
    let mut call = clouds.call();
    for words in &WORDS[..2] {
        let (heard, _, took) = converse(&mut call);
        assert_eq!(heard, *words);
        assert!(took <= END_OF_SPEECH + FALLBACK, "{took:?}\n{}", clouds.daemon.logged());
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    let failures = ["warning", "error", "critical"].map(|severity| {
        let labels =
            format!("component=\"tts\",engine=\"mute\",error_type=\"{fault}\",severity=\"{severity}\"");
        clouds.daemon.metric(&format!("errors_total{{{labels}}}"))
    });
    assert!(failures.iter().sum::<f64>() >= 1.0, "{failures:?}");
}

#[test]
fn who_never_says_why_he_refuses_loses_no_words() {
    falls_back("openai-speech", &format!("http://{}", serve(never_says_why)), "key_file = \"KEY\"\n", "down");
}

#[test]
fn who_only_warns_loses_no_words() {
    falls_back("deepgram-aura", &format!("ws://{}", serve(only_warns)), "key_file = \"KEY\"\n", "slow");
}

#[test]
fn who_only_announces_his_speech_loses_no_words() {
    falls_back("wyoming", &format!("tcp://{}", serve(only_announces)), "", "slow");
}

/// Who speaks alone is given up in time to be known for it, and the caller is told.
#[test]
fn the_only_engine_that_falls_silent_is_known_for_it() {
    let runtime = Runtime::new().expect("a runtime");
    let world = Arc::new(World::new(KEY, Voices::scripted([], []), Delays::NONE, 1));
    let emulator = runtime.block_on(openai_speech::start(world, 0)).expect("an emulator");
    let elsewhere = [None, None, Some(format!("http://{}", emulator.address))];
    let clouds = Clouds::planned(Plan { speaks: "openai-speech", elsewhere, alone: true, ..Plan::default() });
    let mut call = clouds.call();
    converse(&mut call);
    (0..500).for_each(|_| emulator.world.script.push(Fault::Silence));
    call.say(3);
    call.wait_for("error", Duration::from_secs(8));
    assert_eq!(clouds.engine("tts", 0)["fault"]["kind"], "slow", "{}", clouds.engine("tts", 0));
    assert_ne!(clouds.engine("tts", 0)["health"], "healthy", "{}", clouds.engine("tts", 0));
    // Three such failures are enough.
    let until = Instant::now() + Duration::from_secs(45);
    while !call.seen.iter().any(|event| event["cue"] == "unavailable") {
        assert!(Instant::now() < until, "no notice: {:#?}", call.seen);
        call.say(3);
        (0..100).for_each(|_| call.pass(false));
    }
}
