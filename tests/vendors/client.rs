//! A vendor's client as a child process.

use std::time::Duration;

use engine_emulators::Emulator;
use lab::cache::Cache;
use lab::programs;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

const SET_UP: &str = "the vendors' clients are not installed: run `cargo xtask test`";
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Runs a script of `tests/callers` against an emulator, with `key`, and gives the JSON value that it prints.
pub(crate) async fn run(script: &str, emulator: &Emulator, key: &str, arguments: &[&str]) -> Value {
    let python = Cache::locate().expect("a cache").vendor_python();
    let mut command = Command::new(python);
    command.arg(programs::in_repository("tests/callers").join(script));
    command.arg(emulator.address.to_string()).arg(key).args(arguments);
    // These clients would ask a proxy of the environment even for loopback.
    command.env("NO_PROXY", "*").kill_on_drop(true);
    let output = timeout(ENDS_WITHIN, command.output()).await.expect("it ends").expect(SET_UP);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} {arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}
