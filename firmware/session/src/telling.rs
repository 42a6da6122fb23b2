//! What the house says: texts from outside, each to be heard in the listeners' own languages.

use audio_path::{SegmentId, Timestamp};

use crate::outbox::Outbox;
use crate::segment::{MT_DEADLINE, Segment, Stage, TTS_DEADLINE};
use crate::turns::{Delivery, Kind, Turns};
use crate::{Action, Event, Language, UtteranceId};

/// Texts that may wait to be heard; about a minute of speech.
pub(crate) const MOST_TEXTS: usize = 8;

/// Why a text is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// Nobody is there to hear it.
    NobodyThere,
    /// Too many others wait to be heard before it.
    TooMany,
}

impl Turns {
    /// Has a text said in these languages, one after the other.
    pub(crate) fn say(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        (text, source): (&str, Language),
        targets: &[Language],
        out: &mut Outbox,
    ) {
        let segments = targets.iter().map(|target| begin(now, id, text, [source, *target], out)).collect();
        self.push(Delivery::told(Kind::Words, id, segments));
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
    text: &str,
    languages: [Language; 2],
    out: &mut Outbox,
) -> Segment {
    let (segment, text) = (out.new_segment(), text.to_owned());
    let [source_lang, target_lang] = languages;
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
    out.act(Action::Speak { segment, text: text.clone(), language: target_lang });
    let (text_told, source) = (text.clone(), text.clone());
    out.emit(Event::Translation { segment, utterance, text: text_told, source, source_lang, target_lang });
    let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
    Segment { translation: text.clone(), ..Segment::new(segment, utterance, text, languages, stage) }
}
