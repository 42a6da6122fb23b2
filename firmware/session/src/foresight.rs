//! Pauses within an utterance: what is likely a clause is translated and spoken beforehand, kept back, and heard as
//! soon as the pause is long enough to commit it.

use std::time::Duration;

use audio_path::{FRAME_MS, SegmentId, Timestamp};

use crate::align::same_words;
use crate::segment::{MT_DEADLINE, Segment, Stage, Stamps};
use crate::speaking::translation;
use crate::transcript::SENTENCE_WORDS;
use crate::turns::Utterance;
use crate::{Action, Interpreter, Language, UtteranceId};

/// Pause that makes a clause likely of what ends as a sentence does …
const SENTENCE_LIKELY_AFTER: Duration = Duration::from_millis(100);
/// … and of what does not.
const CLAUSE_LIKELY_AFTER: Duration = Duration::from_millis(200);
/// Pause that ends a sentence for certain; shorter ones are for breath. What does not end as a sentence does waits
/// for the end of speech.
const SENTENCE_PAUSE: Duration = Duration::from_millis(240);
/// The end of an utterance's voice that a text may leave out: the detector is late by as much, and no word is shorter.
const UNHEARD_AT_MOST: Duration = Duration::from_millis(200);
/// Clauses that are guessed in one utterance: each costs a translation and its speech.
const MOST_GUESSES: u32 = 10;
/// Sentences before a clause that its translator is shown.
const CONTEXT_SENTENCES: usize = 3;

impl Utterance {
    /// Whether its newest text was made of all its voice.
    pub(crate) fn is_covered(&self) -> bool {
        self.heard + UNHEARD_AT_MOST >= Duration::from_millis(u64::from(self.voiced * FRAME_MS))
    }
}

impl Interpreter {
    /// Sees whether a pause makes a clause of what was said so far.
    pub(crate) fn foresee(&mut self, now: Timestamp) {
        let (pause, voiced) = (self.ear.pause(now), self.ear.voiced());
        if voiced || pause < SENTENCE_LIKELY_AFTER {
            return;
        }
        let Some(utterance) = self.turns.open().filter(|u| u.is_heard() && !u.settled && u.is_covered())
        else {
            return;
        };
        let (id, Some(language)) = (utterance.id, utterance.language) else { return };
        let Some(text) = utterance.transcript.open() else { return };
        let is_sentence = is_sentence(&text);
        if is_sentence && pause >= SENTENCE_PAUSE {
            self.settle(now, id);
        } else if is_sentence || pause >= CLAUSE_LIKELY_AFTER {
            self.guess(now, id, text, language);
        }
    }

    /// Commits all that was said so far, where the text is known that far.
    pub(crate) fn settle(&mut self, now: Timestamp, id: UtteranceId) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard() && u.is_covered()) else {
            return;
        };
        let (Some(text), Some(language)) = (utterance.transcript.open(), utterance.language) else { return };
        utterance.transcript.commit(&text);
        utterance.settled = true;
        self.commit(now, id, text, Some(language));
    }

    /// Gives a clause to the translator: from here on it is never taken back.
    pub(crate) fn commit(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: String,
        language: Option<Language>,
    ) {
        let (source, _) = self.languages().direction(language);
        if self.retract_unless(id, &text, source) {
            self.promote(now, id);
        } else {
            self.begin_segment(now, id, text.clone(), language, false);
        }
        self.said.push_back((source, text));
        if self.said.len() > CONTEXT_SENTENCES {
            self.said.pop_front();
        }
    }

    /// Takes a clause back that was only guessed.
    pub(crate) fn retract(&mut self, id: SegmentId) {
        if self.turns.retract(id) {
            self.discards.guesses += 1;
            self.actions.push_back(Action::Discard { segment: id });
        }
    }

    /// Takes the utterance's guess back, if there is one.
    pub(crate) fn retract_guess(&mut self, id: UtteranceId) {
        if let Some(guess) = self.turns.utterance(id).and_then(Utterance::provisional).map(|guess| guess.id) {
            self.retract(guess);
        }
    }

    /// Takes the utterance's guess back, unless it is this clause. Answers whether it is.
    fn retract_unless(&mut self, id: UtteranceId, text: &str, source: Language) -> bool {
        let guess = self.turns.utterance(id).and_then(Utterance::provisional);
        let is_it = guess.is_some_and(|guess| guess.source_lang == source && is_same(&guess.source, text));
        if !is_it {
            self.retract_guess(id);
        }
        is_it
    }

    fn guess(&mut self, now: Timestamp, id: UtteranceId, text: String, language: Language) {
        let (source, _) = self.languages().direction(Some(language));
        if self.retract_unless(id, &text, source) {
            return;
        }
        if let Some(utterance) = self.turns.utterance(id).filter(|u| u.guesses < MOST_GUESSES) {
            utterance.guesses += 1;
            self.begin_segment(now, id, text, Some(language), true);
        }
    }

    fn promote(&mut self, now: Timestamp, id: UtteranceId) {
        if let Some(segment) = self.turns.utterance(id).and_then(Utterance::provisional) {
            segment.provisional = false;
            segment.stamps.committed = now;
            let told = translation(segment);
            self.actions.extend(told.map(Action::Emit));
        }
    }

    fn begin_segment(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: String,
        language: Option<Language>,
        provisional: bool,
    ) {
        let (source, target) = self.languages().direction(language);
        let number = self.new_segment();
        let context = self.context(source);
        let Some(utterance) = self.turns.utterance(id) else { return };
        let stage = Stage::Translating { deadline: now + MT_DEADLINE };
        let mut segment = Segment::new(number, text.clone(), [source, target], stage);
        segment.stamps = Stamps { spoken: utterance.spoken, text: now, committed: now, ..Stamps::default() };
        segment.provisional = provisional;
        utterance.segments.push_back(segment);
        self.actions.push_back(Action::Translate { segment: number, text, context, source, target });
    }

    /// What was said before in `language`.
    fn context(&self, language: Language) -> String {
        let before = self.said.iter().filter(|(of, _)| *of == language).map(|(_, text)| text.as_str());
        before.collect::<Vec<_>>().join(" ")
    }
}

fn is_sentence(text: &str) -> bool {
    text.ends_with(['.', '?', '!', '…']) && text.split_whitespace().count() >= SENTENCE_WORDS
}

/// Whether two texts are to be translated alike: a question is no statement.
fn is_same(one: &str, other: &str) -> bool {
    one.ends_with('?') == other.ends_with('?') && same_words(one, other)
}
