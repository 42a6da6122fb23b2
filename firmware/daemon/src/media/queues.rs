//! What waits in a leg, told by its task and read by whoever asks. The media thread only counts frames, as it does anyway.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A place where something may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Frames from the phone, until the session takes them.
    Input,
    /// Frames of utterances, until the recogniser's task takes them.
    Asr,
    /// Translations that were asked for.
    Mt,
    /// Segments whose speech is not complete.
    Tts,
    /// Frames of speech that the phone has not got.
    Playback,
}

impl Queue {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Input, Self::Asr, Self::Mt, Self::Tts, Self::Playback];

    /// As metrics and reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Asr => "asr",
            Self::Mt => "mt",
            Self::Tts => "tts",
            Self::Playback => "playback",
        }
    }
}

/// The queues of one leg.
#[derive(Debug, Default)]
pub struct Queues {
    taken: AtomicU64,
    depths: [AtomicU32; Queue::ALL.len()],
}

impl Queues {
    /// The session took a frame.
    pub fn took(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// So much waits there now. Nothing needs to be told of [`Queue::Input`].
    pub fn tell(&self, queue: Queue, depth: usize) {
        self.depths[queue as usize].store(u32::try_from(depth).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// What waits in `queue` of a leg that was passed so many frames. An echo takes none, and none wait.
    pub fn depth(&self, queue: Queue, frames_in: u64) -> u64 {
        match (queue, self.taken.load(Ordering::Relaxed)) {
            (Queue::Input, 0) => 0,
            (Queue::Input, taken) => frames_in.saturating_sub(taken),
            _ => self.depths[queue as usize].load(Ordering::Relaxed).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_taken_waits() {
        let queues = Queues::default();
        assert_eq!(queues.depth(Queue::Input, 9), 0, "nobody takes frames of an echo");
        (0..5).for_each(|_| queues.took());
        assert_eq!(queues.depth(Queue::Input, 9), 4);
        queues.tell(Queue::Playback, 7);
        assert_eq!(Queue::ALL.map(|queue| queues.depth(queue, 5)), [0, 0, 0, 0, 7]);
    }
}
