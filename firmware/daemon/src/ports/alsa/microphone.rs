//! What is recorded, on the daemon's clock.

use std::time::Duration;

use alsa::pcm::PCM;
use audio_path::drift::{Control, Resampler};
use audio_path::{Frame, Producer, SAMPLE_RATE, SAMPLES_PER_FRAME};
use rt_sys::monotonic_nanos;

use super::card::{Fault, TURN, is_not_now, mend};

/// Samples that are read at once, and how often at one look: twice what a card records meanwhile, so that it is caught up
/// with, and one without a clock is held back.
const READ_SAMPLES: usize = SAMPLES_PER_FRAME / 2;
const READS: usize = 2;
/// Looks without a sample after which the clock stands still: a second.
const STILL_LOOKS: u32 = 100;
/// So far behind or ahead of the time is no drift.
const NO_DRIFT_SAMPLES: f64 = SAMPLE_RATE as f64 / 5.0;

pub(super) struct Microphone {
    pcm: PCM,
    ring: Producer<Frame>,
    resampler: Resampler,
    control: Control,
    frame: Frame,
    filled: usize,
    /// When the stream began, in real time, and samples given or counted as lost since.
    began: Option<u64>,
    given: u64,
    /// Looks since a sample came.
    still: u32,
}

impl Microphone {
    pub(super) fn new(pcm: PCM, ring: Producer<Frame>) -> Self {
        Self {
            pcm,
            ring,
            resampler: Resampler::default(),
            control: Control::default(),
            frame: Frame::SILENCE,
            filled: 0,
            began: None,
            given: 0,
            still: 0,
        }
    }

    /// Takes what was recorded, or throws it away where it is not `wanted`; how many frames were lost.
    pub(super) fn look(&mut self, wanted: bool) -> Result<u64, Fault> {
        let mut lost = 0;
        self.still += 1;
        for _ in 0..READS {
            let mut samples = [0; READ_SAMPLES];
            let read = self.pcm.io_i16()?.readi(&mut samples);
            match read {
                Ok(read) => {
                    self.still = 0;
                    if wanted {
                        lost += self.take(&samples[..read]);
                    }
                }
                Err(error) if is_not_now(&error) => break,
                Err(error) => {
                    mend(&self.pcm, error)?;
                    lost += self.miss(monotonic_nanos());
                }
            }
        }
        if self.still < STILL_LOOKS { Ok(lost) } else { Err(Fault::Still) }
    }

    /// How many frames found no room or are missing.
    fn take(&mut self, samples: &[i16]) -> u64 {
        let mut lost = 0;
        for sample in samples {
            let (frame, filled, ring) = (&mut self.frame, &mut self.filled, &mut self.ring);
            let given = &mut self.given;
            self.resampler.push(*sample, |sample| {
                frame.0[*filled] = sample;
                *filled = (*filled + 1) % SAMPLES_PER_FRAME;
                *given += 1;
                if *filled == 0 {
                    lost += u64::from(ring.push(*frame).is_err());
                }
            });
        }
        lost + self.keep_time(monotonic_nanos())
    }

    /// How many frames are missing.
    fn keep_time(&mut self, now: u64) -> u64 {
        let Some(surplus) = self.surplus(now).filter(|surplus| *surplus <= NO_DRIFT_SAMPLES) else {
            (self.began, self.given) = (Some(now), 0);
            return 0;
        };
        if surplus < -NO_DRIFT_SAMPLES {
            return self.miss(now);
        }
        self.resampler.set_excess(self.control.excess(surplus, TURN.as_secs_f64()));
        0
    }

    /// By how many samples more was given than time went by, since the stream began.
    fn surplus(&self, now: u64) -> Option<f64> {
        let seconds = Duration::from_nanos(now.saturating_sub(self.began?)).as_secs_f64();
        Some(self.given as f64 - seconds * f64::from(SAMPLE_RATE))
    }

    /// What should have come by now and did not is lost: whole frames of it.
    fn miss(&mut self, now: u64) -> u64 {
        let missing = -self.surplus(now).unwrap_or(0.0) / SAMPLES_PER_FRAME as f64;
        let frames = missing.round() as u64;
        self.given += frames * SAMPLES_PER_FRAME as u64;
        frames
    }
}
