//! What the rungs are and which cargo commands they run.

use std::process::Command;

use anyhow::{Context, Result, bail};
use lab::cache::Cache;
use serde_json::Value;

use super::tests::Tests;
use crate::build::cargo;

/// The crate whose test targets are the upper rungs, and their order; others follow.
const LADDER: &str = "dragoman-tests";
const ORDER: [&str; 15] = [
    "scenario",
    "rooms",
    "process",
    "media",
    "ports",
    "health",
    "engines",
    "daemon_engines",
    "vendors",
    "cloud",
    "driver",
    "softphone",
    "sip",
    "calls",
    "load",
];

/// The rungs whose tests leave the cores idle, and how many of theirs run at a time.
const MOSTLY_WAIT: [&str; 4] = ["ports", "cloud", "driver", "sip"];
const LANES: usize = 3;

/// One rung.
pub(super) struct Rung {
    pub(super) name: String,
    pub(super) what: &'static str,
    /// Needs no other process.
    pub(super) quick: bool,
    pub(super) steps: Vec<Step>,
}

/// A command of a rung.
pub(super) enum Step {
    /// Passes or fails as a whole.
    Check(Command),
    /// Builds what tests start.
    Build(fn(&Cache) -> Result<()>),
    /// Parsers under libFuzzer; each counts as one test.
    Fuzz {
        targets: Vec<String>,
        runs: Option<u64>,
    },
    Tests(Tests),
}

impl Rung {
    pub(super) fn is_tests(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Tests(_)))
    }

    /// The rung with only the tests whose name contains `part`.
    pub(super) fn filtered(mut self, part: &str) -> Self {
        for step in &mut self.steps {
            if let Step::Tests(tests) = step {
                tests.filter = Some(part.to_owned());
            }
        }
        self
    }
}

/// All rungs in order; for `fuzz_runs` see [`super::Args::runs`].
pub(super) fn all(cache: &Cache, fuzz_runs: Option<u64>) -> Result<Vec<Rung>> {
    let rung = |name: &str, what, quick, steps| Rung { name: name.to_owned(), what, quick, steps };
    let check = |args: &[&str]| Step::Check(with(cargo(cache), args));
    let lints = ["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let mut rungs = vec![
        rung("format", "cargo fmt", true, vec![check(&["fmt", "--all", "--check"])]),
        rung("lints", "clippy, warnings are errors", true, vec![check(&lints)]),
        rung("licences", "cargo deny: licences, bans, sources", false, vec![licences(cache)]),
        rung("unit", "what one module promises", true, unit(cache)),
        rung("component", "what one program promises", false, built(component(cache))),
        rung(
            "fuzz",
            "every parser of foreign bytes, fed with anything",
            false,
            super::fuzz::steps(fuzz_runs)?,
        ),
    ];
    for target in ladder_targets(cache)? {
        let quick = ["scenario", "rooms"].contains(&target.as_str());
        let what = match target.as_str() {
            "scenario" => "calls on a simulated clock",
            "rooms" => "rooms of several on a simulated clock",
            "process" => "the daemon as a process: pipes, faults",
            "media" => "the media thread: lanes, voices, mixing, to the sample",
            "ports" => "every way into a leg, with the same demands on each",
            "health" => "what the daemon tells of itself over HTTP",
            "engines" => "the engine server and a client of another maker",
            "daemon_engines" => "the daemon and engines of other makers",
            "driver" => "the channel driver in a real Asterisk",
            "softphone" => "our phone against a real Asterisk",
            "sip" => "who may register and call, and strangers",
            "calls" => "whole calls by callers that nobody here wrote",
            "load" => "fifty calls at once, bad networks, conferences, exhaustion",
            "vendors" => "the vendors' own clients against our emulators",
            _ => "further tests with real processes",
        };
        let lanes = if MOSTLY_WAIT.contains(&target.as_str()) { LANES } else { 1 };
        let tests = Tests { lanes, ..tests(cache, &["-p", LADDER, "--test", &target], !quick) };
        rungs.push(rung(&target, what, quick, if quick { vec![Step::Tests(tests)] } else { built(tests) }));
    }
    Ok(rungs)
}

/// Tests that start programs do not build them.
fn built(tests: Tests) -> Vec<Step> {
    vec![Step::Build(crate::build::programs), Step::Build(crate::build::driver), Step::Tests(tests)]
}

fn unit(cache: &Cache) -> Vec<Step> {
    let crates = ["--workspace", "--exclude", LADDER];
    let of = |kind: &[&str]| Step::Tests(tests(cache, &[&crates, kind].concat(), false));
    vec![of(&["--lib", "--bins"]), of(&["--doc"])]
}

fn component(cache: &Cache) -> Tests {
    tests(cache, &["--workspace", "--exclude", LADDER, "--test", "*"], true)
}

/// Advisories are left out: their database cannot be had everywhere this runs.
fn licences(cache: &Cache) -> Step {
    let mut command = Command::new(cache.cargo_deny());
    command.current_dir(crate::build::workspace());
    Step::Check(with(command, &["--all-features", "check", "bans", "licenses", "sources"]))
}

fn tests(cache: &Cache, args: &[&str], exclusive: bool) -> Tests {
    let mut command = with(cargo(cache), &["test", "--release", "--no-fail-fast"]);
    // Whatever allocates on the media thread ends the test run at that place.
    command.args(args).env("DRAGOMAN_ALLOC_TRAP", "abort");
    Tests { command, exclusive, lanes: 1, filter: None }
}

fn with(mut command: Command, args: &[&str]) -> Command {
    command.args(args);
    command
}

fn ladder_targets(cache: &Cache) -> Result<Vec<String>> {
    let metadata = cargo(cache).args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let metadata = metadata.context("cannot run cargo metadata")?;
    if !metadata.status.success() {
        bail!("cargo metadata failed:\n{}", String::from_utf8_lossy(&metadata.stderr));
    }
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let targets = packages
        .filter(|package| package["name"] == LADDER)
        .filter_map(|package| package["targets"].as_array());
    let is_test = |target: &&Value| target["kind"] == serde_json::json!(["test"]);
    let names =
        targets.flatten().filter(is_test).filter_map(|target| target["name"].as_str().map(str::to_owned));
    let mut names: Vec<String> = names.collect();
    names.sort_by_key(|name| {
        (ORDER.iter().position(|known| known == name).unwrap_or(ORDER.len()), name.clone())
    });
    Ok(names)
}
