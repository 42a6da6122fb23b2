use std::collections::{HashMap, VecDeque};

use audio_path::{Frame, SAMPLES_PER_FRAME, SegmentId};

use session::room::Pace;

use super::tempo::Tempo;

/// Speech of one segment: what came from the engine and was not played yet.
#[derive(Debug, Default)]
struct Speech {
    samples: VecDeque<i16>,
    /// Where it is played in less time, or more.
    tempo: Option<Tempo>,
    heard_of: bool,
    complete: bool,
}

/// The speech that a leg's engine has delivered, and the one segment that is being handed to the phone.
#[derive(Debug, Default)]
pub(super) struct Playback {
    speeches: HashMap<SegmentId, Speech>,
    playing: Option<SegmentId>,
}

/// A frame for the phone.
#[derive(Debug, PartialEq)]
pub(super) struct Next {
    pub(super) segment: SegmentId,
    pub(super) last: bool,
    pub(super) frame: Frame,
}

impl Speech {
    fn change_to(&mut self, mut tempo: Tempo) {
        self.samples = tempo.push(self.samples.make_contiguous()).into();
        if self.complete {
            self.samples.extend(tempo.finish());
        } else {
            self.tempo = Some(tempo);
        }
    }
}

impl Playback {
    /// Makes room for a segment; audio for others is not kept.
    pub(super) fn expect(&mut self, segment: SegmentId) {
        self.speeches.insert(segment, Speech::default());
    }

    /// Adds audio, 16 kHz mono. Answers whether it is the segment's first.
    pub(super) fn add(&mut self, segment: SegmentId, samples: &[i16]) -> bool {
        let Some(speech) = self.speeches.get_mut(&segment).filter(|s| !s.complete) else { return false };
        match &mut speech.tempo {
            Some(tempo) => speech.samples.extend(tempo.push(samples)),
            None => speech.samples.extend(samples),
        }
        !std::mem::replace(&mut speech.heard_of, true)
    }

    /// No more audio will come.
    pub(super) fn complete(&mut self, segment: SegmentId) {
        if let Some(speech) = self.speeches.get_mut(&segment) {
            speech.complete = true;
            speech.samples.extend(speech.tempo.take().map(|mut tempo| tempo.finish()).unwrap_or_default());
        }
    }

    /// From now on the segment's audio is what the phone gets.
    pub(super) fn play(&mut self, segment: SegmentId, pace: Pace) {
        self.playing = Some(segment);
        let tempo = match pace {
            Pace::Usual => return,
            Pace::Slow => Tempo::slow(),
            Pace::Hurried => Tempo::hurried(),
        };
        if let Some(speech) = self.speeches.get_mut(&segment) {
            speech.change_to(tempo);
        }
    }

    /// Forgets a segment. Answers whether it was being played.
    pub(super) fn discard(&mut self, segment: SegmentId) -> bool {
        self.speeches.remove(&segment);
        self.playing.take_if(|playing| *playing == segment).is_some()
    }

    /// Frames that are not handed over.
    pub(crate) fn waiting(&self) -> usize {
        let samples: usize = self.speeches.values().map(|speech| speech.samples.len()).sum();
        samples.div_ceil(SAMPLES_PER_FRAME)
    }

    /// Segments of which more is to come.
    pub(crate) fn incomplete(&self) -> usize {
        self.speeches.values().filter(|speech| !speech.complete).count()
    }

    /// Whether there is something to hand to the phone, now or later.
    pub(super) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// The next frame; `None` where it has not come yet. The last one is known as such only when the segment is
    /// complete, so until then one frame is held back.
    pub(super) fn next_frame(&mut self) -> Option<Next> {
        let segment = self.playing?;
        let speech = self.speeches.get_mut(&segment)?;
        let waiting = speech.samples.len();
        if !speech.complete && waiting <= SAMPLES_PER_FRAME {
            return None;
        }
        let mut frame = Frame::SILENCE;
        let taken = waiting.min(SAMPLES_PER_FRAME);
        for (sample, source) in frame.0.iter_mut().zip(speech.samples.drain(..taken)) {
            *sample = source;
        }
        let last = speech.samples.is_empty();
        if last {
            self.discard(segment);
        }
        Some(Next { segment, last, frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId(7);

    fn frames(playback: &mut Playback) -> Vec<(bool, i16)> {
        std::iter::from_fn(|| playback.next_frame()).map(|next| (next.last, next.frame.0[0])).collect()
    }

    #[test]
    fn the_last_frame_is_marked_whenever_the_end_is_told() {
        let mut playback = Playback::default();
        playback.expect(SEGMENT);
        assert!(playback.add(SEGMENT, &[1; 640]));
        assert_eq!(frames(&mut playback), [], "nothing plays before its turn");
        playback.play(SEGMENT, Pace::Usual);
        assert_eq!(frames(&mut playback), [(false, 1)], "one frame is held back");
        assert!(!playback.add(SEGMENT, &[2; 10]));
        playback.complete(SEGMENT);
        assert_eq!(frames(&mut playback), [(false, 1), (true, 2)]);
        assert!(!playback.is_playing());
    }

    #[test]
    fn what_was_discarded_stays_silent() {
        let mut playback = Playback::default();
        playback.expect(SEGMENT);
        playback.add(SEGMENT, &[1; 640]);
        playback.play(SEGMENT, Pace::Usual);
        assert!(playback.discard(SEGMENT));
        assert!(!playback.add(SEGMENT, &[1; 640]), "late audio");
        assert_eq!(frames(&mut playback), []);
    }

    #[test]
    fn a_segment_that_breaks_off_ends_with_what_there_is() {
        let mut playback = Playback::default();
        playback.expect(SEGMENT);
        playback.play(SEGMENT, Pace::Usual);
        playback.complete(SEGMENT);
        assert_eq!(frames(&mut playback), [(true, 0)]);
    }
}
