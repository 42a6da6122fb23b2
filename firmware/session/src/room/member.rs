use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{Captured, LegId, SegmentId, Timestamp};

use super::{Order, Original, Room, collect};
use crate::language::announcement;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::segment::{PLAYBACK_DEADLINE, Segment, Stage, TTS_DEADLINE};
use crate::talker::{Talker, Tongue};
use crate::track::{Floor, Track};
use crate::turns::Delivery;
use crate::{Action, Component, Event, Language, Manner};

/// Where no announcement could be spoken nothing may be listened to: it is tried again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);
/// How much softer a voice under its translation is taken to be, where it may come back from a phone.
const DUCKED_BY_DB: f32 = 12.0;
/// What is softer is no voice.
const QUIETEST_VOICE_DBFS: f32 = -45.0;

/// Whether a member was told that a machine translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// Nothing that concerns him is translated yet.
    NotDue,
    Speaking,
    /// It could not be spoken; it is tried again then.
    FailedUntil(Timestamp),
    SpeakingAgain,
    Over,
}

impl Announcement {
    pub(super) fn is_over(self) -> bool {
        self == Self::Over
    }

    /// Whether it cannot be spoken.
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::FailedUntil(_) | Self::SpeakingAgain)
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
    /// What plays at his phone, which may return it, and until when at most.
    pub(super) sounding: Vec<(SegmentId, Timestamp)>,
    is_sounding: bool,
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
            sounding: Vec::new(),
            is_sounding: false,
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let talker = self.talker.deadline();
        if self.is_gone {
            return talker;
        }
        let again = match self.announcement {
            Announcement::FailedUntil(at) => Some(at),
            _ => None,
        };
        let outage = self.outage.deadline().filter(|_| self.is_concerned());
        let echo = self.sounding.iter().map(|(_, until)| *until).min();
        [again, outage, echo, talker, self.own.deadline(false)].into_iter().flatten().min()
    }

    /// Whether anything of what he says or hears is translated.
    fn is_concerned(&self) -> bool {
        self.announcement != Announcement::NotDue
    }

    /// A frame arrived from his phone.
    pub(super) fn capture(&mut self, now: Timestamp, captured: &Captured) {
        let ear = &mut self.talker.ear;
        if !self.announcement.is_over() && self.announcement != Announcement::NotDue {
            ear.ignore();
        } else if self.is_wanted && !self.is_gone {
            self.talker.hear(now, captured);
        } else {
            ear.pass();
        }
    }

    /// Tells his ear whether something plays at his phone.
    fn mind_echo(&mut self, now: Timestamp) {
        self.sounding.retain(|(_, until)| *until > now);
        let sounds = !self.sounding.is_empty();
        match (std::mem::replace(&mut self.is_sounding, sounds), sounds) {
            (false, true) => self.talker.ear.gate.playback_begins(),
            (true, false) => self.talker.ear.gate.playback_ends(now),
            _ => {}
        }
    }

    /// Tells him that a machine translates.
    pub(super) fn announce(&mut self, now: Timestamp, out: &mut Outbox) {
        let is_first = self.announcement == Announcement::NotDue;
        self.announcement = if is_first { Announcement::Speaking } else { Announcement::SpeakingAgain };
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
        if !self.announcement.is_over() {
            self.outage.keep_to_bad_news();
        }
        loop {
            let outage = &mut self.outage;
            let notice = || outage.next_notice(now, false);
            let Some(heard) = self.own.advance(now, Floor::default(), notice, out) else { return };
            if heard {
                self.announcement = Announcement::Over;
                out.emit(Event::Listening);
            } else {
                if self.announcement.has_failed() {
                    self.own.spare_tone();
                }
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
            let before = member.announcement;
            if matches!(before, Announcement::FailedUntil(at) if at <= now) {
                member.announce(now, &mut self.out);
            }
            member.advance(now, &mut self.out);
            let is_new = member.announcement != before;
            if let Some(segment) = collect(&mut self.out, leg, &[leg], &mut self.orders) {
                self.sounds(now, segment, &[leg]);
            }
            if is_new {
                self.arrange(now);
            }
        }
    }

    /// A segment goes to these phones.
    pub(super) fn sounds(&mut self, now: Timestamp, segment: SegmentId, listeners: &[LegId]) {
        for member in self.members.iter_mut().filter(|member| listeners.contains(&member.leg)) {
            member.sounding.push((segment, now + PLAYBACK_DEADLINE));
        }
    }

    /// Tells every ear what its phone may return.
    pub(super) fn mind_echoes(&mut self, now: Timestamp) {
        let discarded: Vec<SegmentId> = self.orders.iter().filter_map(Order::discarded).collect();
        for member in &mut self.members {
            member.sounding.retain(|(segment, _)| !discarded.contains(segment));
            member.mind_echo(now);
        }
    }

    /// What somebody says is heard by others, whose phones may return it.
    pub(super) fn mind_voice(&mut self, talker: LegId, captured: &Captured) {
        let dbfs = captured.frame.dbfs();
        if dbfs < QUIETEST_VOICE_DBFS {
            return;
        }
        for member in &mut self.members {
            let below = match member.originals.iter().find(|(leg, _)| *leg == talker) {
                Some((_, Original::Plain)) => 0.0,
                Some((_, Original::Ducked)) => DUCKED_BY_DB,
                None => continue,
            };
            member.talker.ear.gate.overheard(captured.at, dbfs - below);
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
        for member in self.members.extract_if(.., |member| gone.contains(&member.leg)) {
            self.out.discards.late_answers += member.talker.late_answers;
        }
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
}
