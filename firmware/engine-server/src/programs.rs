//! Programs of the tree that holds Apertium and Pico: the machine's own, or a private one run through its loader.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

const LOADERS: [&str; 4] = [
    "usr/lib64/ld-linux-x86-64.so.2",
    "lib64/ld-linux-x86-64.so.2",
    "usr/lib/ld-linux-aarch64.so.1",
    "lib/ld-linux-aarch64.so.1",
];

/// A directory tree with `usr/bin` and `usr/share`.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree at `root`; `/` is the machine itself.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether this is the machine's own tree, where every path is what it says.
    pub fn is_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// A path inside the tree, given from its root, with or without a leading slash.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// The path of a program.
    ///
    /// # Errors
    /// When it is not there.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let path = self.path("usr/bin").join(name);
        if !path.is_file() {
            bail!("{} is missing: install the package that holds it, or set `prefix`", path.display());
        }
        Ok(path)
    }

    /// A command that runs `program`, a file of this tree or a copy of one, with the tree's own libraries.
    pub fn command(&self, program: &Path) -> Command {
        if self.is_machine() {
            return Command::new(program);
        }
        let Some(loader) = LOADERS.iter().map(|path| self.path(path)).find(|path| path.is_file()) else {
            return Command::new(program);
        };
        let architecture = if loader.to_string_lossy().contains("x86-64") { "x86_64" } else { "aarch64" };
        let libraries = ["usr/lib", "lib"].map(|dir| {
            self.path(dir).join(format!("{architecture}-linux-gnu")).to_string_lossy().into_owned()
        });
        let mut command = Command::new(loader);
        // Not LD_LIBRARY_PATH, which children would inherit.
        command.arg("--library-path").arg(libraries.join(":")).arg(program);
        command
    }
}
