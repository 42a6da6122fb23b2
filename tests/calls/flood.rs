//! More calls than there is room for, all at once.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use dragoman_tests::callers::{Pjsua2, Plan};
use serde_json::json;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const CALLS: u32 = 500;
const MOST_LEGS: u32 = 6;

/// Row 30 of the fault matrix, the half without exhaustion.
#[test]
fn five_hundred_calls_at_once_are_refused_and_the_one_that_stands_loses_nothing() {
    let rig = Rig::start();
    thread::sleep(2 * SECOND);
    let asterisk = &rig.appliance.asterisk;
    asterisk.cli(&format!("dialplan set global MOST_LEGS {MOST_LEGS}")).expect("Asterisk answers");
    let speech = rig.speech(Duration::ZERO, 20 * SECOND, 16_000);
    let mut caller = Pjsua2::call(&Plan { extension: "790", ..rig.plan(0, "G722", &speech) });
    caller.speak();
    flood(&rig);
    let status = rig.appliance.daemon.status().expect("the daemon answers");
    let leg = &status["legs"][0];
    assert_eq!(leg["phone"], "101", "{status}");
    assert_eq!(leg["frames"]["dropped"], json!({}), "{status}");
    assert_eq!(status["media"]["missed_ticks"], 0);
    assert_eq!(status["asterisk"]["refusals"][0]["dialled"], "790");
    caller.hang_up();
    let last = Pjsua2::call(&Plan { extension: "790", ..rig.plan(1, "G722", &speech) });
    last.hang_up();
}

/// Each call is answered, or refused as the scenario allows; anything else fails.
fn flood(rig: &Rig) {
    let phone = &rig.appliance.asterisk.phones()[3];
    let field = rig.appliance.run_dir().join("phone.csv");
    let login = format!(
        "SEQUENTIAL\n{0};[authentication username={0} password={1}]\n",
        phone.extension, phone.secret
    );
    std::fs::write(&field, login).expect("a file");
    let calls = CALLS.to_string();
    let said = Command::new("sipp")
        .arg("-sf")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("callers/flood.xml"))
        .arg("-inf")
        .arg(&field)
        .args(["-s", "790", "-m", &calls, "-r", &calls, "-l", &calls, "-timeout", "60s", "-nostdin"])
        // What comes twice, since the flood delays answers, is passed over; what never comes fails.
        .args(["-default_behaviors", "all,-abortunexp", "-timeout_error"])
        .args(["-i", "127.0.0.1", "-trace_err", "-error_file", "/dev/stderr"])
        .arg(rig.appliance.asterisk.sip().to_string())
        .current_dir(rig.appliance.run_dir().path())
        .output()
        .expect("sipp runs: `cargo xtask test` installs it");
    let tail = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.chars().rev().take(3_000).collect::<Vec<_>>().into_iter().rev().collect::<String>()
    };
    assert!(said.status.success(), "{}\n{}", tail(&said.stdout), tail(&said.stderr));
}
