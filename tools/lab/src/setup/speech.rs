//! Recorded human speech for the demo and the tests, from Debian's packages.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt::PrivateApt;
use super::debian_tree::unpack;
use super::{Missing, Part, Profile, Size};
use crate::cache::Cache;

const SUITE: &str = "sid";
const DEMO: &[&str] = &["asterisk-core-sounds-en-wav"];
const TEST: &[&str] = &["pocketsphinx-testdata", "asterisk-core-sounds-en-wav", SPANISH];
const SPANISH: &str = "asterisk-core-sounds-es-wav";
/// Where Asterisk looks for prompts, and finds them: links that Debian makes as it installs them. Who speaks a language
/// that has none hears those of `en`.
const LINKS: [(&str, &str); 2] = [
    ("en", "en_US_f_Allison"),
    ("es", "../../../../../speech/asterisk-core-sounds-es-wav/usr/share/asterisk/sounds/es_MX_f_Allison"),
];

/// Each package is unpacked into a tree of its own, `speech/<package>/usr/share/…`.
pub(super) struct Speech(&'static [&'static str]);

impl Speech {
    pub(super) fn for_profile(profile: Profile) -> Self {
        Self(if profile == Profile::Test { TEST } else { DEMO })
    }

    fn not_there(&self, cache: &Cache) -> Vec<&'static str> {
        let there =
            |package: &str| cache.is_stamped(&stamp(package), SUITE) && cache.speech().join(package).is_dir();
        self.0.iter().copied().filter(|package| !there(package)).collect()
    }

    /// The links that are missing, and where they lead.
    fn unlinked(&self, cache: &Cache) -> impl Iterator<Item = (PathBuf, &'static str)> {
        let wanted = LINKS.into_iter().filter(|(language, _)| *language == "en" || self.0.contains(&SPANISH));
        let sounds = cache.prefix().path("usr/share/asterisk/sounds");
        wanted.map(move |(language, voice)| (sounds.join(language), voice)).filter(|(link, _)| !link.is_dir())
    }
}

impl Part for Speech {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let packages = self.not_there(cache);
        let sizes = packages.iter().map(|package| size(package));
        let size = sizes.fold(Size { download: 0, disk: 0 }, |sum, size| Size {
            download: sum.download + size.download,
            disk: sum.disk + size.disk,
        });
        let what = format!("recorded speech from Debian: {}", packages.join(", "));
        let is_missing = !packages.is_empty() || self.unlinked(cache).next().is_some();
        Ok(is_missing.then_some(Missing { what, size: Some(size) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        let apt = PrivateApt::open(cache, SUITE)?;
        fs::create_dir_all(cache.speech())?;
        for package in self.not_there(cache) {
            let archives = apt.download_alone(&[package])?;
            unpack(&format!("Unpacking {package}"), &archives, &cache.speech().join(package))?;
            cache.set_stamp(&stamp(package), SUITE)?;
        }
        for (link, voice) in self.unlinked(cache) {
            let dir = link.parent().context("no directory for prompts")?;
            fs::create_dir_all(dir)?;
            symlink(voice, &link).with_context(|| format!("cannot make {}", link.display()))?;
        }
        Ok(())
    }
}

fn stamp(package: &str) -> String {
    format!("speech-{package}")
}

fn size(package: &str) -> Size {
    let (download, disk) = match package {
        "pocketsphinx-testdata" => (2_200_000, 4_100_000),
        "asterisk-core-sounds-en-wav" => (18_300_000, 25_000_000),
        _ => (23_800_000, 30_000_000),
    };
    Size { download, disk }
}
