//! What a caller changes with the keys of his phone, each change told to him alone, in his language.

use audio_path::{LegId, Timestamp};

use super::{Order, Room, collect};
use crate::Language;
use crate::keys::Key;
use crate::phrases::Phrase;
use crate::talker::Tongue;

impl Room {
    /// A caller pressed a key. `1` repeats the last translation, `2` makes speech slower or not, `4` and `6` make voices
    /// under their translations softer and louder, `7` mutes him or not, `9` changes his language to the next one of
    /// the room's, `0` turns the translator off for him or on, `*` tells all that. Others tell of `*`.
    pub fn key(&mut self, now: Timestamp, leg: LegId, key: char) {
        let Some(member) = self.members.iter().find(|member| member.leg == leg && !member.is_gone) else {
            return;
        };
        if member.door.is_some() {
            self.key_at_the_door(now, leg, key);
        } else {
            self.wish(now, leg, Key::of(key));
        }
        self.arrange(now);
        self.go_on(now);
    }

    fn wish(&mut self, now: Timestamp, leg: LegId, key: Key) {
        let (is_translated, hides_originals) = (self.is_translated(leg), self.rules.hides_originals);
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        let wishes = &mut member.wishes;
        let phrase = match key {
            Key::Repeat => return self.repeat(now, leg),
            Key::Language => return self.next_language(now, leg),
            Key::Pace | Key::Softer | Key::Louder if !is_translated => Phrase::NoTranslation,
            Key::Softer | Key::Louder if hides_originals => Phrase::OnlyTranslation,
            Key::Pace => wishes.change_pace(),
            Key::Softer => wishes.softer(),
            Key::Louder => wishes.louder(),
            Key::Mute => {
                member.talker.break_off(now);
                wishes.mute()
            }
            Key::Translator => wishes.switch(),
            Key::Keys => Phrase::Keys,
            Key::OwnVoice(_) | Key::ForgetVoices | Key::Nothing => Phrase::PressStar,
        };
        self.tell(now, leg, phrase);
    }

    /// Whether he hears anybody in translation.
    fn is_translated(&self, leg: LegId) -> bool {
        let Some(member) = self.members.iter().find(|member| member.leg == leg) else { return false };
        self.members.iter().any(|talker| !talker.is_gone && self.translates(talker, member))
    }

    /// Tells a caller something.
    pub(super) fn tell(&mut self, now: Timestamp, leg: LegId, phrase: Phrase) {
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            let (text, language) = phrase.words(member.language);
            member.tell(now, (text.to_owned(), language), &mut self.out);
            collect(&mut self.out, leg, &[], &mut self.orders);
        }
    }

    fn repeat(&mut self, now: Timestamp, leg: LegId) {
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        if member.last_heard.is_empty() {
            return self.tell(now, leg, Phrase::NothingToRepeat);
        }
        let words = (member.last_heard.clone(), member.language);
        member.tell(now, words, &mut self.out);
        collect(&mut self.out, leg, &[], &mut self.orders);
    }

    /// A caller speaks another language from now on. What he said before stays what it was.
    fn next_language(&mut self, now: Timestamp, leg: LegId) {
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        let languages: &[Language] = &self.rules.languages;
        let place = languages.iter().position(|language| *language == member.language);
        let next = languages.get(place.map_or(0, |place| (place + 1) % languages.len()));
        let Some(language) = next.copied().filter(|next| *next != member.language) else {
            return self.tell(now, leg, Phrase::NoOtherLanguage);
        };
        member.talker.break_off(now);
        member.talker.tongue = Tongue::One(language);
        member.language = language;
        member.changed_language = Some(language);
        member.last_heard.clear();
        self.orders.push_back(Order::Speaks { leg, language });
        self.tell(now, leg, Phrase::Language);
    }
}
