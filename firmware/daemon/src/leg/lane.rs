use std::collections::VecDeque;

use audio_path::{Frame, Playable, Producer, SegmentId};
use session::room::Pace;

use super::playback::{Next, Playback};
use crate::media::LegShared;

/// Frames handed to the phone ahead of time: a second, which bridges a stall of this side.
const FRAMES_AHEAD: usize = 50;

/// One of the ways on which speech reaches a phone: segments, one after the other. What is on different ones is heard
/// at once.
pub(crate) struct Lane {
    number: usize,
    ring: Producer<Playable>,
    /// Room for frames in the ring when nothing waits in it.
    capacity: usize,
    playback: Playback,
    /// What comes after the segment that is played, and how fast.
    next: VecDeque<(SegmentId, Pace)>,
    /// The segment whose frames went to the ring last.
    handed_over: Option<SegmentId>,
}

impl Lane {
    /// The way by the leg's ring of that `number`.
    pub(crate) fn new(number: usize, ring: Producer<Playable>) -> Self {
        let (capacity, playback) = (ring.vacant(), Playback::default());
        Self { number, ring, capacity, playback, next: VecDeque::new(), handed_over: None }
    }

    /// Segments that are to be heard on it, and frames that wait in its ring.
    pub(crate) fn load(&self) -> (usize, usize) {
        let playing = usize::from(self.playback.is_playing());
        (playing + self.next.len(), self.capacity - self.ring.vacant())
    }

    /// Makes room for a segment; audio for others is not kept.
    pub(crate) fn expect(&mut self, segment: SegmentId) {
        self.playback.expect(segment);
    }

    /// Adds audio, 16 kHz mono. Answers whether it is the segment's first.
    pub(crate) fn add(&mut self, segment: SegmentId, samples: &[i16]) -> bool {
        self.playback.add(segment, samples)
    }

    /// No more audio will come.
    pub(crate) fn complete(&mut self, segment: SegmentId) {
        self.playback.complete(segment);
    }

    /// Puts an expected segment behind what is played already.
    pub(crate) fn play(&mut self, segment: SegmentId, pace: Pace) {
        self.next.push_back((segment, pace));
        self.go_on();
    }

    /// Forgets a segment, and takes back what of it the phone has not heard.
    pub(crate) fn discard(&mut self, segment: SegmentId, shared: &LegShared) {
        self.next.retain(|(waiting, _)| *waiting != segment);
        self.playback.discard(segment);
        if self.handed_over.take_if(|handed| *handed == segment).is_some() {
            shared.flush_lane(self.number);
        }
        self.go_on();
    }

    /// Hands speech to the phone, never far ahead; tells `rendered` of each frame of a segment.
    pub(crate) fn top_up(&mut self, shared: &LegShared, mut rendered: impl FnMut(SegmentId, &Frame)) {
        while self.capacity - self.ring.vacant() < FRAMES_AHEAD {
            let Some(Next { segment, last, frame }) = self.playback.next_frame() else { return };
            let playable = Playable { epoch: shared.epoch(self.number), segment, last, frame };
            self.handed_over = Some(segment);
            if self.ring.push(playable).is_ok() {
                rendered(segment, &frame);
            }
            self.go_on();
        }
    }

    /// Frames that the phone has not got.
    pub(crate) fn waiting(&self) -> usize {
        self.capacity - self.ring.vacant() + self.playback.waiting()
    }

    /// Segments of which more is to come.
    pub(crate) fn incomplete(&self) -> usize {
        self.playback.incomplete()
    }

    /// Whether there is something to hand to the phone, now or later.
    pub(crate) fn is_playing(&self) -> bool {
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
