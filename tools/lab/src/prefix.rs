//! The private Debian tree: packages of another release, unpacked without root and run through their own loader.

use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(target_arch = "x86_64")]
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
#[cfg(target_arch = "aarch64")]
const LOADER: &str = "usr/lib/ld-linux-aarch64.so.1";

#[cfg(target_arch = "x86_64")]
const MULTIARCH: &str = "x86_64-linux-gnu";
#[cfg(target_arch = "aarch64")]
const MULTIARCH: &str = "aarch64-linux-gnu";

/// A directory tree with `usr/bin`, `usr/lib`, … of its own.
#[derive(Clone, Debug)]
pub struct Prefix {
    root: PathBuf,
}

impl Prefix {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The tree's root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the tree, `usr/share/…`.
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.root.join(inside)
    }

    /// The tree's shared libraries.
    pub fn library_dir(&self) -> PathBuf {
        self.root.join("usr/lib").join(MULTIARCH)
    }

    /// The tree's dynamic loader.
    pub fn loader(&self) -> PathBuf {
        self.root.join(LOADER)
    }

    /// A command that runs `program` (`usr/sbin/asterisk`) with the tree's own loader and libraries.
    ///
    /// The libraries are named on the loader's command line, not in `LD_LIBRARY_PATH`, which the program's own
    /// children, programs of the host, would inherit.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let program = self.root.join(program);
        let mut command = Command::new(self.loader());
        command.arg("--library-path").arg(self.library_dir());
        command.arg("--argv0").arg(&program).arg(&program);
        command
    }
}
