//! Running a rung's commands.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::iter;
use std::num::NonZero;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::cache::Cache;
use lab::process::wrapped;
use rustix::process::{Pid, Signal, kill_process_group};
use say::say;

use super::fuzz;
use super::report::Outcome;
use super::rungs::{Rung, Step};
use crate::isolation::Isolation;

/// Longer than any rung may take on two cores; a test that hangs must not hang the run.
pub(super) const DEADLINE: Duration = Duration::from_secs(20 * 60);

/// Runs all steps of `rung`; a step that fails to build ends it, as a failure.
pub(super) fn rung(rung: &Rung, cache: &Cache, isolation: &Isolation) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = Outcome::new(&rung.name);
    for step in &rung.steps {
        let go_on = match step {
            Step::Check(command) => check(command, &mut outcome)?,
            Step::Build(build) => built(*build, cache, &mut outcome)?,
            Step::Fuzz { targets, runs } => fuzz(targets, *runs, &mut outcome)?,
            Step::Tests(tests) => super::tests::run(tests, isolation, &mut outcome)?,
        };
        if !go_on {
            break;
        }
    }
    outcome.seconds = started.elapsed().as_secs_f32();
    say!("{outcome}");
    Ok(outcome)
}

fn check(command: &Command, outcome: &mut Outcome) -> Result<bool> {
    let passed = supervised(wrapped(&[], command), DEADLINE, |_| {})?.success();
    outcome.count(passed);
    Ok(passed)
}

/// As many at once as there are cores, since each keeps one busy.
fn fuzz(targets: &[String], runs: Option<u64>, outcome: &mut Outcome) -> Result<bool> {
    let queue = Mutex::new(targets.iter());
    let next = || queue.lock().ok()?.next();
    let one_by_one = || iter::from_fn(next).map(|target| fuzz_one(target, runs)).collect::<Vec<_>>();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let passed = thread::scope(|scope| {
        let cores: Vec<_> = (0..cores).map(|_| scope.spawn(one_by_one)).collect();
        cores.into_iter().flat_map(|core| core.join().unwrap_or_default()).collect::<Result<Vec<_>>>()
    })?;
    ensure!(passed.len() == targets.len(), "a thread that fuzzed panicked");
    for passed in passed {
        outcome.count(passed);
    }
    Ok(true)
}

/// What libFuzzer says is shown only where the target broke.
fn fuzz_one(target: &str, runs: Option<u64>) -> Result<bool> {
    let log = fuzz::log(target)?;
    let mut command = wrapped(&[], &fuzz::command(target, runs)?);
    command.stderr(File::create(&log).with_context(|| format!("cannot create {}", log.display()))?);
    let deadline = if runs.is_some() { Duration::MAX } else { DEADLINE };
    let passed = supervised(command, deadline, |_| {})?.success();
    let said = fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    if passed {
        say!("fuzz {target} ... ok, {} runs", fuzz::runs(&said).context("libFuzzer did not count its runs")?);
    } else {
        say!("fuzz {target} ... BROKE\n{said}\n{}", fuzz::advice(target));
    }
    Ok(passed)
}

fn built(build: fn(&Cache) -> Result<()>, cache: &Cache, outcome: &mut Outcome) -> Result<bool> {
    if let Err(error) = build(cache) {
        lab::interrupt::check()?;
        say!("{error:#}");
        outcome.count(false);
        return Ok(false);
    }
    Ok(true)
}

/// Runs to the end, the deadline, or Ctrl-C; the latter two end the whole process group.
pub(super) fn supervised(
    mut command: Command,
    deadline: Duration,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child =
        command.spawn().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let output = child.stdout.take().context("no standard output")?;
    let (lines, inbox) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    loop {
        match inbox.recv_timeout(Duration::from_millis(50)) {
            Ok(line) => on_line(&line),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(child.wait()?),
        }
        if started.elapsed() > deadline || lab::interrupt::requested() {
            eprintln!("stopped after {} s", started.elapsed().as_secs());
            end_group(&child);
            let status = child.wait()?;
            lab::interrupt::check()?;
            return Ok(status);
        }
    }
}

/// Asks first: tests own children that are to be stopped in order.
fn end_group(child: &Child) {
    let group = Pid::from_child(child);
    kill_process_group(group, Signal::TERM).ok();
    thread::sleep(Duration::from_secs(2));
    kill_process_group(group, Signal::KILL).ok();
}
