//! A Python environment: pip to fetch pinned packages with, and the packages that the tests call.
//! pip finds its index and its certificates in the machine's own configuration.

use std::process::Command;

use anyhow::{Context, Result};

use super::progress::Progress;
use super::{Missing, Part, Size, step};
use crate::cache::Cache;

/// Pinned, so that its progress output and its refusals are the same on every machine.
const PIP: &str = "pip==26.1.2";
const PACKAGES: &[&str] = &["wyoming==1.10.2", "pjsua2-python==2.15.1.post1"];
const VENV_STAMP: &str = "venv";
const PACKAGES_STAMP: &str = "venv-packages";

/// The packages that the tests call.
pub(super) struct TestPackages;

impl Part for TestPackages {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let there = venv_is_there(cache) && cache.is_stamped(PACKAGES_STAMP, &PACKAGES.join(" "));
        let what = format!("for the tests, from PyPI: {}", PACKAGES.join(", "));
        Ok((!there).then_some(Missing { what, size: Some(Size { download: 7_000_000, disk: 50_000_000 }) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        make_venv(cache)?;
        let progress = Progress::start(format!("Installing {}", PACKAGES.join(", ")));
        step::output(
            pip(cache).args(["install", "--quiet", "--no-deps", "--only-binary", ":all:"]).args(PACKAGES),
        )?;
        step::output(Command::new(cache.venv().join("bin/python")).args(["-c", "import pjsua2, wyoming"]))
            .context("the packages for the tests do not load")?;
        cache.set_stamp(PACKAGES_STAMP, &PACKAGES.join(" "))?;
        progress.finish();
        Ok(())
    }
}

/// Makes the environment unless it is there and its interpreter still runs.
pub(super) fn make_venv(cache: &Cache) -> Result<()> {
    if venv_is_there(cache) {
        return Ok(());
    }
    let progress = Progress::start("Making a Python environment");
    step::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(cache.venv()))?;
    step::output(pip(cache).args(["install", "--quiet", PIP]))?;
    cache.set_stamp(VENV_STAMP, PIP)?;
    progress.finish();
    Ok(())
}

/// The environment's pip.
pub(super) fn pip(cache: &Cache) -> Command {
    let mut command = Command::new(cache.venv().join("bin/python"));
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    command
}

fn venv_is_there(cache: &Cache) -> bool {
    cache.is_stamped(VENV_STAMP, PIP) && cache.venv().join("bin/python").exists()
}
