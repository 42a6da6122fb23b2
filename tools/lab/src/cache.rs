//! Where everything that is not in the repository lives: `$DRAGOMAN_CACHE`, else `$XDG_CACHE_HOME/dragoman`,
//! else `~/.cache/dragoman`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::prefix::Prefix;

/// The cache directory and the names inside it.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds and creates the cache directory.
    ///
    /// # Errors
    /// When none of the three places is known, or the directory cannot be made.
    pub fn locate() -> Result<Self> {
        let root = env_path("DRAGOMAN_CACHE")
            .or_else(|| env_path("XDG_CACHE_HOME").map(|dir| dir.join("dragoman")))
            .or_else(|| env::home_dir().map(|home| home.join(".cache/dragoman")))
            .context("no cache directory: set DRAGOMAN_CACHE to a directory with 2 GB free")?;
        fs::create_dir_all(&root).with_context(|| {
            format!("cannot create {}: set DRAGOMAN_CACHE to another place", root.display())
        })?;
        Ok(Self { root: root.canonicalize()? })
    }

    /// The cache directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The private Debian tree: Asterisk, Apertium, Pico.
    pub fn prefix(&self) -> Prefix {
        Prefix::new(self.root.join("prefix"))
    }

    /// What the model manifest names, after checking and conversion.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Recorded human speech, see [`crate::speech`].
    pub fn speech(&self) -> PathBuf {
        self.root.join("speech")
    }

    /// A Python with the packages of the tests, pinned: `wyoming`, `pjsua2`.
    pub fn test_python(&self) -> PathBuf {
        self.tools().join("bin/python")
    }

    /// A Python with the vendors' own clients, pinned: `deepgram-sdk`, `deepl`, `elevenlabs`, `openai`.
    pub fn vendor_python(&self) -> PathBuf {
        self.tools().join("bin/vendor-python")
    }

    /// The Python environment whose pip fetches things.
    pub(crate) fn venv(&self) -> PathBuf {
        self.root.join("venv")
    }

    /// Programs built for development.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// The checker of licences, bans and sources.
    pub fn cargo_deny(&self) -> PathBuf {
        self.tools().join("bin/cargo-deny")
    }

    /// Recordings of calls: the only thing a demo leaves behind.
    pub fn recordings(&self) -> PathBuf {
        self.root.join("recordings")
    }

    /// True when `part` was installed from exactly these `inputs`.
    pub(crate) fn is_stamped(&self, part: &str, inputs: &str) -> bool {
        fs::read_to_string(self.stamp(part)).is_ok_and(|stamped| stamped == inputs)
    }

    /// Notes that `part` is installed and verified. `inputs` is whatever must lead to a new installation when it changes.
    pub(crate) fn set_stamp(&self, part: &str, inputs: &str) -> Result<()> {
        let path = self.stamp(part);
        let partial = path.with_extension("partial");
        fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
        fs::write(&partial, inputs).with_context(|| format!("cannot write {}", partial.display()))?;
        fs::rename(&partial, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    fn stamp(&self, part: &str) -> PathBuf {
        self.root.join("stamps").join(part)
    }
}

fn env_path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
