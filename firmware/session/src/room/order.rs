use audio_path::{LegId, SegmentId};

use crate::{Action, Cue, Manner};

/// Who is translated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everyone, for whoever speaks another language.
    #[default]
    Bidirectional,
    /// Only whoever came first.
    Unidirectional,
    /// Nobody: all hear each other's voices.
    Passthrough,
}

/// How a room works.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Who is translated.
    pub mode: Mode,
    /// Whether phones may return what is played: then a speaker is not listened to where that could be an echo.
    pub manner: Manner,
    /// Whether the others are dismissed when somebody leaves: a call of two.
    pub ends_with_the_first_to_leave: bool,
}

/// How a member hears another's own voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// As it is: it needs no translation, or gets none.
    Plain,
    /// Softly, under its translation.
    Ducked,
}

/// What the caller of [`Room`](super::Room) is to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Order {
    /// Carry an action out with the engines of `leg`, who said what it is about; or tell what happened to him.
    Do { leg: LegId, action: Action },
    /// Hand the segment's audio, said by `leg`, to these, what is there and what is still coming.
    Play { leg: LegId, segment: SegmentId, hurried: bool, listeners: Vec<LegId> },
    /// Play a sound of the room itself to these.
    PlayCue { segment: SegmentId, cue: Cue, listeners: Vec<LegId> },
    /// Forget the segment, said by `leg`, for everybody.
    Discard { leg: LegId, segment: SegmentId },
    /// From now on the listener hears these voices, and no others.
    Hear { listener: LegId, originals: Vec<(LegId, Original)> },
    /// This leg's engines are not needed any more: it is gone, and all that its caller said was heard.
    Forget { leg: LegId },
    /// Hang this leg up.
    Dismiss { leg: LegId },
}

impl Order {
    pub(super) fn discarded(&self) -> Option<SegmentId> {
        match self {
            Self::Discard { segment, .. } => Some(*segment),
            _ => None,
        }
    }
}
