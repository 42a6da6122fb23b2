//! The program as people start it: exit status, one clear line, Ctrl-C.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use softphone::{Account, AudioOptions, Clip, Codec, EndedBy, Phone, PhoneOptions, ScriptEnd, Step};

const PATIENCE: Duration = Duration::from_secs(20);

fn dragoman_phone(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dragoman-phone"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The one line of a failure.
fn failure(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

fn bob() -> Phone {
    Phone::start(Account::new("102", "127.0.0.1:9", None).unwrap(), PhoneOptions::default()).unwrap().0
}

/// Answers one call, listens until it ends, and gives who ended it and how many packets came.
fn answer_one(phone: &Phone) -> (EndedBy, u64) {
    let mut call = phone.answer(&Codec::ALL, AudioOptions::default(), PATIENCE).unwrap().expect("a call");
    call.wait_connected(PATIENCE).unwrap();
    assert_eq!(call.run(vec![Step::Pause(PATIENCE)]).unwrap(), ScriptEnd::CallEnded);
    let report = call.hang_up().unwrap();
    (report.ended_by, report.frames.received.received)
}

#[test]
fn a_played_file_a_recording_and_json_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (play, record) = (dir.path().join("say.wav"), dir.path().join("heard.wav"));
    let samples = (0..8000).map(|n: i32| ((n * 37) % 6000 - 3000) as i16).collect();
    Clip { samples, sample_rate: 8000 }.write(&play).unwrap();
    let bob = bob();
    let target = format!("102@{}", bob.address());
    let words = ["call", &target, "--codec", "g722", "--play", text(&play), "--record", text(&record)];
    let child = dragoman_phone(&words).args(["--duration", "3s", "--json"]).spawn().unwrap();
    let (ended_by, received) = answer_one(&bob);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ended_by, EndedBy::Remote);
    assert!(received > 100, "{received}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&report["event"], &report["codec"]), (&"report".into(), &"g722".into()), "{report}");
    assert_eq!(report["turns"][0]["played"], "say.wav");
    assert!(report["turns"][0]["spoken_ms"].is_u64() && report["turns"][0]["reply_arrived_ms"].is_null());
    let heard = Clip::read(&record).unwrap();
    assert_eq!(heard.sample_rate, 16_000);
    assert!((32_000..64_000).contains(&heard.samples.len()), "{}", heard.samples.len());
}

#[test]
fn ctrl_c_hangs_up_with_bye() {
    let bob = bob();
    let target = format!("102@{}", bob.address());
    let mut child = dragoman_phone(&["call", &target, "--codec", "pcma"]).spawn().unwrap();
    let process = child.id().to_string();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    });
    assert_eq!(answer_one(&bob).0, EndedBy::Remote);
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(stdout.starts_with("102 over PCMA/8000"), "{stdout}");
}

#[test]
fn what_goes_wrong_is_one_line_that_says_what_to_do() {
    let run = |words: &[&str]| failure(&dragoman_phone(words).output().unwrap());
    assert!(run(&["call", "700"]).contains("write EXTENSION@HOST"));
    assert!(run(&["call", "700@127.0.0.1:9", "--play", "none.wav"]).contains("cannot play none.wav"));
    let line = run(&["call", "700@127.0.0.1:9", "--user", "101", "--password-file", "none"]);
    assert!(line.contains("cannot read the password file none"), "{line}");
    assert!(
        run(&["call", "700@127.0.0.1:9", "--record", "no/such/heard.wav"])
            .contains("there is no folder no/such")
    );
    assert!(run(&["call", "700@127.0.0.1:9", "--ring", "500ms"]).contains("the box answers nothing"));
    assert_eq!(
        dragoman_phone(&["call", "700@box", "--codec", "mp3"]).output().unwrap().status.code(),
        Some(2)
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
