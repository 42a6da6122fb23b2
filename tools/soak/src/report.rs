//! The figures, and which bounds they broke.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use engine_emulators::Counts;
use serde::Serialize;
use serde_json::Value;

use crate::run::{Soak, Watched};
use crate::speech::EVERY;
use crate::told::Told;
use crate::watch::Look;

const DROPPED_PERCENT: f64 = 0.1;
const AT_REST_FRAMES: u64 = 50;
const GROWTH_KIB: u64 = 10 * 1024;
/// Of what is said, so much must be translated.
const TRANSLATED: f64 = 0.9;
/// Of all ticks, so many may be missed.
const MISSED: f64 = 0.001;
/// Samples of memory that one figure is the median of.
const LOOKS: usize = 10;

/// All that was seen.
pub(crate) struct Outcome {
    pub(crate) soak: Soak,
    pub(crate) watched: Watched,
    pub(crate) before: Look,
    pub(crate) after: Look,
    pub(crate) told: Told,
    pub(crate) engines: [(&'static str, Counts); 3],
    pub(crate) left: Vec<String>,
}

/// One JSON object; `met` is true only when no bound broke.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether all bounds held.
    pub met: bool,
    /// Those that did not.
    pub broken: Vec<String>,
    legs: u16,
    seconds: u64,
    translations: Translations,
    frames: Frames,
    queues: Queues,
    memory: Memory,
    cpu_percent_of_a_core: Busy,
    descriptors: Held,
    threads: Held,
    tasks: Held,
    /// The media thread of the daemon: ticks, lateness, allocations.
    media: Value,
    engines: BTreeMap<&'static str, Counts>,
    events: BTreeMap<String, u64>,
    errors: Vec<String>,
    left_over: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Translations {
    /// Heard to their end while all calls stood.
    completed: u64,
    /// Of so many sentences, at least.
    said: u64,
    legs: usize,
    latency_ms: Latency,
}

/// From the end of a clause to its first translated sample.
#[derive(Debug, Serialize)]
struct Latency {
    p50: u32,
    p95: u32,
    p99: u32,
    most: u32,
}

#[derive(Debug, Serialize)]
struct Frames {
    processed: u64,
    dropped: BTreeMap<String, u64>,
    dropped_by_driver: u64,
    dropped_percent: f64,
}

#[derive(Debug, Serialize)]
struct Queues {
    at_rest: BTreeMap<String, u64>,
    most: BTreeMap<String, u64>,
}

/// Resident memory of the daemon.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    #[serde(skip)]
    warm_after: Duration,
    #[serde(skip)]
    looks: Vec<u64>,
    warm_kib: u64,
    end_kib: u64,
    most_kib: u64,
}

/// Shares of one core.
#[derive(Debug, Serialize)]
pub(crate) struct Busy {
    pub(crate) daemon: f64,
    pub(crate) media_thread: f64,
    pub(crate) asterisk: f64,
    pub(crate) callers: f64,
    pub(crate) engines_and_watching: f64,
}

#[derive(Debug, Serialize)]
struct Held {
    before: u64,
    most: u64,
    after: u64,
}

impl Memory {
    pub(crate) fn new(warm_after: Duration) -> Self {
        Self { warm_after, looks: Vec::new(), warm_kib: 0, end_kib: 0, most_kib: 0 }
    }

    pub(crate) fn look(&mut self, elapsed: Duration, resident_kib: u64) {
        if elapsed < self.warm_after {
            return;
        }
        self.looks.push(resident_kib);
        if self.looks.len() <= LOOKS {
            self.warm_kib = median(&self.looks);
        }
        self.end_kib = median(&self.looks[self.looks.len().saturating_sub(LOOKS)..]);
        self.most_kib = self.most_kib.max(resident_kib);
    }
}

fn median(numbers: &[u64]) -> u64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl Report {
    pub(crate) fn new(outcome: Outcome) -> Self {
        let Outcome { soak, watched, before, after, told, engines, left } = outcome;
        let sentences = soak.lasts.as_secs() / EVERY.as_secs();
        // What was being said as the last call came is not counted.
        let said = u64::from(soak.legs) * sentences.saturating_sub(1);
        let lost = after.dropped() + watched.dropped_by_driver;
        let percent = 100.0 * lost as f64 / after.frames_processed.max(1) as f64;
        let mut report = Self {
            met: false,
            broken: Vec::new(),
            legs: soak.legs,
            seconds: soak.lasts.as_secs(),
            translations: Translations {
                completed: watched.last.translations,
                said,
                legs: told.translated.len(),
                latency_ms: Latency::of(told.latencies_ms),
            },
            frames: Frames {
                processed: after.frames_processed,
                dropped: after.frames_dropped,
                dropped_by_driver: watched.dropped_by_driver,
                dropped_percent: (percent * 10_000.0).round() / 10_000.0,
            },
            queues: Queues { at_rest: watched.depths.at_rest, most: watched.depths.most },
            memory: watched.memory,
            cpu_percent_of_a_core: watched.busy,
            descriptors: Held {
                before: before.descriptors,
                most: watched.most_descriptors,
                after: after.descriptors,
            },
            threads: Held { before: before.threads, most: watched.most_threads, after: after.threads },
            tasks: Held { before: before.tasks, most: watched.most_tasks, after: after.tasks },
            media: after.status["media"].clone(),
            engines: BTreeMap::from(engines),
            events: told.kinds,
            errors: told.errors,
            left_over: left,
        };
        report.broken = report.bounds();
        report.met = report.broken.is_empty();
        report
    }

    fn bounds(&self) -> Vec<String> {
        let broken = |is: bool, what: String| is.then_some(what);
        let Translations { completed, said, legs, .. } = self.translations;
        let percent = self.frames.dropped_percent;
        let grown = self.memory.end_kib.saturating_sub(self.memory.warm_kib);
        let of_media = |name: &str| self.media[name].as_u64().unwrap_or(u64::MAX);
        let missed = of_media("missed_ticks");
        let mut all: Vec<String> = [
            broken(
                legs < self.legs.into(),
                format!("translation: {legs} legs of {} were translated", self.legs),
            ),
            broken(
                (completed as f64) < TRANSLATED * said as f64,
                format!("translation: {completed} translations were heard of {said} sentences said"),
            ),
            broken(
                percent >= DROPPED_PERCENT,
                format!("frames: {percent} % were dropped, wanted less than {DROPPED_PERCENT} %"),
            ),
            broken(
                grown > GROWTH_KIB,
                format!("memory: {grown} KiB more than when warm, wanted {GROWTH_KIB} at most"),
            ),
            broken(of_media("allocations") > 0, "media thread: it allocated".to_owned()),
            broken(
                missed as f64 > MISSED * of_media("ticks") as f64,
                format!("media thread: it missed {missed} ticks of {}", self.media["ticks"]),
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        let too_long = self.queues.at_rest.iter().filter(|(_, depth)| **depth > AT_REST_FRAMES);
        all.extend(too_long.map(|(queue, depth)| {
            format!("queues: {depth} stayed in {queue} of a leg, wanted {AT_REST_FRAMES} at most")
        }));
        all.extend(self.left_over.iter().map(|left| format!("left over: {left}")));
        all
    }
}

impl Latency {
    fn of(mut all: Vec<u32>) -> Self {
        all.sort_unstable();
        let rank = |percent: usize| {
            all.get((all.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or_default()
        };
        Self { p50: rank(50), p95: rank(95), p99: rank(99), most: rank(100) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Translations { completed, said, ref latency_ms, .. } = self.translations;
        let Frames { processed, ref dropped, dropped_by_driver, dropped_percent } = self.frames;
        writeln!(f, "{} calls for {} s", self.legs, self.seconds)?;
        writeln!(
            f,
            "  translated   {completed} of {said} sentences; heard after {} ms, 95 of 100 within {}, 99 within {}",
            latency_ms.p50, latency_ms.p95, latency_ms.p99
        )?;
        writeln!(
            f,
            "  frames       {processed}, dropped {dropped_percent} %: {dropped:?}, by the driver {dropped_by_driver}"
        )?;
        writeln!(f, "  queues       at rest {:?}, at most {:?}", self.queues.at_rest, self.queues.most)?;
        let Memory { warm_kib, end_kib, most_kib, .. } = self.memory;
        writeln!(f, "  memory       {warm_kib} KiB when warm, {end_kib} at the end, {most_kib} at most")?;
        let Busy { daemon, media_thread, asterisk, callers, engines_and_watching } =
            self.cpu_percent_of_a_core;
        writeln!(
            f,
            "  CPU, %       daemon {daemon} (media thread {media_thread}), Asterisk {asterisk}, callers {callers}, \
             engines and watching {engines_and_watching}"
        )?;
        for (name, Held { before, most, after }) in
            [("descriptors", &self.descriptors), ("threads", &self.threads), ("tasks", &self.tasks)]
        {
            writeln!(f, "  {name:<12} {before} before, {most} at most, {after} after")?;
        }
        writeln!(
            f,
            "  ticks        late by µs {}, missed {}",
            self.media["late_us"], self.media["missed_ticks"]
        )?;
        for error in &self.errors {
            writeln!(f, "  error        {error}")?;
        }
        self.broken.iter().try_for_each(|broken| writeln!(f, "BROKEN  {broken}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_compared_from_when_it_is_warm() {
        let mut memory = Memory::new(Duration::from_secs(5));
        for second in 0..40 {
            memory.look(Duration::from_secs(second), 1_000 + 10 * second);
        }
        assert_eq!((memory.warm_kib, memory.end_kib, memory.most_kib), (1_100, 1_350, 1_390));
    }

    #[test]
    fn ranks_are_those_of_sorted_times() {
        let latency = Latency::of((1..=200).rev().collect());
        assert_eq!([latency.p50, latency.p95, latency.p99, latency.most], [100, 190, 198, 200]);
        assert_eq!(Latency::of(Vec::new()).most, 0);
    }
}
