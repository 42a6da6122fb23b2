//! Where speech is in the audio, and when it is measured.

use serde_json::{Value, json};

const SAMPLES_A_MS: u64 = 16;
/// What is judged at a time.
const BLOCK: usize = 320;
/// Mean square of a block from which on it is speech.
const SPEECH: f64 = 300.0 * 300.0;
/// So much silence ends an utterance.
const PAUSE_MS: u64 = 400;
/// A measurement covers no more.
const WINDOW_MS: u64 = 10_000;
/// The last one of an utterance is spared where the one before is as young as this.
const SPARED_MS: u64 = 1_000;

/// What the client is told of its speech.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Start { id: u64, from: u64 },
    Measured { id: u64, utterance: u64, from: u64, to: u64, trigger: &'static str, loudness: f64 },
    End { id: u64, from: u64, to: u64 },
}

impl Told {
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Start { id, from } => {
                json!({"type": "utterance.start", "utterance_id": id, "audio_start_ms": from})
            }
            Self::End { id, from, to } => json!({
                "type": "utterance.end", "utterance_id": id, "audio_start_ms": from, "audio_end_ms": to,
            }),
            Self::Measured { id, utterance, from, to, trigger, loudness } => {
                let probability =
                    |share: f64| ((loudness * share).clamp(0.0, 1.0) * 10_000.0).round() / 10_000.0;
                json!({
                    "type": "measurement.result", "measurement_id": id, "utterance_id": utterance,
                    "audio_start_ms": from, "audio_end_ms": to, "trigger": trigger,
                    "expressions": [
                        {"name": "excitement", "probability": probability(1.0)},
                        {"name": "interest", "probability": probability(0.5)},
                    ],
                    "voice_attributes": [{"name": "loud", "probability": probability(1.0)}],
                })
            }
        }
    }
}

struct Utterance {
    from: u64,
    /// The end of its last speech.
    to: u64,
    /// When it was measured last.
    measured: Option<u64>,
    loudness: f64,
}

/// Listens to one session. Times are milliseconds of its audio.
pub(super) struct Utterances {
    timer_ms: u64,
    partial: Vec<i16>,
    position: u64,
    open: Option<Utterance>,
    begun: u64,
    measurements: u64,
}

impl Utterances {
    pub(super) fn new(timer_ms: u64) -> Self {
        Self { timer_ms, partial: Vec::new(), position: 0, open: None, begun: 0, measurements: 0 }
    }

    /// How many utterances and measurements there were.
    pub(super) fn produced(&self) -> (u64, u64) {
        (self.begun, self.measurements)
    }

    pub(super) fn hear(&mut self, samples: &[i16]) -> Vec<Told> {
        self.partial.extend(samples);
        let mut told = Vec::new();
        while self.partial.len() >= BLOCK {
            let block: Vec<i16> = self.partial.drain(..BLOCK).collect();
            let square = block.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / BLOCK as f64;
            self.block(square, &mut told);
        }
        told
    }

    fn block(&mut self, square: f64, told: &mut Vec<Told>) {
        let from = self.position;
        self.position += BLOCK as u64 / SAMPLES_A_MS;
        if square >= SPEECH {
            let begun = &mut self.begun;
            let open = self.open.get_or_insert_with(|| {
                told.push(Told::Start { id: *begun, from });
                *begun += 1;
                Utterance { from, to: from, measured: None, loudness: 0.0 }
            });
            open.to = self.position;
            open.loudness = open.loudness.max((square.sqrt() / 10_000.0).min(1.0));
        }
        let Some(open) = &self.open else { return };
        if self.position - open.to >= PAUSE_MS {
            told.extend(self.end());
        } else if self.position - open.measured.unwrap_or(open.from) >= self.timer_ms {
            told.extend(self.measure(self.position, "interval"));
        }
    }

    fn measure(&mut self, to: u64, trigger: &'static str) -> Option<Told> {
        let open = self.open.as_mut()?;
        open.measured = Some(to);
        self.measurements += 1;
        let from = open.from.max(to.saturating_sub(WINDOW_MS));
        let (id, utterance) = (self.measurements - 1, self.begun - 1);
        Some(Told::Measured { id, utterance, from, to, trigger, loudness: open.loudness })
    }

    /// Ends the utterance, if one is open.
    pub(super) fn end(&mut self) -> Vec<Told> {
        let Some(open) = &self.open else { return Vec::new() };
        let (from, to) = (open.from, open.to);
        let is_spared = open.measured.is_some_and(|measured| to.saturating_sub(measured) < SPARED_MS);
        let last = if is_spared { None } else { self.measure(to, "speech_ended") };
        self.open = None;
        last.into_iter().chain([Told::End { id: self.begun - 1, from, to }]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_measured_while_it_lasts_and_when_it_ends() {
        let mut utterances = Utterances::new(3_000);
        let mut told = utterances.hear(&[0; 16 * 100]);
        told.extend(utterances.hear(&vec![9_000; 16 * 5_000]));
        told.extend(utterances.hear(&[0; 16 * 500]));
        let triggers: Vec<_> = told
            .iter()
            .map(|told| match told {
                Told::Start { from, .. } => ("start", *from),
                Told::Measured { to, trigger, .. } => (*trigger, *to),
                Told::End { to, .. } => ("end", *to),
            })
            .collect();
        assert_eq!(triggers, [("start", 100), ("interval", 3_100), ("speech_ended", 5_100), ("end", 5_100)]);
        assert_eq!(utterances.produced(), (1, 2));
        assert!(utterances.hear(&vec![0; 16 * 1_000]).is_empty());
    }
}
