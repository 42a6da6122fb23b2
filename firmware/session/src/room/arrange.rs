//! Who hears whom, and how.

use audio_path::{LegId, Timestamp};

use super::member::{About, Member, Recording};
use super::{HOUSE, Mode, Order, Original, Room, collect};
use crate::announcement::Announcement;
use crate::{Action, Language};

/// An interpretation that there is to be.
struct Wanted {
    talker: LegId,
    target: Language,
    /// Who is to hear it, and whether he was told that a machine translates.
    legs: Vec<(LegId, bool)>,
}

impl Room {
    /// Whether what `talker` says is to be translated for `listener`.
    fn concerns(&self, talker: &Member, listener: &Member) -> bool {
        let wanted = match self.rules.mode {
            Mode::Bidirectional => true,
            Mode::Unidirectional => self.founder == Some(talker.leg),
            Mode::Passthrough => false,
        };
        let is_in = talker.door.is_none() && listener.is_present();
        let is_off = talker.wishes.is_off || listener.wishes.is_off;
        wanted && is_in && !is_off && talker.leg != listener.leg && talker.language != listener.language
    }

    /// Whether it can be: nobody takes part whom it cannot be told that a machine translates.
    pub(super) fn translates(&self, talker: &Member, listener: &Member) -> bool {
        let is_untold = talker.announcement.has_failed() || listener.announcement.has_failed();
        self.concerns(talker, listener) && !is_untold
    }

    /// Settles everything anew after somebody came, left or changed.
    pub(super) fn arrange(&mut self, now: Timestamp) {
        for place in 0..self.members.len() {
            let member = &self.members[place];
            let is_wanted = self.members.iter().any(|other| self.translates(member, other));
            self.members[place].is_wanted = is_wanted;
            if self.members[place].is_present() {
                self.inform(now, place);
                self.tell_originals(place);
                self.tell_translated(place);
            }
        }
        let members = &self.members;
        self.translated.retain(|leg| members.iter().any(|member| member.leg == *leg && member.is_present()));
        self.arrange_interpretations();
        self.mind_company(now);
        self.stop_listening();
    }

    /// Tells a member that a machine translates, once that concerns him, and that he is recorded.
    fn inform(&mut self, now: Timestamp, place: usize) {
        let member = &self.members[place];
        let mut others = self.members.iter().filter(|other| other.is_present());
        let is_concerned = others.any(|other| self.concerns(member, other) || self.concerns(other, member));
        let member = &mut self.members[place];
        match member.announcement {
            Announcement::NotDue if is_concerned || member.recording == Recording::Untold => {
                member.about = if is_concerned { About::Machine } else { About::Recording };
                member.announce(now, &mut self.out);
                collect(&mut self.out, member.leg, &[], &mut self.orders);
            }
            Announcement::FailedUntil(_) if !is_concerned => {
                member.about = About::Recording;
                if member.recording != Recording::Untold {
                    member.announcement = Announcement::NotDue;
                }
            }
            _ => {}
        }
    }

    /// Tells a listener's voices where they changed.
    fn tell_originals(&mut self, place: usize) {
        let member = &self.members[place];
        let others = self
            .members
            .iter()
            .filter(|other| other.leg != member.leg && other.is_present() && !other.wishes.is_muted);
        let originals: Vec<_> = others.map(|other| (other.leg, self.original(other, member))).collect();
        let member = &mut self.members[place];
        if member.originals != originals {
            member.originals.clone_from(&originals);
            self.orders.push_back(Order::Hear { listener: member.leg, originals });
        }
    }

    /// Tells whether a member takes part in translations where that changed: not before he knows of the machine.
    fn tell_translated(&mut self, place: usize) {
        let member = &self.members[place];
        let takes_part = |other: &Member| self.translates(member, other) || self.translates(other, member);
        let yes = member.announcement.is_over() && self.members.iter().any(takes_part);
        let leg = member.leg;
        if self.translated.contains(&leg) != yes {
            self.translated.retain(|other| *other != leg);
            self.translated.extend(yes.then_some(leg));
            self.orders.push_back(Order::Translates { leg, yes });
        }
    }

    /// How `listener` hears the voice of `talker`. Where no engine answers the voice itself is the last rung.
    fn original(&self, talker: &Member, listener: &Member) -> Original {
        let is_lost = self.lost.contains(&true);
        if self.translates(talker, listener) && !is_lost {
            Original::Ducked { louder_db: listener.wishes.louder_db }
        } else {
            Original::Plain
        }
    }

    fn arrange_interpretations(&mut self) {
        let said = self.members.iter().flat_map(|talker| self.wanted(talker));
        let wanted: Vec<Wanted> = said.chain(self.wanted_of_house()).collect();
        let is_over = |talker, target| !wanted.iter().any(|of| (of.talker, of.target) == (talker, target));
        for over in self.interpretations.extract_if(.., |of| is_over(of.talker, of.target)) {
            let segments = over.track.turns.queue.iter().flat_map(|delivery| &delivery.segments);
            let discards = segments.map(|segment| Order::Discard { leg: over.talker, segment: segment.id });
            self.orders.extend(discards);
        }
        for Wanted { talker, target, legs } in wanted {
            self.interpret(talker, target, &legs);
        }
    }

    /// By whom what the house says is to be heard.
    fn wanted_of_house(&self) -> impl Iterator<Item = Wanted> {
        let wanted = |target| Wanted { talker: HOUSE, target, legs: self.who_hears(target) };
        self.unheard_of_house().map(wanted).filter(|wanted| !wanted.legs.is_empty())
    }

    /// In which languages, and by whom, `talker` is to be heard.
    fn wanted(&self, talker: &Member) -> Vec<Wanted> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for listener in self.members.iter().filter(|listener| self.translates(talker, listener)) {
            let leg = (listener.leg, listener.announcement.is_over());
            match wanted.iter_mut().find(|of| of.target == listener.language) {
                Some(of) => of.legs.push(leg),
                None => {
                    wanted.push(Wanted { talker: talker.leg, target: listener.language, legs: vec![leg] });
                }
            }
        }
        wanted
    }

    /// Whoever nobody needs translated any more is no longer recognised.
    fn stop_listening(&mut self) {
        for member in self.members.iter_mut().filter(|member| !member.is_wanted) {
            for utterance in member.talker.fall_silent() {
                let action = Action::CancelAsr { utterance };
                self.orders.push_back(Order::Do { leg: member.leg, action });
            }
        }
    }
}
