//! The manifest of models, and the files it names.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// See `models.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// All models.
    pub model: Vec<Model>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Speech recognition.
    Asr,
    /// Translation.
    Mt,
}

/// One thing that can be loaded.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// ISO 639-1. Recognition: the languages heard. Translation: from and to.
    pub languages: Vec<String>,
    /// SPDX expression.
    pub licence: String,
    /// One line for people.
    pub about: String,
    /// Its files.
    pub file: Vec<ModelFile>,
}

/// One file of a model.
#[derive(Debug, Deserialize)]
pub struct ModelFile {
    /// `model`, `vocabulary` or `shortlist`.
    pub role: String,
    /// Below the models directory.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// In lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The manifest that was built in.
    ///
    /// # Errors
    /// When it is broken.
    pub fn built_in() -> Result<Self> {
        toml::from_str(include_str!("../models.toml")).context("models.toml")
    }
}

impl Model {
    /// The file of this role, checked against its size and hash; none when the model has no such file.
    ///
    /// # Errors
    /// When it is missing or holds something else.
    pub fn find(&self, role: &str, models: &Path) -> Result<Option<PathBuf>> {
        let Some(file) = self.file.iter().find(|file| file.role == role) else { return Ok(None) };
        file.check(models).map(Some)
    }

    /// The same for a role that the model must have.
    ///
    /// # Errors
    /// Also when the manifest names no such file.
    pub fn require(&self, role: &str, models: &Path) -> Result<PathBuf> {
        self.find(role, models)?.with_context(|| format!("the manifest names no {role} of {}", self.name))
    }
}

impl ModelFile {
    fn check(&self, models: &Path) -> Result<PathBuf> {
        let path = models.join(&self.path);
        let fetch = "run the set-up (`cargo xtask setup`), or set `models` to where they are";
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => bail!("model {} cannot be opened ({error}): {fetch}", path.display()),
        };
        let size = file.metadata()?.len();
        if size != self.size {
            bail!(
                "model {} has {size} bytes instead of {}: remove it, then {fetch}",
                path.display(),
                self.size
            );
        }
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))? {
                0 => break,
                length => hash.update(&buffer[..length]),
            }
        }
        let found = hash.finalize().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        if found != self.sha256 {
            bail!("model {} has another sha256 than the manifest: remove it, then {fetch}", path.display());
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifest_that_is_built_in_can_be_read() {
        let manifest = Manifest::built_in().unwrap();
        assert!(manifest.model.iter().any(|model| model.purpose == Purpose::Asr));
        assert!(manifest.model.iter().all(|model| !model.file.is_empty()));
    }

    #[test]
    fn missing_short_and_altered_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = ModelFile { role: "model".into(), path: "m.bin".into(), size: 3, sha256: "0".repeat(64) };
        let refusal = || file.check(dir.path()).unwrap_err().to_string();
        assert!(refusal().contains("m.bin cannot be opened"), "{}", refusal());
        std::fs::write(dir.path().join("m.bin"), "ab").unwrap();
        assert!(refusal().contains("2 bytes instead of 3"), "{}", refusal());
        std::fs::write(dir.path().join("m.bin"), "abc").unwrap();
        assert!(refusal().contains("another sha256"), "{}", refusal());
    }
}
