//! `cargo xtask soak`: builds a box and what calls it, and hands over to it.

use std::process::{Command, ExitCode};

use anyhow::Result;
use lab::cache::Cache;
use lab::programs::program;
use lab::setup::{self, Profile};

use crate::build;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Passed on: --legs N, --minutes M, --json, --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn run(args: &Args, cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Soak, cache)?;
    build::packages(cache, &["dragomand", "soak"])?;
    build::driver(cache)?;
    let mut command = Command::new(program("soak")?);
    command.args(&args.args).env("DRAGOMAN_CACHE", cache.root());
    build::become_program(command)
}
