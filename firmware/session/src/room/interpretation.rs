use audio_path::{LegId, SegmentId, Timestamp};

use super::member::Member;
use super::{Order, Pace, Room, collect};
use crate::outbox::Outbox;
use crate::talker::Tongue;
use crate::track::{Floor, Track};
use crate::turns::Turns;
use crate::{Action, Language, UtteranceId};

/// Somebody who is to hear an interpretation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listener {
    pub(super) leg: LegId,
    /// The last utterance before he came: he hears what follows.
    pub(super) after: UtteranceId,
    /// Whether he was told that a machine translates; before, it waits for him.
    pub(super) is_told: bool,
}

/// What one member says, in one of the others' languages.
pub(super) struct Interpretation {
    pub(super) talker: LegId,
    pub(super) target: Language,
    pub(super) track: Track,
    pub(super) listeners: Vec<Listener>,
    /// Who hears what is played.
    hearing: Vec<LegId>,
    /// The segment that some listener began to hear last.
    begun: Option<SegmentId>,
}

impl Interpretation {
    pub(super) fn new(talker: LegId, target: Language) -> Self {
        Self {
            talker,
            target,
            track: Track::new(Tongue::One(target)),
            listeners: Vec::new(),
            hearing: Vec::new(),
            begun: None,
        }
    }

    /// Whether something is still to be heard.
    pub(super) fn is_unheard(&self) -> bool {
        self.track.is_playing() || self.track.turns.queue.iter().any(|delivery| !delivery.segments.is_empty())
    }

    /// When there is something to do, while its talker is `speaking`.
    pub(super) fn deadline(&self, speaking: bool) -> Option<Timestamp> {
        if self.may_go_on() { self.track.deadline(speaking) } else { self.track.overdue_at() }
    }

    /// A listener's phone is gone: what only he heard is over.
    pub(super) fn lose_listener(&mut self, leg: LegId, out: &mut Outbox) {
        let before = self.hearing.len();
        self.hearing.retain(|listener| *listener != leg);
        if self.hearing.is_empty() && before > 0 {
            self.track.stop(out);
        }
    }

    /// Forgets what was said before any of the listeners came.
    pub(super) fn forget_old(&mut self) -> Vec<SegmentId> {
        let first = self.listeners.iter().map(|listener| listener.after).min();
        first.map(|last| self.track.turns.forget_until(last)).unwrap_or_default()
    }

    /// Who may hear the utterance now.
    fn audience(&self, of: UtteranceId) -> impl Iterator<Item = LegId> {
        let told = self.listeners.iter().filter(move |listener| listener.is_told && listener.after < of);
        told.map(|listener| listener.leg)
    }

    /// Whether somebody may hear what comes next.
    fn may_go_on(&self) -> bool {
        let next = self.track.turns.queue.front().map_or(UtteranceId(u32::MAX), |delivery| delivery.id);
        self.audience(next).next().is_some()
    }

    /// Plays what comes next, if it is time to. Gives what begins, and who hears it.
    fn advance(&mut self, now: Timestamp, speaking: bool, out: &mut Outbox) {
        self.track.tick(now, out);
        if self.may_go_on() {
            let floor = Floor { speaking, holds: false, pace: Pace::Hurried };
            self.track.advance(now, floor, || None, out);
        }
    }

    /// What is played, in words.
    fn text(&self) -> &str {
        self.track.turns.playing().map(|(_, segment)| segment.translation.as_str()).unwrap_or_default()
    }

    /// Who hears what begins to be played.
    fn begin(&mut self) -> Vec<LegId> {
        let of = self.track.turns.playing().map_or(UtteranceId(u32::MAX), |(delivery, _)| delivery.id);
        self.hearing = self.audience(of).collect();
        self.hearing.clone()
    }
}

impl Room {
    pub(super) fn advance_interpretations(&mut self, now: Timestamp) {
        for place in 0..self.interpretations.len() {
            let speaking = self.is_speaking(self.interpretations[place].talker);
            let of = &mut self.interpretations[place];
            of.advance(now, speaking, &mut self.out);
            let plays = |action: &Action| matches!(action, Action::Play { .. } | Action::PlayCue { .. });
            let listeners = if self.out.actions.iter().any(plays) { of.begin() } else { Vec::new() };
            let (talker, text) = (of.talker, of.text().to_owned());
            let paces: Vec<_> =
                listeners.iter().filter_map(|leg| self.member(*leg)).map(Member::pace).collect();
            if let Some(segment) = collect(&mut self.out, talker, &paces, &mut self.orders) {
                self.sounds(now, segment, &listeners, &text);
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
        let heard = self.interpretations.iter_mut().filter(|of| of.hearing.contains(&listener));
        for of in heard.filter(|of| of.begun != Some(id)) {
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
        let Some(member) = self.members.iter_mut().find(|member| member.leg == listener) else { return };
        member.sounding.retain(|(sounding, _)| *sounding != id);
        if member.own.playback_ended(now, id, &mut self.out) {
            collect(&mut self.out, listener, &[], &mut self.orders);
            return;
        }
        for of in self.interpretations.iter_mut().filter(|of| of.hearing.contains(&listener)) {
            if of.track.playback_ended(now, id, &mut self.out) {
                of.hearing.clear();
                collect(&mut self.out, of.talker, &[], &mut self.orders);
                return;
            }
        }
    }

    /// Tells who is to hear what `talker` says in `target`: legs, and whether they were told of the machine. What
    /// nobody of them was there for is forgotten.
    pub(super) fn interpret(&mut self, talker: LegId, target: Language, legs: &[(LegId, bool)]) {
        let after = self.member(talker).map_or(self.last_of_house, |member| member.talker.last_utterance());
        let place = self.interpretations.iter().position(|of| (of.talker, of.target) == (talker, target));
        let place = place.unwrap_or_else(|| {
            self.interpretations.push(Interpretation::new(talker, target));
            self.interpretations.len() - 1
        });
        let of = &mut self.interpretations[place];
        let before = std::mem::take(&mut of.listeners);
        let since = |leg| before.iter().find(|old| old.leg == leg).map_or(after, |old| old.after);
        let listeners = legs.iter().map(|&(leg, is_told)| Listener { leg, after: since(leg), is_told });
        of.listeners = listeners.collect();
        let discards = of.forget_old().into_iter().map(|segment| Order::Discard { leg: talker, segment });
        self.orders.extend(discards);
    }
}
