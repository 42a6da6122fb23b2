//! Recognisers that take all audio and never come to a text. (Row 17 of the fault matrix.)

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tungstenite::{Message, WebSocket, accept};

use crate::clouds::{Clouds, Plan, WORDS, converse};
use crate::vendor::serve;

/// From the end of speech until the session takes it for one.
const END_OF_SPEECH: Duration = Duration::from_millis(480);
const FALLBACK: Duration = Duration::from_secs(2);
/// A guess at what was said, in Deepgram's words, which is made again and again.
const GUESS: &str = r#"{"type":"Results","channel_index":[0,1],"start":0.0,"duration":0.5,"is_final":false,
    "speech_final":false,"from_finalize":false,"channel":{"alternatives":[{"transcript":"hello there",
    "confidence":0.9,"words":[],"languages":["en"]}]},"metadata":{"request_id":"x","model_uuid":"y","model_info":{}}}"#;
const GUESS_EVERY: Duration = Duration::from_millis(200);

fn only_reads(mut stream: TcpStream) {
    let mut bytes = [0; 4_096];
    while let Ok(1..) = stream.read(&mut bytes) {}
}

fn only_guesses(stream: TcpStream) {
    stream.set_read_timeout(Some(GUESS_EVERY / 4)).expect("a socket takes it");
    let Ok(mut socket) = accept(stream) else { return };
    let (mut heard, mut guessed) = (false, Instant::now());
    while is_open(&mut socket, &mut heard) {
        if heard && guessed.elapsed() >= GUESS_EVERY {
            guessed = Instant::now();
            if socket.send(Message::text(GUESS)).is_err() {
                return;
            }
        }
    }
}

/// Reads what came, and whether more may come.
fn is_open(socket: &mut WebSocket<TcpStream>, heard: &mut bool) -> bool {
    match socket.read() {
        Ok(message) => {
            *heard |= message.is_binary();
            !message.is_close()
        }
        Err(tungstenite::Error::Io(error)) => {
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        }
        Err(_) => false,
    }
}

/// What is said to the engine `deaf` is heard by the next one in time, and that is what is told.
fn falls_back(kind: &str, url: &str, more: &str) {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), "k").expect("a key");
    let more = more.replace("KEY", &key.path().display().to_string());
    let tables = format!("[engine.deaf]\nkind = \"{kind}\"\nurl = \"{url}\"\n{more}");
    let clouds = Clouds::planned(Plan { hearer: "\"deaf\", ".into(), tables, ..Plan::default() });
    let mut call = clouds.call();
    for words in &WORDS[..2] {
        let (heard, _, took) = converse(&mut call);
        assert_eq!(heard, *words);
        assert!(took <= END_OF_SPEECH + FALLBACK, "{took:?}\n{}", clouds.daemon.logged());
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    assert_eq!(clouds.engine("asr", 0)["fault"]["kind"], "slow", "{}", clouds.engine("asr", 0));
    let failovers = |success: bool| {
        let labels = format!("component=\"asr\",tier=\"failover\",success=\"{success}\"");
        clouds.daemon.metric(&format!("recoveries_total{{{labels}}}"))
    };
    assert!(failovers(true) >= 1.0 && failovers(false) < 1.0, "{} {}", failovers(true), failovers(false));
}

#[test]
fn who_never_answers_loses_no_words() {
    falls_back("wyoming", &format!("tcp://{}", serve(only_reads)), "");
}

#[test]
fn who_only_guesses_loses_no_words() {
    falls_back("deepgram-listen", &format!("ws://{}", serve(only_guesses)), "key_file = \"KEY\"\n");
}
