//! Pauses within an utterance: what is likely a clause is told, so that it is translated and spoken beforehand, kept
//! back, and heard as soon as the pause is long enough to commit it.

use std::time::Duration;

use audio_path::Timestamp;

use crate::align::same_words;
use crate::talker::{Clause, Said, Talker};
use crate::transcript::SENTENCE_WORDS;
use crate::{Language, UtteranceId};

/// Pause that makes a clause likely of what ends as a sentence does …
const SENTENCE_LIKELY_AFTER: Duration = Duration::from_millis(100);
/// … and of what does not.
const CLAUSE_LIKELY_AFTER: Duration = Duration::from_millis(200);
/// Pause that ends a sentence for certain; shorter ones are for breath. What does not end as a sentence does waits
/// for the end of speech.
const SENTENCE_PAUSE: Duration = Duration::from_millis(240);
/// Clauses that are guessed in one utterance: each costs a translation and its speech.
const MOST_GUESSES: u32 = 10;
/// Sentences before a clause that its translator is shown.
const CONTEXT_SENTENCES: usize = 3;

impl Talker {
    /// Sees whether a pause makes a clause of what was said so far.
    pub(crate) fn foresee(&mut self, now: Timestamp) {
        let (pause, voiced) = (self.ear.pause(now), self.ear.voiced());
        if voiced || pause < SENTENCE_LIKELY_AFTER {
            return;
        }
        let Some(utterance) = self.open().filter(|u| u.is_heard() && !u.settled && u.is_covered()) else {
            return;
        };
        let (id, Some(language)) = (utterance.id, utterance.tongue.known(utterance.language)) else { return };
        let Some(text) = utterance.transcript.open() else { return };
        let is_sentence = is_sentence(&text);
        if is_sentence && pause >= SENTENCE_PAUSE {
            self.settle(id);
        } else if is_sentence || pause >= CLAUSE_LIKELY_AFTER {
            self.guess(id, text, language);
        }
    }

    /// Commits all that was said so far, where the text is known that far.
    pub(crate) fn settle(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance(id).filter(|u| u.is_heard() && u.is_covered()) else { return };
        let (Some(text), Some(language)) =
            (utterance.transcript.open(), utterance.tongue.known(utterance.language))
        else {
            return;
        };
        utterance.transcript.commit(&text);
        utterance.settled = true;
        self.commit(id, text, Some(language));
    }

    /// Gives a clause to the translator: from here on it is never taken back.
    pub(crate) fn commit(&mut self, id: UtteranceId, text: String, language: Option<Language>) {
        let Some(utterance) = self.utterance(id) else { return };
        let language = utterance.tongue.spoken(language);
        utterance.likely = None;
        let Some(clause) = self.clause(id, text.clone(), language) else { return };
        self.say(Said::Committed(clause));
        self.said.push_back((language, text));
        if self.said.len() > CONTEXT_SENTENCES {
            self.said.pop_front();
        }
    }

    /// What was taken for likely is not any more.
    pub(crate) fn not_likely(&mut self, id: UtteranceId) {
        if self.utterance(id).and_then(|utterance| utterance.likely.take()).is_some() {
            self.say(Said::Unlikely(id));
        }
    }

    fn guess(&mut self, id: UtteranceId, text: String, language: Language) {
        let Some(utterance) = self.utterance(id) else { return };
        let is_known = |(of, likely): &(Language, String)| *of == language && is_same(likely, &text);
        if utterance.likely.as_ref().is_some_and(is_known) {
            return;
        }
        if utterance.guesses == MOST_GUESSES {
            return self.not_likely(id);
        }
        utterance.guesses += 1;
        utterance.likely = Some((language, text.clone()));
        if let Some(clause) = self.clause(id, text, language) {
            self.say(Said::Likely(clause));
        }
    }

    fn clause(&mut self, id: UtteranceId, text: String, language: Language) -> Option<Clause> {
        let context = self.context(language);
        let spoken = self.utterance(id)?.spoken;
        Some(Clause { utterance: id, text, language, context, spoken })
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
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.ends_with('?') == other.ends_with('?') && same_words(one, other)
}
