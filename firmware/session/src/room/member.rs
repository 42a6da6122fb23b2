use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{LegId, Timestamp};

use super::{Order, Original, Room, collect};
use crate::language::announcement;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::segment::{Segment, Stage, TTS_DEADLINE};
use crate::talker::{Talker, Tongue};
use crate::track::{Floor, Track};
use crate::turns::Delivery;
use crate::{Action, Component, Event, Language, Manner};

/// Where no announcement could be spoken nothing may be listened to: it is tried again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);

/// Whether a member was told that a machine translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// Nothing that concerns him is translated yet.
    NotDue,
    Speaking,
    FailedUntil(Timestamp),
    Over,
}

impl Announcement {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }
}

/// Somebody in a room.
pub(super) struct Member {
    pub(super) leg: LegId,
    pub(super) language: Language,
    pub(super) talker: Talker,
    /// What only he hears: the announcement and notices.
    pub(super) own: Track,
    pub(super) announcement: Announcement,
    /// His phone is gone, though not all was heard that he said.
    pub(super) is_gone: bool,
    /// Whether anybody needs him translated.
    pub(super) is_wanted: bool,
    /// What was told last of the voices that he hears.
    pub(super) originals: Vec<(LegId, Original)>,
    pub(super) outage: Outage,
    /// Something plays at his phone, which may return it.
    sounding: bool,
}

impl Member {
    pub(super) fn new(leg: LegId, language: Language, manner: Manner) -> Self {
        let tongue = Tongue::One(language);
        Self {
            leg,
            language,
            talker: Talker::new(tongue, manner),
            own: Track::new(tongue),
            announcement: Announcement::NotDue,
            is_gone: false,
            is_wanted: false,
            originals: Vec::new(),
            outage: Outage::default(),
            sounding: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.is_gone {
            return self.talker.deadline();
        }
        let again = match self.announcement {
            Announcement::FailedUntil(at) => Some(at),
            _ => None,
        };
        let outage = self.outage.deadline().filter(|_| self.is_concerned());
        [again, outage, self.talker.deadline(), self.own.deadline(false)].into_iter().flatten().min()
    }

    /// Whether anything of what he says or hears is translated.
    fn is_concerned(&self) -> bool {
        self.announcement != Announcement::NotDue
    }

    /// Tells his ear whether something plays at his phone.
    fn sounds(&mut self, now: Timestamp, others: bool) {
        let sounds = others || self.own.is_playing();
        match (std::mem::replace(&mut self.sounding, sounds), sounds) {
            (false, true) => self.talker.ear.gate.playback_begins(),
            (true, false) => self.talker.ear.gate.playback_ends(now),
            _ => {}
        }
    }

    /// Tells him that a machine translates.
    pub(super) fn announce(&mut self, now: Timestamp, out: &mut Outbox) {
        self.announcement = Announcement::Speaking;
        let (text, language) = announcement(self.language);
        let segment = out.new_segment();
        out.act(Action::Speak { segment, text: text.to_owned(), language });
        let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
        let segments = VecDeque::from([Segment::new(segment, text.to_owned(), [language; 2], stage)]);
        let id = self.talker.new_utterance();
        self.own.turns.push(Delivery::announcement(id, segments));
    }

    /// Plays what only he hears.
    fn advance(&mut self, now: Timestamp, out: &mut Outbox) {
        self.own.tick(now, out);
        if self.is_concerned() {
            self.outage.tick(now, &[self.language]);
        }
        loop {
            let outage = &mut self.outage;
            let notice = || outage.next_notice(now, false);
            let Some(heard) = self.own.advance(now, Floor::default(), notice, out) else { return };
            if heard {
                self.announcement = Announcement::Over;
                out.emit(Event::Listening);
            } else {
                self.announcement = Announcement::FailedUntil(now + ANNOUNCE_AGAIN);
            }
        }
    }
}

impl Room {
    pub(super) fn advance_members(&mut self, now: Timestamp) {
        for place in 0..self.members.len() {
            let member = &mut self.members[place];
            let leg = member.leg;
            if member.is_gone {
                continue;
            }
            if matches!(member.announcement, Announcement::FailedUntil(at) if at <= now) {
                member.announce(now, &mut self.out);
            }
            let before = member.announcement;
            member.advance(now, &mut self.out);
            let is_new = member.announcement != before;
            collect(&mut self.out, leg, &[leg], &mut self.orders);
            if is_new {
                self.arrange(now);
            }
        }
    }

    /// Tells every ear what its phone may return.
    pub(super) fn mind_echoes(&mut self, now: Timestamp) {
        for member in &mut self.members {
            let others = self.interpretations.iter().any(|of| of.sounds_at(member.leg));
            member.sounds(now, others);
        }
    }

    /// Lets go of whoever is gone and was heard to the end.
    pub(super) fn forget_the_gone(&mut self) {
        let unheard = |leg| self.interpretations.iter().any(|of| of.talker == leg && of.is_unheard());
        let gone = self.members.iter().filter(|m| m.is_gone && m.talker.is_done() && !unheard(m.leg));
        let gone: Vec<LegId> = gone.map(|member| member.leg).collect();
        if gone.is_empty() {
            return;
        }
        self.members.retain(|member| !gone.contains(&member.leg));
        self.interpretations.retain(|of| !gone.contains(&of.talker));
        self.orders.extend(gone.into_iter().map(|leg| Order::Forget { leg }));
        if self.rules.ends_with_the_first_to_leave {
            let others = self.members.iter().filter(|member| !member.is_gone);
            self.orders.extend(others.map(|member| Order::Dismiss { leg: member.leg }));
        }
    }

    /// No engine of a stage answers, or one does again: without all three, voices are heard as they are.
    pub(super) fn served(&mut self, now: Timestamp, component: Component, served: bool) {
        self.lost[component as usize] = !served;
        for member in &mut self.members {
            member.outage.served(now, component, served);
        }
        self.arrange(now);
    }

    /// Tells a listener's voices where they changed.
    pub(super) fn tell_originals(&mut self, place: usize, originals: Vec<(LegId, Original)>) {
        let member = &mut self.members[place];
        if member.originals != originals {
            member.originals.clone_from(&originals);
            self.orders.push_back(Order::Hear { listener: member.leg, originals });
        }
    }
}
