use std::collections::VecDeque;

use audio_path::{Frame, LegId, Playable, Producer, SegmentId};
use session::room::Pace;

use crate::leg::{Next, Playback};
use crate::media::LegShared;

/// Frames handed to the phone ahead of time: a second, which bridges a stall of this side.
const FRAMES_AHEAD: usize = 50;

/// One of the ways on which speech reaches a phone. What is on different ones is heard at once.
pub(super) struct Lane {
    number: usize,
    ring: Producer<Playable>,
    /// Room for frames in the ring when nothing waits in it.
    capacity: usize,
    /// Who was heard on it last; `None` for what nobody said.
    talker: Option<LegId>,
    playback: Playback,
    /// What comes after the segment that is played, and how fast.
    next: VecDeque<(SegmentId, Pace)>,
    /// The segment whose frames went to the ring last.
    handed_over: Option<SegmentId>,
}

impl Lane {
    pub(super) fn new(number: usize, ring: Producer<Playable>) -> Self {
        let capacity = ring.vacant();
        Self {
            number,
            ring,
            capacity,
            talker: None,
            playback: Playback::default(),
            next: VecDeque::new(),
            handed_over: None,
        }
    }

    pub(super) fn is_of(&self, talker: Option<LegId>) -> bool {
        self.talker == talker
    }

    /// Segments that are to be heard on it, and frames that wait in its ring.
    pub(super) fn load(&self) -> (usize, usize) {
        let playing = usize::from(self.playback.is_playing());
        (playing + self.next.len(), self.capacity - self.ring.vacant())
    }

    pub(super) fn is_busy(&self) -> bool {
        self.load() != (0, 0)
    }

    /// Puts a segment by `talker` behind what is played already.
    pub(super) fn play(
        &mut self,
        talker: Option<LegId>,
        segment: SegmentId,
        pace: Pace,
        samples: &[i16],
        is_complete: bool,
    ) {
        self.talker = talker;
        self.playback.expect(segment);
        self.playback.add(segment, samples);
        if is_complete {
            self.playback.complete(segment);
        }
        self.next.push_back((segment, pace));
        self.go_on();
    }

    pub(super) fn add(&mut self, segment: SegmentId, samples: &[i16]) {
        self.playback.add(segment, samples);
    }

    pub(super) fn complete(&mut self, segment: SegmentId) {
        self.playback.complete(segment);
    }

    pub(super) fn discard(&mut self, segment: SegmentId, shared: &LegShared) {
        self.next.retain(|(waiting, _)| *waiting != segment);
        self.playback.discard(segment);
        if self.handed_over.take_if(|handed| *handed == segment).is_some() {
            shared.flush_lane(self.number);
        }
        self.go_on();
    }

    /// Hands speech to the phone, never far ahead; tells `rendered` of each frame.
    pub(super) fn top_up(&mut self, shared: &LegShared, mut rendered: impl FnMut(&Frame)) {
        while self.capacity - self.ring.vacant() < FRAMES_AHEAD {
            let Some(Next { segment, last, frame }) = self.playback.next_frame() else { return };
            let playable = Playable { epoch: shared.epoch(self.number), segment, last, frame };
            self.handed_over = Some(segment);
            if self.ring.push(playable).is_ok() {
                rendered(&frame);
            }
            self.go_on();
        }
    }

    pub(super) fn is_playing(&self) -> bool {
        self.playback.is_playing()
    }

    fn go_on(&mut self) {
        if !self.playback.is_playing()
            && let Some((segment, pace)) = self.next.pop_front()
        {
            self.playback.play(segment, pace);
        }
    }
}
