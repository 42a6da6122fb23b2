//! The vendors' own clients, for the tests that show our emulators to be faithful. They have their own directory and
//! their own Python, since they and the other test packages need not agree on versions.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::progress::Progress;
use super::{Missing, Part, Size, python, step};
use crate::cache::Cache;

const LOCK: &str = include_str!("vendors.lock");
const STAMP: &str = "vendor-packages";

/// What the lock names, and a Python that has it: [`Cache::vendor_python`].
pub(super) struct VendorPackages;

impl Part for VendorPackages {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let there = cache.is_stamped(STAMP, LOCK) && cache.vendor_python().exists();
        let what = "for the tests, from PyPI: deepgram-sdk, deepl, elevenlabs, hume, openai".to_owned();
        Ok((!there).then_some(Missing { what, size: Some(Size { download: 11_000_000, disk: 102_000_000 }) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        python::make_venv(cache)?;
        let progress = Progress::start("Installing the vendors' own clients");
        let site = cache.root().join("vendor-packages");
        if site.exists() {
            fs::remove_dir_all(&site).with_context(|| format!("cannot remove {}", site.display()))?;
        }
        step::output(python::pip_install(cache, LOCK)?.arg("--target").arg(&site))?;
        let run = format!("exec '{}' \"$@\"", cache.venv().join("bin/python").display());
        python::write_script(&cache.vendor_python(), &run, &site)?;
        let imports = "import deepgram, deepl, elevenlabs, hume_expression_measurement, openai";
        step::output(Command::new(cache.vendor_python()).args(["-c", imports]))
            .context("the vendors' clients do not load")?;
        cache.set_stamp(STAMP, LOCK)?;
        progress.finish();
        Ok(())
    }
}
