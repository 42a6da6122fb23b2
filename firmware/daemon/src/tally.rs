//! What happened in calls, counted for `/metrics`. Nothing here is touched by the media thread.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audio_path::{DropReason, LegCounters, SegmentId};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use session::{Component, Event, Language, Latency};

/// Segments whose languages are remembered; the session lets no more wait.
const MOST_SEGMENTS: usize = 128;
/// Upper bounds of the stages of a translation's way, seconds: finer around the budget of 900 ms.
const LATENCIES: [f64; 13] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.6, 0.9, 1.2, 2.0, 4.0, 10.0];
/// Upper bounds of calls, seconds.
const CALLS: [f64; 7] = [10.0, 30.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0];

/// Labels of a metric, in their order.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// Counts over all calls since the start.
#[derive(Debug)]
pub struct Tally {
    /// The ways of translations, stage by stage and in `total`.
    pub latency: Family<Labels<3>, Histogram, fn() -> Histogram>,
    /// Translations that were heard to their end.
    pub translations: Counter,
    /// Words of what was translated, in the language they were said in.
    pub words: Counter,
    /// Seconds that calls lasted.
    pub calls: Histogram,
    /// Things said that were not heard in translation, or only in part.
    lost: [AtomicU64; Component::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            latency: Family::new_with_constructor(|| Histogram::new(LATENCIES)),
            translations: Counter::default(),
            words: Counter::default(),
            calls: Histogram::new(CALLS),
            lost: Default::default(),
        }
    }
}

impl Tally {
    /// A call of this length is over.
    pub fn call_over(&self, length: Duration) {
        self.calls.observe(length.as_secs_f64());
    }

    /// How much of what was said was lost, and to which part.
    pub fn lost(&self) -> impl Iterator<Item = (Component, u64)> {
        let counts = self.lost.iter().map(|count| count.load(Ordering::Relaxed));
        Component::ALL.into_iter().zip(counts)
    }

    fn arrived(&self, [source, target]: [Language; 2], stages: &Latency) {
        let times = [
            ("commit", stages.commit),
            ("asr", stages.asr),
            ("mt", stages.mt),
            ("tts", stages.tts),
            ("playout", stages.playout),
            ("total", stages.total()),
        ];
        for (stage, time) in times {
            let labels = [
                ("source_lang", source.to_string()),
                ("target_lang", target.to_string()),
                ("stage", stage.to_owned()),
            ];
            self.latency.get_or_create(&labels).observe(time.as_secs_f64());
        }
    }
}

/// What one leg's session tells on its way into the [`Tally`].
#[derive(Debug, Default)]
pub struct LegTally {
    /// Source and target of the translations that are not heard yet.
    languages: BTreeMap<SegmentId, [Language; 2]>,
}

impl LegTally {
    /// Source and target of a translation that is not heard to its end yet.
    pub fn languages(&self, segment: SegmentId) -> Option<[Language; 2]> {
        self.languages.get(&segment).copied()
    }

    /// Counts what happened.
    pub fn count(&mut self, tally: &Tally, event: &Event) {
        match event {
            Event::Translation { segment, source, source_lang, target_lang, .. } => {
                tally.words.inc_by(source.split_whitespace().count() as u64);
                self.languages.insert(*segment, [*source_lang, *target_lang]);
                if self.languages.len() > MOST_SEGMENTS {
                    self.languages.pop_first();
                }
            }
            Event::Latency { segment, stages } => {
                if let Some(languages) = self.languages.get(segment) {
                    tally.arrived(*languages, stages);
                }
            }
            Event::PlaybackEnded { segment } if self.languages.remove(segment).is_some() => {
                tally.translations.inc();
            }
            Event::Error { component, .. } => {
                tally.lost[*component as usize].fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// Frames as the media thread counted them.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameTotals {
    /// Passed on, from phones and to phones.
    pub processed: u64,
    dropped: [u64; DropReason::ALL.len()],
}

impl FrameTotals {
    /// Adds a leg's.
    pub fn add(&mut self, counters: &LegCounters) {
        self.processed += counters.frames_in() + counters.frames_out();
        for (total, reason) in self.dropped.iter_mut().zip(DropReason::ALL) {
            *total += counters.dropped(reason);
        }
    }

    /// For which reason how many were dropped.
    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.into_iter().zip(self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use session::UtteranceId;

    use super::*;

    #[test]
    fn a_translation_counts_when_it_was_heard_and_an_announcement_never() {
        let tally = Tally::default();
        let mut leg = LegTally::default();
        let [source_lang, target_lang] = ["en", "es"].map(|code| code.parse().unwrap());
        let segment = SegmentId(3);
        let utterance = UtteranceId(1);
        let (text, source) = ("uno dos".to_owned(), "one two three".to_owned());
        leg.count(&tally, &Event::PlaybackEnded { segment: SegmentId(1) });
        let said = Event::Translation { segment, utterance, text, source, source_lang, target_lang };
        leg.count(&tally, &said);
        leg.count(&tally, &Event::Latency { segment, stages: Latency::default() });
        assert_eq!((tally.words.get(), tally.translations.get()), (3, 0));
        leg.count(&tally, &Event::PlaybackEnded { segment });
        assert_eq!(tally.translations.get(), 1);
        assert!(leg.languages.is_empty());
    }

    #[test]
    fn what_is_never_heard_is_forgotten() {
        let (tally, mut leg) = (Tally::default(), LegTally::default());
        let [source_lang, target_lang] = ["en", "es"].map(|code| code.parse().unwrap());
        for segment in (0..1_000).map(SegmentId) {
            let (text, source) = (String::new(), String::new());
            let utterance = UtteranceId(1);
            let said = Event::Translation { segment, utterance, text, source, source_lang, target_lang };
            leg.count(&tally, &said);
        }
        assert_eq!(leg.languages.len(), MOST_SEGMENTS);
    }
}
