use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::{Language, Latency, UtteranceId};

/// How long the translator may take: a sentence takes 20 ms on a PC, under a second on a busy Pi.
pub(crate) const MT_DEADLINE: Duration = Duration::from_secs(4);
/// How long the first audio of a segment may take; neural voices on a Pi need a second or two.
pub(crate) const TTS_DEADLINE: Duration = Duration::from_secs(6);
/// How long a segment may be played: longer speech than this comes from a broken engine.
pub(crate) const PLAYBACK_DEADLINE: Duration = Duration::from_secs(60);

/// Where a segment is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The translator has it until the deadline.
    Translating { deadline: Timestamp },
    /// The speech engine has it until the deadline.
    Synthesising { deadline: Timestamp },
    /// Its audio waits for its turn.
    Ready { since: Timestamp },
    /// The phone has it until the deadline.
    Playing { deadline: Timestamp },
    /// It will not be heard; the error tone takes its turn.
    Failed { since: Timestamp },
}

/// When a segment passed each stage; later ones unset until they happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamps {
    /// The last voice of its speaker when it was taken for a clause.
    pub(crate) spoken: Timestamp,
    pub(crate) text: Timestamp,
    pub(crate) committed: Timestamp,
    pub(crate) translated: Timestamp,
    pub(crate) audio: Timestamp,
}

/// A clause that is committed or likely to be, or a part of the announcement.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) utterance: UtteranceId,
    pub(crate) source: String,
    /// Empty until it is known.
    pub(crate) translation: String,
    pub(crate) source_lang: Language,
    pub(crate) target_lang: Language,
    pub(crate) stage: Stage,
    pub(crate) stamps: Stamps,
    /// Its end is missing: the error tone follows it.
    pub(crate) cut_short: bool,
    /// A guess that is worked on beforehand; not heard unless it is committed.
    pub(crate) provisional: bool,
}

impl Segment {
    /// A segment of an utterance that its engine just got.
    pub(crate) fn new(
        id: SegmentId,
        utterance: UtteranceId,
        source: String,
        [source_lang, target_lang]: [Language; 2],
        stage: Stage,
    ) -> Self {
        Self {
            id,
            utterance,
            source,
            translation: String::new(),
            source_lang,
            target_lang,
            stage,
            stamps: Stamps::default(),
            cut_short: false,
            provisional: false,
        }
    }

    /// When the segment's engine is late; `None` where it waits for no engine.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.stage {
            Stage::Translating { deadline }
            | Stage::Synthesising { deadline }
            | Stage::Playing { deadline } => Some(deadline),
            Stage::Ready { .. } | Stage::Failed { .. } => None,
        }
    }

    /// The stages of a segment whose first frame was written at `played`, for speech whose last sample before that
    /// came at `spoken` and was decided to be the last at `decided`, unless the clause was committed before. A stage
    /// that was over by `spoken` counts zero.
    pub(crate) fn latency(
        &self,
        spoken: Timestamp,
        decided: Option<Timestamp>,
        played: Timestamp,
    ) -> Latency {
        let committed = self.stamps.committed;
        let decided = decided.map_or(committed, |decided| decided.min(committed));
        let mut from = spoken;
        let mut until = |end: Timestamp| {
            let end = end.clamp(from, played.max(from));
            let stage = end.since(from);
            from = end;
            stage
        };
        Latency {
            commit: until(decided),
            asr: until(self.stamps.text),
            mt: until(self.stamps.translated),
            tts: until(self.stamps.audio),
            playout: until(played),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(text: u64, committed: u64, translated: u64, audio: u64) -> Segment {
        let languages = ["en", "es"].map(|code| code.parse().unwrap());
        let mut segment = Segment::new(
            SegmentId(1),
            UtteranceId(1),
            String::new(),
            languages,
            Stage::Failed { since: ms(0) },
        );
        segment.stamps = Stamps {
            spoken: ms(0),
            text: ms(text),
            committed: ms(committed),
            translated: ms(translated),
            audio: ms(audio),
        };
        segment
    }

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    fn stages(latency: Latency) -> [u128; 5] {
        [latency.commit, latency.asr, latency.mt, latency.tts, latency.playout].map(|d| d.as_millis())
    }

    #[test]
    fn stages_follow_one_another() {
        let latency = segment(1_800, 1_800, 1_850, 1_900).latency(ms(1_000), Some(ms(1_480)), ms(1_920));
        assert_eq!(stages(latency), [480, 320, 50, 50, 20]);
        assert_eq!(latency.total(), Duration::from_millis(920));
    }

    #[test]
    fn work_done_while_the_speaker_went_on_costs_nothing() {
        let latency = segment(500, 1_600, 600, 1_490).latency(ms(1_000), Some(ms(1_480)), ms(1_500));
        assert_eq!(stages(latency), [480, 0, 0, 10, 10]);
        let foreseen = segment(1_170, 1_250, 1_260, 1_510).latency(ms(1_000), None, ms(1_530));
        assert_eq!(stages(foreseen), [250, 0, 10, 250, 20]);
    }
}
