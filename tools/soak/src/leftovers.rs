//! What calls leave behind once all of them are over, which is to be nothing.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::interrupt;

use crate::place::Place;
use crate::watch::Look;

/// How long the end of the last call may take to be known everywhere.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// Idle HTTP connections that are kept to be used again, each with a descriptor and a task.
const KEPT_CONNECTIONS: u64 = 8;
/// Tasks and descriptors of who looks.
const LOOKING: u64 = 4;

/// Waits until nothing is left that was not there `before`. What is left all the same, in words.
///
/// # Errors
/// When the box does not tell.
pub fn look_for(place: &mut Place, before: &Look) -> Result<Vec<String>> {
    let until = Instant::now() + SETTLED_WITHIN;
    loop {
        let left = left(place, before)?;
        if left.is_empty() || Instant::now() > until {
            return Ok(left);
        }
        interrupt::sleep(Duration::from_millis(500))?;
    }
}

fn left(place: &mut Place, before: &Look) -> Result<Vec<String>> {
    let after = Look::at(place)?;
    let mut left = Vec::new();
    let mut none = |what: &str, count: u64| {
        if count > 0 {
            left.push(format!("{count} {what}"));
        }
    };
    none("legs in the daemon", after.legs as u64);
    none("calls that the daemon awaits", after.status["arriving"].as_array().map_or(0, Vec::len) as u64);
    none("channels in Asterisk", channels(&place.asterisk.cli("core show channels count")?));
    none("pipes", pipes(place)?);
    let [asr, _, tts] = place.counts();
    none("lines to the recogniser", asr.open);
    none("lines to the voice", tts.open);
    let more = |after: u64, before: u64| after.saturating_sub(before + KEPT_CONNECTIONS + LOOKING);
    none("descriptors more than connections that are kept", more(after.descriptors, before.descriptors));
    none("tasks more than connections that are kept", more(after.tasks, before.tasks));
    Ok(left)
}

fn channels(said: &str) -> u64 {
    let line = said.lines().find(|line| line.contains("active channel")).unwrap_or("1");
    line.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or(1)
}

fn pipes(place: &Place) -> Result<u64> {
    let mut pipes = 0;
    for entry in fs::read_dir(place.asterisk.pipes())? {
        pipes += u64::from(!entry?.file_name().to_string_lossy().starts_with('.'));
    }
    Ok(pipes)
}
