use audio_path::{LegId, SegmentId, Timestamp};

use super::{Room, collect};
use crate::Language;
use crate::outbox::Outbox;
use crate::talker::Tongue;
use crate::track::{Floor, Track};
use crate::turns::Turns;

/// What one member says, in one of the others' languages.
pub(super) struct Interpretation {
    pub(super) talker: LegId,
    pub(super) target: Language,
    pub(super) track: Track,
    /// The segment that some listener began to hear last.
    begun: Option<SegmentId>,
    /// What is played, and who is to hear it.
    playing: Option<(SegmentId, Vec<LegId>)>,
}

impl Interpretation {
    pub(super) fn new(talker: LegId, target: Language) -> Self {
        Self { talker, target, track: Track::new(Tongue::One(target)), begun: None, playing: None }
    }

    /// Whether it plays at this phone.
    pub(super) fn sounds_at(&self, leg: LegId) -> bool {
        let plays = |(_, listeners): &(SegmentId, Vec<LegId>)| listeners.contains(&leg);
        self.track.is_playing() && self.playing.as_ref().is_some_and(plays)
    }

    /// Whether something is still to be heard.
    pub(super) fn is_unheard(&self) -> bool {
        self.track.is_playing() || self.track.turns.queue.iter().any(|delivery| !delivery.segments.is_empty())
    }

    /// A listener is gone: what only he heard is over.
    pub(super) fn lose_listener(&mut self, now: Timestamp, leg: LegId, out: &mut Outbox) {
        let Some((segment, listeners)) = &mut self.playing else { return };
        listeners.retain(|listener| *listener != leg);
        if listeners.is_empty() {
            self.track.playback_ended(now, *segment, out);
            self.playing = None;
        }
    }
}

impl Room {
    /// Who hears what `talker` says in `target`.
    fn audience(&self, talker: LegId, target: Language) -> Vec<LegId> {
        let hears = |leg| self.translates(talker, leg);
        let listeners = self.members.iter().filter(|m| m.language == target && m.announcement.is_over());
        listeners.map(|member| member.leg).filter(|leg| hears(*leg)).collect()
    }

    pub(super) fn advance_interpretations(&mut self, now: Timestamp) {
        for place in 0..self.interpretations.len() {
            let Interpretation { talker, target, .. } = self.interpretations[place];
            let listeners = self.audience(talker, target);
            if listeners.is_empty() {
                continue;
            }
            let floor = Floor { speaking: self.is_speaking(talker), holds: false, hurries: true };
            let track = &mut self.interpretations[place].track;
            track.tick(now, &mut self.out);
            track.advance(now, floor, || None, &mut self.out);
            if let Some(segment) = collect(&mut self.out, talker, &listeners, &mut self.orders) {
                self.interpretations[place].playing = Some((segment, listeners));
            }
        }
    }

    /// Does something with the track that has the segment.
    pub(super) fn on_segment(&mut self, id: SegmentId, step: impl FnOnce(&mut Track, &mut Outbox)) {
        let interpretations = self.interpretations.iter_mut().map(|of| (of.talker, &mut of.track));
        let own = self.members.iter_mut().map(|member| (member.leg, &mut member.own));
        let Some((leg, track)) = interpretations.chain(own).find(|(_, track)| track.has(id)) else {
            return self.out.late();
        };
        step(track, &mut self.out);
        collect(&mut self.out, leg, &[], &mut self.orders);
    }

    /// A listener began to hear a segment. The first one counts.
    pub(super) fn playback_started(&mut self, now: Timestamp, listener: LegId, id: SegmentId) {
        let spoken = |turns: &Turns| turns.playing().map(|(_, segment)| segment.stamps.spoken);
        for of in self.interpretations.iter_mut().filter(|of| of.begun != Some(id)) {
            if of.track.playback_started(now, id, spoken, &mut self.out) {
                of.begun = Some(id);
                collect(&mut self.out, of.talker, &[], &mut self.orders);
                return;
            }
        }
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == listener) {
            member.own.playback_started(now, id, spoken, &mut self.out);
            collect(&mut self.out, listener, &[], &mut self.orders);
        }
    }

    /// A listener heard a segment to its end. The first one counts: the others have it in their phones or soon will.
    pub(super) fn playback_ended(&mut self, now: Timestamp, listener: LegId, id: SegmentId) {
        let listening = self.members.iter_mut().find(|member| member.leg == listener);
        if listening.is_some_and(|member| member.own.playback_ended(now, id, &mut self.out)) {
            collect(&mut self.out, listener, &[], &mut self.orders);
            return;
        }
        for of in &mut self.interpretations {
            if of.track.playback_ended(now, id, &mut self.out) {
                collect(&mut self.out, of.talker, &[], &mut self.orders);
                return;
            }
        }
    }
}
