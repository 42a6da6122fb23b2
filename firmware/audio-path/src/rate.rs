//! Between 16 kHz and the 8 kHz of narrow-band telephony.

/// A half-band low pass of 47 taps, flat to 3.4 kHz and 63 dB down from 4.6 kHz: the taps beside the middle at odd
/// distances 1, 3, … in units of 2⁻¹⁶; those at even distances are 0, the middle is ½.
const TAPS: [i32; 12] = [20_781, -6_686, 3_735, -2_393, 1_604, -1_084, 721, -465, 285, -162, 82, -34];
const SPAN: usize = 2 * TAPS.len();

/// The weighted sum around the middle of `line`, oldest first.
fn around_middle(line: &[i16; SPAN]) -> i32 {
    let (before, after) = line.split_at(SPAN / 2);
    let pairs = before.iter().rev().zip(after);
    pairs.zip(TAPS).map(|((before, after), tap)| tap * (i32::from(*before) + i32::from(*after)) / 2).sum()
}

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// 8 kHz to 16 kHz; 1.5 ms late.
#[derive(Clone, Debug, Default)]
pub struct Doubler {
    line: [i16; SPAN],
}

impl Doubler {
    /// Two samples for one.
    pub fn double(&mut self, sample: i16) -> [i16; 2] {
        self.line.copy_within(1.., 0);
        self.line[SPAN - 1] = sample;
        let between = (around_middle(&self.line) + (1 << 13)) >> 14;
        [self.line[SPAN / 2 - 1], saturate(between)]
    }
}

/// 16 kHz to 8 kHz; 1.4 ms late.
#[derive(Clone, Debug, Default)]
pub struct Halver {
    kept: [i16; SPAN / 2],
    line: [i16; SPAN],
}

impl Halver {
    /// One sample for two.
    pub fn halve(&mut self, pair: [i16; 2]) -> i16 {
        self.kept.copy_within(1.., 0);
        self.kept[SPAN / 2 - 1] = pair[0];
        self.line.copy_within(1.., 0);
        self.line[SPAN - 1] = pair[1];
        let sum = (i32::from(self.kept[0]) << 14) + around_middle(&self.line);
        saturate((sum + (1 << 14)) >> 15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: f64, hertz: f64, samples: usize) -> Vec<i16> {
        (0..samples)
            .map(|n| (10_000.0 * (std::f64::consts::TAU * hertz * n as f64 / rate).sin()) as i16)
            .collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    }

    fn halved(samples: &[i16]) -> Vec<i16> {
        let mut halver = Halver::default();
        samples.chunks_exact(2).map(|pair| halver.halve([pair[0], pair[1]])).collect()
    }

    fn doubled(samples: &[i16]) -> Vec<i16> {
        let mut doubler = Doubler::default();
        samples.iter().flat_map(|sample| doubler.double(*sample)).collect()
    }

    #[test]
    fn speech_passes_both_ways_and_comes_back_23_samples_late() {
        for hertz in [300.0, 1_000.0, 3_400.0] {
            let sent = tone(8_000.0, hertz, 4_000);
            let back = halved(&doubled(&sent));
            let worst = sent[100..3_900].iter().zip(&back[123..]).map(|(a, b)| (a - b).abs()).max().unwrap();
            assert!(worst < 20, "{hertz} Hz: off by {worst}");
        }
    }

    #[test]
    fn what_does_not_fit_into_8_khz_does_not_fold_into_it() {
        for hertz in [4_700.0, 6_000.0, 7_900.0] {
            let level = rms(&halved(&tone(16_000.0, hertz, 8_000))[50..]);
            assert!(level < 10.0, "{hertz} Hz comes through with {level}");
        }
    }

    #[test]
    fn no_mirror_of_speech_is_heard_above_4_khz() {
        let up = doubled(&tone(8_000.0, 1_000.0, 4_000));
        // The mirror of 1 kHz is 7 kHz: what a notch at 1 kHz leaves.
        let w = 2.0 * (std::f64::consts::TAU / 16.0).cos();
        let left: Vec<i16> = up[100..]
            .windows(3)
            .map(|s| (f64::from(s[0]) - w * f64::from(s[1]) + f64::from(s[2])) as i16)
            .collect();
        assert!(rms(&left) < 15.0, "{}", rms(&left));
    }

    #[test]
    fn full_scale_saturates_and_never_wraps() {
        let square: Vec<i16> = (0..2_000).map(|n| if n / 9 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        for sample in doubled(&square)[100..].windows(9).chain(halved(&square)[100..].windows(5)) {
            assert!(sample.iter().any(|s| s.unsigned_abs() > 1_000));
        }
    }
}
