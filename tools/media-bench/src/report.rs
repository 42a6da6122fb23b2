//! The figures, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::callgrind::Instructions;
use crate::conference::Conference;
use crate::daemon::Usage;
use crate::floor::Floor;
use crate::phones::Trips;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    legs: u16,
    seconds: u32,
    direct: Run,
    playout: Run,
    conference: Conference,
    instructions_per_frame: Option<Instructions>,
    floor: Floor,
    /// The daemon's CPU a frame as a multiple of the floor's: `gathered_us` at once, `woken_us` at the tick.
    above_floor: AboveFloor,
}

#[derive(Serialize)]
struct AboveFloor {
    direct: f64,
    playout: f64,
}

/// One daemon, one way of returning the audio.
#[derive(Serialize)]
pub(crate) struct Run {
    frames_sent: u64,
    frames_returned: u64,
    frames_damaged: u64,
    /// Frames that the daemon dropped meanwhile, by reason.
    frames_dropped: BTreeMap<String, u64>,
    round_trip_us: RoundTrip,
    /// User and system time of the whole daemon, as a share of one core, for each leg.
    cpu_percent_per_leg: f64,
    cpu_us_per_frame: f64,
    media_thread_percent: f64,
    /// Of the media thread alone.
    media_us_per_frame: f64,
    resident_kib: [u64; 2],
    media: Value,
}

#[derive(Serialize)]
struct RoundTrip {
    p50: u64,
    p99: u64,
    p99_9: u64,
    max: u64,
}

impl Run {
    pub(crate) fn new(
        legs: u16,
        before: &Usage,
        after: &Usage,
        trips: &Trips,
        status: &Value,
        dropped_before: &BTreeMap<String, u64>,
    ) -> Result<Self> {
        let wall = (after.at - before.at).as_secs_f64();
        let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let media_cpu = after.media_cpu.saturating_sub(before.media_cpu).as_secs_f64();
        let quantile = |q| trips.micros.value_at_quantile(q);
        Ok(Self {
            frames_sent: trips.sent,
            frames_returned: trips.returned,
            frames_damaged: trips.damaged,
            frames_dropped: dropped(status)?
                .into_iter()
                .map(|(reason, frames)| (reason.clone(), frames - dropped_before.get(&reason).unwrap_or(&0)))
                .filter(|(_, frames)| *frames > 0)
                .collect(),
            round_trip_us: RoundTrip {
                p50: quantile(0.5),
                p99: quantile(0.99),
                p99_9: quantile(0.999),
                max: trips.micros.max(),
            },
            cpu_percent_per_leg: 100.0 * cpu / wall / f64::from(legs),
            cpu_us_per_frame: cpu * 1e6 / trips.sent.max(1) as f64,
            media_thread_percent: 100.0 * media_cpu / wall,
            media_us_per_frame: media_cpu * 1e6 / trips.sent.max(1) as f64,
            resident_kib: [before.resident_kib, after.resident_kib],
            media: status["media"].clone(),
        })
    }

    fn lossless(&self) -> bool {
        self.frames_sent == self.frames_returned && self.frames_damaged == 0
    }
}

/// What the daemon has dropped so far, over all its legs.
pub(crate) fn dropped(status: &Value) -> Result<BTreeMap<String, u64>> {
    let mut sums = BTreeMap::new();
    for leg in status["legs"].as_array().into_iter().flatten() {
        let reasons: BTreeMap<String, u64> = serde_json::from_value(leg["frames"]["dropped"].clone())?;
        for (reason, frames) in reasons {
            *sums.entry(reason).or_default() += frames;
        }
    }
    Ok(sums)
}

impl Report {
    pub(crate) fn new(
        legs: u16,
        seconds: u32,
        [direct, playout]: [Run; 2],
        conference: Conference,
        instructions_per_frame: Option<Instructions>,
        floor: Floor,
    ) -> Self {
        let above_floor = AboveFloor {
            direct: direct.cpu_us_per_frame / floor.gathered_us,
            playout: playout.cpu_us_per_frame / floor.woken_us,
        };
        Self { legs, seconds, direct, playout, conference, instructions_per_frame, floor, above_floor }
    }

    pub(crate) fn lossless(&self) -> bool {
        self.direct.lossless() && self.playout.lossless()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} legs for {} s{:>24}{:>14}", self.legs, self.seconds, "at once", "at the tick")?;
        let (a, b) = (&self.direct, &self.playout);
        let mut row = |name: &str, a: String, b: String| writeln!(f, "  {name:<28}{a:>14}{b:>14}");
        let (trip_a, trip_b) = (&a.round_trip_us, &b.round_trip_us);
        row("round trip p50, µs", trip_a.p50.to_string(), trip_b.p50.to_string())?;
        row("round trip p99, µs", trip_a.p99.to_string(), trip_b.p99.to_string())?;
        row("round trip p99.9, µs", trip_a.p99_9.to_string(), trip_b.p99_9.to_string())?;
        row("round trip max, µs", trip_a.max.to_string(), trip_b.max.to_string())?;
        let late = |run: &Run| run.media["late_us"].to_string();
        row("frames sent", a.frames_sent.to_string(), b.frames_sent.to_string())?;
        row("frames returned", a.frames_returned.to_string(), b.frames_returned.to_string())?;
        row("frames damaged", a.frames_damaged.to_string(), b.frames_damaged.to_string())?;
        row(
            "CPU a leg, % of a core",
            format!("{:.4}", a.cpu_percent_per_leg),
            format!("{:.4}", b.cpu_percent_per_leg),
        )?;
        row("CPU a frame, µs", format!("{:.2}", a.cpu_us_per_frame), format!("{:.2}", b.cpu_us_per_frame))?;
        let Floor { calls_us, woken_us, gathered_us } = self.floor;
        row("system calls alone, µs", format!("{calls_us:.2}"), format!("{calls_us:.2}"))?;
        row("with a wake-up each, µs", format!("{woken_us:.2}"), format!("{woken_us:.2}"))?;
        row("gathered for 0.8 ms, µs", format!("{gathered_us:.2}"), String::new())?;
        if let Some(count) = self.instructions_per_frame {
            row("instructions a frame", format!("{:.0}", count.direct), format!("{:.0}", count.playout))?;
        }
        row("resident, KiB", format!("{:?}", a.resident_kib), format!("{:?}", b.resident_kib))?;
        row("allocations", a.media["allocations"].to_string(), b.media["allocations"].to_string())?;
        writeln!(f, "  tick lateness, µs: {} and {}", late(a), late(b))?;
        writeln!(f, "  dropped by the daemon: {:?} and {:?}", a.frames_dropped, b.frames_dropped)?;
        let Conference { cpu_us_per_frame, frames_dropped, media, .. } = &self.conference;
        writeln!(
            f,
            "  in rooms of four: {cpu_us_per_frame:.2} µs of the media thread a frame (at the tick: {:.2}), \
             dropped {frames_dropped:?}, lateness {}, allocations {}",
            b.media_us_per_frame, media["late_us"], media["allocations"],
        )
    }
}
