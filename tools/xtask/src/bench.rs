//! `cargo xtask bench`: builds what measures and hands over to it.

use std::process::ExitCode;

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
}

pub(crate) fn run(bench: &Bench, cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Bench, cache)?;
    let Bench::Media { args } = bench;
    build::packages(cache, &["dragomand", "media-bench"])?;
    let mut command = std::process::Command::new(program("media-bench")?);
    command.arg("--dragomand").arg(program("dragomand")?).args(args);
    build::become_program(command)
}
