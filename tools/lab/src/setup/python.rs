//! A Python environment: pip to fetch pinned packages with, and the packages that the tests call.
//! pip finds its index and its certificates in the machine's own configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::PrivateApt;
use super::debian_tree::unpack;
use super::progress::Progress;
use super::{Missing, Part, Size, step};
use crate::cache::Cache;

/// Pinned, so that its progress output and its refusals are the same on every machine.
const PIP: Pinned = Pinned {
    package: "pip==26.1.2",
    sha256: &["382ff9f685ee3bc25864f820aa50505825f10f5458ffff07e30a6d96e5715cab"],
};
const PACKAGES: [Pinned; 2] = [
    Pinned {
        package: "wyoming==1.10.2",
        sha256: &["08aec17ccad4d72fc3f919ab741beacf3f23a1df24c8b9a317ebc6e02d2b227c"],
    },
    // x86_64, for Python 3.10, 3.11 and 3.12.
    Pinned {
        package: "pjsua2-python==2.15.1.post1",
        sha256: &[
            "c257151dd4f4d149ce60cd2bc9bcfbb3ca97914932fe5f53563d431e035c8c26",
            "4eb5c3afca5ef589f94493ae14c86dbaf3584a9abc7964e89864ed85020c3d16",
            "382f0a69e31d8a7bc98cf542fa1a369592150534aea43d38cb05864b17d9d00b",
        ],
    },
];
/// The newest Python that pjsua2 has a wheel for.
const NEWEST: (u32, u32) = (3, 12);
/// Where the machine's own is newer (Debian 13), this one is unpacked beside it.
const OLDER: (&str, &str, (u32, u32)) = ("bookworm", "python3.11", (3, 11));
/// The bindings are C++ and must not find the machine's library, which wants the machine's libc.
const OLDER_LIBRARY: &str = "libstdc++6";
const VENV_STAMP: &str = "venv";
const PACKAGES_STAMP: &str = "test-packages";

/// A package and the wheels that are taken for it.
struct Pinned {
    package: &'static str,
    sha256: &'static [&'static str],
}

impl Pinned {
    /// A line of a requirements file: pip refuses every file with another hash.
    fn requirement(&self) -> String {
        let hashes: String = self.sha256.iter().map(|hash| [" --hash=sha256:", hash].concat()).collect();
        format!("{}{hashes}\n", self.package)
    }
}

/// The packages that the tests call, and a Python that has them: [`Cache::test_python`].
pub(super) struct TestPackages;

impl Part for TestPackages {
    fn missing(&self, cache: &Cache) -> Result<Option<Missing>> {
        let there = cache.is_stamped(PACKAGES_STAMP, &stamp()) && cache.test_python().exists();
        let what = format!("for the tests, from PyPI: {}", names(", "));
        Ok((!there).then_some(Missing { what, size: Some(Size { download: 20_000_000, disk: 80_000_000 }) }))
    }

    fn install(&self, cache: &Cache) -> Result<()> {
        make_venv(cache)?;
        let version = machines_version(cache)?;
        let site = cache.root().join("test-packages");
        let version = if version <= NEWEST {
            let python = cache.venv().join("bin/python");
            write_script(&cache.test_python(), &format!("exec '{}' \"$@\"", python.display()), &site)?;
            version
        } else {
            unpack_older(cache, &site)?;
            OLDER.2
        };
        install_packages(cache, &site, version)
    }
}

fn names(between: &str) -> String {
    PACKAGES.map(|pinned| pinned.package).join(between)
}

fn requirements(packages: &[Pinned]) -> String {
    packages.iter().map(Pinned::requirement).collect()
}

/// `pip install` of exactly these files.
pub(super) fn pip_install(cache: &Cache, locked: &str) -> Result<Command> {
    let requirements = cache.root().join("requirements.txt");
    fs::write(&requirements, locked).with_context(|| format!("cannot write {}", requirements.display()))?;
    let mut command = pip(cache);
    command.args(["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"]);
    command.arg(requirements);
    Ok(command)
}

fn stamp() -> String {
    format!("{} {OLDER_LIBRARY} hashed", names(" "))
}

fn install_packages(cache: &Cache, site: &Path, (major, minor): (u32, u32)) -> Result<()> {
    let progress = Progress::start(format!("Installing {}", names(", ")));
    let mut command = pip_install(cache, &requirements(&PACKAGES))?;
    command.args(["--upgrade", "--python-version", &format!("{major}.{minor}"), "--target"]).arg(site);
    step::output(&mut command)?;
    step::output(Command::new(cache.test_python()).args(["-c", "import pjsua2, wyoming; pjsua2.Endpoint"]))
        .context("the packages for the tests do not load")?;
    cache.set_stamp(PACKAGES_STAMP, &stamp())?;
    progress.finish();
    Ok(())
}

/// An older Debian's Python, run through its own loader as the private tree's programs are.
fn unpack_older(cache: &Cache, site: &Path) -> Result<()> {
    let (release, package, _) = OLDER;
    let archives = PrivateApt::open(cache, release)?.download(&[package, OLDER_LIBRARY])?;
    let tree = cache.root().join("python");
    unpack(&format!("Unpacking {package} of Debian {release}"), &archives, &tree)?;
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    let loader = fs::read_dir(tree.join("lib").join(&multiarch))?.flatten().map(|entry| entry.path());
    let is_loader = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("ld-linux"))
    };
    let loader = loader.into_iter().find(is_loader).context("no loader among Python's libraries")?;
    let (tree, loader) = (tree.display(), loader.display());
    let run = format!(
        "PYTHONHOME='{tree}/usr' exec '{loader}' --library-path '{tree}/lib/{multiarch}:{tree}/usr/lib/{multiarch}' \
         --argv0 {package} '{tree}/usr/bin/{package}' \"$@\""
    );
    write_script(&cache.test_python(), &run, site)
}

/// A script at `path` that does `run` with the packages in `site`.
pub(super) fn write_script(path: &Path, run: &str, site: &Path) -> Result<()> {
    let text = format!("#!/bin/sh\nexport PYTHONPATH='{}'\n{run}\n", site.display());
    fs::create_dir_all(path.parent().context("a script without a directory")?)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn machines_version(cache: &Cache) -> Result<(u32, u32)> {
    let program = "import sys; print(*sys.version_info[:2])";
    let version = step::output(Command::new(cache.venv().join("bin/python")).args(["-c", program]))?;
    let numbers = version
        .trim()
        .split_once(' ')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.with_context(|| format!("python3 calls its version `{}`", version.trim()))
}

/// Makes the environment unless it is there and its interpreter still runs.
pub(super) fn make_venv(cache: &Cache) -> Result<()> {
    if venv_is_there(cache) {
        return Ok(());
    }
    let progress = Progress::start("Making a Python environment");
    step::output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(cache.venv()))?;
    step::output(&mut pip_install(cache, &requirements(&[PIP]))?)?;
    cache.set_stamp(VENV_STAMP, PIP.package)?;
    progress.finish();
    Ok(())
}

/// The environment's pip.
pub(super) fn pip(cache: &Cache) -> Command {
    let mut command = Command::new(cache.venv().join("bin/python"));
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    command
}

fn venv_is_there(cache: &Cache) -> bool {
    cache.is_stamped(VENV_STAMP, PIP.package) && cache.venv().join("bin/python").exists()
}
