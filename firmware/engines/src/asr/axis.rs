//! Where the time of one connection lies on the leg's own axis.

use std::collections::VecDeque;
use std::time::Duration;

/// Samples a second of all audio that is sent.
const RATE: f64 = 16_000.0;
const NANOS_A_SAMPLE: u64 = 62_500;
/// How many stretches of silence are remembered; times before the oldest are long answered.
const PADS_AT_MOST: usize = 256;

/// Maps the times of a connection, which begin at 0, to the leg's. Silence that only keeps the connection open belongs
/// to the connection and not to the leg.
#[derive(Debug)]
pub(super) struct Axis {
    before: Duration,
    /// Samples on the connection, padding included.
    sent: u64,
    /// Samples of padding that is no longer listed.
    folded: u64,
    pads: VecDeque<Pad>,
}

#[derive(Debug)]
struct Pad {
    at: u64,
    samples: u64,
}

impl Axis {
    /// A connection that begins when so much of the leg's audio went before it.
    pub(super) fn new(before: Duration) -> Self {
        Self { before, sent: 0, folded: 0, pads: VecDeque::new() }
    }

    /// So many samples of the leg were sent.
    pub(super) fn send(&mut self, samples: usize) {
        self.sent += samples as u64;
    }

    /// So many samples were sent that are none of the leg's.
    pub(super) fn pad(&mut self, samples: usize) {
        let samples = samples as u64;
        match self.pads.back_mut().filter(|pad| pad.at + pad.samples == self.sent) {
            Some(pad) => pad.samples += samples,
            None => self.pads.push_back(Pad { at: self.sent, samples }),
        }
        self.sent += samples;
        if self.pads.len() > PADS_AT_MOST {
            self.folded += self.pads.pop_front().map_or(0, |pad| pad.samples);
        }
    }

    /// Nothing was sent on this connection, not even padding.
    pub(super) fn is_unused(&self) -> bool {
        self.sent == 0
    }

    /// The end of what was sent of the leg.
    pub(super) fn sent(&self) -> Duration {
        self.at(self.sent)
    }

    /// A time that the provider told. Never beyond what was sent, whatever it told.
    pub(super) fn leg(&self, seconds: f64) -> Duration {
        self.at(((seconds * RATE).round() as u64).min(self.sent))
    }

    fn at(&self, sample: u64) -> Duration {
        let padded: u64 = self.pads.iter().map(|pad| sample.saturating_sub(pad.at).min(pad.samples)).sum();
        let samples = sample.saturating_sub(padded + self.folded);
        self.before + Duration::from_nanos(samples * NANOS_A_SAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn padding_takes_no_time() {
        let mut axis = Axis::new(MS(5_000));
        axis.pad(320);
        axis.send(16_000);
        axis.pad(1_600);
        axis.pad(1_600);
        axis.send(16_000);
        assert_eq!(axis.sent(), MS(7_000));
        assert_eq!(axis.leg(0.01), MS(5_000));
        assert_eq!(axis.leg(0.52), MS(5_500));
        assert_eq!(axis.leg(1.1), MS(6_000));
        assert_eq!(axis.leg(1.22 + 0.25), MS(6_250));
    }

    #[test]
    fn no_time_lies_outside_of_what_was_sent() {
        let mut axis = Axis::new(MS(100));
        axis.send(1_600);
        for (told, meant) in [(-3.0, 100), (f64::MAX, 200), (f64::INFINITY, 200), (f64::NAN, 100)] {
            assert_eq!(axis.leg(told), MS(meant));
        }
    }

    #[test]
    fn old_padding_is_folded() {
        let mut axis = Axis::new(Duration::ZERO);
        for _ in 0..1_000 {
            axis.pad(320);
            axis.send(320);
        }
        assert_eq!(axis.sent(), MS(20_000));
        assert!(axis.pads.len() <= PADS_AT_MOST);
    }
}
