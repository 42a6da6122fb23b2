//! The private Debian tree: Asterisk 22 with its headers, Apertium and Pico, none of which Debian 12 and 13 carry
//! (or not in a usable version), unpacked into the cache without root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::PrivateApt;
use super::progress::Progress;
use super::{Missing, Part, Size, step};
use crate::cache::Cache;
use crate::interrupt;

const SUITE: &str = "sid";
/// Taken with all their libraries, down to libc.
const PACKAGES: &[&str] = &["asterisk", "apertium-es-pt", "libttspico-utils"];
/// Headers: what they depend on is for packagers.
const ALONE: &[&str] = &["asterisk-dev"];
const SIZE: Size = Size { download: 100_000_000, disk: 300_000_000 };
const STAMP: &str = "prefix";

/// See the module.
pub(super) struct DebianTree;

impl Part for DebianTree {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let there = cache.is_stamped(STAMP, &stamp()) && cache.prefix().loader().exists();
        let what =
            "Asterisk 22, Apertium and Pico from Debian's development release, beside the system's own"
                .into();
        Ok((!there).then_some(Missing { what, size: Some(SIZE) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        let apt = PrivateApt::open(cache, SUITE)?;
        let mut archives = apt.download_alone(ALONE)?;
        archives.extend(apt.download(PACKAGES)?);
        let prefix = cache.prefix();
        unpack("Unpacking Asterisk, Apertium and Pico", &archives, prefix.root())?;
        let version =
            prefix.command("usr/sbin/asterisk").arg("-V").output().context("cannot run the loader")?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        anyhow::ensure!(
            version.starts_with("Asterisk 22"),
            "expected Asterisk 22, the mirror has `{version}`"
        );
        cache.set_stamp(STAMP, &stamp())
    }
}

fn stamp() -> String {
    format!("{SUITE} {} {}", PACKAGES.join(" "), ALONE.join(" "))
}

/// Unpacks all `archives` into a new tree that takes the place of `target` once it is whole.
pub(super) fn unpack(title: &str, archives: &[PathBuf], target: &Path) -> Result<()> {
    let progress = Progress::start(title);
    let partial = target.with_extension("partial");
    remove_tree(&partial)?;
    fs::create_dir_all(&partial)?;
    for (number, archive) in archives.iter().enumerate() {
        interrupt::check()?;
        step::output(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&partial))?;
        progress.set(number as u64 + 1, archives.len() as u64);
    }
    remove_tree(target)?;
    fs::rename(&partial, target).with_context(|| format!("cannot create {}", target.display()))?;
    progress.finish();
    Ok(())
}

fn remove_tree(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}
