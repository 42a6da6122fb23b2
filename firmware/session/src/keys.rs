//! What the keys of a phone mean, the same in every room, and what callers changed with them.

use serde::{Deserialize, Serialize};

use crate::phrases::Phrase;

/// A step of how loud voices are under their translations, dB.
const STEP_DB: i8 = 6;
/// The softest they are made, and the loudest.
const SOFTEST_DB: i8 = -24;
const LOUDEST_DB: i8 = 12;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Repeat,
    Pace,
    /// The speaker of the first or of the second language wants to be heard in his own voice.
    OwnVoice(usize),
    Softer,
    Louder,
    Mute,
    ForgetVoices,
    Language,
    Translator,
    Keys,
    Nothing,
}

impl Key {
    pub(crate) fn of(key: char) -> Self {
        match key {
            '1' => Self::Repeat,
            '2' => Self::Pace,
            '3' => Self::OwnVoice(0),
            '4' => Self::Softer,
            '5' => Self::OwnVoice(1),
            '6' => Self::Louder,
            '7' => Self::Mute,
            '8' => Self::ForgetVoices,
            '9' => Self::Language,
            '0' => Self::Translator,
            '*' => Self::Keys,
            _ => Self::Nothing,
        }
    }

    /// The key by which the speaker of a room's first or second language consents.
    pub(crate) fn of_own_voice(place: usize) -> char {
        if place == 0 { '3' } else { '5' }
    }
}

/// What a caller wants different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Wishes {
    /// He is neither heard nor translated.
    pub(crate) is_muted: bool,
    pub(crate) is_slow: bool,
    /// Neither what he says nor what he hears is translated.
    pub(crate) is_off: bool,
    /// How much louder than usual voices are under their translations.
    pub(crate) louder_db: i8,
}

impl Wishes {
    /// What keys can bring about.
    pub(crate) fn within_bounds(self) -> Self {
        Self { louder_db: self.louder_db.clamp(SOFTEST_DB, LOUDEST_DB), ..self }
    }

    /// Slower, or not any more.
    pub(crate) fn change_pace(&mut self) -> Phrase {
        self.is_slow = !self.is_slow;
        if self.is_slow { Phrase::Slower } else { Phrase::UsualPace }
    }

    pub(crate) fn softer(&mut self) -> Phrase {
        if self.louder_db <= SOFTEST_DB {
            return Phrase::Softest;
        }
        self.louder_db = (self.louder_db - STEP_DB).max(SOFTEST_DB);
        Phrase::Softer
    }

    pub(crate) fn louder(&mut self) -> Phrase {
        if self.louder_db >= LOUDEST_DB {
            return Phrase::Loudest;
        }
        self.louder_db = (self.louder_db + STEP_DB).min(LOUDEST_DB);
        Phrase::Louder
    }

    /// Muted, or not any more.
    pub(crate) fn mute(&mut self) -> Phrase {
        self.is_muted = !self.is_muted;
        if self.is_muted { Phrase::Muted } else { Phrase::Unmuted }
    }

    /// Without the translator, or with it again.
    pub(crate) fn switch(&mut self) -> Phrase {
        self.is_off = !self.is_off;
        if self.is_off { Phrase::TranslatorOff } else { Phrase::TranslatorOn }
    }
}
