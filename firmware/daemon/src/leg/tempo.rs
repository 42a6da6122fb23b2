//! Speech in less or more time at the same pitch: pieces of it are left out, or come twice, where the wave repeats
//! itself (WSOLA).

use std::collections::VecDeque;

use audio_path::SAMPLE_RATE;

/// How much faster hurried speech is.
const HURRIED: f64 = 1.15;
/// How much faster slow speech is.
const SLOW: f64 = 0.8;
/// Samples between two places where a piece may be left out or come twice: 10 ms.
const HOP: usize = SAMPLE_RATE as usize / 100;
/// How far from the ideal place a better fit is looked for: 7.5 ms, a period of the lowest voices.
const REACH: usize = HOP * 3 / 4;

/// Takes speech at its own speed, and gives it at another.
#[derive(Debug)]
pub(super) struct Tempo {
    speed: f64,
    /// What has come and may still be needed.
    input: VecDeque<i16>,
    /// Samples that were dropped from the front of `input`.
    before: usize,
    /// Where the wave goes on by itself after what was given so far.
    next: usize,
    /// Where it would be ideal to go on.
    ideal: f64,
}

impl Tempo {
    pub(super) const fn hurried() -> Self {
        Self::at(HURRIED)
    }

    pub(super) const fn slow() -> Self {
        Self::at(SLOW)
    }

    const fn at(speed: f64) -> Self {
        Self { speed, input: VecDeque::new(), before: 0, next: 0, ideal: 0.0 }
    }

    /// Takes samples; gives those that are certain.
    pub(super) fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        self.input.extend(samples);
        let mut output = Vec::with_capacity(samples.len());
        while self.latest() + HOP <= self.before + self.input.len() {
            self.step(&mut output);
        }
        output
    }

    /// No more samples come: gives the rest.
    pub(super) fn finish(&mut self) -> Vec<i16> {
        let rest = self.next - self.before;
        self.input.drain(..).skip(rest).collect()
    }

    /// The last place that the next step may go on from.
    fn latest(&self) -> usize {
        self.next.max(self.ideal as usize + REACH)
    }

    fn step(&mut self, output: &mut Vec<i16>) {
        let place = self.best_fit();
        let fade = |at: usize| at as f32 / HOP as f32;
        let mixed = (0..HOP).map(|at| {
            let (old, new) = (self.sample(self.next + at), self.sample(place + at));
            (old * (1.0 - fade(at)) + new * fade(at)).round() as i16
        });
        output.extend(mixed);
        self.next = place + HOP;
        self.ideal += HOP as f64 * self.speed;
        let kept = self.next.min((self.ideal as usize).saturating_sub(REACH));
        self.input.drain(..kept - self.before);
        self.before = kept;
    }

    /// The place near the ideal one where the wave is most like where it would go on by itself.
    fn best_fit(&self) -> usize {
        let ideal = self.ideal as usize;
        let places = ideal.saturating_sub(REACH).max(self.before)..=ideal + REACH;
        let likeness = |place: usize| (place, self.likeness(place));
        places.map(likeness).max_by(|a, b| a.1.total_cmp(&b.1)).map_or(self.next, |(place, _)| place)
    }

    /// Correlation with what would come next, the louder part not preferred.
    fn likeness(&self, place: usize) -> f32 {
        let pairs = (0..HOP).step_by(2).map(|at| (self.sample(self.next + at), self.sample(place + at)));
        let (dot, energy) = pairs.fold((0.0, 1.0), |(dot, energy), (a, b)| (dot + a * b, energy + b * b));
        dot / f32::sqrt(energy)
    }

    fn sample(&self, at: usize) -> f32 {
        f32::from(self.input[at - self.before])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> Vec<i16> {
        let angle = |at: usize| std::f64::consts::TAU * hz * at as f64 / f64::from(SAMPLE_RATE);
        (0..samples).map(|at| (8_000.0 * angle(at).sin()) as i16).collect()
    }

    fn played(mut tempo: Tempo, samples: &[i16], chunk: usize) -> Vec<i16> {
        let mut output: Vec<i16> = samples.chunks(chunk).flat_map(|chunk| tempo.push(chunk)).collect();
        output.extend(tempo.finish());
        output
    }

    /// Upward crossings of zero a second.
    fn pitch(samples: &[i16]) -> f64 {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        crossings as f64 * f64::from(SAMPLE_RATE) / samples.len() as f64
    }

    fn hurried(samples: &[i16], chunk: usize) -> Vec<i16> {
        played(Tempo::hurried(), samples, chunk)
    }

    #[test]
    fn its_length_changes_and_its_pitch_does_not() {
        let tempos = [(Tempo::hurried as fn() -> Tempo, 1.12..=1.16), (Tempo::slow, 0.78..=0.83)];
        for (hz, (tempo, speeds)) in
            [90.0, 150.0, 333.0].into_iter().flat_map(|hz| tempos.clone().map(|t| (hz, t)))
        {
            let long = tone(hz, 32_000);
            let short = played(tempo(), &long, 320);
            let speed = long.len() as f64 / short.len() as f64;
            assert!(speeds.contains(&speed), "{hz} Hz: {speed}");
            assert!((pitch(&short) / hz - 1.0).abs() < 0.02, "{hz} Hz became {}", pitch(&short));
            let loudest_step = |samples: &[i16]| samples.windows(2).map(|p| p[0].abs_diff(p[1])).max();
            assert!(loudest_step(&short) < loudest_step(&long).map(|step| step * 2), "{hz} Hz: it clicks");
        }
    }

    #[test]
    fn pieces_make_no_difference_and_nothing_is_too_short() {
        let long = tone(140.0, 9_000);
        assert_eq!(hurried(&long, 320), hurried(&long, 37));
        assert_eq!(played(Tempo::slow(), &long, 320), played(Tempo::slow(), &long, 37));
        assert_eq!(hurried(&long[..50], 7), long[..50]);
        assert!(hurried(&[], 1).is_empty());
    }
}
