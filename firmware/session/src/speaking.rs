//! From committed clauses to played speech: what the interpreter does with translator, speech engine and playback.

use audio_path::{SegmentId, Timestamp};

use crate::segment::{Segment, Stage, TTS_DEADLINE};
use crate::{Action, Component, Event, Interpreter, Manner};

/// A translation longer than this comes from a broken engine.
const LONGEST_TRANSLATION: usize = 4_000;

impl Interpreter {
    pub(crate) fn translated(&mut self, now: Timestamp, id: SegmentId, text: &str) {
        let text = text.trim();
        if text.len() > LONGEST_TRANSLATION || !text.contains(char::is_alphanumeric) {
            return self.translation_failed(now, id, "the answer has no words, or far too many");
        }
        let text = text.replace(char::is_control, " ");
        let Some(segment) = self.turns.segment(id).filter(is_translating) else {
            self.discards.late_answers += 1;
            return;
        };
        segment.stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
        segment.stamps.translated = now;
        segment.translation.clone_from(&text);
        let (language, told) = (segment.target_lang, translation(segment));
        self.actions.push_back(Action::Speak { segment: id, text, language });
        self.actions.extend(told.map(Action::Emit));
    }

    pub(crate) fn translation_failed(&mut self, now: Timestamp, id: SegmentId, reason: &str) {
        let Some(segment) = self.turns.segment(id).filter(is_translating) else {
            self.discards.late_answers += 1;
            return;
        };
        segment.stage = Stage::Failed { since: now };
        if segment.provisional {
            return self.retract(id);
        }
        let source = segment.source.clone();
        self.error(Component::Mt, format!("not translated ({reason}): {source}"));
    }

    pub(crate) fn speech_ready(&mut self, now: Timestamp, id: SegmentId) {
        let Some(segment) = self.turns.segment(id).filter(is_synthesising) else {
            self.discards.late_answers += 1;
            return;
        };
        segment.stage = Stage::Ready { since: now };
        segment.stamps.audio = now;
    }

    pub(crate) fn speech_failed(&mut self, now: Timestamp, id: SegmentId, reason: &str) {
        let Some(segment) = self.turns.segment(id) else {
            self.discards.late_answers += 1;
            return;
        };
        match segment.stage {
            Stage::Synthesising { .. } => {
                segment.stage = Stage::Failed { since: now };
                self.actions.push_back(Action::Discard { segment: id });
            }
            Stage::Ready { .. } | Stage::Playing { .. } => segment.cut_short = true,
            Stage::Translating { .. } | Stage::Failed { .. } => {
                self.discards.late_answers += 1;
                return;
            }
        }
        if segment.provisional {
            return self.retract(id);
        }
        let source = segment.source.clone();
        self.error(Component::Tts, format!("not spoken ({reason}): {source}"));
    }

    pub(crate) fn playback_started(&mut self, now: Timestamp, id: SegmentId) {
        if self.cue_is(id) {
            return;
        }
        let Some((utterance, segment)) = self.turns.playing().filter(|(_, s)| s.id == id) else {
            self.discards.late_answers += 1;
            return;
        };
        let spoken = match self.manner {
            Manner::Consecutive => utterance.spoken,
            Manner::Simultaneous => segment.stamps.spoken,
        };
        let stages = segment.latency(spoken, utterance.decided, now);
        let announcement = utterance.announcement;
        self.emit(Event::PlaybackStarted { segment: id });
        if !announcement {
            self.emit(Event::Latency { segment: id, stages });
        }
    }

    pub(crate) fn playback_ended(&mut self, now: Timestamp, id: SegmentId) {
        if self.cue_ended(id) {
            self.ear.gate.playback_ends(now);
            return;
        }
        if self.turns.playing().is_none_or(|(_, s)| s.id != id) {
            self.discards.late_answers += 1;
            return;
        }
        self.ear.gate.playback_ends(now);
        if self.turns.played().is_some_and(|segment| segment.cut_short) {
            self.owe_tone();
        }
        self.expect_answer(now);
        self.emit(Event::PlaybackEnded { segment: id });
    }

    /// The engine that has the segment, or playback, let its deadline pass.
    pub(crate) fn segment_overdue(&mut self, now: Timestamp, id: SegmentId) {
        match self.turns.segment(id).map(|s| s.stage) {
            Some(Stage::Translating { .. }) => self.translation_failed(now, id, "no answer in time"),
            Some(Stage::Synthesising { .. }) => self.speech_failed(now, id, "no audio in time"),
            Some(Stage::Playing { .. }) => {
                self.turns.played();
                self.playback_failed(now, id);
            }
            _ => {}
        }
    }

    pub(crate) fn playback_failed(&mut self, now: Timestamp, id: SegmentId) {
        self.ear.gate.playback_ends(now);
        self.actions.push_back(Action::Discard { segment: id });
        self.error(Component::Playback, "the phone did not take the audio to its end".to_owned());
    }
}

/// What to tell of a segment that is translated, once it is committed.
pub(crate) fn translation(segment: &Segment) -> Option<Event> {
    (!segment.provisional && !segment.translation.is_empty()).then(|| Event::Translation {
        segment: segment.id,
        text: segment.translation.clone(),
        source: segment.source.clone(),
        source_lang: segment.source_lang,
        target_lang: segment.target_lang,
    })
}

fn is_translating(segment: &&mut Segment) -> bool {
    matches!(segment.stage, Stage::Translating { .. })
}

fn is_synthesising(segment: &&mut Segment) -> bool {
    matches!(segment.stage, Stage::Synthesising { .. })
}
