//! A look at the box every second, and what of it is kept.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::metrics::Metrics;
use crate::place::Place;
use crate::process::Process;

/// Looks in a row of which the best one tells what is at rest: longer than a sentence and its translation.
const LOOKS_AT_REST: usize = 15;

/// One look.
pub struct Look {
    pub(crate) legs: usize,
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) tasks: u64,
    pub(crate) frames_processed: u64,
    pub(crate) frames_dropped: BTreeMap<String, u64>,
    pub(crate) translations: u64,
    pub(crate) status: Value,
}

impl Look {
    /// Now.
    ///
    /// # Errors
    /// When the daemon does not tell.
    pub fn at(place: &mut Place) -> Result<Self> {
        let process = Process::new(place.daemon.process().id());
        let status = place.daemon.status()?;
        let metrics = Metrics::scrape(status["health"].as_str().context("no health server")?)?;
        Ok(Self {
            legs: legs(&status).count(),
            resident_kib: process.number("VmRSS")?,
            descriptors: process.descriptors()?,
            threads: process.number("Threads")?,
            tasks: metrics.get("runtime_tasks")?,
            frames_processed: metrics.get("frames_processed_total")?,
            frames_dropped: metrics.by_label("frames_dropped_total")?,
            translations: metrics.get("translations_completed_total")?,
            status,
        })
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.frames_dropped.values().sum()
    }
}

fn legs(status: &Value) -> impl Iterator<Item = &Value> {
    status["legs"].as_array().into_iter().flatten()
}

/// What waits in the queues of all legs, over time.
#[derive(Default)]
pub(crate) struct Depths {
    lately: BTreeMap<(u64, String), VecDeque<u64>>,
    /// The most that was seen in a queue of any leg.
    pub(crate) most: BTreeMap<String, u64>,
    /// The most that stayed in a queue of any leg for as long as a sentence and its translation take.
    pub(crate) at_rest: BTreeMap<String, u64>,
}

impl Depths {
    pub(crate) fn look(&mut self, status: &Value) {
        for leg in legs(status) {
            let number = leg["leg"].as_u64().unwrap_or_default();
            for (queue, depth) in leg["queues"].as_object().into_iter().flatten() {
                self.add(number, queue, depth.as_u64().unwrap_or_default());
            }
        }
    }

    fn add(&mut self, leg: u64, queue: &str, depth: u64) {
        raise(&mut self.most, queue, depth);
        let lately = self.lately.entry((leg, queue.to_owned())).or_default();
        lately.push_back(depth);
        if lately.len() > LOOKS_AT_REST {
            lately.pop_front();
        }
        if lately.len() == LOOKS_AT_REST {
            let least = lately.iter().copied().min().unwrap_or_default();
            raise(&mut self.at_rest, queue, least);
        }
    }
}

fn raise(depths: &mut BTreeMap<String, u64>, queue: &str, depth: u64) {
    let most = depths.entry(queue.to_owned()).or_default();
    *most = depth.max(*most);
}

/// Frames that the driver dropped so far, over the legs there are.
pub(crate) fn dropped_by_driver(place: &Place) -> Result<u64> {
    drops(&place.asterisk.cli("slinpipe show channels")?)
}

/// The sum over the legs of the driver's table, whose last line tells how many there are.
fn drops(table: &str) -> Result<u64> {
    let legs: Vec<u64> = table.lines().filter_map(drops_in).collect();
    let count = |line: &str| line.split_once(" SlinPipe channel")?.0.trim().parse::<usize>().ok();
    ensure!(table.lines().find_map(count) == Some(legs.len()), "the driver's table cannot be read:\n{table}");
    Ok(legs.iter().sum())
}

/// The columns of drops in a line of the driver's table: pipe full, malformed, failed.
fn drops_in(line: &str) -> Option<u64> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let number = |index: usize| columns.get(index)?.parse::<u64>().ok();
    let is_leg = columns.len() == 8 && line.starts_with(|first: char| first.is_ascii_digit());
    if is_leg { Some(number(4)? + number(5)? + number(6)?) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_not_at_rest_and_what_stays_is() {
        let mut depths = Depths::default();
        for look in 0..40 {
            depths.add(1, "playback", if look % 10 == 0 { 2 } else { 90 });
            depths.add(2, "input", 60);
        }
        assert_eq!(depths.most, BTreeMap::from([("input".to_owned(), 60), ("playback".to_owned(), 90)]));
        assert_eq!(depths.at_rest, BTreeMap::from([("input".to_owned(), 60), ("playback".to_owned(), 2)]));
    }

    #[test]
    fn drops_stand_in_three_columns_of_a_leg() {
        let head = "Leg  Duration From caller  To caller Pipe full Malformed  Failed Digits\n";
        let leg = "700-17.4-101  00:00:09  100  101  1  2  3  0\n";
        assert_eq!(drops(&format!("{head}{leg}{leg}2 SlinPipe channels\n")).unwrap(), 12);
        assert_eq!(drops(&format!("{head}0 SlinPipe channels\n")).unwrap(), 0);
        let other = leg.replace("  0\n", "\n");
        for table in [format!("{head}{other}1 SlinPipe channel\n"), "No such command".to_owned()] {
            assert!(drops(&table).is_err(), "{table}");
        }
    }
}
