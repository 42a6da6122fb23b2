//! `dragoman status` as a program, where the guard and the daemon are what a test says.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

const DAEMON: &str = r#"{"type":"status","version":"0.1.0","uptime_s":1,"legs":[],"rooms":[],"engines":{},"media":
    {"policy":"SCHED_FIFO","priority":80,"locked":true,"refused":[],"ticks":9,"missed_ticks":0,
    "late_us":{"p50":10,"p99":90,"max":120}}}"#;
const BANNED: &str = "10.9.0.2 banned for 14 min";

fn home() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// A guard that has banned somebody for guessing the password of 102, and somebody else before.
fn guard(home: &TempDir) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let ban = |source: &str, until: u64| {
        format!(r#"{{"source":"{source}","until":{until},"why":"wrong_password"}}"#)
    };
    let state = format!(
        r#"{{"banned":[{},{}],"bans":2,"refused":[
            {{"source":"10.9.0.2","why":"wrong_password","phone":"102","times":4,"last":{now}}}]}}"#,
        ban("10.9.0.2", now + 890),
        ban("10.9.0.3", now),
    );
    fs::write(home.path().join("state.json"), state).expect("a file");
}

/// A daemon that answers once.
fn daemon(home: &TempDir) {
    let listener = UnixListener::bind(home.path().join("socket")).expect("a socket");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        writeln!(stream, "{}", DAEMON.replace('\n', "")).expect("he listens");
    });
}

fn dragoman(home: &TempDir, words: &[&str]) -> (Output, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dragoman"));
    command.current_dir(home.path()).args(words).args(["--socket", "socket"]);
    let output = command.output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    (output, out, error)
}

const STATUS: [&str; 3] = ["status", "--guard", "state.json"];
const JSON: [&str; 4] = ["status", "--guard", "state.json", "--json"];

fn object(text: &str) -> serde_json::Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).expect("an object")
}

#[test]
fn who_is_kept_out_stands_below_what_the_daemon_tells() {
    let home = home();
    guard(&home);
    daemon(&home);
    let (output, text, error) = dragoman(&home, &STATUS);
    assert!(output.status.success(), "{error}");
    let (_, kept_out) = text.split_once("\n\nkept out\n").expect("a section");
    assert!(text.starts_with("dragomand 0.1.0 runs") && kept_out.contains(BANNED), "{text}");
    assert!(kept_out.contains(": 4 wrong passwords for 102, last "), "{text}");
    assert!(!text.contains("10.9.0.3"), "it is over: {text}");
    fs::remove_file(home.path().join("socket")).expect("it was there");
    daemon(&home);
    let told = object(&dragoman(&home, &JSON).1);
    assert_eq!(told["version"], "0.1.0");
    assert_eq!(told["guard"]["banned"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["guard"]["refused"][0]["phone"], "102", "{told}");
}

#[test]
fn who_is_kept_out_is_told_without_the_daemon_and_the_exit_code_says_so() {
    let home = home();
    guard(&home);
    let (output, text, error) = dragoman(&home, &STATUS);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.starts_with("kept out\n") && text.contains(BANNED), "{text}");
    assert!(error.contains("dragomand is not there"), "{error}");
    let (output, text, _) = dragoman(&home, &JSON);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(object(&text)["guard"]["banned"][0]["source"], "10.9.0.2");
}

#[test]
fn without_a_guard_nothing_is_said_of_it() {
    let home = home();
    daemon(&home);
    let (output, text, _) = dragoman(&home, &STATUS);
    assert!(output.status.success() && !text.contains("kept out"), "{text}");
    let (output, text, _) = dragoman(&home, &JSON);
    assert_eq!((output.status.code(), text.as_str()), (Some(2), ""));
}

#[test]
fn a_file_that_cannot_be_read_is_one_line_that_says_what_to_do() {
    let home = home();
    let path = home.path().join("state.json");
    let said = |advice: &str| {
        let (_, text, _) = dragoman(&home, &STATUS);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains("state.json") && text.contains(advice), "{text}");
        let told = object(&dragoman(&home, &JSON).1);
        assert!(told["guard"]["error"].as_str().is_some_and(|error| error.contains(advice)), "{told}");
    };
    fs::write(&path, "{\"banned\":[").expect("a file");
    said("restart it");
    fs::write(&path, [0xff, 0xfe]).expect("a file");
    said("restart it");
    fs::remove_file(&path).expect("it was there");
    fs::create_dir(&path).expect("a directory");
    said("--state");
}

#[test]
fn rooms_have_no_guard() {
    let (_, _, error) = dragoman(&home(), &["rooms", "--guard", "x"]);
    assert!(error.contains("unexpected argument '--guard'"), "{error}");
}
