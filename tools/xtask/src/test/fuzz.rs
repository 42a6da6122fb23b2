//! Every parser of foreign bytes under libFuzzer: for a few seconds each, or for as many runs as are asked for.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use lab::cache::Cache;

use super::rungs::Step;
use crate::build::{cargo, succeed, workspace};

/// How long each is fuzzed where nothing else is asked for, in seconds.
const SECONDS: u32 = 4;
/// Where libFuzzer says how often it ran a target.
const RUNS: &str = "stat::number_of_executed_units:";

/// Builds the harness, then runs it for each folder of seeds, `runs` times.
pub(super) fn steps(runs: Option<u64>) -> Result<Vec<Step>> {
    let seeds = seeds();
    let entries = fs::read_dir(&seeds).with_context(|| format!("no seeds in {}", seeds.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect::<Result<Vec<_>>>()?;
    let mut targets: Vec<_> = names.into_iter().flatten().collect();
    targets.sort();
    Ok(vec![Step::Build(harness), Step::Fuzz { targets, runs }])
}

/// The run of one target. What it found of interest stays for the next run to begin with.
pub(super) fn command(target: &str, runs: Option<u64>) -> Result<Command> {
    let corpus = folder(&format!("{target}/corpus"))?;
    let mut command = Command::new(lab::programs::program("fuzz")?);
    let until = runs.map_or(format!("-max_total_time={SECONDS}"), |runs| format!("-runs={runs}"));
    command.env("DRAGOMAN_FUZZ", target).arg(until);
    command.args([
        "-verbosity=0",
        "-print_final_stats=1",
        "-timeout=25",
        "-rss_limit_mb=1024",
        "-max_len=8192",
    ]);
    command.arg(format!("-artifact_prefix={}/", folder(target)?.display()));
    command.arg(corpus).arg(seeds().join(target));
    Ok(command)
}

/// Where libFuzzer's words about `target` go.
pub(super) fn log(target: &str) -> Result<PathBuf> {
    Ok(folder(target)?.join("log"))
}

/// How often it ran, as its `log` says.
pub(super) fn runs(log: &str) -> Option<u64> {
    log.lines().find_map(|line| line.strip_prefix(RUNS))?.trim().parse().ok()
}

/// What to do when a target broke.
pub(super) fn advice(target: &str) -> String {
    format!(
        "{target} broke: the input's path is above (in {}). To see it again:\n  \
         cargo run --release -p dragoman-fuzz --bin replay -- {target} PATH\n\
         Mended, the input belongs in {}, with a name that begins with `broke`.",
        kept(target).display(),
        seeds().join(target).display()
    )
}

fn seeds() -> PathBuf {
    workspace().join("tests/fuzz/seeds")
}

fn kept(target: &str) -> PathBuf {
    workspace().join("target/fuzz").join(target)
}

fn folder(target: &str) -> Result<PathBuf> {
    let folder = kept(target);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// Only our own crates are instrumented, generic code of others that they use included; the rest is built already.
fn harness(cache: &Cache) -> Result<()> {
    let mut command = cargo(cache);
    command.args(["build", "--release", "-p", "dragoman-fuzz", "--features", "libfuzzer", "--bin", "fuzz"]);
    command.env("RUSTC_WORKSPACE_WRAPPER", workspace().join("tests/fuzz/rustc"));
    succeed(&mut command, "the build for fuzzing")
}

#[cfg(test)]
mod tests {
    #[test]
    fn runs_are_read_from_what_libfuzzer_says_at_its_end() {
        let log =
            "INFO: Seed: 7\nstat::number_of_executed_units: 167424\nstat::average_exec_per_sec:     41856\n";
        assert_eq!(super::runs(log), Some(167_424));
        assert_eq!(super::runs("thread panicked\n"), None);
    }
}
