use std::time::Duration;

use audio_path::{FRAME_MS, Frame, Timestamp};
use earshot::Detector;

/// Silence that ends an utterance. Shorter cuts speakers who think between words; longer is added to every answer.
pub const END_OF_SPEECH: Duration = Duration::from_millis(480);
/// How long after the last sample of speech the detector still scores it as voice: 48 to 200 ms, mostly 64 to 96, in
/// recorded prompts.
const DETECTOR_LAG: Duration = Duration::from_millis(80);
/// Frames without voice that make up the rest of that silence.
const END_FRAMES: u32 = (END_OF_SPEECH.as_millis() - DETECTOR_LAG.as_millis()) as u32 / FRAME_MS;
/// Voiced frames in a row that begin an utterance: one or two are a click or a breath.
const START_FRAMES: u32 = 3;
/// Scores at or above this begin speech …
const START_SCORE: f32 = 0.5;
/// … and it goes on while they stay at or above this: word endings fade.
const STAY_SCORE: f32 = 0.35;
/// What the detector takes at once: 16 ms.
const BLOCK: usize = 256;

/// What a frame did to the state of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Nobody speaks.
    Silent,
    /// Speech began; its first samples are up to [`START_FRAMES`] frames back.
    Started,
    /// Speech goes on, a pause shorter than [`END_OF_SPEECH`] included.
    Speaking,
    /// Speech ended.
    Ended,
}

/// Voice activity of one leg: scores of a detector, made steady by two thresholds and two durations.
pub(crate) struct VoiceActivity {
    detector: Box<Detector>,
    /// Samples that wait for a block to fill: a frame is 320 of them, a block 256.
    pending: Vec<i16>,
    score: f32,
    voiced_run: u32,
    silent_run: u32,
    speaking: bool,
    last_voiced: Timestamp,
}

impl VoiceActivity {
    pub(crate) fn new() -> Self {
        Self {
            detector: Box::default(),
            pending: Vec::with_capacity(BLOCK + audio_path::SAMPLES_PER_FRAME),
            score: 0.0,
            voiced_run: 0,
            silent_run: 0,
            speaking: false,
            last_voiced: Timestamp::default(),
        }
    }

    pub(crate) fn speaking(&self) -> bool {
        self.speaking
    }

    /// Whether the last frame was voice.
    pub(crate) fn voiced(&self) -> bool {
        self.voiced_run > 0
    }

    /// When the last sample of voice arrived, as far as can be told.
    pub(crate) fn last_voiced(&self) -> Timestamp {
        self.last_voiced
    }

    /// Takes a frame that arrived at `at`.
    pub(crate) fn hear(&mut self, at: Timestamp, frame: &Frame) -> Voice {
        let score = self.score(frame);
        let threshold = if self.speaking { STAY_SCORE } else { START_SCORE };
        self.step(at, score >= threshold)
    }

    /// Takes the place of a frame that must not be listened to.
    pub(crate) fn skip(&mut self, at: Timestamp) -> Voice {
        self.detector.reset();
        self.pending.clear();
        self.score = 0.0;
        self.step(at, false)
    }

    /// The highest score of the blocks that the frame fills; the last one where it fills none.
    fn score(&mut self, frame: &Frame) -> f32 {
        self.pending.extend_from_slice(&frame.0);
        let whole = self.pending.len() / BLOCK * BLOCK;
        let mut highest: Option<f32> = None;
        for block in self.pending[..whole].chunks_exact(BLOCK) {
            let score = self.detector.predict_i16(block);
            highest = Some(highest.map_or(score, |h| h.max(score)));
        }
        self.pending.drain(..whole);
        self.score = highest.unwrap_or(self.score);
        self.score
    }

    fn step(&mut self, at: Timestamp, voiced: bool) -> Voice {
        if voiced {
            self.voiced_run += 1;
            self.silent_run = 0;
            self.last_voiced = at - DETECTOR_LAG;
        } else {
            self.voiced_run = 0;
            self.silent_run = self.silent_run.saturating_add(1);
        }
        match self.speaking {
            false if self.voiced_run >= START_FRAMES => {
                self.speaking = true;
                Voice::Started
            }
            false => Voice::Silent,
            true if self.silent_run >= END_FRAMES => {
                self.speaking = false;
                Voice::Ended
            }
            true => Voice::Speaking,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(voiced: &[(usize, bool)]) -> Vec<(usize, Voice)> {
        let mut activity = VoiceActivity::new();
        let frames = voiced.iter().flat_map(|&(n, v)| std::iter::repeat_n(v, n));
        let steps = frames.enumerate().map(|(i, v)| (i, activity.step(Timestamp::default(), v)));
        steps.filter(|(_, v)| matches!(v, Voice::Started | Voice::Ended)).collect()
    }

    #[test]
    fn clicks_are_not_speech() {
        assert_eq!(run(&[(10, false), (2, true), (10, false), (2, true), (50, false)]), []);
    }

    #[test]
    fn a_pause_ends_speech_only_after_its_time() {
        assert_eq!(run(&[(3, true), (19, false), (1, true), (19, false)]), [(2, Voice::Started)]);
        assert_eq!(run(&[(3, true), (20, false)]), [(2, Voice::Started), (22, Voice::Ended)]);
    }

    #[test]
    fn silence_and_tones_are_not_speech() {
        let mut activity = VoiceActivity::new();
        for i in 0..200 {
            let mut frame = Frame::SILENCE;
            for (j, sample) in frame.0.iter_mut().enumerate() {
                let t = (i * 320 + j) as f32 / 16_000.0;
                *sample =
                    if i < 100 { 0 } else { ((t * 440.0 * std::f32::consts::TAU).sin() * 300.0) as i16 };
            }
            assert_eq!(activity.hear(Timestamp::default(), &frame), Voice::Silent, "frame {i}");
        }
    }
}
