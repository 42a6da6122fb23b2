//! The configuration file: strict, so that a typing error is found before a call is lost to it.

mod apps;
mod asterisk;
mod directory;
mod engines;
mod file;
mod glossary;
mod health;
mod language;
mod phones;
mod ports;
mod recording;
mod rooms;
mod trunk;

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use session::{Cue, Language, LanguagePair};
use toml::Spanned;

use crate::media::MediaConfig;
pub use apps::Apps;
pub use asterisk::Ari;
pub use directory::Directory;
pub(crate) use engines::DEVICE;
pub use engines::{Asr, Engine, Engines, Idle, Mt, Service, SpeechToSpeech, SpeechVendor, Tts};
use file::File;
pub use glossary::Terms;
pub use health::Health;
pub use phones::{Codec, Phone};
pub use ports::{Alsa, AudioSocket, Caller, Ports, Rtp};
pub use recording::{DIRECTORY, IDENTITY_FILE, Readers, Recording};
pub use rooms::{OwnVoices, Room, RoomKind, Several};
pub use trunk::{Allowed, Trunk};

/// What `dragomand` is to do, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it was read.
    pub file: PathBuf,
    /// How Asterisk is controlled, where it is.
    pub asterisk: Option<Ari>,
    /// How many legs there may be at once.
    pub most_legs: u16,
    /// Where the channel driver makes its pipes.
    pub pipes: PathBuf,
    /// Where the control socket is made.
    pub control: PathBuf,
    /// Where what is known of callers is kept while their calls last.
    pub memory: PathBuf,
    /// The chains of speech and translation services.
    pub engines: Engines,
    /// How programs of the box are let in, where they are.
    pub apps: Option<Apps>,
    /// Where its health is told.
    pub health: Health,
    /// How the media thread runs.
    pub media: MediaConfig,
    /// How calls are recorded, where they are.
    pub recording: Option<Recording>,
    /// The ways in beside the pipes.
    pub ports: Ports,
    /// The rooms that can be dialled.
    pub rooms: Vec<Room>,
    /// How calls between two phones are.
    pub calls: Several,
    /// Who can be called beside the rooms.
    pub directory: Directory,
}

impl Config {
    /// The languages that engines are tried in: those of the first room that has any.
    pub fn languages(&self) -> LanguagePair {
        let of_a_room = self.rooms.iter().find_map(|room| match room.kind {
            RoomKind::Interpreter(pair, _) => Some(pair),
            _ => None,
        });
        of_a_room.unwrap_or(LanguagePair::ENGLISH_AND_SPANISH)
    }

    /// The languages of the phones of `directory`, in their order, and of who is at its ports.
    pub fn spoken(&self, directory: &Directory) -> Vec<Language> {
        let mut seen = HashSet::new();
        let languages = directory.phones.iter().map(|phone| phone.language).chain(self.ports.languages());
        languages.filter(|language| seen.insert(*language)).collect()
    }

    /// What the callers of its rooms and of `directory` may have to be told.
    pub fn notices(&self, directory: &Directory) -> Vec<Cue> {
        let pairs = self.rooms.iter().filter_map(|room| match room.kind {
            RoomKind::Interpreter(pair, _) => Some(pair.both()),
            _ => None,
        });
        let outside = directory.trunk.iter().flat_map(Trunk::languages).flatten();
        let languages = pairs.flatten().chain(self.spoken(directory)).chain(outside);
        let of = |language| [true, false].map(|unavailable| Cue::notice(unavailable, language));
        let mut cues: Vec<Cue> = languages.flat_map(of).collect();
        let mut seen = HashSet::new();
        cues.retain(|cue| seen.insert(*cue));
        cues
    }
}

/// What is wrong with a configuration, in one line that says what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Reads and checks the file at `path`.
///
/// # Errors
/// One line with path, line, key and what to do.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        ConfigError(format!("{}: {error}; name a readable file with --config", path.display()))
    })?;
    read(path, &text)
}

/// Checks the `text` of the file at `path`.
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path, text: &str) -> Result<Config, ConfigError> {
    let config = parse(text).map_err(|(span, message)| {
        let line = span.map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        ConfigError(format!("{}:{line}: {}", path.display(), one_line(&message)))
    })?;
    Ok(Config { file: path.to_owned(), ..config })
}

type Fault = (Option<Range<usize>>, String);

fn parse(text: &str) -> Result<Config, Fault> {
    let file = tables(text)?;
    let engines = Engines::read(file.device, file.engines, file.engine, glossary::glossary(file.glossary)?)?;
    let media = MediaConfig { priority: priority(file.media.priority)?, cpu: file.media.cpu };
    let rooms = rooms::rooms(file.room, &engines)?;
    let phones = phones::phones(file.phone)?;
    if rooms.is_empty() && phones.is_empty() {
        let advice =
            "room: there is none, so no call could be served; add a [[room]] with extension and kind";
        return Err((None, advice.into()));
    }
    let trunk = file.trunk.map(|table| Trunk::read(table, &rooms, &phones)).transpose()?;
    let ports = Ports::read(file.audiosocket, &file.rtp, file.alsa.as_ref(), &rooms)?;
    Ok(Config {
        file: PathBuf::new(),
        apps: Apps::read(file.apps)?,
        asterisk: Ari::read(file.asterisk)?,
        most_legs: asterisk::most_legs(&file.calls)?,
        pipes: file.pipes.directory,
        memory: file.calls.memory.clone().unwrap_or_else(|| file.control.socket.with_file_name("calls")),
        control: file.control.socket,
        rooms,
        calls: rooms::calls(&file.calls)?,
        engines,
        health: Health::read(file.health)?,
        media,
        recording: Recording::read(file.recording)?,
        ports,
        directory: Directory { phones, trunk },
    })
}

fn tables(text: &str) -> Result<File, Fault> {
    let fault = |key: &str, error: &toml::de::Error| (error.span(), format!("{key}{}", error.message()));
    let document = toml::Deserializer::parse(text).map_err(|error| fault("", &error))?;
    serde_path_to_error::deserialize(document).map_err(|error| {
        // Values that know their place in the file are read through a table of the library's own.
        match error.path().to_string().replace(".$__serde_spanned_private_value", "").as_str() {
            "." => fault("", error.inner()),
            key => fault(&format!("{key}: "), error.inner()),
        }
    })
}

/// Keys may hold anything, line ends too.
fn one_line(message: &str) -> String {
    let words = message.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn priority(value: Option<Spanned<u8>>) -> Result<u8, Fault> {
    let Some(value) = value else { return Ok(80) };
    match *value.get_ref() {
        priority @ 1..=99 => Ok(priority),
        _ => Err((Some(value.span()), "media.priority: choose 1 to 99".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[pipes]\ndirectory = \"/p\"\n[control]\nsocket = \"/s\"\n\
        [device]\nspeech = \"tcp://127.0.0.1:1\"\ntranslation = \"http://h:2/\"\n\n\
        [media]\npriority = 70\ncpu = 3\n\
        [[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n\
        [[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n";

    fn fault(text: &str) -> (usize, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        std::fs::write(&path, text).unwrap();
        let message = load(&path).unwrap_err().to_string();
        let rest = message.strip_prefix(&format!("{}:", path.display())).unwrap();
        let (line, message) = rest.split_once(": ").unwrap();
        assert!(!message.contains('\n'), "{message}");
        (line.parse().unwrap(), message.to_owned())
    }

    #[test]
    fn a_good_file_is_read() {
        let config = parse(GOOD).unwrap();
        assert_eq!(config.rooms.len(), 2);
        assert_eq!(
            config.rooms[1],
            Room { extension: "791".into(), kind: RoomKind::EchoDirect, own_voices: None, pin: None }
        );
        assert_eq!((config.media.priority, config.media.cpu), (70, Some(3)));
    }

    #[test]
    fn faults_name_line_and_key() {
        let cases = [
            ("directory = \"/p\"", "dir = \"/p\"", 2, "dir"),
            ("priority = 70", "priority = 100", 10, "media.priority"),
            ("[media]", "[engines]\nasr = []\n[media]", 10, "at least one"),
            ("[media]", "[engines]\nasr = \"a\"\n[media]", 10, "write a list"),
            ("[media]", "[health]\nlisten = \"here\"\n[media]", 10, "health.listen"),
            ("[media]", "[health]\nhosts = [\"a:1\"]\n[media]", 10, "health.hosts"),
            ("tcp://127.0.0.1:1", "localhost", 6, "device.speech"),
            ("http://h:2/", "ftp://h", 7, "device.translation"),
            ("[\"en\", \"es\"]", "[\"en\", \"en\"]", 15, "room.languages"),
            ("[\"en\", \"es\"]", "[\"en\"]", 15, "room.languages"),
            ("[\"en\", \"es\"]", "[\"en\", \"xx\"]", 15, "\"xx\" is no language"),
            ("\"791\"", "\"700\"", 17, "twice"),
            ("\"791\"", "\"7-91\"", 17, "room.extension"),
            ("\"791\"", "\"9000\"", 17, "nobody could dial 9000"),
            ("\"791\"", "\"101\"", 17, "\"700\" to \"899\""),
            ("\"791\"", "\"799\"", 17, "room.extension"),
            ("echo-direct", "ecco", 18, "echo-direct"),
            ("echo-direct\"", "echo\"\nmanner = \"consecutive\"", 17, "manner"),
            ("[\"en\", \"es\"]", "[\"en\", \"es\"]\nmanner = \"fast\"", 16, "simultaneous"),
            ("[media]", "[media", 9, ""),
            ("cpu = 3", "cpu = \"three\"", 11, "media.cpu"),
            ("cpu = 3", "\"c\\np\\u001bu\" = 3", 11, "media.c p u"),
        ];
        for (from, to, line, words) in cases {
            let (at, message) = fault(&GOOD.replace(from, to));
            assert_eq!(at, line, "{to}: {message}");
            assert!(message.contains(words), "{to}: {message}");
        }
    }

    #[test]
    fn a_file_without_rooms_is_refused_with_advice() {
        for text in ["", "room = []\n"] {
            let (_, message) = fault(text);
            assert!(message.contains("[[room]]"), "{message}");
        }
    }

    #[test]
    fn a_missing_file_says_so() {
        let message = load(Path::new("/nowhere/c.toml")).unwrap_err().to_string();
        assert!(message.contains("/nowhere/c.toml") && message.contains("--config"), "{message}");
    }
}
