//! Running test programs: beside each other where they mostly wait, and what failed once more.

use std::collections::BTreeSet;
use std::process::Command;
use std::thread;

use anyhow::{Result, anyhow};
use lab::process::wrapped;
use say::say;

use super::report::{Counts, Outcome, begins, failed_test, parse_result};
use super::run::{DEADLINE, supervised};
use crate::isolation::Isolation;

/// More than this many failures are no accident of the machine's.
const MOST_REPEATED: usize = 5;
/// What these count is not to happen once, however long the machine stands still: they are not run again.
const COUNTING: [&str; 3] = ["killed::", "disconnects::", "soak::"];

/// `cargo test`, whose tests are counted.
pub(super) struct Tests {
    pub(super) command: Command,
    /// One at a time and real-time, because they measure audio or time.
    pub(super) exclusive: bool,
    /// How many such ones at a time, each in a network of its own: more than one where they leave the cores idle.
    pub(super) lanes: usize,
    pub(super) filter: Option<String>,
}

/// What the tests told that were run.
#[derive(Default)]
struct Told {
    counts: Counts,
    failures: BTreeSet<String>,
    /// Programs that began and did not end, or failed without saying why: cut off, or aborted.
    broken: u32,
}

/// Compiles outside (cargo may need the network), then runs inside; false where it does not compile.
///
/// A test that measures time fails where the machine stands still meanwhile. It is run once more, alone, and counts as
/// passed if it passes then; the report names it.
pub(super) fn run(tests: &Tests, isolation: &Isolation, outcome: &mut Outcome) -> Result<bool> {
    let doc = tests.command.get_args().any(|arg| arg == "--doc");
    if !doc && !supervised(with(&tests.command, &["--no-run"]), DEADLINE, |_| {})?.success() {
        outcome.count(false);
        return Ok(false);
    }
    let told = beside_each_other(tests, &lanes(tests, isolation)?, isolation)?;
    outcome.add(told.counts);
    for _ in 0..told.broken {
        outcome.count(false);
    }
    let may_pass = |test: &String| !COUNTING.iter().any(|part| test.starts_with(part));
    let repeatable = told.failures.iter().all(may_pass) && (1..=MOST_REPEATED).contains(&told.failures.len());
    if tests.exclusive && told.broken == 0 && repeatable {
        let names = exactly(&told.failures);
        say!("once more, alone: {}", names[1..].join(", "));
        let again = attempt(tests, &names, isolation)?;
        if again.broken == 0 {
            outcome.repeated(told.failures.difference(&again.failures).cloned());
        }
    }
    Ok(true)
}

/// The names of the tests of each lane, as words for the program.
fn lanes(tests: &Tests, isolation: &Isolation) -> Result<Vec<Vec<String>>> {
    let whole = vec![tests.filter.iter().cloned().collect()];
    if tests.lanes < 2 || !isolation.has_networks() {
        return Ok(whole);
    }
    let mut list = with(&tests.command, &["--offline", "--", "--list", "--format=terse"]);
    list.args(&tests.filter);
    let mut names = Vec::new();
    supervised(list, DEADLINE, |line| names.extend(line.strip_suffix(": test").map(str::to_owned)))?;
    if names.len() < tests.lanes {
        return Ok(whole);
    }
    // One by one, since neighbours take about the same time.
    Ok((0..tests.lanes).map(|lane| exactly(names.iter().skip(lane).step_by(tests.lanes))).collect())
}

fn exactly<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    ["--exact".to_owned()].into_iter().chain(names.into_iter().cloned()).collect()
}

fn beside_each_other(tests: &Tests, lanes: &[Vec<String>], isolation: &Isolation) -> Result<Told> {
    thread::scope(|scope| {
        let attempts: Vec<_> =
            lanes.iter().map(|words| scope.spawn(|| attempt(tests, words, isolation))).collect();
        attempts.into_iter().try_fold(Told::default(), |mut all, lane| {
            let told = lane.join().map_err(|_| anyhow!("a lane of tests panicked"))??;
            all.counts += told.counts;
            all.failures.extend(told.failures);
            all.broken += told.broken;
            Ok(all)
        })
    })
}

fn attempt(tests: &Tests, words: &[String], isolation: &Isolation) -> Result<Told> {
    let mut inner = with(&tests.command, &["--offline", "--"]);
    inner.args(isolation.selection()).args(words);
    if tests.exclusive {
        inner.arg("--test-threads=1");
    }
    let mut told = Told::default();
    let status = supervised(isolation.wrap(&inner, tests.exclusive), DEADLINE, |line| {
        say!("{line}");
        told.broken += u32::from(begins(line));
        told.failures.extend(failed_test(line).map(str::to_owned));
        if let Some(counts) = parse_result(line) {
            told.counts += counts;
            told.broken = told.broken.saturating_sub(1);
        }
    })?;
    if !status.success() && told.failures.is_empty() && told.broken == 0 {
        told.broken = 1;
    }
    Ok(told)
}

fn with(command: &Command, args: &[&str]) -> Command {
    let mut command = wrapped(&[], command);
    command.args(args);
    command
}
