//! Where this checkout's builds are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A program of the workspace, built in release.
///
/// # Errors
/// When it is not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = release_dir()?.join(name);
    ensure!(path.is_file(), "no {}: run `cargo build --release`", path.display());
    Ok(path)
}

/// The channel driver.
///
/// # Errors
/// When it is not built.
pub fn driver() -> Result<PathBuf> {
    let path = release_dir()?.with_file_name("driver").join("libchan_slinpipe.so");
    ensure!(path.is_file(), "no {}: run `cargo build -p chan-slinpipe --profile driver`", path.display());
    Ok(path)
}

/// A path in the repository, `asterisk-conf`.
pub fn in_repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Of the program that is running: `target/release`, of a test `target/release/deps`.
fn release_dir() -> Result<PathBuf> {
    let program = env::current_exe().context("this program does not know where it is")?;
    let dir = program.parent().context("a program lies in a directory")?;
    let dir = if dir.ends_with("deps") { dir.parent().unwrap_or(dir) } else { dir };
    Ok(dir.to_owned())
}
