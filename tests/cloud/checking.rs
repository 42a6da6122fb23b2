//! `dragoman engines check`, as a technician calls it.

use std::process::{Command, Output, Stdio};
use std::sync::atomic::Ordering;

use dragoman_tests::daemon::program;
use engine_emulators::Fault;
use serde_json::Value;

use crate::clouds::{Clouds, KEY};
use crate::strangers::Authority;

impl Clouds {
    fn check(&self, more: &[&str], trusted: Option<&Authority>) -> Output {
        let directory = self.daemon.directory();
        let mut command = Command::new(program("dragoman"));
        command.args(["engines", "check", "--config"]).arg(directory.join("dragomand.toml")).args(more);
        if let Some(authority) = trusted {
            let file = directory.join("checked.pem");
            std::fs::write(&file, &authority.certificate).expect("a file");
            command.env("SSL_CERT_FILE", file);
        }
        command.output().expect("it runs")
    }

    /// The report, and whether the exit code says that all is well.
    fn checked(&self, trusted: Option<&Authority>) -> (bool, Value) {
        let output = self.check(&["--json"], trusted);
        let report = serde_json::from_slice(&output.stdout).expect("an object");
        (output.status.code() == Some(0), report)
    }
}

/// The lines of the engines of which this is true, by name.
fn engines(report: &Value, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let lines = report["engines"].as_array().expect("a list").iter();
    lines.filter(|line| wanted(line)).filter_map(|line| line["engine"].as_str().map(str::to_owned)).collect()
}

fn failing_of(report: &Value, kind: &str) -> Vec<String> {
    engines(report, |line| line["fault"]["kind"] == kind)
}

#[test]
fn engines_that_work_are_shown_with_their_times() {
    let clouds = Clouds::start();
    let (well, report) = clouds.checked(None);
    assert!(well && report["ok"] == true, "{report:#}");
    let timed = engines(&report, |line| line["connect_ms"].is_u64() && line["answer_ms"].is_u64());
    assert_eq!(timed, ["first-asr", "spare-asr", "first-mt", "spare-mt", "first-tts", "spare-tts"]);
    for counts in [clouds.first.heard(), clouds.first.translated(), clouds.first.spoken()] {
        assert!(counts.violations.is_empty(), "{:?}", counts.violations);
    }
    let table = String::from_utf8(clouds.check(&[], None).stdout).expect("text");
    assert_eq!(table.lines().filter(|line| line.ends_with("works")).count(), 6, "{table}");
}

#[test]
fn an_engine_in_no_chain_is_told_of_and_not_asked() {
    let tables = "[engine.forgotten]\nkind = \"wyoming\"\nurl = \"tcp://127.0.0.1:1\"\n";
    let clouds = Clouds::start_and(tables);
    let (well, report) = clouds.checked(None);
    assert!(well && engines(&report, |line| line["engine"] == "forgotten").is_empty(), "{report:#}");
    assert_eq!(report["idle"][0]["engine"], "forgotten", "{report:#}");
    let table = String::from_utf8(clouds.check(&[], None).stdout).expect("text");
    let line = table.lines().find(|line| line.starts_with("forgotten: ")).expect("it is told of");
    assert!(
        line.contains("in no chain") && line.contains("put \"forgotten\" into asr or tts of [engines]"),
        "{line}"
    );
}

#[test]
fn a_wrong_key_is_told_and_who_works_is_enough() {
    let clouds = Clouds::start_with("another-key", None);
    let (well, report) = clouds.checked(None);
    assert!(well, "the spares work: {report:#}");
    assert_eq!(failing_of(&report, "credential"), ["first-asr", "first-mt", "first-tts"]);
    let output = clouds.check(&[], None);
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(table.contains("wrong key: put the key of first-mt into /"), "{table}");
    assert!(!table.contains("another-key"));
}

#[test]
fn a_spent_quota_of_all_leaves_a_stage_without_an_engine() {
    let clouds = Clouds::start();
    for cloud in [&clouds.first, &clouds.spare] {
        let spent = Fault::Refuse { status: 456, retry_after: None };
        (0..5).for_each(|_| cloud.deepl.world.script.push(spent.clone()));
    }
    let (well, report) = clouds.checked(None);
    assert!(!well);
    assert_eq!(report["lost"], serde_json::json!(["mt"]), "{report:#}");
    assert_eq!(failing_of(&report, "quota"), ["first-mt", "spare-mt"]);
}

#[test]
fn a_dead_network_and_a_bad_certificate_are_told() {
    let clouds = Clouds::start_with(KEY, Some("wss://192.0.2.1:1"));
    let (well, report) = clouds.checked(None);
    assert!(well, "{report:#}");
    assert_eq!(failing_of(&report, "network"), ["first-asr", "first-tts"]);

    let authority = Authority::new();
    let stranger = authority.vouches_for("localhost", 2024);
    let clouds = Clouds::start_trusting(KEY, Some(&stranger.url), Some(&authority.certificate));
    let (_, report) = clouds.checked(Some(&authority));
    assert_eq!(failing_of(&report, "certificate"), ["first-asr", "first-tts"], "{report:#}");
    assert_eq!(stranger.told.load(Ordering::Relaxed), 0, "nothing is said to it");
}

/// Exit code and words of a check that writes there.
fn checked_into(clouds: &Clouds, more: &[&str], out: Stdio) -> (Option<i32>, String) {
    let config = clouds.daemon.directory().join("dragomand.toml");
    let mut command = Command::new(program("dragoman"));
    command.args(["engines", "check", "--config"]).arg(config).args(more).stdout(out).stderr(Stdio::piped());
    let output = command.spawn().expect("it starts").wait_with_output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn who_reads_no_further_gets_no_words_and_a_full_disk_gets_some() {
    let clouds = Clouds::start();
    for more in [&[][..], &["--json"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(checked_into(&clouds, more, writer.into()), (Some(0), String::new()));
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is always full");
        let (code, words) = checked_into(&clouds, more, full.into());
        assert_eq!(code, Some(1), "{words}");
        assert!(words.starts_with("standard output takes no more: "), "{words}");
    }
}

#[test]
fn a_configuration_that_cannot_be_read_has_an_exit_code_of_its_own() {
    let output = Command::new(program("dragoman"))
        .args(["engines", "check", "--config", "/nowhere/dragomand.toml"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/dragomand.toml"));
}
