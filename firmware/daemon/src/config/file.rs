//! The tables of the configuration file as they are written, before they are checked.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) pipes: PipesTable,
    #[serde(default)]
    pub(super) control: ControlTable,
    #[serde(default)]
    pub(super) engines: EnginesTable,
    #[serde(default)]
    pub(super) media: MediaTable,
    #[serde(default)]
    pub(super) room: Vec<RoomTable>,
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
pub(super) struct EnginesTable {
    pub(super) asr: Option<Spanned<String>>,
    pub(super) mt: Option<Spanned<String>>,
    pub(super) tts: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MediaTable {
    pub(super) priority: Option<Spanned<u8>>,
    pub(super) cpu: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomTable {
    pub(super) extension: Spanned<String>,
    pub(super) kind: KindName,
    pub(super) languages: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KindName {
    Interpreter,
    Echo,
    EchoDirect,
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
