use crate::bridge::Bridge;
use crate::{Frame, Playable, SegmentId};

/// Turns what is ready at each tick into exactly one frame: speech, a bridged gap, or silence.
#[derive(Clone, Debug, Default)]
pub struct Playout {
    current: Option<SegmentId>,
    bridge: Bridge,
}

/// The outcome of one tick of [`Playout`].
#[derive(Clone, Copy, Debug)]
pub struct Played {
    /// What to write to the port.
    pub frame: Frame,
    /// The segment whose first frame this is.
    pub started: Option<SegmentId>,
    /// The segment that ended: with this frame, or unfinished, because another took its place.
    pub ended: Option<SegmentId>,
    /// Whether a frame of a segment under way was missing.
    pub concealed: bool,
}

impl Playout {
    /// The frame for this tick, given what is ready.
    pub fn next(&mut self, ready: Option<&Playable>) -> Played {
        match ready {
            Some(playable) => self.play(playable),
            None if self.current.is_some() => self.bridge(),
            None => Played { frame: Frame::SILENCE, started: None, ended: None, concealed: false },
        }
    }

    /// Forgets the segment under way, after a flush.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    fn play(&mut self, playable: &Playable) -> Played {
        let starts = self.current != Some(playable.segment);
        let replaced = if starts { self.current } else { None };
        self.current = (!playable.last).then_some(playable.segment);
        self.bridge.remember(Some(&playable.frame).filter(|_| !playable.last));
        Played {
            frame: playable.frame,
            started: starts.then_some(playable.segment),
            ended: if playable.last { Some(playable.segment) } else { replaced },
            concealed: false,
        }
    }

    fn bridge(&mut self) -> Played {
        let frame = self.bridge.missing().unwrap_or(Frame::SILENCE);
        Played { frame, started: None, ended: None, concealed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    fn playable(segment: u32, last: bool) -> Playable {
        Playable { epoch: Epoch(0), segment: SegmentId(segment), last, frame: Frame([1000; 320]) }
    }

    #[test]
    fn a_segment_is_reported_at_its_first_and_last_frame() {
        let mut playout = Playout::default();
        let first = playout.next(Some(&playable(7, false)));
        assert_eq!((first.started, first.ended), (Some(SegmentId(7)), None));
        let last = playout.next(Some(&playable(7, true)));
        assert_eq!((last.started, last.ended), (None, Some(SegmentId(7))));
        let after = playout.next(None);
        assert!(!after.concealed && after.frame == Frame::SILENCE);
    }

    #[test]
    fn a_segment_of_one_frame_starts_and_ends() {
        let played = Playout::default().next(Some(&playable(1, true)));
        assert_eq!((played.started, played.ended), (Some(SegmentId(1)), Some(SegmentId(1))));
    }

    #[test]
    fn a_gap_fades_out_and_is_told() {
        let mut playout = Playout::default();
        playout.next(Some(&playable(1, false)));
        let levels: Vec<i16> = (0..5)
            .map(|_| playout.next(None))
            .map(|p| {
                assert!(p.concealed);
                p.frame.0[0]
            })
            .collect();
        assert_eq!(levels, [500, 250, 125, 0, 0]);
        assert_eq!(playout.next(Some(&playable(1, true))).ended, Some(SegmentId(1)));
    }

    #[test]
    fn a_segment_that_takes_anothers_place_ends_it() {
        let mut playout = Playout::default();
        playout.next(Some(&playable(1, false)));
        let played = playout.next(Some(&playable(2, false)));
        assert_eq!((played.started, played.ended), (Some(SegmentId(2)), Some(SegmentId(1))));
    }

    #[test]
    fn nothing_is_concealed_after_a_reset() {
        let mut playout = Playout::default();
        playout.next(Some(&playable(1, false)));
        playout.reset();
        assert!(!playout.next(None).concealed);
    }
}
