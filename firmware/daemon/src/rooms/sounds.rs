use std::collections::HashMap;

use audio_path::{LegId, SegmentId};

/// What was spoken of one segment so far, until it is heard.
#[derive(Debug, Default)]
struct Sound {
    samples: Vec<i16>,
    has_begun: bool,
    is_complete: bool,
    /// Who hears it: what is still to come goes to them at once.
    listeners: Vec<LegId>,
}

/// Speech that is spoken once and heard by many.
#[derive(Debug, Default)]
pub(super) struct Sounds(HashMap<SegmentId, Sound>);

impl Sounds {
    /// Makes room for a segment; audio for others is not kept.
    pub(super) fn expect(&mut self, segment: SegmentId) {
        self.0.insert(segment, Sound::default());
    }

    /// Adds audio, 16 kHz mono. Gives who hears it already, and whether it is the segment's first.
    pub(super) fn add(&mut self, segment: SegmentId, samples: &[i16]) -> Option<(Vec<LegId>, bool)> {
        let sound = self.0.get_mut(&segment).filter(|sound| !sound.is_complete)?;
        if sound.listeners.is_empty() {
            sound.samples.extend(samples);
        }
        Some((sound.listeners.clone(), !std::mem::replace(&mut sound.has_begun, true)))
    }

    /// No more audio will come. Gives who hears it already.
    pub(super) fn complete(&mut self, segment: SegmentId) -> Vec<LegId> {
        let Some(sound) = self.0.get_mut(&segment) else { return Vec::new() };
        sound.is_complete = true;
        let listeners = std::mem::take(&mut sound.listeners);
        if !listeners.is_empty() {
            self.forget(segment);
        }
        listeners
    }

    /// From now on these hear it. Gives what there is, and whether that is all.
    pub(super) fn play(&mut self, segment: SegmentId, listeners: &[LegId]) -> (Vec<i16>, bool) {
        let Some(sound) = self.0.get_mut(&segment) else { return (Vec::new(), true) };
        let (samples, is_complete) = (std::mem::take(&mut sound.samples), sound.is_complete);
        sound.listeners = listeners.to_vec();
        if is_complete {
            self.forget(segment);
        }
        (samples, is_complete)
    }

    /// A segment will not be heard, or not further.
    pub(super) fn forget(&mut self, segment: SegmentId) {
        self.0.remove(&segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId(7);

    #[test]
    fn what_came_before_is_kept_and_what_comes_later_passed_on() {
        let (mut sounds, listeners) = (Sounds::default(), [LegId(1), LegId(2)]);
        assert_eq!(sounds.add(SEGMENT, &[1]), None, "nobody asked for it");
        sounds.expect(SEGMENT);
        assert_eq!(sounds.add(SEGMENT, &[1]), Some((vec![], true)));
        assert_eq!(sounds.add(SEGMENT, &[2]), Some((vec![], false)));
        assert_eq!(sounds.play(SEGMENT, &listeners), (vec![1, 2], false));
        assert_eq!(sounds.add(SEGMENT, &[3]), Some((listeners.to_vec(), false)));
        assert_eq!(sounds.complete(SEGMENT), listeners);
        assert!(sounds.0.is_empty());
    }

    #[test]
    fn what_is_complete_is_given_at_once() {
        let mut sounds = Sounds::default();
        sounds.expect(SEGMENT);
        sounds.add(SEGMENT, &[1]);
        assert_eq!(sounds.complete(SEGMENT), []);
        assert_eq!(sounds.add(SEGMENT, &[2]), None, "late audio");
        assert_eq!(sounds.play(SEGMENT, &[LegId(1)]), (vec![1], true));
        assert!(sounds.0.is_empty());
    }
}
