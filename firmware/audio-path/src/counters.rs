use std::sync::atomic::{AtomicU64, Ordering};

use crate::DropReason;

/// What happened to a leg's frames: written by the media thread, read by anyone.
#[derive(Debug, Default)]
pub struct LegCounters {
    frames_in: AtomicU64,
    frames_out: AtomicU64,
    concealed: AtomicU64,
    reordered: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl LegCounters {
    /// Counts a frame that arrived from the phone's side and was passed on.
    pub fn count_in(&self) {
        self.frames_in.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a frame that was written to the phone's side.
    pub fn count_out(&self) {
        self.frames_out.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a tick at which a segment under way had no frame ready.
    pub fn count_concealed(&self) {
        self.concealed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a packet that was overtaken on its way, and played in its place all the same.
    pub fn count_reordered(&self) {
        self.reordered.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts `frames` that were not passed on.
    pub fn count_dropped(&self, reason: DropReason, frames: u64) {
        self.dropped[reason as usize].fetch_add(frames, Ordering::Relaxed);
    }

    /// Frames that arrived and were passed on.
    pub fn frames_in(&self) -> u64 {
        self.frames_in.load(Ordering::Relaxed)
    }

    /// Frames written.
    pub fn frames_out(&self) -> u64 {
        self.frames_out.load(Ordering::Relaxed)
    }

    /// Ticks at which a segment under way had no frame ready.
    pub fn concealed(&self) -> u64 {
        self.concealed.load(Ordering::Relaxed)
    }

    /// Packets that were overtaken on their way, and played in their place all the same.
    pub fn reordered(&self) -> u64 {
        self.reordered.load(Ordering::Relaxed)
    }

    /// Frames dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    /// Each reason for which frames were dropped, with how many.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .map(|reason| (reason, self.dropped(reason)))
            .filter(|&(_, frames)| frames > 0)
    }
}
