//! What the house says: everybody who is in hears it in his own language, beside whatever others say.

use audio_path::{LegId, Timestamp};

use super::interpretation::Interpretation;
use super::member::Member;
use super::{Room, collect};
use crate::Language;
use crate::telling::{MOST_TEXTS, Telling, Text, Unsaid};

/// Who says what the house says. No leg has this number.
pub const HOUSE: LegId = LegId(0);

impl Room {
    /// Has a text said to everybody who is in: translated once for each other language, spoken once for each.
    ///
    /// # Errors
    /// Where nobody is in, or too much waits to be said already.
    pub fn say(&mut self, now: Timestamp, text: Text<'_>) -> Result<Telling, Unsaid> {
        let targets = self.languages();
        if targets.is_empty() {
            return Err(Unsaid::NobodyThere);
        }
        if self.of_house().any(|of| of.track.turns.texts() >= MOST_TEXTS) {
            return Err(Unsaid::TooMany);
        }
        for target in &targets {
            self.interpret(HOUSE, *target, &self.who_hears(*target));
        }
        self.last_of_house.0 += 1;
        let (id, out, mut voiced) = (self.last_of_house, &mut self.out, None);
        for of in self.interpretations.iter_mut().filter(|of| of.talker == HOUSE) {
            if targets.contains(&of.target) {
                of.track.expect_answer(now);
                voiced = voiced.or(of.track.turns.say(now, id, text, &[of.target], out));
            }
        }
        collect(out, HOUSE, &[], &mut self.orders);
        self.go_on(now);
        Ok(Telling { languages: targets, voiced })
    }

    /// What the house says that is still to be heard, by languages.
    pub(super) fn unheard_of_house(&self) -> impl Iterator<Item = Language> {
        self.of_house().filter(|of| of.is_unheard()).map(|of| of.target)
    }

    /// Who hears what the house says in `target`, and whether he may hear it now: not before he was told that a
    /// machine translates, where he is to be told.
    pub(super) fn who_hears(&self, target: Language) -> Vec<(LegId, bool)> {
        let hears = |member: &&Member| member.is_present() && member.language == target;
        let listeners = self.members.iter().filter(hears);
        listeners.map(|member| (member.leg, member.announcement.is_over_or_not_due())).collect()
    }

    fn of_house(&self) -> impl Iterator<Item = &Interpretation> {
        self.interpretations.iter().filter(|of| of.talker == HOUSE)
    }

    /// What those who are in speak.
    fn languages(&self) -> Vec<Language> {
        let mut languages: Vec<Language> = Vec::new();
        for member in self.members.iter().filter(|member| member.is_present()) {
            if !languages.contains(&member.language) {
                languages.push(member.language);
            }
        }
        languages
    }
}
