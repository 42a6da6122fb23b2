//! `cargo xtask bench`: builds what measures and hands over to it.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::Subcommand;
use lab::cache::Cache;
use lab::programs::program;
use lab::setup::{self, Profile};

use crate::build;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The daemon's media thread through real FIFOs, without engines: round trip, lateness, losses, CPU, memory
    #[command(disable_help_flag = true)]
    Media {
        /// Passed on: --legs N, --seconds S, --json, --no-callgrind
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Real calls through Asterisk to emulated engines of known delay: how long until the translation is heard
    #[command(disable_help_flag = true)]
    Latency {
        /// Passed on: --sentences N, --talk-minutes M, --json
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

pub(crate) fn run(bench: &Bench, cache: &Cache) -> Result<ExitCode> {
    match bench {
        Bench::Media { args } => media(args, cache),
        Bench::Latency { args } => latency(args, cache),
    }
}

fn media(args: &[String], cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Bench, cache)?;
    build::packages(cache, &["dragomand", "media-bench"])?;
    let mut command = Command::new(program("media-bench")?);
    command.arg("--dragomand").arg(program("dragomand")?).args(args);
    build::become_program(command)
}

fn latency(args: &[String], cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Demo, cache)?;
    build::packages(cache, &["dragomand", "latency-bench"])?;
    build::driver(cache)?;
    let mut command = Command::new(program("latency-bench")?);
    command.args(args).env("DRAGOMAN_CACHE", cache.root());
    build::become_program(command)
}
