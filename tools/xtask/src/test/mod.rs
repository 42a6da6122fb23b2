//! `cargo xtask test`: the ladder, each rung without the next.

mod fuzz;
mod report;
mod run;
mod rungs;
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use lab::cache::Cache;
use lab::setup::{self, Profile};

use crate::isolation::Isolation;
use report::Report;
use rungs::Rung;
use say::say;

/// Format, lints, licences, then the tests from the smallest to whole calls through a real Asterisk.
///
/// What fails where audio or time is measured is run once more, alone, and named in the report if it passes then, but for
/// tests that count what must never happen. The
/// last line is `N passed, N failed`; the exit status says the same.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One rung (format, lints, licences, unit, component, fuzz, scenario, rooms, process, media, ports, health,
    /// engines, `daemon_engines`, vendors, cloud, driver, softphone, sip, calls, load), or part of a test's name
    filter: Option<String>,
    /// Only what needs no other process: format, lints, unit, scenario, rooms
    #[arg(long)]
    quick: bool,
    /// How often each parser is fed under `fuzz`, however long that takes, instead of for four seconds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
}

pub(crate) fn run(args: &Args, cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Test, cache)?;
    let isolation = Isolation::detect();
    say!("{}", isolation.describe());
    let mut report = Report::default();
    for rung in selected(args, cache)? {
        lab::interrupt::check()?;
        say!("\n== {}: {}", rung.name, rung.what);
        report.add(run::rung(&rung, cache, &isolation)?);
    }
    Ok(report.print())
}

fn selected(args: &Args, cache: &Cache) -> Result<Vec<Rung>> {
    let all = rungs::all(cache, args.runs)?;
    let is_rung = |name: &str| all.iter().any(|rung| rung.name == name);
    Ok(match args.filter.as_deref() {
        Some(name) if is_rung(name) => all.into_iter().filter(|rung| rung.name == name).collect(),
        Some(part) => {
            let tests = all.into_iter().filter(|rung| rung.is_tests() && (rung.quick || !args.quick));
            tests.map(|rung| rung.filtered(part)).collect()
        }
        None => all.into_iter().filter(|rung| rung.quick || !args.quick).collect(),
    })
}
