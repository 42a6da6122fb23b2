use std::collections::HashSet;
use std::ops::Range;

use serde::Deserialize;
use session::room::{Mode, Pin};
use session::{Language, LanguagePair, Manner};
use toml::Spanned;

use super::file::{CallsTable, KindName, MannerName, ModeName, OriginalName, RoomTable};
use super::language::known;
use super::{Engines, Fault, Tts};

/// A voice under its translation: to be heard, not to be listened to.
const ORIGINAL_DB: i8 = -12;

/// A room that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// What is dialled.
    pub extension: String,
    /// What happens in it.
    pub kind: RoomKind,
    /// Whether speakers may be heard in their own voices, and how long these are kept.
    pub own_voices: Option<OwnVoices>,
    /// What a caller enters before a conference lets him in.
    pub pin: Option<Pin>,
}

/// How long speakers' own voices are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum OwnVoices {
    /// Until they hang up.
    #[serde(rename = "call")]
    ForTheCall,
    /// As long as the daemon runs, for the extension of the phone that they speak into. Where that is unknown, as
    /// before.
    #[serde(rename = "extension")]
    ForTheExtension,
}

/// How phones with a language each hear each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Several {
    /// Who is translated.
    pub mode: Mode,
    /// Whether phones may return what is played to them.
    pub manner: Manner,
    /// How loud the voice itself is that a listener hears under its translation, dB; `None`: not at all.
    pub original_db: Option<i8>,
}

/// What happens in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomKind {
    /// One phone, two languages.
    Interpreter(LanguagePair, Manner),
    /// Many phones, a language each.
    Conference(Several),
    /// Two phones, a language each.
    Call(Several),
    /// The caller hears himself through playout; no engine is used.
    Echo,
    /// The caller hears himself without a tick in between; no engine is used.
    EchoDirect,
}

impl RoomKind {
    /// The kind as the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interpreter(..) => "interpreter",
            Self::Conference(_) => "conference",
            Self::Call(_) => "call",
            Self::Echo => "echo",
            Self::EchoDirect => "echo-direct",
        }
    }
}

fn own_voices(
    value: Option<Spanned<OwnVoices>>,
    kind: RoomKind,
    engines: &Engines,
) -> Result<Option<OwnVoices>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let makes_voices = engines.tts.iter().any(|engine| matches!(engine.provider, Tts::Xtts(_)));
    if !makes_voices || !matches!(kind, RoomKind::Interpreter(..)) {
        let message = "room.own_voices: only interpreter rooms have them, and only an engine of the kind xtts in \
                       engines.tts makes them";
        return Err((Some(value.span()), message.into()));
    }
    Ok(Some(value.into_inner()))
}

pub(super) fn rooms(tables: Vec<RoomTable>, engines: &Engines) -> Result<Vec<Room>, Fault> {
    let mut seen = HashSet::new();
    let mut rooms = Vec::new();
    for table in tables {
        let span = table.extension.span();
        let extension = table.extension.get_ref().clone();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if extension.is_empty() || extension.len() > 32 || !extension.chars().all(is_plain) {
            let message =
                "room.extension: use 1 to 32 letters, digits, '.' or '_', as pipes are named EXTENSION-…";
            return Err((Some(span), message.into()));
        }
        if extension.bytes().all(|byte| byte.is_ascii_digit()) && !can_be_dialled(&extension) {
            let message = format!(
                "room.extension: nobody could dial {extension}; use \"700\" to \"899\" without 799, which is \
                 Asterisk's own, or letters where no phone dials it"
            );
            return Err((Some(span), message));
        }
        if !seen.insert(extension.clone()) {
            return Err((
                Some(span),
                format!("room.extension: {extension} is there twice; give each room its own"),
            ));
        }
        let kind = match table.kind {
            KindName::Interpreter => {
                RoomKind::Interpreter(languages(table.languages, span)?, manner(table.manner))
            }
            KindName::Conference if table.languages.is_some() => {
                let message = format!(
                    "room.languages: the conference {extension} has those of its phones; remove the key"
                );
                return Err((Some(span), message));
            }
            KindName::Conference => {
                RoomKind::Conference(several(table.mode, table.manner, table.original.as_ref())?)
            }
            _ if table.mode.is_some() || table.original.is_some() => {
                let message = format!(
                    "room: {extension} is no conference, only these have mode and original; remove the keys"
                );
                return Err((Some(span), message));
            }
            KindName::Echo | KindName::EchoDirect if table.languages.is_some() || table.manner.is_some() => {
                let message = format!(
                    "room: the echo room {extension} has neither languages nor manner; remove the keys"
                );
                return Err((Some(span), message));
            }
            KindName::Echo => RoomKind::Echo,
            KindName::EchoDirect => RoomKind::EchoDirect,
        };
        let own_voices = own_voices(table.own_voices, kind, engines)?;
        let pin = pin(table.pin.as_ref(), kind)?;
        rooms.push(Room { extension, kind, own_voices, pin });
    }
    Ok(rooms)
}

/// By a phone: what the dialplan keeps for rooms.
fn can_be_dialled(extension: &str) -> bool {
    matches!(extension.as_bytes(), [b'7' | b'8', b'0'..=b'9', b'0'..=b'9']) && extension != "799"
}

fn pin(value: Option<&Spanned<String>>, kind: RoomKind) -> Result<Option<Pin>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let pin = Pin::new(value.get_ref()).filter(|_| matches!(kind, RoomKind::Conference(_)));
    let advice = "room.pin: a conference has one, of 4 to 16 digits in quotes";
    pin.map(Some).ok_or_else(|| (Some(value.span()), advice.into()))
}

/// How calls between two phones are.
pub(super) fn calls(table: &CallsTable) -> Result<Several, Fault> {
    several(table.mode, table.manner, table.original.as_ref())
}

fn several(
    mode: Option<ModeName>,
    manner_name: Option<MannerName>,
    original: Option<&Spanned<OriginalName>>,
) -> Result<Several, Fault> {
    let mode = match mode {
        None | Some(ModeName::Bidirectional) => Mode::Bidirectional,
        Some(ModeName::Unidirectional) => Mode::Unidirectional,
        Some(ModeName::Passthrough) => Mode::Passthrough,
    };
    let original_db = match original.map(Spanned::get_ref) {
        None => Some(ORIGINAL_DB),
        Some(OriginalName::Level(db @ -40..=0)) => Some(*db),
        Some(OriginalName::Word(word)) if word == "off" => None,
        Some(_) => {
            let span = original.map(Spanned::span);
            return Err((span, "original: say -40 to 0, in dB, or \"off\"".into()));
        }
    };
    Ok(Several { mode, manner: manner(manner_name), original_db })
}

fn manner(name: Option<MannerName>) -> Manner {
    match name {
        None | Some(MannerName::Consecutive) => Manner::Consecutive,
        Some(MannerName::Simultaneous) => Manner::Simultaneous,
    }
}

fn languages(value: Option<Spanned<Vec<String>>>, room: Range<usize>) -> Result<LanguagePair, Fault> {
    let advice = "room.languages: name two different languages, such as [\"en\", \"es\"]";
    let Some(value) = value else { return Err((Some(room), advice.into())) };
    let fault = |reason: String| (Some(value.span()), reason);
    let codes: Result<Vec<Language>, String> = value.get_ref().iter().map(|code| known(code)).collect();
    let pair = match codes.map_err(|reason| fault(format!("room.languages: {reason}")))?[..] {
        [first, second] => LanguagePair::new(first, second),
        _ => None,
    };
    pair.ok_or_else(|| fault(advice.into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigError, read};

    /// The mode of the conference and that of calls.
    fn modes(room: &str, calls: &str) -> Result<[Mode; 2], ConfigError> {
        let text = format!(
            "[calls]\n{calls}\n[[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n\
             [[room]]\nextension = \"800\"\nkind = \"conference\"\n{room}\n"
        );
        let config = read(Path::new("c.toml"), &text)?;
        let RoomKind::Conference(several) = config.rooms[1].kind else { panic!("it is a conference") };
        Ok([several.mode, config.calls.mode])
    }

    #[test]
    fn each_mode_has_its_word_in_a_room_and_in_calls() {
        for (word, mode) in [
            ("", Mode::Bidirectional),
            ("mode = \"bidirectional\"", Mode::Bidirectional),
            ("mode = \"unidirectional\"", Mode::Unidirectional),
            ("mode = \"passthrough\"", Mode::Passthrough),
        ] {
            assert_eq!(modes(word, ""), Ok([mode, Mode::Bidirectional]), "{word}");
            assert_eq!(modes("", word), Ok([Mode::Bidirectional, mode]), "{word}");
        }
    }

    #[test]
    fn another_mode_is_refused_with_those_that_there_are() {
        let word = "mode = \"both\"";
        for (outcome, line) in [(modes(word, ""), 10), (modes("", word), 2)] {
            let message = outcome.unwrap_err().to_string();
            assert!(message.starts_with(&format!("c.toml:{line}: ")), "{message}");
            for name in ["bidirectional", "unidirectional", "passthrough"] {
                assert!(message.contains(&format!("`{name}`")), "{message}");
            }
        }
    }

    #[test]
    fn only_several_have_a_mode() {
        let text = "[[room]]\nextension = \"790\"\nkind = \"echo\"\nmode = \"passthrough\"\n";
        let message = read(Path::new("c.toml"), text).map(drop).unwrap_err().to_string();
        assert!(message.starts_with("c.toml:2: ") && message.contains("no conference"), "{message}");
    }
}
