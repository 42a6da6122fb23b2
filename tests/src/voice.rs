//! Speech-like sound made by arithmetic, so that real voice activity detection can be tested without recordings.

use std::f32::consts::TAU;
use std::sync::LazyLock;

use audio_path::{Frame, SAMPLE_RATE, SAMPLES_PER_FRAME};

/// Formants of five vowels, Hz: what makes a buzz sound like a voice.
const VOWELS: [[f32; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
];
/// Syllables a second.
const SYLLABLE_RATE: f32 = 4.0;

/// Two seconds, at full scale 1: computed once, repeated for ever.
static SOUND: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut phase = 0.0;
    (0..2 * SAMPLE_RATE).map(|n| sample(n as f32 / SAMPLE_RATE as f32, &mut phase)).collect()
});

/// A voice that says nothing: a harmonic buzz of changing pitch, shaped by vowels, in syllables.
#[derive(Debug, Default)]
pub struct Voice {
    frames: usize,
}

impl Voice {
    /// The next 20 ms, at most `peak` loud.
    pub fn frame(&mut self, peak: f32) -> Frame {
        let mut frame = Frame::SILENCE;
        let start = self.frames * SAMPLES_PER_FRAME % SOUND.len();
        for (sample, sound) in frame.0.iter_mut().zip(&SOUND[start..]) {
            *sample = (sound * peak) as i16;
        }
        self.frames += 1;
        frame
    }
}

fn sample(t: f32, phase: &mut f32) -> f32 {
    let pitch = 120.0 + 25.0 * (TAU * 0.5 * t).sin();
    *phase = (*phase + pitch / SAMPLE_RATE as f32).fract();
    let vowel = VOWELS[(t * SYLLABLE_RATE) as usize % VOWELS.len()];
    let envelope = 0.35 + 0.65 * (TAU * SYLLABLE_RATE / 2.0 * t).sin().powi(2);
    let harmonics = 1..=(3_800.0 / pitch) as u32;
    let buzz = harmonics.map(|n| {
        let frequency = n as f32 * pitch;
        let gain: f32 = vowel.iter().map(|f| 1.0 / (1.0 + ((frequency - f) / 90.0).powi(2))).sum();
        gain * (TAU * *phase * n as f32).sin()
    });
    (buzz.sum::<f32>() * envelope / 4.0).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detectors_take_it_for_speech() {
        let mut voice = Voice::default();
        let mut detector = earshot::Detector::default();
        let samples: Vec<i16> = (0..100).flat_map(|_| voice.frame(9_000.0).0).collect();
        let scores: Vec<f32> = samples.chunks_exact(256).map(|block| detector.predict_i16(block)).collect();
        assert!(scores[20..].iter().all(|&score| score >= 0.5), "{scores:.2?}");
    }
}
