//! A private apt: another release's packages from the machine's own mirror, checked against Debian's own keys,
//! without root and without touching the machine's package state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::progress::Progress;
use super::step;
use crate::cache::Cache;

const KEYRINGS: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];
const LISTS_FRESH_FOR: Duration = Duration::from_secs(3600);
/// What a mirror calls the release the machine itself runs, besides its code name.
const SUITES: [&str; 5] = ["stable", "oldstable", "oldoldstable", "testing", "unstable"];

/// apt with its state in the cache.
pub(super) struct PrivateApt {
    root: PathBuf,
}

impl PrivateApt {
    /// Prepares the state and fetches the lists of `suite` unless they are fresh.
    pub(super) fn open(cache: &Cache, suite: &str) -> Result<Self> {
        let apt = Self { root: cache.root().join("apt").join(suite) };
        if apt.lists_are_fresh() {
            return Ok(apt);
        }
        for dir in ["state/lists/partial", "archives/partial", "alone"] {
            fs::create_dir_all(apt.root.join(dir))
                .with_context(|| format!("cannot create {}", apt.root.display()))?;
        }
        fs::write(apt.root.join("state/status"), "")?;
        fs::write(apt.root.join("apt.conf"), apt.configuration()?)?;
        apt.update_from_first_working_mirror(suite)?;
        Ok(apt)
    }

    /// Downloads `packages` and what they depend on; returns all archives. What is there already is not fetched again.
    pub(super) fn download(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let progress = Progress::start(format!("Fetching {} and what they need", packages.join(", ")));
        let mut command = self.command("apt-get");
        command.args(["install", "-y", "-q", "--download-only", "-o", "APT::Status-Fd=1"]).args(packages);
        step::each_line(&mut command, |line| {
            if let Some(percent) = percent(line, &["dlstatus"]) {
                progress.set(percent, 100);
            }
        })?;
        progress.finish();
        archives_in(&self.root.join("archives"))
    }

    /// Downloads just these packages, without what they depend on.
    pub(super) fn download_alone(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let progress = Progress::start(format!("Fetching {}", packages.join(", ")));
        let dir = self.root.join("alone");
        step::output(self.command("apt-get").args(["download", "-q"]).args(packages).current_dir(&dir))?;
        progress.finish();
        let mut archives = archives_in(&dir)?;
        archives.retain(|path| packages.iter().any(|package| is_archive_of(path, package)));
        Ok(archives)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.root.join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn lists_are_fresh(&self) -> bool {
        let updated = fs::metadata(self.root.join("updated")).and_then(|metadata| metadata.modified());
        updated.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < LISTS_FRESH_FOR))
    }

    /// Our own directories, and from the machine only how to reach the network: its hooks and pins are not ours.
    fn configuration(&self) -> Result<String> {
        let machine = step::output(Command::new("apt-config").arg("dump"))?;
        let is_network =
            |line: &&str| line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets");
        let network: Vec<&str> = machine.lines().filter(is_network).collect();
        let network = network.join("\n");
        let root = self.root.display();
        Ok(format!(
            "{network}\n\
             Dir::State \"{root}/state\";\nDir::State::status \"{root}/state/status\";\n\
             Dir::Cache \"{root}\";\nDir::Cache::archives \"{root}/archives\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::Check-Valid-Until \"false\";\n"
        ))
    }

    /// The machine may list other archives for the same release, which have no `suite` of Debian's, or not its key.
    fn update_from_first_working_mirror(&self, suite: &str) -> Result<()> {
        let progress = Progress::start(format!("Fetching the package lists of Debian {suite}"));
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).exists());
        let keyring = keyring.context("no Debian keyring: apt-get install debian-archive-keyring")?;
        let mut refusals = String::new();
        for mirror in debian_mirrors()? {
            let line = format!("deb [signed-by={keyring}] {mirror} {suite} main contrib non-free\n");
            fs::write(self.root.join("sources.list"), line)?;
            match step::output(self.command("apt-get").args(["update", "-q", "--error-on=any"])) {
                Ok(_) => {
                    fs::write(self.root.join("updated"), "")?;
                    progress.finish();
                    return Ok(());
                }
                Err(error) => refusals = error.to_string(),
            }
        }
        bail!(
            "no mirror among this machine's apt sources serves Debian {suite}: add one, then run again\n{refusals}"
        )
    }
}

/// Removes lists and archives of all suites, once they are unpacked.
pub(super) fn clean(cache: &Cache) -> Result<()> {
    let root = cache.root().join("apt");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    Ok(())
}

/// The archives from which this machine's own release comes, as apt itself reads its sources.
fn debian_mirrors() -> Result<Vec<String>> {
    let os_release = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let codename =
        os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).unwrap_or("sid");
    let listing = step::output(Command::new("apt-get").args(["update", "--print-uris"]))?;
    let mut mirrors = Vec::new();
    for line in listing.lines() {
        let Some((mirror, suite)) = release_file(line) else { continue };
        if (suite == codename || SUITES.contains(&suite)) && !mirrors.iter().any(|known| known == mirror) {
            mirrors.push(mirror.to_owned());
        }
    }
    Ok(mirrors)
}

/// `'http://host/debian/dists/trixie/InRelease' name 0` → (`http://host/debian`, `trixie`).
fn release_file(line: &str) -> Option<(&str, &str)> {
    let uri = line.strip_prefix('\'')?.split('\'').next()?;
    let (mirror, rest) = uri.strip_suffix("/InRelease")?.split_once("/dists/")?;
    Some((mirror, rest))
}

/// The percentage in a line of `APT::Status-Fd`, `dlstatus:3:12.5:…`.
pub(super) fn percent(line: &str, kinds: &[&str]) -> Option<u64> {
    let mut fields = line.split(':');
    if !kinds.contains(&fields.next()?) {
        return None;
    }
    // A package's name may itself carry its architecture, `pmstatus:libc6:amd64:40.0:…`.
    fields.skip(1).take(2).find_map(|field| field.parse::<f64>().ok()).map(|percent| percent as u64)
}

fn archives_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|extension| extension == "deb")).collect())
}

fn is_archive_of(path: &Path, package: &str) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split('_').next()) == Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_read_from_the_uris_apt_would_fetch() {
        let line =
            "'http://mirror.example/debian/dists/trixie/InRelease' mirror.example_dists_trixie_InRelease 0 ";
        assert_eq!(release_file(line), Some(("http://mirror.example/debian", "trixie")));
        assert_eq!(release_file("'http://mirror.example/debian/dists/trixie/main/Packages.xz' x 0"), None);
        assert_eq!(release_file("Reading package lists..."), None);
    }

    #[test]
    fn percentages_are_read_from_both_kinds_of_status_lines() {
        assert_eq!(percent("dlstatus:3:12.5:Retrieving file 3 of 9", &["dlstatus"]), Some(12));
        assert_eq!(percent("pmstatus:libc6:amd64:40.0:Unpacking", &["pmstatus"]), Some(40));
        assert_eq!(percent("dlstatus:3:12.5:x", &["pmstatus"]), None);
        assert_eq!(percent("Get:1 http", &["dlstatus"]), None);
    }
}
