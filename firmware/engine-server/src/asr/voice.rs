//! Where speech is in a stream: earshot's score for each 16 ms, and what follows from it.

use earshot::Detector;

/// Samples a second of everything here.
pub const RATE: usize = 16_000;
/// Samples a score stands for.
pub const FRAME: usize = 256;
/// A score from here on is voice.
const THRESHOLD: f32 = 0.5;
/// Shorter sounds are clicks.
const SHORTEST: usize = 3;

/// Scores a stream frame by frame.
pub struct Scorer {
    detector: Box<Detector>,
    partial: Vec<i16>,
}

impl Default for Scorer {
    fn default() -> Self {
        Self { detector: Detector::default_boxed(), partial: Vec::with_capacity(FRAME) }
    }
}

impl Scorer {
    /// Adds samples; gives the scores of the frames that became whole.
    pub fn push(&mut self, mut samples: &[i16]) -> Vec<f32> {
        let mut scores = Vec::with_capacity(samples.len() / FRAME + 1);
        while self.partial.len() + samples.len() >= FRAME {
            let (head, rest) = samples.split_at(FRAME - self.partial.len());
            self.partial.extend_from_slice(head);
            scores.push(self.detector.predict_i16(&self.partial));
            self.partial.clear();
            samples = rest;
        }
        self.partial.extend_from_slice(samples);
        scores
    }
}

/// The scores of one segment and the voice found in them.
#[derive(Debug, Default)]
pub struct Voice {
    scores: Vec<f32>,
    run: usize,
    start: Option<usize>,
    end: Option<usize>,
}

impl Voice {
    /// Adds one frame's score.
    pub fn push(&mut self, score: f32) {
        self.scores.push(score);
        self.run = if score >= THRESHOLD { self.run + 1 } else { 0 };
        if self.run >= SHORTEST {
            self.start = self.start.or(Some((self.scores.len() - SHORTEST) * FRAME));
            self.end = Some(self.scores.len() * FRAME);
        }
    }

    /// Adds several frames' scores.
    pub fn extend(&mut self, scores: &[f32]) {
        for &score in scores {
            self.push(score);
        }
    }

    /// The first sample of voice; none when there was no voice.
    pub fn start(&self) -> Option<usize> {
        self.start
    }

    /// The sample behind the last voice; none when there was no voice.
    pub fn end(&self) -> Option<usize> {
        self.end
    }

    /// Samples of silence behind the last voice; 0 when there was no voice.
    pub fn silence(&self) -> usize {
        self.end.map_or(0, |end| self.scores.len() * FRAME - end)
    }

    /// Splits where the last `within` samples are quietest; gives the sample and the scores behind it.
    pub fn split_at_quietest(&mut self, within: usize) -> (usize, Voice) {
        let from = self.scores.len().saturating_sub(within / FRAME);
        // Five frames, so that a plosive's closure does not pass for a pause.
        let loudness = |at: &usize| self.scores[*at..(*at + 5).min(self.scores.len())].iter().sum::<f32>();
        let quietest = (from..self.scores.len()).min_by(|a, b| loudness(a).total_cmp(&loudness(b)));
        let at = quietest.unwrap_or(from).max(1).min(self.scores.len());
        let mut tail = Voice::default();
        tail.extend(&self.scores.split_off(at));
        let head = std::mem::take(self);
        self.extend(&head.scores);
        (at * FRAME, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(scores: &[f32]) -> Voice {
        let mut voice = Voice::default();
        voice.extend(scores);
        voice
    }

    #[test]
    fn clicks_are_no_voice() {
        assert_eq!(voice(&[0.9, 0.9, 0.0, 0.9]).end(), None);
        let heard = voice(&[0.0, 0.9, 0.9, 0.9, 0.1, 0.9]);
        assert_eq!((heard.end(), heard.silence()), (Some(4 * FRAME), 2 * FRAME));
    }

    #[test]
    fn split_falls_into_the_pause() {
        let mut scores = vec![0.9; 100];
        scores[60..70].fill(0.0);
        let mut head = voice(&scores);
        let (at, tail) = head.split_at_quietest(80 * FRAME);
        assert!((60 * FRAME..70 * FRAME).contains(&at), "{at}");
        assert_eq!(head.end(), Some(60 * FRAME));
        assert_eq!(tail.end(), Some(100 * FRAME - at));
    }

    #[test]
    fn frames_are_cut_from_any_pieces() {
        let mut scorer = Scorer::default();
        let frames: usize = [100, 200, 1000, 3].iter().map(|&n| scorer.push(&vec![0; n]).len()).sum();
        assert_eq!(frames, 1303 / FRAME);
    }
}
