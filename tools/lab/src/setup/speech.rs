//! Recorded human speech for the demo and the tests, from Debian's packages.

use std::fs;

use anyhow::Result;

use super::apt::PrivateApt;
use super::debian_tree::unpack;
use super::{Missing, Part, Profile, Size};
use crate::cache::Cache;

const SUITE: &str = "sid";
const DEMO: &[&str] = &["asterisk-core-sounds-en-wav"];
const TEST: &[&str] =
    &["pocketsphinx-testdata", "asterisk-core-sounds-en-wav", "asterisk-core-sounds-es-wav"];

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
        Ok((!packages.is_empty()).then_some(Missing { what, size: Some(size) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        let apt = PrivateApt::open(cache, SUITE)?;
        fs::create_dir_all(cache.speech())?;
        for package in self.not_there(cache) {
            let archives = apt.download_alone(&[package])?;
            unpack(&format!("Unpacking {package}"), &archives, &cache.speech().join(package))?;
            cache.set_stamp(&stamp(package), SUITE)?;
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
