//! What of a caller outlives whoever serves his room: the call goes on, and he is neither asked nor told again.

use audio_path::{LegId, Timestamp};
use serde::{Deserialize, Serialize};

use super::member::{About, Keys, Member, Recording};
use super::{Mode, Order, Room, collect};
use crate::announcement::Announcement;
use crate::keys::Wishes;
use crate::{Component, Event, Language};

/// What is known of a caller that cannot be asked for anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Remembered {
    /// He entered the room's PIN.
    pub(crate) has_entered: bool,
    /// He was told that a machine translates.
    pub(crate) is_told: bool,
    /// He came first, where that matters.
    pub(crate) is_first: bool,
    pub(crate) wishes: Wishes,
    /// What he speaks, where he changed that.
    pub(crate) language: Option<Language>,
}

impl Remembered {
    /// Of a caller who was told that a machine translates.
    pub fn told() -> Self {
        Self { is_told: true, ..Self::default() }
    }
}

impl Room {
    /// A caller came who was in this room before somebody else began to serve it. Where he is recorded he is told
    /// everything again, as it is another recording.
    pub fn rejoin(&mut self, now: Timestamp, leg: LegId, language: Language, known: Remembered) {
        if self.member(leg).is_some() {
            return;
        }
        let changed = known.language.filter(|changed| self.rules.languages.contains(changed));
        self.members.push(self.returning(now, leg, language, Remembered { language: changed, ..known }));
        if let Some(language) = changed {
            self.orders.push_back(Order::Speaks { leg, language });
        }
        if self.members.last().is_some_and(|member| member.announcement.is_over()) {
            self.out.emit(Event::Listening);
            collect(&mut self.out, leg, &[], &mut self.orders);
        }
        if known.is_first && self.rules.mode == Mode::Unidirectional {
            self.founder = Some(leg);
        }
        if known.has_entered {
            self.let_in(leg);
            self.arrange(now);
        } else {
            self.receive(now, leg);
        }
        self.go_on(now);
    }

    fn returning(&self, now: Timestamp, leg: LegId, language: Language, known: Remembered) -> Member {
        let mut member = Member::new(leg, known.language.unwrap_or(language), self.rules.manner);
        member.wishes = known.wishes.within_bounds();
        member.changed_language = known.language;
        member.known = known;
        if self.rules.is_recorded {
            member.recording = Recording::Untold;
        } else if known.is_told {
            (member.announcement, member.about) = (Announcement::Over, About::Machine);
            member.keys = Keys::Told;
        }
        for component in Component::ALL.into_iter().filter(|component| self.lost[*component as usize]) {
            member.outage.served(now, component, false);
        }
        member
    }

    /// Tells what is to be remembered of whom, where that changed.
    pub(super) fn mind_memory(&mut self) {
        let founder = self.founder.filter(|_| self.rules.mode == Mode::Unidirectional);
        let has_pin = self.rules.pin.is_some();
        for member in self.members.iter_mut().filter(|member| !member.is_gone) {
            let known = Remembered {
                has_entered: has_pin && member.door.is_none(),
                is_told: member.announcement.is_over(),
                is_first: founder == Some(member.leg),
                wishes: member.wishes,
                language: member.changed_language,
            };
            if known != member.known {
                member.known = known;
                self.orders.push_back(Order::Remember { leg: member.leg, known });
            }
        }
    }
}
