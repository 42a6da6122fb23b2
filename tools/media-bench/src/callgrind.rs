//! Instructions of the media thread for each frame, counted by callgrind: the same on any load of the machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::TempDir;

use crate::daemon::Daemon;
use crate::phones::{Echo, Phones};

const LEGS: u16 = 4;
const SECONDS: u64 = 5;

/// User-space instructions inside the media thread's loop for one frame in and out, its share of ticks included.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Instructions {
    pub(crate) direct: f64,
    pub(crate) playout: f64,
}

/// `None` where valgrind is not installed.
pub(crate) fn instructions_per_frame(dragomand: &Path) -> Result<Option<Instructions>> {
    let found =
        Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    Ok(Some(Instructions {
        direct: count(dragomand, Echo::Direct)?,
        playout: count(dragomand, Echo::AtTick)?,
    }))
}

fn count(dragomand: &Path, echo: Echo) -> Result<f64> {
    let directory = TempDir::with_prefix("media-bench-callgrind-")?;
    let out = directory.path().join("out");
    let wrapper = [
        "valgrind".into(),
        "--quiet".into(),
        "--tool=callgrind".into(),
        "--collect-atstart=no".into(),
        "--toggle-collect=*MediaThread*run*".into(),
        format!("--callgrind-out-file={}", out.display()),
    ];
    let mut daemon = Daemon::start_under(&wrapper, dragomand)?;
    let phones = Phones::connect(&daemon.pipes(), LEGS, echo)?;
    let trips = phones.talk(Duration::from_secs(SECONDS))?;
    daemon.stop()?;
    drop(phones);
    let text = std::fs::read_to_string(&out).context("callgrind wrote no counts")?;
    let totals =
        text.lines().find_map(|line| line.strip_prefix("totals:")).context("callgrind gave no totals")?;
    let instructions: f64 = totals.trim().parse()?;
    anyhow::ensure!(instructions > 0.0, "callgrind did not see the media thread");
    Ok(instructions / trips.returned.max(1) as f64)
}
