//! What the keys of a phone do in a room that has one. Whoever holds it is told so, in the languages that he may speak.

use audio_path::Timestamp;

use super::Interpreter;
use crate::keys::Key;
use crate::phrases::Phrase;
use crate::talker::Tongue;
use crate::turns::Kind;
use crate::{Action, Input, Language};

impl Interpreter {
    /// A key was pressed. `1` repeats the last translation, `2` makes speech slower or not, `9` goes from the first
    /// language to the second and back to either, `0` turns the translator off or on, `*` tells all that. Where own
    /// voices are offered, `3` and `5` consent for the speakers of the first and of the second language, and `8` takes
    /// both back. Others tell of `*`.
    pub fn key(&mut self, now: Timestamp, key: char) {
        if !self.is_connected() {
            return;
        }
        match Key::of(key) {
            Key::Repeat => self.repeat(now),
            Key::Pace => {
                let phrase = self.wishes.change_pace();
                self.reply(now, &[phrase]);
            }
            Key::Language => self.next_language(now),
            Key::Translator => self.switch(now),
            Key::Keys if self.offers_own_voices => {
                self.reply(now, &[Phrase::InterpreterKeys, Phrase::OwnVoiceKeys]);
            }
            Key::Keys => self.reply(now, &[Phrase::InterpreterKeys]),
            Key::OwnVoice(place) if self.offers_own_voices => {
                self.reply_in(now, &[self.languages.both()[place]], &[Phrase::OwnVoice]);
            }
            Key::ForgetVoices if self.offers_own_voices => self.reply(now, &[Phrase::VoicesForgotten]),
            _ => self.reply(now, &[Phrase::PressStar]),
        }
        self.handle(now, Input::Tick);
    }

    /// Whether what is said is translated.
    pub fn translates(&self) -> bool {
        self.is_announced() && !self.wishes.is_off
    }

    /// Tells this in each language that whoever holds the phone may speak.
    fn reply(&mut self, now: Timestamp, phrases: &[Phrase]) {
        match self.talker.tongue {
            Tongue::One(language) => self.reply_in(now, &[language], phrases),
            Tongue::EitherOf(pair) => self.reply_in(now, &pair.both(), phrases),
        }
    }

    fn reply_in(&mut self, now: Timestamp, languages: &[Language], phrases: &[Phrase]) {
        let mut texts: Vec<_> =
            languages.iter().map(|language| Phrase::sentences(phrases, *language)).collect();
        // Two languages without words have the same ones.
        texts.dedup();
        self.answer(now, texts);
    }

    /// Tells this, in place of what was told for an earlier key.
    fn answer(&mut self, now: Timestamp, texts: Vec<(String, Language)>) {
        self.stop(now, Kind::Reply);
        self.track.expect_answer(now);
        let id = self.talker.new_utterance();
        self.track.tell(now, Kind::Reply, id, texts, &mut self.out);
    }

    fn repeat(&mut self, now: Timestamp) {
        match self.last_heard.clone() {
            Some(heard) => self.answer(now, vec![heard]),
            None => self.reply(now, &[Phrase::NothingToRepeat]),
        }
    }

    /// What was said before stays what it was.
    fn next_language(&mut self, now: Timestamp) {
        self.talker.break_off(now);
        let [first, second] = self.languages.both();
        let (tongue, phrase) = match self.talker.tongue {
            Tongue::EitherOf(_) => (Tongue::One(first), Phrase::Language),
            Tongue::One(language) if language == first => (Tongue::One(second), Phrase::Language),
            Tongue::One(_) => (Tongue::EitherOf(self.languages), Phrase::EitherLanguage),
        };
        self.talker.tongue = tongue;
        self.reply(now, &[phrase]);
    }

    /// Without the translator nothing is recognised, and nothing is heard any more that was said before.
    fn switch(&mut self, now: Timestamp) {
        let phrase = self.wishes.switch();
        if self.wishes.is_off {
            self.talker.break_off(now);
            self.listen(now);
            for utterance in self.talker.fall_silent() {
                self.out.act(Action::CancelAsr { utterance });
            }
            self.stop(now, Kind::Speech);
        }
        self.reply(now, &[phrase]);
    }

    fn stop(&mut self, now: Timestamp, kind: Kind) {
        if self.track.forget(kind, &mut self.out) {
            self.talker.ear.gate.playback_ends(now);
        }
    }
}
