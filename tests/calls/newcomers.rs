//! Phones that are added while the box runs.

use std::fs;
use std::process::Command;
use std::time::Duration;

use lab::programs::program;
use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions, ScriptEnd, Step};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);

/// What a technician types, with the places of this box.
fn dragoman(rig: &Rig, words: &[&str]) {
    let (here, asterisk) = (rig.appliance.run_dir(), &rig.appliance.asterisk);
    let mut command = Command::new(program("dragoman").expect("it is built"));
    command.arg("phones").args(words);
    command.arg("--config").arg(here.join("dragomand.toml"));
    command.arg("--secrets").arg(here.join("phones.secrets"));
    command.arg("--output").arg(asterisk.configuration_file("phones.conf"));
    command.arg("--asterisk").arg(asterisk.program().expect("a program"));
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn phone(rig: &Rig, extension: &str) -> Phone {
    let secrets = fs::read_to_string(rig.appliance.run_dir().join("phones.secrets")).expect("secrets");
    let secrets: toml::Table = secrets.parse().expect("TOML");
    let secret = secrets[extension].as_str().expect("a password").to_owned();
    let address = rig.appliance.asterisk.sip().to_string();
    let account = Account::new(extension, &address, Some(secret)).expect("an account");
    let (phone, _events) = Phone::start(account, PhoneOptions::default()).expect("a phone");
    phone.register().expect("Asterisk knows it");
    phone
}

#[test]
fn a_phone_is_translated_from_when_it_is_added_until_it_is_removed() {
    let rig = Rig::start();
    let mut watch = rig.watch();
    dragoman(&rig, &["add", "104", "--name", "New", "--language", "es"]);
    let (old, new) = (phone(&rig, "101"), phone(&rig, "104"));
    let codecs = [Codec::G722];
    let mut calling = old.dial("104", &codecs, AudioOptions::default()).expect("a call");
    let called = new.answer(&codecs, AudioOptions::default(), 10 * SECOND).expect("no failure");
    let mut called = called.expect("it rings");
    calling.wait_connected(10 * SECOND).expect("an answer");
    called.wait_connected(10 * SECOND).expect("a call");
    for _ in 0..2 {
        watch.wait_for("listening", 20 * SECOND, |_| true);
    }
    let status = rig.appliance.daemon.status().expect("a status");
    let legs = status["legs"].as_array().expect("legs");
    assert!(legs.iter().any(|leg| leg["name"] == "New" && leg["language"] == "es"), "{status}");

    dragoman(&rig, &["remove", "104"]);
    assert_eq!(
        called.run(vec![Step::Pause(2 * SECOND)]).expect("a script"),
        ScriptEnd::Finished,
        "it stands"
    );
    called.hang_up().expect("a report");
    calling.run(vec![Step::Pause(5 * SECOND)]).expect("a script");
    calling.hang_up().expect("a report");
    let mut refused = old.dial("104", &codecs, AudioOptions::default()).expect("a call");
    let why = refused.wait_connected(10 * SECOND).expect_err("nobody is there any more").to_string();
    assert!(why.contains("404"), "{why}");
}
