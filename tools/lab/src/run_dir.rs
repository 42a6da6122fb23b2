//! The directory of one run: sockets, pipes, rendered configuration, logs. Removed with its owner.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::cache::Cache;

/// A directory below `$XDG_RUNTIME_DIR/dragoman` or the cache's `run`, removed on drop.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes a new, empty directory, and removes those of runs that were killed before they could clean up.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn create(cache: &Cache) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = runtime_dir().unwrap_or_else(|| cache.root().join("run"));
        remove_stale(&parent);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{}-{number}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside the directory.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
        // The parent goes with the last run in it; that it is not empty is the usual case.
        if let Some(parent) = self.path.parent() {
            fs::remove_dir(parent).ok();
        }
    }
}

fn runtime_dir() -> Option<PathBuf> {
    let dir = PathBuf::from(env::var_os("XDG_RUNTIME_DIR")?);
    dir.is_dir().then(|| dir.join("dragoman"))
}

fn remove_stale(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.split_once('-')).and_then(|(pid, _)| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
