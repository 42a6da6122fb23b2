//! Set-up: says what is missing and how large it is, installs it, verifies it once and stamps it.

mod apt;
mod cargo_deny;
mod debian_tree;
mod models;
mod progress;
mod python;
mod speech;
mod step;
mod system;
mod vendors;

use anyhow::Result;

pub use progress::Progress;

use crate::cache::Cache;

/// What a verb needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Compilers and libraries, Asterisk, models, English speech.
    Demo,
    /// The demo's, and the other callers, prompts and Python packages that the tests use.
    Test,
    /// Compilers, and valgrind to count instructions.
    Bench,
    /// Compilers, Asterisk, sipp, English speech.
    Soak,
}

/// One thing to install. `missing` is asked on every run and must be quick.
trait Part {
    /// What the user reads, and the size, when something is missing.
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>>;
    fn install(&self, cache: &Cache) -> Result<()>;
}

/// What a part would install.
struct Missing {
    what: String,
    /// Bytes to fetch and bytes on disk afterwards; unknown until apt has its lists.
    size: Option<Size>,
}

#[derive(Clone, Copy)]
struct Size {
    download: u64,
    disk: u64,
}

/// Installs what `profile` needs and is not there yet. Safe to interrupt and to run again.
///
/// # Errors
/// One line that says what to do, when something cannot be installed or does not match its checksum.
pub fn run(profile: Profile, cache: &Cache) -> Result<()> {
    let missing = missing_parts(profile, cache)?;
    if missing.is_empty() {
        return Ok(());
    }
    announce(&missing, cache);
    for (part, _) in missing {
        part.install(cache)?;
    }
    apt::clean(cache)
}

fn parts(profile: Profile) -> Vec<Box<dyn Part>> {
    let mut parts: Vec<Box<dyn Part>> = vec![Box::new(system::SystemPackages::for_profile(profile))];
    if profile != Profile::Bench {
        parts.push(Box::new(debian_tree::DebianTree));
        parts.push(Box::new(speech::Speech::for_profile(profile)));
    }
    if [Profile::Demo, Profile::Test].contains(&profile) {
        parts.push(Box::new(models::Models));
    }
    if profile == Profile::Test {
        parts.push(Box::new(python::TestPackages));
        parts.push(Box::new(vendors::VendorPackages));
        parts.push(Box::new(cargo_deny::CargoDeny));
    }
    parts
}

fn missing_parts(profile: Profile, cache: &Cache) -> Result<Vec<(Box<dyn Part>, Missing)>> {
    let mut missing = Vec::new();
    for part in parts(profile) {
        if let Some(what) = part.missing(cache)? {
            missing.push((part, what));
        }
    }
    Ok(missing)
}

fn announce(missing: &[(Box<dyn Part>, Missing)], cache: &Cache) {
    eprintln!("Set-up will install, into {} unless it says otherwise:", cache.root().display());
    for (_, Missing { what, size }) in missing {
        match size {
            Some(Size { download, disk }) => {
                eprintln!("  - {what}: {} to fetch, {} on disk", megabytes(*download), megabytes(*disk));
            }
            None => eprintln!("  - {what}: size known once apt has its lists"),
        }
    }
    let sum =
        |field: fn(&Size) -> u64| missing.iter().filter_map(|(_, part)| part.size.as_ref().map(field)).sum();
    eprintln!(
        "  Together {} to fetch, {} on disk.",
        megabytes(sum(|s| s.download)),
        megabytes(sum(|s| s.disk))
    );
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
