use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{Captured, LegId, SegmentId, Timestamp};

use super::door::Door;
use super::keys::Wishes;
use super::{Order, Original, Pace, Room, collect};
use crate::language::announcement;
use crate::outage::Outage;
use crate::outbox::Outbox;
use crate::phrases::Phrase;
use crate::segment::{Segment, Stage, TTS_DEADLINE};
use crate::talker::{Talker, Tongue};
use crate::track::{Floor, Track};
use crate::turns::{Delivery, Kind};
use crate::{Action, Component, Event, Language, Manner};

/// Where no announcement could be spoken nothing may be listened to: it is tried again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);

/// Whether a member was told that a machine translates, or that he is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announcement {
    /// Nothing that concerns him is translated yet, and he was told of the rest.
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

    pub(super) fn is_over_or_not_due(self) -> bool {
        matches!(self, Self::Over | Self::NotDue)
    }

    /// Whether it cannot be spoken.
    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::FailedUntil(_) | Self::SpeakingAgain)
    }
}

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
            door: None,
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
        let door = self.door.as_ref().and_then(Door::deadline);
        let echo = self.sounding.iter().map(|(_, until)| *until).min();
        [again, door, outage, echo, talker, self.own.deadline(false)].into_iter().flatten().min()
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
        let is_first = self.announcement == Announcement::NotDue;
        self.announcement = if is_first { Announcement::Speaking } else { Announcement::SpeakingAgain };
        let (machine, language) = announcement(self.language);
        let recorded = Phrase::Recorded.words(language).0;
        let owes = self.recording == Recording::Untold;
        let texts = [self.about.machine().then_some(machine), owes.then_some(recorded)];
        let text = texts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        self.say(now, Kind::Announcement, (&text, language), out);
    }

    /// He was told.
    fn announced(&mut self, out: &mut Outbox) {
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

    /// Tells him something, in place of other words that he did not begin to hear.
    pub(super) fn tell(&mut self, now: Timestamp, words: (&str, Language), out: &mut Outbox) {
        self.hush(out);
        self.own.expect_answer(now);
        self.say(now, Kind::Words, words, out);
    }

    /// What is told to him is over.
    pub(super) fn interrupt(&mut self, out: &mut Outbox) {
        self.hush(out);
        if self.own.is_playing() {
            self.own.stop(out);
        }
    }

    /// Forgets words that he did not begin to hear.
    pub(super) fn hush(&mut self, out: &mut Outbox) {
        for segment in self.own.turns.forget_words() {
            out.act(Action::Discard { segment });
        }
    }

    fn say(&mut self, now: Timestamp, kind: Kind, (text, language): (&str, Language), out: &mut Outbox) {
        let segment = out.new_segment();
        out.act(Action::Speak { segment, text: text.to_owned(), language });
        let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
        let id = self.talker.new_utterance();
        let segments = VecDeque::from([Segment::new(segment, id, text.to_owned(), [language; 2], stage)]);
        self.own.turns.push(Delivery::told(kind, id, segments));
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
                self.announced(out);
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
