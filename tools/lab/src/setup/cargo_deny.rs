//! cargo-deny, built into the cache: the check of licences, bans and sources.

use std::env;
use std::process::Command;

use anyhow::Result;

use super::progress::Progress;
use super::{Missing, Part, Size, step};
use crate::cache::Cache;

const VERSION: &str = "0.20.2";
const STAMP: &str = "cargo-deny";

/// See the module.
pub(super) struct CargoDeny;

impl Part for CargoDeny {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let there = cache.is_stamped(STAMP, VERSION) && cache.cargo_deny().exists();
        let what = format!("cargo-deny {VERSION}, compiled in one to two minutes");
        Ok((!there).then_some(Missing { what, size: Some(Size { download: 25_000_000, disk: 27_000_000 }) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        let progress = Progress::start(format!("Compiling cargo-deny {VERSION}"));
        let build = cache.root().join("cargo-deny.build");
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Unoptimised: it runs for a second, and compiles in a third of the time. Without the fetcher of advisories.
        command.args([
            "install",
            "cargo-deny",
            "--version",
            VERSION,
            "--locked",
            "--debug",
            "--no-default-features",
        ]);
        command.arg("--root").arg(cache.tools()).arg("--target-dir").arg(&build);
        step::output(command.env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
        std::fs::remove_dir_all(build)?;
        cache.set_stamp(STAMP, VERSION)?;
        progress.finish();
        Ok(())
    }
}
