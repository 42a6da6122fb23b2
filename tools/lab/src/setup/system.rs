//! Packages of the machine's own Debian release, installed by apt as root.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use super::{Missing, Part, Profile, Size, step};
use crate::cache::Cache;

const BUILD: &[&str] = &[
    "ca-certificates", // every download
    "gcc",             // also the linker of all Rust
    "g++",             // whisper.cpp
    "make",
    "cmake",
    "libclang-dev", // bindgen: whisper.cpp's and Asterisk's headers
    "pkgconf",
    "libasound2-dev", // sound cards: the daemon, and the softphone
    "libsystemd-dev", // the daemon's journal and readiness
];
const RUN: &[&str] = &[
    "python3-venv", // pip, to fetch the models
    "util-linux",   // setpriv, unshare, chrt
    "xz-utils",
];
const TEST: &[&str] = &[
    "baresip-core", // a SIP caller that nobody here wrote
    "iproute2",     // the loopback of a private network
    "nftables",     // the guard's bans
];
const CALLERS: &[&str] = &["sip-tester"]; // more calls at once than anybody makes
const BENCH: &[&str] = &["valgrind"];

/// What the building and the running of a profile want from the machine.
pub(super) struct SystemPackages(Vec<&'static str>);

impl SystemPackages {
    pub(super) fn for_profile(profile: Profile) -> Self {
        let more: &[&[&str]] = match profile {
            Profile::Demo => &[BUILD, RUN],
            Profile::Test => &[BUILD, RUN, TEST, CALLERS, BENCH],
            Profile::Bench => &[BUILD, BENCH],
            Profile::Soak => &[BUILD, RUN, CALLERS],
        };
        Self(more.concat())
    }

    fn not_installed(&self) -> Result<Vec<&'static str>> {
        // dpkg-query fails when it does not know one of the names, but still lists the others.
        let listing = Command::new("dpkg-query")
            .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
            .args(&self.0)
            .output()
            .context("cannot run dpkg-query: the set-up works on Debian 12 and 13")?;
        let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
        let installed: BTreeSet<&str> =
            listing.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
        Ok(self.0.iter().copied().filter(|package| !installed.contains(package)).collect())
    }
}

impl Part for SystemPackages {
    fn missing(&self, _cache: &Cache) -> Result<Option<Missing>> {
        let packages = self.not_installed()?;
        if packages.is_empty() {
            return Ok(None);
        }
        let what = format!("on this machine, by apt-get: {}", packages.join(" "));
        Ok(Some(Missing { what, size: size_from_lists(&packages) }))
    }

    fn install(&self, _cache: &Cache) -> Result<()> {
        let packages = self.not_installed()?;
        let progress = Progress::start(format!("Installing {} system packages", packages.len()));
        let update = ["-q", "update", "-o", "DPkg::Lock::Timeout=300"];
        step::output(as_root("apt-get", &packages)?.args(update))?;
        let install = [
            "-q",
            "-y",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=300",
            "-o",
            "APT::Status-Fd=1",
        ];
        let mut command = as_root("apt-get", &packages)?;
        command.env("DEBIAN_FRONTEND", "noninteractive").args(install).arg("install").args(&packages);
        step::each_line(&mut command, |line| {
            if let Some(percent) = super::apt::percent(line, &["pmstatus"]) {
                progress.set(percent, 100);
            }
        })?;
        progress.finish();
        Ok(())
    }
}

/// A command as root, through sudo (which may ask for a password on the terminal) when we are not.
fn as_root(program: &str, packages: &[&str]) -> Result<Command> {
    if rustix::process::geteuid().is_root() {
        return Ok(Command::new(program));
    }
    if Command::new("sudo").arg("--version").output().is_err() {
        bail!(
            "system packages are missing and there is no sudo; as root, run:\n  \
             apt-get update && apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
    }
    let mut command = Command::new("sudo");
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    Ok(command)
}

fn size_from_lists(packages: &[&str]) -> Option<Size> {
    let mut command = Command::new("apt-get");
    command.args(["install", "--no-install-recommends", "--print-uris", "-y", "-q"]).args(packages);
    let listing = step::output(&mut command).ok()?;
    let download: u64 = listing.lines().filter_map(|line| line.rsplit(' ').nth(1)?.parse::<u64>().ok()).sum();
    // Debian's packages unpack to about four times their size.
    Some(Size { download, disk: 4 * download })
}
