use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::segment::{Segment, Stage};
use crate::transcript::Transcript;
use crate::{Language, UtteranceId};

/// How long speech goes on before playback no longer waits for it: a television never pauses.
pub(crate) const HOLD_LIMIT: Duration = Duration::from_secs(15);
/// Clauses that may wait to be spoken; about five minutes of speech.
const LONGEST_QUEUE: usize = 64;

/// How far the hearing of an utterance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Its audio is still coming.
    Open,
    /// Its audio is still coming, but its recogniser gave up.
    Broken,
    /// The recogniser owes its whole text until the deadline.
    Finishing { deadline: Timestamp },
    /// Its text is known, or will never be.
    Closed,
}

/// An utterance and those of its clauses that are still to be spoken; the announcement is one, too.
#[derive(Debug)]
pub(crate) struct Utterance {
    pub(crate) id: UtteranceId,
    pub(crate) hearing: Hearing,
    pub(crate) transcript: Transcript,
    pub(crate) language: Option<Language>,
    pub(crate) frames: u32,
    /// Frames up to the last voiced one.
    pub(crate) voiced: u32,
    /// How much of its audio the newest text was made of.
    pub(crate) heard: Duration,
    /// Clauses that were guessed.
    pub(crate) guesses: u32,
    /// All that was said so far is committed, and its speaker pauses.
    pub(crate) settled: bool,
    /// When its last voiced frame arrived, and when that was decided to be the last.
    pub(crate) spoken: Timestamp,
    pub(crate) decided: Option<Timestamp>,
    pub(crate) announcement: bool,
    /// Segments that were played.
    pub(crate) played: u32,
    pub(crate) segments: VecDeque<Segment>,
}

impl Utterance {
    pub(crate) fn new(id: UtteranceId) -> Self {
        Self {
            id,
            hearing: Hearing::Open,
            transcript: Transcript::default(),
            language: None,
            frames: 0,
            voiced: 0,
            heard: Duration::ZERO,
            guesses: 0,
            settled: false,
            spoken: Timestamp::default(),
            decided: None,
            announcement: false,
            played: 0,
            segments: VecDeque::new(),
        }
    }

    /// Whether its audio is still coming.
    fn is_open(&self) -> bool {
        matches!(self.hearing, Hearing::Open | Hearing::Broken)
    }

    /// Whether its recogniser still works on it.
    pub(crate) fn is_heard(&self) -> bool {
        matches!(self.hearing, Hearing::Open | Hearing::Finishing { .. })
    }

    /// The clause that is worked on though it is not committed.
    pub(crate) fn provisional(&mut self) -> Option<&mut Segment> {
        self.segments.back_mut().filter(|segment| segment.provisional)
    }

    fn deadline(&self) -> Option<Timestamp> {
        let hearing = match self.hearing {
            Hearing::Finishing { deadline } => Some(deadline),
            Hearing::Open | Hearing::Broken | Hearing::Closed => None,
        };
        self.segments.iter().filter_map(Segment::deadline).chain(hearing).min()
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

/// The utterances in the order they were begun, and their segments in the order they were said. Engines answer in any
/// order; what is heard keeps this one.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    queue: VecDeque<Utterance>,
}

impl Turns {
    pub(crate) fn push(&mut self, utterance: Utterance) {
        self.queue.push_back(utterance);
    }

    pub(crate) fn utterance(&mut self, id: UtteranceId) -> Option<&mut Utterance> {
        self.queue.iter_mut().find(|u| u.id == id)
    }

    /// Whether the speaker pauses and nothing of what he said so far is open.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue.back().is_some_and(|utterance| utterance.is_open() && utterance.settled)
    }

    /// The utterance whose audio is coming.
    pub(crate) fn open(&mut self) -> Option<&mut Utterance> {
        self.queue.iter_mut().rfind(|u| u.is_open())
    }

    pub(crate) fn segment(&mut self, id: SegmentId) -> Option<&mut Segment> {
        self.queue.iter_mut().flat_map(|u| &mut u.segments).find(|s| s.id == id)
    }

    /// Whether something that was said, to its end, is still to be heard.
    pub(crate) fn owes_speech(&self) -> bool {
        let owes = |u: &Utterance| u.hearing != Hearing::Closed || !u.segments.is_empty();
        self.queue.iter().any(|u| !u.is_open() && owes(u))
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.playing().is_some()
    }

    /// The utterance and segment that are being played.
    pub(crate) fn playing(&self) -> Option<(&Utterance, &Segment)> {
        let utterance = self.queue.front()?;
        let segment = utterance.segments.front()?;
        matches!(segment.stage, Stage::Playing { .. }).then_some((utterance, segment))
    }

    /// Takes the segment that was played out of the queue.
    pub(crate) fn played(&mut self) -> Option<Segment> {
        self.playing()?;
        let utterance = self.queue.front_mut()?;
        utterance.played += 1;
        utterance.segments.pop_front()
    }

    /// Removes the oldest segment that is not being played while too many wait.
    pub(crate) fn overflow(&mut self) -> Option<Segment> {
        let waiting: usize = self.queue.iter().map(|u| u.segments.len()).sum();
        if waiting <= LONGEST_QUEUE {
            return None;
        }
        let is_waiting = |s: &Segment| !matches!(s.stage, Stage::Playing { .. });
        let utterance = self.queue.iter_mut().find(|u| u.segments.iter().any(is_waiting))?;
        let place = utterance.segments.iter().position(is_waiting)?;
        utterance.segments.remove(place)
    }

    /// Removes a clause that was only guessed. Answers whether it was there.
    pub(crate) fn retract(&mut self, id: SegmentId) -> bool {
        let is_it = |s: &Segment| s.id == id && s.provisional;
        let holder = self.queue.iter_mut().find(|u| u.segments.back().is_some_and(is_it));
        holder.and_then(|utterance| utterance.segments.pop_back()).is_some()
    }

    /// Whose turn it is. `speaking` holds playback back, though not for ever.
    pub(crate) fn next(&mut self, now: Timestamp, speaking: bool) -> Turn {
        while let Some(utterance) = self.queue.front_mut() {
            let Some(segment) = utterance.segments.front() else {
                if utterance.hearing != Hearing::Closed {
                    return Turn::Wait;
                }
                let over = self.queue.pop_front().expect("the queue has a front");
                if over.announcement {
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
                    utterance.segments.pop_front();
                    if !utterance.announcement {
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
        let clauses = self.queue.iter().filter(|u| !u.announcement).flat_map(|u| &u.segments);
        clauses.filter(waits).map(|segment| segment.stamps.committed).min()
    }

    /// Removes a segment that will not be heard.
    pub(crate) fn skip(&mut self, id: SegmentId) {
        self.queue.iter_mut().for_each(|utterance| utterance.segments.retain(|segment| segment.id != id));
    }

    /// When the next engine is late.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.queue.iter().filter_map(Utterance::deadline).min()
    }

    /// When the next segment no longer waits for a speaker to pause.
    pub(crate) fn hold_ends(&self) -> Option<Timestamp> {
        match self.queue.front()?.segments.front().filter(|segment| !segment.provisional)?.stage {
            Stage::Ready { since } | Stage::Failed { since } => Some(since + HOLD_LIMIT),
            _ => None,
        }
    }

    /// Utterances whose text is overdue, segments whose engine is overdue.
    pub(crate) fn overdue(&self, now: Timestamp) -> (Vec<UtteranceId>, Vec<SegmentId>) {
        let late = |u: &&Utterance| matches!(u.hearing, Hearing::Finishing { deadline } if deadline <= now);
        let utterances = self.queue.iter().filter(late).map(|u| u.id).collect();
        let segments = self.queue.iter().flat_map(|u| &u.segments);
        let late = |s: &&Segment| s.deadline().is_some_and(|deadline| deadline <= now);
        (utterances, segments.filter(late).map(|s| s.id).collect())
    }
}
