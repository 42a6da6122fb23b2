use audio_path::{Captured, LegId, SegmentId, Timestamp};

use super::company::Company;
use super::door::Door;
use super::memory::Remembered;
use super::{Order, Original, Pace, Room, collect};
use crate::announcement::Announcement;
use crate::keys::Wishes;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::phrases::Phrase;
use crate::talker::{Talker, Tongue};
use crate::track::{Floor, Track};
use crate::turns::Kind;
use crate::{Component, Event, Language, Manner};

/// What an announcement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// That a machine translates, and perhaps that he is recorded.
    Machine,
    /// Only that he is recorded.
    Recording,
}

impl About {
    fn machine(self) -> bool {
        self == Self::Machine
    }
}

/// What a member knows of his being recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recording {
    /// He is not.
    None,
    Untold,
    Told,
}

/// Whether a member was told how he learns of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Untold,
    Told,
}

/// Somebody in a room.
pub(super) struct Member {
    pub(super) leg: LegId,
    pub(super) language: Language,
    pub(super) talker: Talker,
    /// What only he hears: the announcement and notices.
    pub(super) own: Track,
    pub(super) announcement: Announcement,
    pub(super) about: About,
    pub(super) recording: Recording,
    /// His phone is gone, though not all was heard that he said.
    pub(super) is_gone: bool,
    /// Whether anybody needs him translated.
    pub(super) is_wanted: bool,
    /// What was told last of the voices that he hears.
    pub(super) originals: Vec<(LegId, Original)>,
    pub(super) outage: Outage,
    /// What plays at his phone, which may return it, and until when at most.
    pub(super) sounding: Vec<(SegmentId, Timestamp)>,
    pub(super) is_sounding: bool,
    /// What he heard last of the others, in words.
    pub(super) last_heard: String,
    pub(super) wishes: Wishes,
    pub(super) keys: Keys,
    pub(super) company: Company,
    /// What he speaks, where he changed that.
    pub(super) changed_language: Option<Language>,
    /// What was told last that is to be remembered of him.
    pub(super) known: Remembered,
    /// He has not entered the room's PIN.
    pub(super) door: Option<Door>,
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
            about: About::Recording,
            recording: Recording::None,
            is_gone: false,
            is_wanted: false,
            originals: Vec::new(),
            outage: Outage::default(),
            sounding: Vec::new(),
            is_sounding: false,
            last_heard: String::new(),
            wishes: Wishes::default(),
            keys: Keys::Untold,
            company: Company::default(),
            changed_language: None,
            known: Remembered::default(),
            door: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let talker = self.talker.deadline();
        if self.is_gone {
            return talker;
        }
        let again = self.announcement.deadline();
        let outage = self.outage.deadline().filter(|_| self.is_concerned());
        let door = self.door.as_ref().and_then(Door::deadline);
        let echo = self.sounding.iter().map(|(_, until)| *until).min();
        let company = self.company.deadline();
        [again, door, outage, echo, company, talker, self.own.deadline(false)].into_iter().flatten().min()
    }

    /// Whether anything of what he says or hears is translated.
    fn is_concerned(&self) -> bool {
        self.announcement != Announcement::NotDue && self.about.machine()
    }

    /// Whether he is in the room, and his phone, too.
    pub(super) fn is_present(&self) -> bool {
        !self.is_gone && self.door.is_none()
    }

    /// How fast he hears what is said next: slowly as long as he keeps up with it.
    pub(super) fn pace(&self) -> (LegId, Pace) {
        let is_slow = self.wishes.is_slow && self.sounding.is_empty();
        (self.leg, if is_slow { Pace::Slow } else { Pace::Usual })
    }

    /// A frame arrived from his phone.
    pub(super) fn capture(&mut self, now: Timestamp, captured: &Captured) {
        let ear = &mut self.talker.ear;
        if !self.announcement.is_over() && self.announcement != Announcement::NotDue {
            ear.ignore();
        } else if self.is_wanted && !self.is_gone && !self.wishes.is_muted {
            self.talker.hear(now, captured);
        } else {
            ear.pass();
        }
    }

    /// Tells him that a machine translates, where that concerns him, and that he is recorded, where he does not know.
    pub(super) fn announce(&mut self, now: Timestamp, out: &mut Outbox) {
        self.announcement.begin();
        let machine = self.about.machine().then_some(Phrase::Machine);
        let recorded = (self.recording == Recording::Untold).then_some(Phrase::Recorded);
        let keys = (self.keys == Keys::Untold).then_some(Phrase::PressStar);
        let phrases: Vec<Phrase> = [machine, recorded, keys].into_iter().flatten().collect();
        let id = self.talker.new_utterance();
        self.own.tell(now, Kind::Announcement, id, [Phrase::sentences(&phrases, self.language)], out);
    }

    /// He was told.
    fn announced(&mut self, out: &mut Outbox) {
        self.keys = Keys::Told;
        if self.about.machine() {
            self.announcement = Announcement::Over;
            out.emit(Event::Listening);
        } else {
            self.announcement = Announcement::NotDue;
        }
        if self.recording == Recording::Untold {
            self.recording = Recording::Told;
            out.emit(Event::ToldOfRecording);
        }
    }

    /// Whether what he says may be passed on to others than his room.
    pub(super) fn may_be_overheard(&self) -> bool {
        let is_told = match self.recording {
            Recording::None => self.announcement.is_over(),
            Recording::Untold => false,
            Recording::Told => true,
        };
        is_told && self.is_present() && !self.wishes.is_muted
    }

    /// Tells him something, in place of what he was told before.
    pub(super) fn tell(&mut self, now: Timestamp, words: (String, Language), out: &mut Outbox) {
        self.own.hush(out);
        self.own.expect_answer(now);
        let id = self.talker.new_utterance();
        self.own.tell(now, Kind::Reply, id, [words], out);
    }

    /// What is told to him is over.
    pub(super) fn interrupt(&mut self, out: &mut Outbox) {
        self.own.hush(out);
        if self.own.is_playing() {
            self.own.stop(out);
        }
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
            let Some(heard) = self.own.advance(now, Floor::default(), notice, out) else { break };
            if heard {
                self.announced(out);
            } else {
                if self.announcement.has_failed() {
                    self.own.spare_tone();
                }
                self.announcement.fail(now);
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
            if before.is_due_again(now) {
                member.announce(now, &mut self.out);
            }
            member.advance(now, &mut self.out);
            member.keep_company(now, &mut self.out);
            let is_new = member.announcement != before;
            let pace = member.pace();
            if let Some(segment) = collect(&mut self.out, leg, &[pace], &mut self.orders) {
                self.sounds(now, segment, &[leg], "");
            }
            self.mind_the_door(now, place);
            if is_new {
                self.arrange(now);
            }
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
        let mut was_in = false;
        for member in self.members.extract_if(.., |member| gone.contains(&member.leg)) {
            was_in |= member.door.is_none();
            self.out.discards.late_answers += member.talker.late_answers;
        }
        self.interpretations.retain(|of| !gone.contains(&of.talker));
        self.orders.extend(gone.into_iter().map(|leg| Order::Forget { leg }));
        if self.rules.ends_with_the_first_to_leave && was_in {
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
