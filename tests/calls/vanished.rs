//! A phone is gone without a word: its battery is empty, its network is down.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::Pjsua2;

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);

/// Row 34 of the fault matrix.
#[test]
fn a_call_whose_rtp_stops_without_a_bye_is_over_within_30_seconds_and_costs_no_engine_any_more() {
    let mut rig = Rig::start();
    let speech = rig.speech(Duration::ZERO, SECOND, 16_000);
    let before = speech_connections(&mut rig);
    let mut watch = rig.watch();
    let mut caller = Pjsua2::call(&rig.plan(0, "G722", &speech));
    watch.wait_for("listening", 30 * SECOND, |_| true);
    caller.speak();
    watch.wait_for("final", 30 * SECOND, |_| true);
    assert!(speech_connections(&mut rig) > before, "an engine listens while the call lasts");

    caller.freeze();
    let frozen = Instant::now();
    watch.wait_for("leg_down", 30 * SECOND, |_| true);
    let after = frozen.elapsed();
    assert!(after > 20 * SECOND, "over after {after:?} already: not for the want of RTP");
    let until = Instant::now() + 5 * SECOND;
    while speech_connections(&mut rig) > before {
        assert!(Instant::now() < until, "an engine still listens");
        thread::sleep(SECOND / 10);
    }
    let channels = rig.appliance.asterisk.cli("core show channels").expect("Asterisk answers");
    assert!(channels.contains("0 active channels"), "{channels}");
    assert!(rig.appliance.daemon.status().expect("the daemon answers")["legs"] == serde_json::json!([]));
}

/// The daemon's connections to the engine server's Wyoming port.
fn speech_connections(rig: &mut Rig) -> usize {
    const ESTABLISHED: &str = "01";
    let server = format!(":{:04X}", rig.appliance.engines.options().wyoming.port());
    let table = format!("/proc/{}/net/tcp", rig.appliance.daemon.process().id());
    let table = fs::read_to_string(table).expect("the daemon runs");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_to_server = |columns: &Vec<&str>| columns[2].ends_with(&server) && columns[3] == ESTABLISHED;
    lines.by_ref().skip(1).filter(is_to_server).count()
}
