//! What a caller changes with the keys of his phone, each change told to him alone, in his language.

use audio_path::{LegId, Timestamp};

use super::{Order, Room, collect};
use crate::Language;
use crate::phrases::Phrase;
use crate::talker::Tongue;

/// A step of how loud voices are under their translations, dB.
const STEP_DB: i8 = 6;
/// The softest they are made, and the loudest.
const SOFTEST_DB: i8 = -24;
const LOUDEST_DB: i8 = 12;

/// What a caller wants different.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    /// He is neither heard nor translated.
    pub(super) is_muted: bool,
    pub(super) is_slow: bool,
    /// Neither what he says nor what he hears is translated.
    pub(super) is_off: bool,
    /// How much louder than usual voices are under their translations.
    pub(super) louder_db: i8,
}

impl Room {
    /// A caller pressed a key. `1` repeats the last translation, `2` makes speech slower or not, `4` and `6` make voices
    /// under their translations softer and louder, `7` mutes him or not, `9` changes his language to the next one of
    /// the room's, `0` turns the translator off for him or on, `*` tells all that. Others do nothing.
    pub fn key(&mut self, now: Timestamp, leg: LegId, key: char) {
        let Some(member) = self.members.iter().find(|member| member.leg == leg && !member.is_gone) else {
            return;
        };
        if member.door.is_some() {
            self.key_at_the_door(now, leg, key);
        } else {
            self.wish(now, leg, key);
        }
        self.arrange(now);
        self.go_on(now);
    }

    fn wish(&mut self, now: Timestamp, leg: LegId, key: char) {
        match key {
            '1' => return self.repeat(now, leg),
            '9' => return self.next_language(now, leg),
            _ => {}
        }
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        let wishes = &mut member.wishes;
        let phrase = match key {
            '2' => {
                wishes.is_slow = !wishes.is_slow;
                if wishes.is_slow { Phrase::Slower } else { Phrase::UsualPace }
            }
            '4' => {
                wishes.louder_db = (wishes.louder_db - STEP_DB).max(SOFTEST_DB);
                Phrase::Softer
            }
            '6' => {
                wishes.louder_db = (wishes.louder_db + STEP_DB).min(LOUDEST_DB);
                Phrase::Louder
            }
            '7' => {
                wishes.is_muted = !wishes.is_muted;
                let phrase = if wishes.is_muted { Phrase::Muted } else { Phrase::Unmuted };
                member.talker.break_off(now);
                phrase
            }
            '0' => {
                wishes.is_off = !wishes.is_off;
                if wishes.is_off { Phrase::TranslatorOff } else { Phrase::TranslatorOn }
            }
            '*' => Phrase::Keys,
            _ => return,
        };
        self.tell(now, leg, phrase);
    }

    /// Tells a caller something.
    pub(super) fn tell(&mut self, now: Timestamp, leg: LegId, phrase: Phrase) {
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            member.tell(now, phrase.words(member.language), &mut self.out);
            collect(&mut self.out, leg, &[], &mut self.orders);
        }
    }

    fn repeat(&mut self, now: Timestamp, leg: LegId) {
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        if member.last_heard.is_empty() {
            return self.tell(now, leg, Phrase::NothingToRepeat);
        }
        let text = member.last_heard.clone();
        member.tell(now, (&text, member.language), &mut self.out);
        collect(&mut self.out, leg, &[], &mut self.orders);
    }

    /// A caller speaks another language from now on. What he said before stays what it was.
    fn next_language(&mut self, now: Timestamp, leg: LegId) {
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else { return };
        let languages: &[Language] = &self.rules.languages;
        let place = languages.iter().position(|language| *language == member.language);
        let next = languages.get(place.map_or(0, |place| (place + 1) % languages.len()));
        let Some(language) = next.copied().filter(|next| *next != member.language) else { return };
        member.talker.break_off(now);
        member.talker.tongue = Tongue::One(language);
        member.language = language;
        member.last_heard.clear();
        self.orders.push_back(Order::Speaks { leg, language });
        self.tell(now, leg, Phrase::Language);
    }
}
