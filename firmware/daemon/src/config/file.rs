//! The tables of the configuration file as they are written, before they are checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::ports::{AlsaTable, AudioSocketTable, RtpTable};
use super::trunk::TrunkTable;
use super::{Codec, OwnVoices};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) apps: Option<AppsTable>,
    pub(super) asterisk: Option<AsteriskTable>,
    #[serde(default)]
    pub(super) pipes: PipesTable,
    #[serde(default)]
    pub(super) control: ControlTable,
    #[serde(default)]
    pub(super) device: DeviceTable,
    #[serde(default)]
    pub(super) engines: EnginesTable,
    #[serde(default)]
    pub(super) engine: BTreeMap<String, Spanned<EngineTable>>,
    #[serde(default)]
    pub(super) glossary: Vec<Spanned<GlossaryTable>>,
    #[serde(default)]
    pub(super) health: HealthTable,
    #[serde(default)]
    pub(super) media: MediaTable,
    pub(super) recording: Option<RecordingTable>,
    pub(super) audiosocket: Option<AudioSocketTable>,
    #[serde(default)]
    pub(super) rtp: Vec<RtpTable>,
    pub(super) alsa: Option<AlsaTable>,
    #[serde(default)]
    pub(super) room: Vec<RoomTable>,
    #[serde(default)]
    pub(super) phone: Vec<PhoneTable>,
    #[serde(default)]
    pub(super) calls: CallsTable,
    pub(super) trunk: Option<TrunkTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AppsTable {
    pub(super) token_file: PathBuf,
    pub(super) origins: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AsteriskTable {
    pub(super) ari: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) password_file: Spanned<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PipesTable {
    pub(super) directory: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ControlTable {
    pub(super) socket: PathBuf,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DeviceTable {
    pub(super) speech: Option<Spanned<String>>,
    pub(super) translation: Option<Spanned<String>>,
}

/// The chains: names of engines, best first.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EnginesTable {
    pub(super) asr: Option<Spanned<Chain>>,
    pub(super) mt: Option<Spanned<Chain>>,
    pub(super) tts: Option<Spanned<Chain>>,
    pub(super) emotion: Option<Spanned<Chain>>,
}

/// Names of engines.
#[derive(Default)]
pub(super) struct Chain(pub(super) Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChainVisitor)
    }
}

struct ChainVisitor;

impl<'de> Visitor<'de> for ChainVisitor {
    type Value = Chain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, such as [\"device\"]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Chain, A::Error> {
        let mut chain = Vec::new();
        while let Some(name) = names.next_element()? {
            chain.push(name);
        }
        Ok(Chain(chain))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Chain, E> {
        Err(E::custom(format_args!("write a list, such as [{name:?}]")))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineTable {
    pub(super) kind: KindOfEngine,
    pub(super) url: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) key_credential: Option<Spanned<String>>,
    pub(super) model: Option<String>,
    pub(super) mip_opt_out: Option<bool>,
    #[serde(default)]
    pub(super) voices: BTreeMap<String, OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl From<OneOrMore> for Vec<String> {
    fn from(names: OneOrMore) -> Self {
        match names {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KindOfEngine {
    Wyoming,
    Libretranslate,
    DeepgramListen,
    DeepgramFlux,
    DeepgramAura,
    Deepl,
    Xtts,
    Elevenlabs,
    OpenaiSpeech,
    DeeplVoice,
    OpenaiTranslations,
    Hume,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GlossaryTable {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) terms: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HealthTable {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) hosts: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MediaTable {
    pub(super) priority: Option<Spanned<u8>>,
    pub(super) cpu: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordingTable {
    pub(super) directory: Option<PathBuf>,
    pub(super) most_mib: Option<Spanned<u32>>,
    pub(super) recipients: Option<Spanned<Vec<String>>>,
    pub(super) identity_file: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomTable {
    pub(super) extension: Spanned<String>,
    pub(super) kind: KindName,
    pub(super) languages: Option<Spanned<Vec<String>>>,
    pub(super) manner: Option<MannerName>,
    pub(super) own_voices: Option<Spanned<OwnVoices>>,
    pub(super) mode: Option<ModeName>,
    pub(super) original: Option<Spanned<OriginalName>>,
    pub(super) pin: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CallsTable {
    pub(super) most: Option<Spanned<u16>>,
    pub(super) memory: Option<PathBuf>,
    pub(super) mode: Option<ModeName>,
    pub(super) manner: Option<MannerName>,
    pub(super) original: Option<Spanned<OriginalName>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ModeName {
    Bidirectional,
    Unidirectional,
    Passthrough,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OriginalName {
    Level(i8),
    Word(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PhoneTable {
    pub(super) extension: Spanned<String>,
    pub(super) name: Spanned<String>,
    pub(super) language: Spanned<String>,
    pub(super) voice: Option<Spanned<String>>,
    pub(super) codecs: Option<Spanned<Vec<Codec>>>,
    /// Not its place, but where it is looked for.
    pub(super) secret: Option<Spanned<IgnoredAny>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MannerName {
    Consecutive,
    Simultaneous,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KindName {
    Interpreter,
    Conference,
    Echo,
    EchoDirect,
}

impl Default for AppsTable {
    fn default() -> Self {
        Self { token_file: "/var/lib/dragoman/apps.token".into(), origins: Vec::new() }
    }
}

impl Default for PipesTable {
    fn default() -> Self {
        Self { directory: "/run/dragoman/pipes".into() }
    }
}

impl Default for ControlTable {
    fn default() -> Self {
        Self { socket: "/run/dragoman/control.sock".into() }
    }
}
