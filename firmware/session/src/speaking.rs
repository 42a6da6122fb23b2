//! From clauses to played speech: what becomes of them with translator, speech engine and playback.

use audio_path::{SegmentId, Timestamp};

use crate::foresight::is_same;
use crate::outbox::Outbox;
use crate::segment::{MT_DEADLINE, Segment, Stage, Stamps, TTS_DEADLINE};
use crate::talker::{Clause, Said};
use crate::turns::{Delivery, Kind, Turns};
use crate::{Action, Component, Event, Language, UtteranceId};

/// A translation longer than this comes from a broken engine.
const LONGEST_TRANSLATION: usize = 4_000;

impl Turns {
    /// Takes what the speaker says.
    pub(crate) fn take(&mut self, now: Timestamp, said: Said, out: &mut Outbox) {
        match said {
            Said::Began(utterance) => self.push(Delivery::new(utterance)),
            Said::Likely(clause) => {
                self.retract(clause.utterance, out);
                self.begin_segment(now, clause, true, out);
            }
            Said::Unlikely(utterance) => self.retract(utterance, out),
            Said::Committed(clause) => self.commit(now, clause, out),
            Said::NotUnderstood(utterance, language) => self.push_failed(now, utterance, language, out),
            Said::Ended { utterance, spoken } => {
                if let Some(delivery) = self.delivery(utterance) {
                    (delivery.open, delivery.spoken, delivery.decided) = (false, spoken, Some(now));
                }
            }
            Said::Over(utterance) => {
                if let Some(delivery) = self.delivery(utterance) {
                    (delivery.open, delivery.unfinished) = (false, false);
                }
            }
        }
    }

    fn commit(&mut self, now: Timestamp, clause: Clause, out: &mut Outbox) {
        let likely = self.delivery(clause.utterance).and_then(Delivery::provisional);
        let is_it = |s: &&mut Segment| s.source_lang == clause.language && is_same(&s.source, &clause.text);
        if let Some(segment) = likely.filter(is_it) {
            segment.provisional = false;
            segment.stamps.committed = now;
            out.actions.extend(translation(segment).map(Action::Emit));
        } else {
            self.retract(clause.utterance, out);
            self.begin_segment(now, clause, false, out);
        }
    }

    /// Takes the utterance's guess back, if there is one.
    fn retract(&mut self, id: UtteranceId, out: &mut Outbox) {
        let Some(delivery) = self.delivery(id) else { return };
        if let Some(guess) = delivery.provisional().map(|guess| guess.id) {
            delivery.segments.pop_back();
            out.discards.guesses += 1;
            out.act(Action::Discard { segment: guess });
        }
    }

    fn begin_segment(&mut self, now: Timestamp, clause: Clause, provisional: bool, out: &mut Outbox) {
        let Clause { utterance, text, language: source, context, spoken } = clause;
        let target = self.target.other_than(source);
        let Some(delivery) = self.delivery(utterance) else { return };
        let id = out.new_segment();
        let stage = Stage::Translating { deadline: now + MT_DEADLINE };
        let stamps = Stamps { spoken, text: now, committed: now, ..Stamps::default() };
        let segment = Segment::new(id, utterance, text.clone(), [source, target], stage);
        delivery.segments.push_back(Segment { stamps, provisional, ..segment });
        out.act(Action::Translate { segment: id, text, context, source, target });
    }

    /// Puts the error tone where the rest of the utterance would be heard.
    fn push_failed(&mut self, now: Timestamp, id: UtteranceId, language: Language, out: &mut Outbox) {
        let languages = [language, self.target.other_than(language)];
        if let Some(delivery) = self.delivery(id) {
            let stage = Stage::Failed { since: now };
            let segment = Segment::new(out.new_segment(), id, String::new(), languages, stage);
            delivery.segments.push_back(segment);
        }
    }

    pub(crate) fn translated(&mut self, now: Timestamp, id: SegmentId, text: &str, out: &mut Outbox) {
        let text = text.trim();
        if text.len() > LONGEST_TRANSLATION || !text.contains(char::is_alphanumeric) {
            return self.translation_failed(now, id, "the answer has no words, or far too many", out);
        }
        let text = text.replace(char::is_control, " ");
        let Some(segment) = self.segment(id).filter(is_translating) else { return out.late() };
        segment.stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
        segment.stamps.translated = now;
        segment.translation.clone_from(&text);
        out.act(Action::Speak { segment: id, text, language: segment.target_lang });
        out.actions.extend(translation(segment).map(Action::Emit));
    }

    pub(crate) fn translation_failed(
        &mut self,
        now: Timestamp,
        id: SegmentId,
        reason: &str,
        out: &mut Outbox,
    ) {
        let Some(segment) = self.segment(id).filter(is_translating) else { return out.late() };
        segment.stage = Stage::Failed { since: now };
        self.tell_failed(id, Component::Mt, &format!("not translated ({reason})"), out);
    }

    pub(crate) fn speech_ready(&mut self, now: Timestamp, id: SegmentId, out: &mut Outbox) {
        let Some(segment) = self.segment(id).filter(is_synthesising) else { return out.late() };
        segment.stage = Stage::Ready { since: now };
        segment.stamps.audio = now;
    }

    pub(crate) fn speech_failed(&mut self, now: Timestamp, id: SegmentId, reason: &str, out: &mut Outbox) {
        let Some(segment) = self.segment(id) else { return out.late() };
        match segment.stage {
            Stage::Synthesising { .. } => {
                segment.stage = Stage::Failed { since: now };
                out.act(Action::Discard { segment: id });
            }
            Stage::Ready { .. } | Stage::Playing { .. } => segment.cut_short = true,
            Stage::Translating { .. } | Stage::Failed { .. } => return out.late(),
        }
        self.tell_failed(id, Component::Tts, &format!("not spoken ({reason})"), out);
    }

    /// What failed and was only guessed is nobody's loss.
    fn tell_failed(&mut self, id: SegmentId, component: Component, what: &str, out: &mut Outbox) {
        let Some(segment) = self.segment(id) else { return };
        if !segment.provisional {
            return out.error(component, format!("{what}: {}", segment.source));
        }
        self.skip(id);
        out.discards.guesses += 1;
        out.act(Action::Discard { segment: id });
    }

    /// Tells that a segment began to be heard; its time counts from `spoken`.
    pub(crate) fn playback_started(&self, now: Timestamp, spoken: Timestamp, out: &mut Outbox) {
        let Some((delivery, segment)) = self.playing() else { return };
        let stages = segment.latency(spoken, delivery.decided, now);
        out.emit(Event::PlaybackStarted { segment: segment.id });
        if delivery.kind == Kind::Speech {
            out.emit(Event::Latency { segment: segment.id, stages });
        }
    }

    /// The engine that has the segment let its deadline pass. Answers whether it was playback.
    pub(crate) fn segment_overdue(&mut self, now: Timestamp, id: SegmentId, out: &mut Outbox) -> bool {
        match self.segment(id).map(|s| s.stage) {
            Some(Stage::Translating { .. }) => self.translation_failed(now, id, "no answer in time", out),
            Some(Stage::Synthesising { .. }) => self.speech_failed(now, id, "no audio in time", out),
            Some(Stage::Playing { .. }) => return self.played().is_some(),
            _ => {}
        }
        false
    }
}

/// What to tell of a segment that is translated, once it is committed.
fn translation(segment: &Segment) -> Option<Event> {
    (!segment.provisional && !segment.translation.is_empty()).then(|| Event::Translation {
        segment: segment.id,
        utterance: segment.utterance,
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
