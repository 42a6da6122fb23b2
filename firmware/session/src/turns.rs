use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::UtteranceId;
use crate::outbox::Outbox;
use crate::segment::{Segment, Stage};
use crate::talker::Tongue;

/// How long speech goes on before playback no longer waits for it: a television never pauses.
pub(crate) const HOLD_LIMIT: Duration = Duration::from_secs(15);
/// Clauses that may wait to be spoken; about five minutes of speech.
const LONGEST_QUEUE: usize = 64;

/// What a [`Delivery`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What somebody said.
    Speech,
    /// That a machine translates.
    Announcement,
    /// Other words of the room itself.
    Words,
    /// What a caller is told for a key, or as something changed.
    Reply,
}

/// An utterance whose clauses are on their way to be heard; the announcement is one, too.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) id: UtteranceId,
    /// Its audio is still coming.
    pub(crate) open: bool,
    /// Clauses may still come.
    pub(crate) unfinished: bool,
    pub(crate) kind: Kind,
    /// When its last voice arrived and when that was decided, once it ended.
    pub(crate) spoken: Timestamp,
    pub(crate) decided: Option<Timestamp>,
    /// Segments that were played.
    played: u32,
    pub(crate) segments: VecDeque<Segment>,
}

impl Delivery {
    pub(crate) fn new(id: UtteranceId) -> Self {
        Self {
            id,
            open: true,
            unfinished: true,
            kind: Kind::Speech,
            spoken: Timestamp::default(),
            decided: None,
            played: 0,
            segments: VecDeque::new(),
        }
    }

    /// What the room itself has to tell.
    pub(crate) fn told(kind: Kind, id: UtteranceId, segments: VecDeque<Segment>) -> Self {
        Self { open: false, unfinished: false, kind, segments, ..Self::new(id) }
    }

    /// The clause that is worked on though it is not committed.
    pub(crate) fn provisional(&mut self) -> Option<&mut Segment> {
        self.segments.back_mut().filter(|segment| segment.provisional)
    }
}

/// Whose turn it is to be heard.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Nobody's: the next in order is not ready.
    Wait,
    /// This segment's.
    Play(SegmentId),
    /// A segment failed: the error tone takes its turn.
    Tone,
    /// The announcement is over; whether any of it was heard.
    Announced(bool),
}

/// One speaker's utterances in the order they were begun, and their segments in the order they were said, in one
/// language. Engines answer in any order; what is heard keeps this one.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What they are translated into.
    pub(crate) target: Tongue,
    pub(crate) queue: VecDeque<Delivery>,
}

impl Turns {
    pub(crate) fn new(target: Tongue) -> Self {
        Self { target, queue: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, delivery: Delivery) {
        self.queue.push_back(delivery);
    }

    pub(crate) fn delivery(&mut self, id: UtteranceId) -> Option<&mut Delivery> {
        self.queue.iter_mut().find(|delivery| delivery.id == id)
    }

    pub(crate) fn segment(&mut self, id: SegmentId) -> Option<&mut Segment> {
        self.queue.iter_mut().flat_map(|delivery| &mut delivery.segments).find(|s| s.id == id)
    }

    /// Whether something that was said, to its end, is still to be heard.
    pub(crate) fn owes_speech(&self) -> bool {
        let owes = |delivery: &Delivery| delivery.unfinished || !delivery.segments.is_empty();
        self.queue.iter().any(|delivery| !delivery.open && owes(delivery))
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing().is_some()
    }

    /// The delivery and segment that are being played.
    pub(crate) fn playing(&self) -> Option<(&Delivery, &Segment)> {
        let delivery = self.queue.front()?;
        let segment = delivery.segments.front()?;
        matches!(segment.stage, Stage::Playing { .. }).then_some((delivery, segment))
    }

    /// Takes the segment that was played out of the queue.
    pub(crate) fn played(&mut self) -> Option<Segment> {
        self.playing()?;
        let delivery = self.queue.front_mut()?;
        delivery.played += 1;
        delivery.segments.pop_front()
    }

    /// Removes the utterances up to `last` but for what is played of them; their segments.
    pub(crate) fn forget_until(&mut self, last: UtteranceId) -> Vec<SegmentId> {
        let mut forgotten = Vec::new();
        for delivery in self.queue.iter_mut().filter(|delivery| delivery.id <= last) {
            delivery.unfinished = false;
            let waits = |s: &Segment| !matches!(s.stage, Stage::Playing { .. });
            forgotten.extend(delivery.segments.iter().filter(|s| waits(s)).map(|s| s.id));
            delivery.segments.retain(|s| !waits(s));
        }
        self.queue.retain(|delivery| delivery.id > last || !delivery.segments.is_empty());
        forgotten
    }

    /// Removes what is of this kind and not played yet; its segments.
    pub(crate) fn forget(&mut self, kind: Kind) -> Vec<SegmentId> {
        let mut forgotten = Vec::new();
        self.queue.retain(|delivery| {
            let waits = |s: &Segment| !matches!(s.stage, Stage::Playing { .. });
            let is_over = delivery.kind == kind && delivery.segments.iter().all(waits);
            if is_over {
                forgotten.extend(delivery.segments.iter().map(|segment| segment.id));
            }
            !is_over
        });
        forgotten
    }

    /// Removes the oldest segment that is not being played while too many wait.
    pub(crate) fn overflow(&mut self) -> Option<Segment> {
        let waiting: usize = self.queue.iter().map(|delivery| delivery.segments.len()).sum();
        if waiting <= LONGEST_QUEUE {
            return None;
        }
        let is_waiting = |s: &Segment| !matches!(s.stage, Stage::Playing { .. });
        let delivery = self.queue.iter_mut().find(|delivery| delivery.segments.iter().any(is_waiting))?;
        let place = delivery.segments.iter().position(is_waiting)?;
        delivery.segments.remove(place)
    }

    /// Whose turn it is. `speaking` holds playback back, though not for ever.
    pub(crate) fn next(&mut self, now: Timestamp, speaking: bool) -> Turn {
        while let Some(delivery) = self.queue.front_mut() {
            let Some(segment) = delivery.segments.front() else {
                if delivery.unfinished {
                    return Turn::Wait;
                }
                let over = self.queue.pop_front().expect("the queue has a front");
                if over.kind == Kind::Announcement {
                    return Turn::Announced(over.played > 0);
                }
                continue;
            };
            match segment.stage {
                _ if segment.provisional => return Turn::Wait,
                Stage::Ready { since } | Stage::Failed { since } if speaking && now < since + HOLD_LIMIT => {
                    return Turn::Wait;
                }
                Stage::Ready { .. } => return Turn::Play(segment.id),
                Stage::Failed { .. } => {
                    delivery.segments.pop_front();
                    if delivery.kind != Kind::Announcement {
                        return Turn::Tone;
                    }
                }
                _ => return Turn::Wait,
            }
        }
        Turn::Wait
    }

    /// When the oldest clause was committed that is still to be heard.
    pub(crate) fn oldest_unheard(&self) -> Option<Timestamp> {
        let waits = |s: &&Segment| !s.provisional && !matches!(s.stage, Stage::Playing { .. });
        let said = self.queue.iter().filter(|delivery| delivery.kind == Kind::Speech);
        said.flat_map(|delivery| &delivery.segments).filter(waits).map(|s| s.stamps.committed).min()
    }

    /// How far the translation is behind what was said: the age of the oldest clause that is not heard yet.
    pub(crate) fn behind(&self, now: Timestamp) -> Duration {
        self.oldest_unheard().map_or(Duration::ZERO, |committed| now.since(committed))
    }

    /// Removes a segment that will not be heard.
    pub(crate) fn skip(&mut self, id: SegmentId) {
        self.queue.iter_mut().for_each(|delivery| delivery.segments.retain(|segment| segment.id != id));
    }

    /// When the next engine is late.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.queue.iter().flat_map(|delivery| &delivery.segments).filter_map(Segment::deadline).min()
    }

    /// When the next segment no longer waits for a speaker to pause.
    pub(crate) fn hold_ends(&self) -> Option<Timestamp> {
        match self.queue.front()?.segments.front().filter(|segment| !segment.provisional)?.stage {
            Stage::Ready { since } | Stage::Failed { since } => Some(since + HOLD_LIMIT),
            _ => None,
        }
    }

    /// Segments whose engine, or playback, is overdue.
    pub(crate) fn overdue(&self, now: Timestamp) -> Vec<SegmentId> {
        let segments = self.queue.iter().flat_map(|delivery| &delivery.segments);
        let late = |s: &&Segment| s.deadline().is_some_and(|deadline| deadline <= now);
        segments.filter(late).map(|s| s.id).collect()
    }

    /// Drops what is too much; its texts.
    pub(crate) fn shed(&mut self, out: &mut Outbox) {
        while let Some(dropped) = self.overflow() {
            out.discards.segments += 1;
            out.act(crate::Action::Discard { segment: dropped.id });
            let message = format!("too much waits to be spoken; dropped: {}", dropped.source);
            out.error(crate::Component::Playback, message);
        }
    }
}
