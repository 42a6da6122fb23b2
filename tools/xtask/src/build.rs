//! Calling cargo, from inside cargo.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use lab::cache::Cache;

/// A cargo command in the workspace, with what every build and test of ours wants in its environment.
pub(crate) fn cargo(cache: &Cache) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).env("DRAGOMAN_CACHE", cache.root());
    // What `cargo run` sets for this program would make the inner cargo believe things have changed.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR") {
            command.env_remove(name);
        }
    }
    command
}

/// The programs of the box, and a phone to call it.
pub(crate) fn programs(cache: &Cache) -> Result<()> {
    packages(cache, &["dragomand", "dragoman-ctl", "dragoman-engines", "dragoman-guard", "softphone"])
}

/// These packages' programs, in release.
pub(crate) fn packages(cache: &Cache, packages: &[&str]) -> Result<()> {
    let selected = packages.iter().flat_map(|package| ["--package", package]);
    succeed(cargo(cache).args(["build", "--release"]).args(selected), "the build")
}

/// Goes on as `command`, which thereby owns the terminal and Ctrl-C.
pub(crate) fn become_program(mut command: Command) -> Result<ExitCode> {
    Err(command.exec()).with_context(|| format!("cannot run {}", command.get_program().display()))
}

/// The channel driver, in the profile that Asterisk can load.
pub(crate) fn driver(cache: &Cache) -> Result<()> {
    succeed(cargo(cache).args(["build", "--profile", "driver", "-p", "chan-slinpipe"]), "the driver's build")
}

/// The repository.
pub(crate) fn workspace() -> PathBuf {
    // Of the checkout that this program was built in, wherever it is called from.
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// Runs `what` to a good end.
pub(crate) fn succeed(command: &mut Command, what: &str) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run cargo for {what}"))?;
    lab::interrupt::check()?;
    if !status.success() {
        bail!("{what} failed: see above");
    }
    Ok(())
}
