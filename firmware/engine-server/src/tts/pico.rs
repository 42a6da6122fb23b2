//! SVOX Pico: one short-lived process a sentence, 16 kHz mono.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::programs::Tree;

const LINGWARE: &str = "usr/share/pico/lang";
/// The path as it stands in the program.
const BUILT_IN: &[u8] = b"/usr/share/pico/lang/\0";
/// Pico takes this many bytes at once; far more than a sentence.
const LONGEST: usize = 4000;
const DEADLINE: Duration = Duration::from_secs(10);

/// A voice of Pico.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voice {
    /// Pico's name for it, `es-ES`.
    pub name: String,
    /// ISO 639-1.
    pub language: String,
}

/// The synthesiser.
pub struct Pico {
    tree: Tree,
    program: PathBuf,
    scratch: PathBuf,
    voices: Vec<Voice>,
    turns: Semaphore,
    serial: AtomicU64,
}

impl Pico {
    /// Finds the program and its voices. `scratch` is a directory of our own for what a sentence leaves for a moment.
    ///
    /// # Errors
    /// When the program or all voices are missing.
    pub fn find(tree: &Tree, scratch: &Path) -> Result<Self> {
        let installed = tree.program("pico2wave")?;
        let program = if tree.is_machine() { installed } else { relocated(&installed, scratch)? };
        let voices = voices(&tree.path(LINGWARE))?;
        let turns = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            tree: tree.clone(),
            program,
            scratch: scratch.to_owned(),
            voices,
            turns: Semaphore::new(turns),
            serial: AtomicU64::new(0),
        })
    }

    /// The voices that are installed.
    pub fn voices(&self) -> &[Voice] {
        &self.voices
    }

    /// The voice of this name, else the first of this language (`es`, `es-ES` or `es_ES`).
    pub fn voice(&self, name: Option<&str>, language: Option<&str>) -> Option<&Voice> {
        let named = |wanted: &str| {
            let wanted = wanted.replace('_', "-");
            let exact = self.voices.iter().find(|voice| voice.name.eq_ignore_ascii_case(&wanted));
            let base = wanted.split('-').next().unwrap_or_default().to_lowercase();
            // American before British, as the first that is asked for by `en` alone.
            exact.or_else(|| self.voices.iter().rev().find(|voice| voice.language == base))
        };
        match (name, language) {
            (Some(name), _) => named(name),
            (None, Some(language)) => named(language),
            (None, None) => named("en").or_else(|| self.voices.first()),
        }
    }

    /// Speaks one sentence: samples at 16 kHz.
    ///
    /// # Errors
    /// When Pico fails or takes too long.
    pub async fn speak(&self, text: &str, voice: &Voice) -> Result<Vec<i16>> {
        let text = speakable(text);
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turns.acquire().await?;
        let wav = Scratch(self.scratch.join(format!("{}.wav", self.serial.fetch_add(1, Ordering::Relaxed))));
        let mut command = self.tree.command(&self.program);
        command.args(["-l", &voice.name, "-w"]).arg(&wav.0).arg("--").arg(text);
        // A relocated program looks for its voices in its working directory.
        command.current_dir(self.tree.path(LINGWARE)).stdin(Stdio::null()).stdout(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let output = timeout(DEADLINE, command.kill_on_drop(true).output())
            .await
            .context("Pico takes too long")?
            .context("cannot run pico2wave")?;
        if !output.status.success() {
            bail!("Pico failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        samples(&fs::read(&wav.0).context("Pico has written nothing")?)
    }
}

/// A file that goes when it is not needed any more.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // Missing when Pico failed.
        fs::remove_file(&self.0).ok();
    }
}

/// Debian's pico2wave knows only one place for its voices. The copy looks into its working directory instead.
fn relocated(installed: &Path, scratch: &Path) -> Result<PathBuf> {
    let mut bytes = fs::read(installed).with_context(|| format!("cannot read {}", installed.display()))?;
    let at = bytes.windows(BUILT_IN.len()).position(|window| window == BUILT_IN);
    let at = at.with_context(|| format!("{} looks for its voices elsewhere", installed.display()))?;
    bytes[at..at + BUILT_IN.len()].fill(0);
    bytes[at..at + 2].copy_from_slice(b"./");
    let copy = scratch.join("pico2wave");
    fs::write(&copy, bytes).with_context(|| format!("cannot write {}", copy.display()))?;
    let mut permissions = fs::metadata(&copy)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o700);
    fs::set_permissions(&copy, permissions)?;
    Ok(copy)
}

/// A voice is a text analysis and a signal generation file: `es-ES_ta.bin` and `es-ES_zl0_sg.bin`.
fn voices(dir: &Path) -> Result<Vec<Voice>> {
    let missing = || format!("no Pico voices in {}: install libttspico-data, or set `prefix`", dir.display());
    let files = fs::read_dir(dir).with_context(missing)?;
    let names = files.flatten().filter_map(|file| file.file_name().into_string().ok());
    let mut voices: Vec<Voice> = names
        .filter_map(|file| file.strip_suffix("_ta.bin").map(str::to_owned))
        .map(|name| Voice { language: name.split('-').next().unwrap_or_default().to_owned(), name })
        .collect();
    voices.sort_by(|a, b| a.name.cmp(&b.name));
    if voices.is_empty() {
        bail!(missing());
    }
    Ok(voices)
}

/// Without what Pico would take for markup, and no longer than it can take.
fn speakable(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '<' | '>' | '&' | '\\' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    let plain = plain.trim();
    if !plain.chars().any(char::is_alphanumeric) {
        return String::new();
    }
    let end = (0..=LONGEST.min(plain.len())).rev().find(|&end| plain.is_char_boundary(end));
    plain[..end.unwrap_or(0)].to_owned()
}

/// The samples of a RIFF file of 16-bit mono at 16 kHz.
fn samples(wav: &[u8]) -> Result<Vec<i16>> {
    let format = chunk(wav, b"fmt ").context("Pico has written no WAV file")?;
    if format.get(..16).is_none_or(|f| f[2..8] != [1, 0, 0x80, 0x3e, 0, 0] || f[14..16] != [16, 0]) {
        bail!("Pico has written audio of another format");
    }
    let data = chunk(wav, b"data").context("Pico has written no audio")?;
    Ok(data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect())
}

fn chunk<'a>(wav: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = wav.get(12..)?;
    while let Some((header, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if &header[..4] == name {
            return Some(&body[..length.min(body.len())]);
        }
        rest = body.get(length + length % 2..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_endless_text_do_not_reach_pico() {
        assert_eq!(speakable(" a<b>\u{0}c "), "a b  c");
        assert_eq!(speakable("¿?"), "");
        assert!(speakable(&"é".repeat(5000)).len() <= LONGEST);
    }

    #[test]
    fn wav_files_are_read_and_refused() {
        let mut wav =
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x04\0\0\0"
                .to_vec();
        wav.extend([1, 0, 2, 0]);
        assert_eq!(samples(&wav).unwrap(), [1, 2]);
        wav[24] = 0;
        assert!(samples(&wav).is_err());
        assert!(samples(b"RIFF").is_err());
    }
}
