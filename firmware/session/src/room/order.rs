use std::fmt;

use audio_path::{LegId, SegmentId};

use super::Remembered;
use crate::{Action, Cue, Language, Manner};

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

/// What opens a room. It is in no output.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin(String);

impl Pin {
    /// `None` where it is not made of four to sixteen digits.
    pub fn new(digits: &str) -> Option<Self> {
        let is_pin = (4..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_pin.then(|| Self(digits.to_owned()))
    }

    pub(super) fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin")
    }
}

/// How a room works.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Who is translated.
    pub mode: Mode,
    /// Whether phones may return what is played: then a speaker is not listened to where that could be an echo.
    pub manner: Manner,
    /// Whether the others are dismissed when somebody leaves: a call of two.
    pub ends_with_the_first_to_leave: bool,
    /// What a member may change to with a key, in this order.
    pub languages: Vec<Language>,
    /// What a caller has to enter before he hears or is heard.
    pub pin: Option<Pin>,
    /// Whether everybody is told that he is recorded, translated or not.
    pub is_recorded: bool,
    /// Whether no voice is heard under its translation.
    pub hides_originals: bool,
}

/// How a member hears another's own voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Original {
    /// As it is: it needs no translation, or gets none.
    Plain,
    /// Softly, under its translation; by so much louder than usual as the listener wants, dB.
    Ducked { louder_db: i8 },
}

/// How fast a listener hears speech.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// As it is spoken.
    #[default]
    Usual,
    /// Slower, as he wants it.
    Slow,
    /// Faster, as it is behind.
    Hurried,
}

/// What the caller of [`Room`](super::Room) is to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Order {
    /// Carry an action out with the engines of `leg`, who said what it is about; or tell what happened to him.
    Do { leg: LegId, action: Action },
    /// Hand the segment's audio, said by `leg`, to these, what is there and what is still coming.
    Play { leg: LegId, segment: SegmentId, listeners: Vec<(LegId, Pace)> },
    /// Play a sound of the room itself to these.
    PlayCue { segment: SegmentId, cue: Cue, listeners: Vec<LegId> },
    /// Forget the segment, said by `leg`, for everybody.
    Discard { leg: LegId, segment: SegmentId },
    /// From now on the listener hears these voices, and no others.
    Hear { listener: LegId, originals: Vec<(LegId, Original)> },
    /// The leg's caller speaks another language from now on.
    Speaks { leg: LegId, language: Language },
    /// From now on the leg is translated, or hears translations; or neither.
    Translates { leg: LegId, yes: bool },
    /// This leg's engines are not needed any more: it is gone, and all that its caller said was heard.
    Forget { leg: LegId },
    /// Remember this of the leg's caller for as long as the call lasts: who serves the room next is to know it.
    Remember { leg: LegId, known: Remembered },
    /// The leg's caller entered too many wrong PINs. He is told so, and then dismissed.
    Refused { leg: LegId },
    /// Hang this leg up. It is told again and again as long as the leg stays.
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
