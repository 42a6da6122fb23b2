//! Who hears whom, and how.

use audio_path::{LegId, Timestamp};

use super::interpretation::Interpretation;
use super::member::{Announcement, Member};
use super::{Mode, Order, Original, Room, collect};
use crate::{Action, Language};

impl Room {
    /// Whether what `talker` says is translated for `listener`.
    pub(super) fn translates(&self, talker: LegId, listener: LegId) -> bool {
        let (Some(from), Some(to)) = (self.member(talker), self.member(listener)) else { return false };
        let wanted = match self.rules.mode {
            Mode::Bidirectional => true,
            Mode::Unidirectional => self.founder == Some(talker),
            Mode::Passthrough => false,
        };
        wanted && from.language != to.language && !to.is_gone
    }

    /// Settles everything anew after somebody came, left or changed.
    pub(super) fn arrange(&mut self, now: Timestamp) {
        for place in 0..self.members.len() {
            if !self.members[place].is_gone {
                self.arrange_member(now, place);
            }
        }
        self.arrange_interpretations();
    }

    fn arrange_member(&mut self, now: Timestamp, place: usize) {
        let leg = self.members[place].leg;
        let others = self.members.iter().filter(|member| member.leg != leg && !member.is_gone);
        let others: Vec<LegId> = others.map(|member| member.leg).collect();
        let is_wanted = others.iter().any(|other| self.translates(leg, *other));
        let is_concerned = is_wanted || others.iter().any(|other| self.translates(*other, leg));
        let originals = others.iter().map(|other| (*other, self.original(*other, leg))).collect();
        let member = &mut self.members[place];
        member.is_wanted = is_wanted;
        if is_concerned && member.announcement == Announcement::NotDue {
            member.announce(now, &mut self.out);
            collect(&mut self.out, leg, &[leg], &mut self.orders);
        }
        self.tell_originals(place, originals);
    }

    /// How `listener` hears the voice of `talker`. Where no engine answers the voice itself is the last rung.
    fn original(&self, talker: LegId, listener: LegId) -> Original {
        let is_lost = self.lost.contains(&true);
        if self.translates(talker, listener) && !is_lost { Original::Ducked } else { Original::Plain }
    }

    fn arrange_interpretations(&mut self) {
        let mut wanted: Vec<(LegId, Language)> = Vec::new();
        for talker in self.members.iter().map(|member| member.leg) {
            for Member { leg, language, .. } in &self.members {
                if self.translates(talker, *leg) && !wanted.contains(&(talker, *language)) {
                    wanted.push((talker, *language));
                }
            }
        }
        let is_over = |of: &mut Interpretation| !wanted.contains(&(of.talker, of.target));
        for over in self.interpretations.extract_if(.., is_over) {
            let segments = over.track.turns.queue.iter().flat_map(|delivery| &delivery.segments);
            let discards = segments.map(|segment| Order::Discard { leg: over.talker, segment: segment.id });
            self.orders.extend(discards);
        }
        for (talker, target) in wanted {
            if !self.interpretations.iter().any(|of| (of.talker, of.target) == (talker, target)) {
                self.interpretations.push(Interpretation::new(talker, target));
            }
        }
        self.stop_listening();
    }

    /// Whoever nobody needs translated any more is no longer recognised.
    fn stop_listening(&mut self) {
        for member in self.members.iter_mut().filter(|member| !member.is_wanted && !member.is_gone) {
            for utterance in member.talker.fall_silent() {
                let action = Action::CancelAsr { utterance };
                self.orders.push_back(Order::Do { leg: member.leg, action });
            }
        }
    }
}
