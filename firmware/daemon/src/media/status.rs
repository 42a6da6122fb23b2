//! What the media thread tells of itself, readable at any time without disturbing it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use audio_path::Histogram;
use rt_sys::sched::Policy;
use serde::Serialize;

/// Counters of the media thread.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) ticks: AtomicU64,
    pub(super) missed_ticks: AtomicU64,
    pub(super) lost_events: AtomicU64,
    pub(super) late_us: Histogram,
    /// The media thread ended, in order or not.
    pub(super) over: AtomicBool,
}

impl Counters {
    pub(super) fn tick(&self, count: u64, late_us: u32) {
        self.ticks.fetch_add(count, Ordering::Relaxed);
        self.missed_ticks.fetch_add(count - 1, Ordering::Relaxed);
        self.late_us.record(late_us);
    }
}

/// What the kernel granted the media thread when it started.
#[derive(Clone, Debug)]
pub struct Grants {
    /// The scheduling class in force.
    pub policy: Policy,
    /// The real-time priority in force, 0 without.
    pub priority: u8,
    /// Whether all memory is locked.
    pub locked: bool,
    /// What was refused, in words, with what to do.
    pub refused: Vec<String>,
}

/// A snapshot of the media thread's state, as reports and the control socket give it.
#[derive(Clone, Debug, Serialize)]
pub struct MediaStatus {
    /// The kernel's name of the scheduling class in force.
    pub policy: &'static str,
    /// The real-time priority in force, 0 without.
    pub priority: u8,
    /// Whether all memory is locked.
    pub locked: bool,
    /// What the kernel refused, in words.
    pub refused: Vec<String>,
    /// Ticks of 20 ms since the start, the missed ones included.
    pub ticks: u64,
    /// Ticks that were handled together with a later one.
    pub missed_ticks: u64,
    /// Events that found their ring full.
    pub lost_events: u64,
    /// How late ticks were handled.
    pub late_us: Lateness,
    /// Allocations and frees in the media thread since it was set up.
    pub allocations: u64,
    /// Whether the first of those would have ended the daemon.
    pub allocation_trap: bool,
}

/// Microseconds from when a tick was due to when the media thread handled it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Lateness {
    /// Median.
    pub p50: u32,
    /// 99 of 100 were no later.
    pub p99: u32,
    /// The latest.
    pub max: u32,
}

impl MediaStatus {
    pub(super) fn read(grants: &Grants, counters: &Counters) -> Self {
        let late = &counters.late_us;
        Self {
            policy: grants.policy.name(),
            priority: grants.priority,
            locked: grants.locked,
            refused: grants.refused.clone(),
            ticks: counters.ticks.load(Ordering::Relaxed),
            missed_ticks: counters.missed_ticks.load(Ordering::Relaxed),
            lost_events: counters.lost_events.load(Ordering::Relaxed),
            late_us: Lateness { p50: late.quantile(0.5), p99: late.quantile(0.99), max: late.max() },
            allocations: rt_sys::alloc::violations(),
            allocation_trap: rt_sys::alloc::aborts_on_violation(),
        }
    }
}
