//! How loud, and where speech starts and ends.

use std::ops::Range;

/// Level below which a line counts as silent, in dB below full scale: above the noise of G.711, below soft speech.
pub const SILENCE_DBFS: f64 = -45.0;

/// Root mean square of `samples`, in dB below full scale; −∞ for silence.
pub fn dbfs(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return f64::NEG_INFINITY;
    }
    let energy: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
    10.0 * (energy / f64::from(i16::MAX).powi(2)).log10()
}

/// The amplitude of a level.
pub fn amplitude(dbfs: f64) -> i16 {
    (f64::from(i16::MAX) * 10_f64.powf(dbfs / 20.0)).min(f64::from(i16::MAX)) as i16
}

/// The samples from the first to the last 10 ms that are speech: louder than −60 dBFS and less than 35 dB below the
/// loudest 10 ms. Empty for a silent recording.
pub fn spoken(samples: &[i16], sample_rate: u32) -> Range<usize> {
    let window = (sample_rate / 100).max(1) as usize;
    let levels: Vec<f64> = samples.chunks(window).map(dbfs).collect();
    let loudest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let threshold = (loudest - 35.0).max(-60.0);
    let speech = |level: &f64| *level >= threshold;
    match (levels.iter().position(speech), levels.iter().rposition(speech)) {
        (Some(first), Some(last)) => first * window..((last + 1) * window).min(samples.len()),
        _ => 0..0,
    }
}

/// Normalised correlation of two signals of one length, −1 to 1.
pub fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let sums = a.iter().zip(b).fold((0.0, 0.0, 0.0), |(ab, aa, bb), (x, y)| {
        let (x, y) = (f64::from(*x), f64::from(*y));
        (ab + x * y, aa + x * x, bb + y * y)
    });
    let (ab, aa, bb) = sums;
    if aa == 0.0 || bb == 0.0 { 0.0 } else { ab / (aa * bb).sqrt() }
}

/// Where `needle` sits best in `haystack`, and the correlation there. Compares every fourth sample first.
pub fn best_match(needle: &[i16], haystack: &[i16]) -> Option<(usize, f64)> {
    let last = haystack.len().checked_sub(needle.len())?;
    let coarse = |offset: &usize| {
        let pairs = needle.iter().step_by(4).zip(haystack[*offset..].iter().step_by(4));
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let offset = (0..=last).map(|o| (o, coarse(&o))).max_by(|a, b| a.1.total_cmp(&b.1))?.0;
    Some((offset, correlation(needle, &haystack[offset..offset + needle.len()])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels() {
        assert!(dbfs(&[]).is_infinite());
        assert!(dbfs(&[0; 10]).is_infinite());
        assert!(dbfs(&[i16::MAX; 10]).abs() < 0.01);
        assert!((dbfs(&[amplitude(-20.0); 10]) + 20.0).abs() < 0.1);
    }

    #[test]
    fn speech_is_found_between_noise() {
        let mut samples = vec![5_i16; 16_000];
        samples[4000..8000].fill(6000);
        assert_eq!(spoken(&samples, 16_000), 4000..8000);
        assert_eq!(spoken(&[0; 500], 16_000), 0..0);
    }

    #[test]
    fn a_signal_is_found_again() {
        let needle: Vec<i16> = (0..2000).map(|n: i32| ((n * n) % 4001 - 2000) as i16).collect();
        let mut haystack = vec![0; 5000];
        haystack[1234..3234].copy_from_slice(&needle);
        let (offset, correlation) = best_match(&needle, &haystack).unwrap();
        assert_eq!(offset, 1234);
        assert!(correlation > 0.9999);
        assert_eq!(best_match(&haystack, &needle), None);
    }
}
