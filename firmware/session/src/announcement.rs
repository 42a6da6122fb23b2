use std::time::Duration;

use audio_path::Timestamp;

use crate::Language;
use crate::phrases::Phrase;

/// Where no announcement could be spoken nothing may be listened to: it is tried again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);

/// Whether somebody was told what is announced to him: that a machine translates, or that he is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// Nothing that concerns him happens yet, or he was told of all that does.
    #[default]
    NotDue,
    Speaking,
    /// It could not be spoken; it is tried again then.
    FailedUntil(Timestamp),
    SpeakingAgain,
    /// He was told that a machine translates.
    Over,
}

impl Announcement {
    pub(crate) fn is_over(self) -> bool {
        self == Self::Over
    }

    pub(crate) fn is_over_or_not_due(self) -> bool {
        matches!(self, Self::Over | Self::NotDue)
    }

    /// Whether it cannot be spoken.
    pub(crate) fn has_failed(self) -> bool {
        matches!(self, Self::FailedUntil(_) | Self::SpeakingAgain)
    }

    /// When it is to be tried again.
    pub(crate) fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::FailedUntil(at) => Some(at),
            _ => None,
        }
    }

    pub(crate) fn is_due_again(self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }

    /// It is being spoken.
    pub(crate) fn begin(&mut self) {
        *self = if *self == Self::NotDue { Self::Speaking } else { Self::SpeakingAgain };
    }

    /// It could not be.
    pub(crate) fn fail(&mut self, now: Timestamp) {
        *self = Self::FailedUntil(now + ANNOUNCE_AGAIN);
    }
}

/// What a caller is told before anything he says leaves the box; short, as he waits for its end. Languages without
/// words hear the English ones, which are still true if not understood.
pub fn announcement(language: Language) -> (String, Language) {
    Phrase::sentences(&[Phrase::Machine, Phrase::PressStar], language)
}
