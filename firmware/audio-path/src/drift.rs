//! Two clocks that should be equal and are not: a sound card's and the daemon's.

use std::f64::consts::PI;

/// Samples that one is made of.
const TAPS: usize = 16;
/// Places between two samples whose weights are known; those between them are interpolated.
const PLACES: usize = 64;
/// No crystal is farther off.
const MOST: f64 = 1e-3;
/// How hard a surplus is worked against, a second; critically damped. Devices tell their place in steps of up to 20 ms,
/// which is not to be taken for drift.
const HASTE: f64 = 0.03;

/// Turns a stream of one clock into one of another that differs from it by little. 16 kHz, 0.5 ms late.
#[derive(Clone, Debug)]
pub struct Resampler {
    weights: [[f32; TAPS]; PLACES + 1],
    line: [f32; TAPS],
    /// How far the next sample lies behind the middle of `line`, in samples.
    place: f64,
    /// Samples taken for one that is given.
    step: f64,
}

impl Default for Resampler {
    fn default() -> Self {
        let weights = std::array::from_fn(|place| weights(place as f64 / PLACES as f64));
        Self { weights, line: [0.0; TAPS], place: 0.0, step: 1.0 }
    }
}

/// A windowed sine cardinal around the middle, shifted by `place`, that leaves the level as it is.
fn weights(place: f64) -> [f32; TAPS] {
    let weight = |tap: usize| {
        let x = tap as f64 - (TAPS / 2 - 1) as f64 - place;
        let window = 0.5 + 0.5 * (2.0 * PI * x / (TAPS as f64 + 1.0)).cos();
        if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) * window }
    };
    let raw: [f64; TAPS] = std::array::from_fn(weight);
    let sum: f64 = raw.iter().sum();
    raw.map(|weight| (weight / sum) as f32)
}

impl Resampler {
    /// Takes one sample and gives none, one or two.
    pub fn push(&mut self, sample: i16, mut give: impl FnMut(i16)) {
        self.line.copy_within(1.., 0);
        self.line[TAPS - 1] = f32::from(sample);
        while self.place < 1.0 {
            give(self.sample());
            self.place += self.step;
        }
        self.place -= 1.0;
    }

    /// Gives so much less than it takes: `excess` is a share, as a [`Control`] finds it.
    pub fn set_excess(&mut self, excess: f64) {
        self.step = 1.0 + excess;
    }

    fn sample(&self) -> i16 {
        let at = self.place * PLACES as f64;
        let (below, part) = (at as usize, at.fract() as f32);
        let [low, high] = [below, (below + 1).min(PLACES)].map(|place| {
            self.line.iter().zip(&self.weights[place]).map(|(sample, weight)| sample * weight).sum::<f32>()
        });
        (low + (high - low) * part).round() as i16
    }
}

/// Finds how much faster one clock is than the other, from what that leaves over (a PI controller).
#[derive(Clone, Debug, Default)]
pub struct Control {
    sum: f64,
}

impl Control {
    /// The share by which less is to be given, when `surplus` samples too many are there; negative where some are missing.
    /// `seconds` went by since it was last asked.
    pub fn excess(&mut self, surplus: f64, seconds: f64) -> f64 {
        let rate = f64::from(crate::SAMPLE_RATE);
        self.sum = (self.sum + HASTE * HASTE * surplus * seconds / rate).clamp(-MOST, MOST);
        (2.0 * HASTE * surplus / rate + self.sum).clamp(-MOST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device whose clock is off by `ppm`, read in whole periods of `period` samples every 10 ms: what came out, and the
    /// farthest that it was from real time in the last minute.
    fn captured(ppm: f64, period: u64, seconds: u64) -> (Vec<i16>, f64) {
        let (mut resampler, mut control) = (Resampler::default(), Control::default());
        let (mut taken, mut out, mut worst) = (0_u64, Vec::new(), 0.0_f64);
        let step = std::f64::consts::TAU * 1_000.0 / (16_000.0 * (1.0 + ppm * 1e-6));
        for turn in 1..=seconds * 100 {
            let now = turn as f64 / 100.0;
            let ready = (now * 16_000.0 * (1.0 + ppm * 1e-6)) as u64 / period * period;
            while taken < ready {
                let sample = (10_000.0 * (taken as f64 * step).sin()) as i16;
                resampler.push(sample, |sample| out.push(sample));
                taken += 1;
            }
            let surplus = out.len() as f64 - now * 16_000.0;
            resampler.set_excess(control.excess(surplus, 0.01));
            if turn > (seconds - 60) * 100 {
                worst = worst.max((surplus + period as f64 / 2.0).abs());
            }
        }
        (out, worst)
    }

    /// A device whose clock is off by `ppm`, which is given 20 ms at a time for `seconds` and tells in whole periods what
    /// waits in it: the least that did before it was given more, and the most after it.
    fn played(ppm: f64, period: u64, seconds: u64) -> (f64, f64) {
        let (mut resampler, mut control) = (Resampler::default(), Control::default());
        // Begun with 40 ms ahead, as the sound card's port does.
        let (mut given, mut least, mut most) = (640_u64, f64::MAX, 0.0_f64);
        for turn in 0..seconds * 50 {
            let used = turn as f64 / 50.0 * 16_000.0 * (1.0 + ppm * 1e-6);
            least = least.min(given as f64 - used);
            for _ in 0..320 {
                resampler.push(0, |_| given += 1);
            }
            most = most.max(given as f64 - used);
            let waits = given as f64 - (used as u64 / period * period) as f64;
            resampler.set_excess(control.excess(waits - 960.0, 0.02));
        }
        (least, most)
    }

    #[test]
    fn a_device_that_is_off_by_300_ppm_never_runs_dry_nor_over() {
        for ppm in [-300.0, 0.0, 300.0] {
            for period in [1, 160, 320] {
                let (least, most) = played(ppm, period, 600);
                assert!(least > 160.0 && most < 1_440.0, "{ppm} ppm, periods of {period}: {least} to {most}");
            }
        }
    }

    #[test]
    fn clocks_that_are_off_by_300_ppm_are_held_together() {
        for ppm in [-300.0, -37.0, 0.0, 300.0] {
            for period in [1, 160, 320] {
                let (_, worst) = captured(ppm, period, 180);
                assert!(
                    worst < period as f64 * 1.25 + 50.0,
                    "{ppm} ppm, periods of {period}: off by {worst} samples"
                );
            }
        }
    }

    #[test]
    fn a_tone_stays_clean_while_its_clock_is_corrected() {
        let (out, _) = captured(200.0, 1, 120);
        let last = &out[out.len() - 320..];
        // The best sine of 1 kHz that fits, and what it leaves.
        let turn = std::f64::consts::TAU / 16.0;
        let (mut sine, mut cosine, mut power) = (0.0, 0.0, 0.0);
        for (n, sample) in last.iter().enumerate() {
            let (s, c) = (turn * n as f64).sin_cos();
            sine += f64::from(*sample) * s;
            cosine += f64::from(*sample) * c;
            power += f64::from(*sample).powi(2);
        }
        let tone = (sine.powi(2) + cosine.powi(2)) * 2.0 / 320.0;
        let left = 10.0 * ((power - tone).max(1.0) / power).log10();
        assert!(left < -40.0, "{left} dB beside the tone");
    }

    #[test]
    fn equal_clocks_change_nothing() {
        let mut resampler = Resampler::default();
        let mut out = Vec::new();
        let sent: Vec<i16> = (0..1_000).map(|n| (n * 7_919 % 30_011) as i16).collect();
        for sample in &sent {
            resampler.push(*sample, |sample| out.push(sample));
        }
        assert_eq!(out[8..], sent[..992]);
    }

    #[test]
    fn full_scale_saturates() {
        let mut resampler = Resampler { place: 0.5, ..Resampler::default() };
        let mut loudest = 0;
        for n in 0..200 {
            let sample = if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN };
            resampler.push(sample, |sample| loudest = sample.unsigned_abs().max(loudest));
        }
        assert!(loudest >= 32_767);
    }
}
