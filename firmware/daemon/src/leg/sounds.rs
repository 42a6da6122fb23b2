use std::f32::consts::TAU;
use std::sync::LazyLock;

use audio_path::SAMPLE_RATE;
use session::Cue;

/// Full scale of a sample.
const FULL: f32 = 32_767.0;

/// Two short soft notes, rising, −30 dBFS: patience, not attention.
static WAIT: LazyLock<Vec<i16>> = LazyLock::new(|| notes(&[(440.0, 60), (587.0, 60)], 0.03));
/// Three falling notes, −16 dBFS: something went wrong.
static ERROR: LazyLock<Vec<i16>> = LazyLock::new(|| notes(&[(622.0, 140), (523.0, 140), (392.0, 220)], 0.16));

/// The same notes rising: all is well again. For where that could never be spoken.
static AVAILABLE: LazyLock<Vec<i16>> =
    LazyLock::new(|| notes(&[(392.0, 140), (523.0, 140), (622.0, 220)], 0.16));
/// Two soft notes, −24 dBFS, rising as a door that opens, and falling as one that closes.
static JOINED: LazyLock<Vec<i16>> = LazyLock::new(|| notes(&[(523.0, 90), (784.0, 120)], 0.06));
static LEFT: LazyLock<Vec<i16>> = LazyLock::new(|| notes(&[(784.0, 90), (523.0, 120)], 0.06));

/// The samples of a cue, 16 kHz mono.
pub(crate) fn samples(cue: Cue) -> &'static [i16] {
    match cue {
        Cue::Wait => &WAIT,
        Cue::Joined => &JOINED,
        Cue::Left => &LEFT,
        Cue::Error | Cue::Unavailable(_) => &ERROR,
        Cue::Available(_) => &AVAILABLE,
    }
}

/// Sine notes of (Hz, ms), each faded in and out so that it does not click.
fn notes(notes: &[(f32, u32)], amplitude: f32) -> Vec<i16> {
    let mut sound = Vec::new();
    for &(frequency, ms) in notes {
        let length = SAMPLE_RATE * ms / 1_000;
        sound.extend((0..length).map(|n| {
            let envelope = (n as f32 / length as f32 * TAU / 2.0).sin().sqrt();
            let wave = (TAU * frequency * n as f32 / SAMPLE_RATE as f32).sin();
            (wave * envelope * amplitude * FULL) as i16
        }));
    }
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_are_short_and_as_loud_as_meant() {
        let soft = [(Cue::Wait, 120, 0.03), (Cue::Joined, 210, 0.06), (Cue::Left, 210, 0.06)];
        for (cue, most_ms, peak) in soft.into_iter().chain([(Cue::Error, 500, 0.16)]) {
            let samples = samples(cue);
            assert!(samples.len() <= SAMPLE_RATE as usize * most_ms / 1_000);
            let loudest = f32::from(samples.iter().map(|s| s.abs()).max().unwrap()) / FULL;
            assert!((loudest - peak).abs() < 0.01, "{cue:?}: {loudest}");
        }
    }
}
