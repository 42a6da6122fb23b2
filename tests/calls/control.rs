//! Asterisk under the daemon's control: states, causes, refusals, and restarts of either side.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use rustix::process::Signal;
use serde_json::Value;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);

fn status(rig: &Rig) -> Value {
    rig.appliance.daemon.status().expect("the daemon answers")
}

/// Asks for the status until it is as wanted.
fn wait_status(rig: &Rig, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
    let until = Instant::now() + limit;
    loop {
        let status = status(rig);
        if wanted(&status) {
            return status;
        }
        assert!(Instant::now() < until, "{what}: not within {limit:?}: {status:#}");
        thread::sleep(SECOND / 50);
    }
}

fn controlled(rig: &Rig) {
    wait_status(rig, "control", 10 * SECOND, |status| status["asterisk"]["control"] == "connected");
}

fn plan<'a>(rig: &'a Rig, index: usize, extension: &'a str) -> Plan<'a> {
    Plan { extension, ..rig.plan(index, "G722", Path::new("/dev/null")) }
}

fn has_legs(count: usize) -> impl Fn(&Value) -> bool {
    move |status| status["legs"].as_array().is_some_and(|legs| legs.len() == count)
}

/// No pipe, channel or leg is left.
fn nothing_is_left(rig: &Rig) {
    wait_status(rig, "no leg", 2 * SECOND, |status| {
        has_legs(0)(status) && status["arriving"] == serde_json::json!([])
    });
    let pipes: Vec<_> = std::fs::read_dir(rig.appliance.asterisk.pipes())
        .expect("a directory")
        .filter(|entry| {
            entry.as_ref().is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
        })
        .collect();
    assert!(pipes.is_empty(), "{pipes:?}");
    let channels = rig.appliance.asterisk.cli("core show channels count").expect("Asterisk answers");
    assert!(channels.contains("0 active channels"), "{channels}");
}

#[test]
fn a_call_is_followed_from_ringing_to_its_cause() {
    let rig = Rig::start();
    controlled(&rig);
    let mut watch = rig.watch();
    let caller = Pjsua2::call(&plan(&rig, 0, "790"));
    for state in ["ringing", "connected"] {
        let event = watch.wait_for("leg_state", 5 * SECOND, |event| event["state"] == state);
        assert_eq!(event["phone"], "101");
    }
    wait_status(&rig, "the codec", 5 * SECOND, |status| status["legs"][0]["codec"] == "g722");
    let rooms = told_in_a_terminal(&rig.appliance.run_dir().join("control.sock"), "rooms");
    assert!(rooms.contains("790 echo: 1 leg") && rooms.contains("connected"), "{rooms}");
    caller.hang_up();
    for state in ["disconnecting", "disconnected"] {
        watch.wait_for("leg_state", 2 * SECOND, |event| event["state"] == state);
    }
    wait_status(&rig, "the cause", 2 * SECOND, |status| status["asterisk"]["over"][0]["cause"] == 16);
    nothing_is_left(&rig);
}

/// The daemon's own cap is the same and would be told in other words: it is Asterisk that knows it.
#[test]
fn one_call_more_than_the_configuration_allows_is_busy_before_it_is_a_leg() {
    let rig = Rig::start_and("[calls]\nmost = 1\n");
    controlled(&rig);
    let mut watch = rig.watch();
    let caller = Pjsua2::call(&plan(&rig, 0, "790"));
    watch.wait_for("leg_up", 2 * SECOND, |_| true);
    let before = watch.seen.len();
    let refused = Pjsua2::dial(&plan(&rig, 1, "790")).ended(20 * SECOND);
    assert!(refused.starts_with("486"), "{refused}");
    let told = watch.wait_for("refused", 5 * SECOND, |_| true);
    assert_eq!(told["phone"], "102");
    assert_eq!(told["reason"], "all legs are in use; calls.most says how many there may be");
    let states = watch.seen_since(before, "leg_state");
    assert!(states.iter().all(|event| event["phone"] == "101"), "{states:#?}");
    caller.hang_up();
    nothing_is_left(&rig);
    Pjsua2::call(&plan(&rig, 1, "790")).hang_up();
}

/// What `dragoman` prints, which is not a terminal's here.
fn told_in_a_terminal(socket: &Path, subject: &str) -> String {
    let dragoman = lab::programs::program("dragoman").expect("it is built");
    let told = Command::new(dragoman).arg(subject).arg("--socket").arg(socket).output().expect("it runs");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match told.status.code() {
        Some(0) => said(&told.stdout),
        code => format!("{code:?} {}", said(&told.stderr)),
    }
}

#[test]
fn a_terminal_is_told_where_no_daemon_is() {
    for subject in ["status", "rooms"] {
        let told = told_in_a_terminal(Path::new("/nowhere/control.sock"), subject);
        assert!(told.starts_with("Some(2) dragoman: dragomand is not there: /nowhere"), "{told}");
    }
}

#[test]
fn every_refusal_says_why() {
    let rig = Rig::start();
    controlled(&rig);
    for (extension, sip, words) in [
        ("601", "404", "no such number"),
        ("103", "480", "not registered"),
        ("755", "404", "no room is dialled as 755"),
        ("+34911234567", "403", "may not call outside"),
    ] {
        let told = Pjsua2::dial(&plan(&rig, 0, extension)).ended(15 * SECOND);
        assert!(told.starts_with(sip), "{extension}: {told}");
        wait_status(&rig, "the refusal", SECOND, |status| {
            let refusal = &status["asterisk"]["refusals"][0];
            let why = refusal["reason"].as_str().unwrap_or_default();
            refusal["dialled"] == extension && refusal["phone"] == "101" && why.contains(words)
        });
    }
    let told = told_in_a_terminal(&rig.appliance.run_dir().join("control.sock"), "status");
    assert!(told.contains("101 dialled 601, refused: there is no such number"), "{told}");
}

/// Row 8 of the fault matrix.
#[test]
fn asterisk_dies_or_restarts_in_a_call_and_the_next_call_works() {
    let mut rig = Rig::start();
    for mid_call in [false, true] {
        for clean in [false, true] {
            controlled(&rig);
            let caller = mid_call.then(|| Pjsua2::call(&plan(&rig, 0, "790")));
            wait_status(&rig, "the leg", 2 * SECOND, has_legs(usize::from(mid_call)));
            let ended = Instant::now();
            if clean {
                rig.appliance.asterisk.cli("core stop now").unwrap_or_default();
            } else {
                rig.appliance.asterisk.process().signal(Signal::KILL).expect("Asterisk runs");
            }
            wait_status(&rig, "no session", 2 * SECOND, has_legs(0));
            drop(caller);
            rig.appliance.asterisk.restart().expect("Asterisk starts again");
            controlled(&rig);
            nothing_is_left(&rig);
            let next = Pjsua2::call(&plan(&rig, 1, "790"));
            assert!(ended.elapsed() <= 10 * SECOND, "the next call works after {:?}", ended.elapsed());
            wait_status(&rig, "the next leg", SECOND, has_legs(1));
            next.hang_up();
            nothing_is_left(&rig);
        }
    }
}
