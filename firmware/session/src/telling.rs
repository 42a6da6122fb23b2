//! What the house says: texts from outside, each to be heard in the listeners' own languages.

use std::collections::VecDeque;

use audio_path::{SegmentId, Timestamp};

use crate::outbox::Outbox;
use crate::segment::{MT_DEADLINE, Segment, Stage, TTS_DEADLINE};
use crate::turns::{Delivery, Kind, Turns};
use crate::{Action, Event, Language, UtteranceId};

/// Texts that may wait to be heard; about a minute of speech.
pub(crate) const MOST_TEXTS: usize = 8;

/// What is to be said.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// In words.
    pub words: &'a str,
    /// Their language.
    pub language: Language,
    /// Somebody has said it already: who speaks its language is to hear that.
    pub is_voiced: bool,
}

/// What is going to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// In which languages.
    pub languages: Vec<Language>,
    /// What waits for the sound of a text that is voiced. It is not [`Action::Speak`]'s.
    pub voiced: Option<SegmentId>,
}

/// Why a text is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Nobody is there to hear it.
    NobodyThere,
    /// Too many others wait to be heard before it.
    TooMany,
}

impl Turns {
    /// Has a text said in these languages, one after the other. What waits for its sound, if it is voiced.
    pub(crate) fn say(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: Text<'_>,
        targets: &[Language],
        out: &mut Outbox,
    ) -> Option<SegmentId> {
        let segments: VecDeque<Segment> =
            targets.iter().map(|target| begin(now, id, text, *target, out)).collect();
        let own = segments.iter().find(|segment| segment.target_lang == text.language);
        let voiced = own.filter(|_| text.is_voiced).map(|segment| segment.id);
        self.push(Delivery::told(Kind::Words, id, segments));
        voiced
    }

    /// Texts that are still to be heard.
    pub(crate) fn texts(&self) -> usize {
        let waits = |delivery: &&Delivery| delivery.kind == Kind::Words && !delivery.segments.is_empty();
        self.queue.iter().filter(waits).count()
    }

    /// Whether the segment is what somebody said.
    pub(crate) fn is_speech(&self, id: SegmentId) -> bool {
        let speech = self.queue.iter().filter(|delivery| delivery.kind == Kind::Speech);
        speech.flat_map(|delivery| &delivery.segments).any(|segment| segment.id == id)
    }
}

/// Whoever speaks its language needs no translator, and is told the text as a translation all the same.
fn begin(
    now: Timestamp,
    utterance: UtteranceId,
    Text { words, language: source_lang, is_voiced }: Text<'_>,
    target_lang: Language,
    out: &mut Outbox,
) -> Segment {
    let (segment, text, languages) = (out.new_segment(), words.to_owned(), [source_lang, target_lang]);
    if source_lang != target_lang {
        let (asked, context) = (text.clone(), String::new());
        out.act(Action::Translate {
            segment,
            text: asked,
            context,
            source: source_lang,
            target: target_lang,
        });
        let stage = Stage::Translating { deadline: now + MT_DEADLINE };
        return Segment::new(segment, utterance, text, languages, stage);
    }
    if !is_voiced {
        out.act(Action::Speak { segment, text: text.clone(), language: target_lang });
    }
    let (text_told, source) = (text.clone(), text.clone());
    out.emit(Event::Translation { segment, utterance, text: text_told, source, source_lang, target_lang });
    let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
    Segment { translation: text.clone(), ..Segment::new(segment, utterance, text, languages, stage) }
}

#[cfg(test)]
mod tests {
    use crate::{Input, Interpreter, LanguagePair, Manner};

    use super::*;

    #[test]
    fn no_engine_speaks_what_somebody_has_said_already() {
        let spanish: Language = "es".parse().unwrap();
        let pair = LanguagePair::new(Language::ENGLISH, spanish).unwrap();
        let mut room = Interpreter::new(pair, Manner::Consecutive);
        let now = Timestamp::from_nanos(1_000_000_000);
        room.handle(now, Input::Connected);
        while room.poll_action().is_some() {}
        let text = Text { words: "Buenos días.", language: spanish, is_voiced: true };
        let telling = room.say(now, text).unwrap();
        let voiced = telling.voiced.expect("a segment waits for the sound");
        let actions: Vec<Action> = std::iter::from_fn(|| room.poll_action()).collect();
        let to_english = |action: &&Action| matches!(action, Action::Translate { target, .. } if *target == Language::ENGLISH);
        assert_eq!(actions.iter().filter(to_english).count(), 1);
        assert!(!actions.iter().any(|action| matches!(action, Action::Speak { .. })), "{actions:?}");
        let is_told = |action: &Action| matches!(action, Action::Emit(Event::Translation { segment, .. }) if *segment == voiced);
        assert!(actions.iter().any(is_told), "who reads along reads it");
        let silent = room.say(now, Text { is_voiced: false, ..text }).unwrap();
        assert_eq!((silent.voiced, silent.languages), (None, telling.languages));
    }
}
