//! `dragoman phones` as a program, where Asterisk is a program that is content with everything.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const CONFIG: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";
const ADD: [&str; 6] = ["add", "101", "--name", "Door", "--language", "es"];
const OUTPUT: &str = "asterisk/phones.conf";

/// A box's directories, `asterisk` among them or not.
fn a_box(is_whole: bool) -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join("d.toml"), CONFIG).expect("a file");
    if is_whole {
        fs::create_dir(home.path().join("asterisk")).expect("a directory");
    }
    home
}

/// As a technician types it who stands in that directory.
fn phones(home: &TempDir, words: &[&str]) -> Output {
    phones_with(home, words, OUTPUT, "true")
}

fn phones_with(home: &TempDir, words: &[&str], output: &str, asterisk: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dragoman"));
    command.current_dir(home.path()).arg("phones").args(words);
    command.args(["--config", "d.toml", "--secrets", "s.secrets", "--output", output]);
    command.args(["--asterisk", asterisk]).output().expect("it runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What is in every file below, by its path.
fn content(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut all: Vec<_> = entries
        .flat_map(|path| {
            if path.is_dir() {
                content(&path)
            } else {
                vec![(path.display().to_string(), fs::read(&path).expect("a file"))]
            }
        })
        .collect();
    all.sort();
    all
}

/// The command fails, says why and that nothing was changed, which is true.
fn assert_refused(home: &TempDir, words: &[&str], reason: &str) {
    let before = content(home.path());
    let output = phones(home, words);
    let said = said(&output);
    assert!(!output.status.success() && said.contains(reason), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(content(home.path()), before);
}

#[test]
fn what_cannot_be_done_whole_is_not_begun() {
    let home = a_box(false);
    assert_refused(&home, &ADD, "make it");
    fs::create_dir(home.path().join("asterisk")).expect("a directory");
    let secrets = home.path().join("s.secrets");
    fs::write(&secrets, "spoilt").expect("a file");
    fs::set_permissions(&secrets, Permissions::from_mode(0o600)).expect("a mode");
    assert_refused(&home, &ADD, "s.secrets: line 1");
    fs::remove_file(&secrets).expect("it was there");
    assert_refused(&home, &["add", "911", "--name", "Door", "--language", "es"], "phone.extension");
    // A directory stands where a file belongs.
    fs::create_dir(home.path().join("asterisk/sip-key.pem")).expect("a directory");
    fs::write(home.path().join("asterisk/sip-certificate.pem"), "").expect("a file");
    assert_refused(&home, &ADD, "sip-key.pem: it is no file");
    fs::remove_dir(home.path().join("asterisk/sip-key.pem")).expect("it was there");
    let added = phones(&home, &ADD);
    assert!(added.status.success(), "repeated, it works: {}", said(&added));
    assert_refused(&home, &["remove", "102"], "there is no [[phone]]");
}

#[test]
fn secrets_that_everyone_can_read_are_refused() {
    let home = a_box(true);
    assert!(phones(&home, &ADD).status.success());
    for name in ["s.secrets", "asterisk/sip-key.pem"] {
        let path = home.path().join(name);
        assert_eq!(path.metadata().expect("it was made").permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
        assert_refused(&home, &["apply"], "chmod o=");
        assert_refused(&home, &["remove", "101"], name);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        assert!(phones(&home, &["apply"]).status.success());
    }
}

#[test]
fn asterisk_works_elsewhere_and_is_told_whole_paths() {
    let home = a_box(true);
    let added = phones_with(&home, &ADD, "phones.conf", "true");
    assert!(added.status.success(), "{}", said(&added));
    let conf = fs::read_to_string(home.path().join("phones.conf")).expect("it is written");
    let here = home.path().canonicalize().expect("it is there");
    for (key, name) in [("cert_file", "sip-certificate.pem"), ("priv_key_file", "sip-key.pem")] {
        let line = format!("{key} = {}\n", here.join(name).display());
        assert!(conf.contains(&line) && here.join(name).exists(), "{conf}");
    }
}

#[test]
fn where_asterisk_is_not_told_all_is_written() {
    let home = a_box(true);
    for asterisk in ["false", "no-such-program"] {
        let output = phones_with(&home, &["apply"], OUTPUT, asterisk);
        assert!(!output.status.success() && said(&output).contains("all is written"), "{}", said(&output));
        assert!(home.path().join(OUTPUT).exists());
    }
}

#[test]
fn options_that_would_do_nothing_are_not_there() {
    let home = a_box(true);
    for (word, option) in
        [("list", "--secrets"), ("list", "--output"), ("show", "--output"), ("show", "--asterisk")]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dragoman"));
        command.current_dir(home.path()).args(["phones", word, "--config", "d.toml"]);
        let output = command.args([option, "x"]).output().expect("it runs");
        assert!(said(&output).contains(&format!("unexpected argument '{option}'")), "{}", said(&output));
    }
}
