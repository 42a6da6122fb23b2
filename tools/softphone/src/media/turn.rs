//! When did the other side begin to speak, and how long after us.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::audio::level;

/// A frame counts as speech when it is louder than [`level::SILENCE_DBFS`]; a reply has begun when this many of the
/// last [`WINDOW`] frames of 20 ms are speech, so that a click or a single lost frame decides nothing.
const NEEDED: usize = 5;
const WINDOW: usize = 10;

/// 20 ms as heard at the ear.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When its packet came from the network.
    pub arrived: Instant,
    /// When it leaves for the ear.
    pub played: Instant,
    /// The first loud sample, in seconds from the start of the frame; `None` for a silent frame.
    pub onset: Option<Duration>,
}

impl Heard {
    /// Looks at the level of a frame.
    pub fn new(samples: &[i16], sample_rate: u32, arrived: Instant, played: Instant) -> Self {
        let threshold = level::amplitude(level::SILENCE_DBFS);
        let onset = (level::dbfs(samples) > level::SILENCE_DBFS)
            .then(|| samples.iter().position(|s| s.saturating_abs() > threshold))
            .flatten()
            .map(|at| Duration::from_secs_f64(at as f64 / f64::from(sample_rate)));
        Self { arrived, played, onset }
    }
}

/// The beginning of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// When the packet with the first loud sample came, before the jitter buffer.
    pub arrived: Instant,
    /// When that sample left for the ear, after it.
    pub heard: Instant,
}

/// Finds the first speech after an instant.
#[derive(Debug)]
pub struct OnsetDetector {
    since: Instant,
    window: VecDeque<Option<Onset>>,
}

impl OnsetDetector {
    /// Looks for speech that arrives from `since` on.
    pub fn new(since: Instant) -> Self {
        Self { since, window: VecDeque::with_capacity(WINDOW + 1) }
    }

    /// Takes the next frame; gives the onset once enough frames are speech.
    pub fn on_frame(&mut self, heard: &Heard) -> Option<Onset> {
        if heard.arrived < self.since {
            return None;
        }
        let onset = heard.onset.map(|at| Onset { arrived: heard.arrived, heard: heard.played + at });
        self.window.push_back(onset);
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        let loud = self.window.iter().flatten().count();
        (loud >= NEEDED).then(|| self.window.iter().flatten().next().copied()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(start: Instant, number: u32, loud: bool) -> Heard {
        let arrived = start + Duration::from_millis(20) * number;
        let samples = if loud { [4000_i16; 320] } else { [20; 320] };
        Heard::new(&samples, 16_000, arrived, arrived + Duration::from_millis(15))
    }

    #[test]
    fn the_first_loud_sample_is_located_in_its_frame() {
        let mut samples = [0_i16; 320];
        samples[160..].fill(4000);
        let now = Instant::now();
        let heard = Heard::new(&samples, 16_000, now, now);
        assert_eq!(heard.onset, Some(Duration::from_millis(10)));
    }

    #[test]
    fn clicks_are_no_reply_and_the_onset_is_the_first_loud_frame() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut detector = OnsetDetector::new(start);
        for number in 0..100 {
            let click = number % 12 == 3;
            assert_eq!(detector.on_frame(&frame(start, number, click)), None);
        }
        let onset = (100..120).find_map(|number| detector.on_frame(&frame(start, number, true))).unwrap();
        // The click at 99 lies in the window of the speech that begins at 100.
        assert_eq!(onset.arrived, start + Duration::from_millis(20 * 99));
    }

    #[test]
    fn what_came_before_does_not_count() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut detector = OnsetDetector::new(start + Duration::from_secs(1));
        let onset = (0..200).find_map(|number| detector.on_frame(&frame(start, number, true))).unwrap();
        assert!(onset.arrived >= start + Duration::from_secs(1));
        assert!(onset.arrived < start + Duration::from_millis(1020));
    }
}
