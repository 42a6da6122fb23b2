//! Vendors whose words repeat the key they were brought, and would have a terminal do something.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::program;
use tungstenite::accept_hdr;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;

use crate::clouds::{Clouds, Plan, converse};
use crate::vendor::serve;

const SECRET: &str = "k3y-stranger-777";
/// Clears the screen, names the window and turns the text round.
const OBEYED: &str = "\u{1b}[2J\u{1b}]0;pwn\u{7}\u{9b}31m\u{202e}";

/// Answers every request with status 400, and with the request's own key.
fn refuses(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut bytes = [0; 4_096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(read @ 1..) => request.extend_from_slice(&bytes[..read]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let key = text.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
    let words = format!("bad header {OBEYED} {}", key.unwrap_or("none"));
    let error = serde_json::json!({ "message": words, "type": "invalid_request_error" });
    let body = serde_json::json!({ "error": error, "message": words, "detail": words }).to_string();
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let _gone = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
}

/// Closes every WebSocket with the key it was brought.
#[expect(clippy::result_large_err, reason = "the library's callback")]
fn closes(stream: TcpStream) {
    let mut brought = String::new();
    let see = |request: &Request, response: Response| {
        let key = request.headers().get("xi-api-key").and_then(|key| key.to_str().ok());
        brought.push_str(key.unwrap_or("none"));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(stream, see) else { return };
    let reason = format!("voice_error {OBEYED} key {brought}").into();
    let _gone = socket.close(Some(CloseFrame { code: 1008.into(), reason }));
    while socket.read().is_ok() {}
}

/// What is told of the engine `loud`, everywhere where something is.
fn told(kind: &str, url: &str) {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), SECRET).expect("a key");
    let tables = format!(
        "[engine.loud]\nkind = \"{kind}\"\nurl = \"{url}\"\nkey_file = \"{}\"\nvoices = {{ en = \"a\", es = \"b\" }}\n",
        key.path().display()
    );
    let clouds = Clouds::planned(Plan { speaker: "\"loud\", ".into(), tables, ..Plan::default() });
    let mut call = clouds.call();
    converse(&mut call);
    let until = Instant::now() + Duration::from_secs(10);
    let is_it = |reason: &serde_json::Value| reason["engine"] == "loud";
    let health = loop {
        let (_, health) = clouds.daemon.health();
        if health["reasons"].as_array().expect("a list").iter().any(is_it) {
            break health;
        }
        assert!(Instant::now() < until, "{kind}: it is not told: {health:#}\n{}", clouds.daemon.logged());
        thread::sleep(Duration::from_millis(50));
    };
    let reason = health["reasons"].as_array().expect("a list").iter().find(|r| is_it(r)).expect("it is told");
    assert!(reason["detail"].as_str().is_some_and(|detail| detail.contains("***")), "{reason:#}");
    let check = |more: &[&str]| {
        let config = clouds.daemon.directory().join("dragomand.toml");
        let mut command = Command::new(program("dragoman"));
        command.args(["engines", "check", "--config"]).arg(config).args(more);
        String::from_utf8(command.output().expect("it runs").stdout).expect("text")
    };
    let seen = format!("{:?}", call.seen);
    let status = clouds.daemon.status().expect("a status").to_string();
    let metrics = clouds.daemon.get("/metrics", "localhost").1;
    let all =
        [clouds.daemon.logged(), health.to_string(), seen, status, metrics, check(&[]), check(&["--json"])];
    for text in all {
        assert!(!text.contains(SECRET), "{kind}: {text}");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(obeyed), "{kind}: {text:?}");
    }
}

#[test]
fn keys_in_vendors_words_are_shown_nowhere() {
    told("elevenlabs", &format!("ws://{}", serve(closes)));
    told("openai-speech", &format!("http://{}", serve(refuses)));
}
