//! An Asterisk of one's own: the shipped configuration rendered into a run directory, the driver among its modules.
//!
//! The files of `asterisk-conf/` are the box's own and are copied as they are, except for the few values that
//! `configuration.rs` lists.

mod configuration;

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::prefix::Prefix;
use crate::process::Process;

const PROGRAM: &str = "usr/sbin/asterisk";
const DRIVER: &str = "chan_slinpipe.so";
const BOOT_TIMEOUT: Duration = Duration::from_secs(30);
/// `sun_path` holds 108 bytes with its NUL; Asterisk would cut a longer one and nobody would find it.
const MAX_SOCKET_PATH: usize = 107;

/// A phone that may register.
#[derive(Clone, Debug)]
pub struct Phone {
    /// Its number and user name: digits.
    pub extension: String,
    /// Its password: letters and digits.
    pub secret: String,
}

impl Phone {
    /// So many phones from 101 on, with random secrets.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn numbered(count: u16) -> Result<Vec<Self>> {
        let phone = |number: u16| Ok(Self { extension: number.to_string(), secret: random_secret()? });
        (101..=100 + count).map(phone).collect()
    }
}

/// What to start. Several Asterisks run at once when their run directories and ports differ.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tree that Asterisk was unpacked into.
    pub prefix: Prefix,
    /// The built driver, `libchan_slinpipe.so`.
    pub driver: PathBuf,
    /// The shipped configuration, `asterisk-conf/`.
    pub configuration: PathBuf,
    /// An existing directory: `pipes/` appears in it, `asterisk/` and `asterisk.log`.
    pub run_dir: PathBuf,
    /// Where phones register, over UDP and TCP.
    pub sip: SocketAddr,
    /// ARI's port on 127.0.0.1.
    pub http_port: u16,
    /// The manager interface's port on 127.0.0.1; its user is `guard`, with the password of ARI.
    pub manager_port: u16,
    /// RTP ports.
    pub rtp_ports: RangeInclusive<u16>,
    /// Who may register.
    pub phones: Vec<Phone>,
}

impl Options {
    /// The ports of the box on loopback, and phones 101 to 110 with random secrets.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(prefix: Prefix, driver: PathBuf, configuration: PathBuf, run_dir: PathBuf) -> Result<Self> {
        Ok(Self {
            prefix,
            driver,
            configuration,
            run_dir,
            sip: SocketAddr::from(([127, 0, 0, 1], 5060)),
            http_port: 8088,
            manager_port: 5038,
            rtp_ports: 16384..=16583,
            phones: Phone::numbered(10)?,
        })
    }

    fn home(&self) -> PathBuf {
        self.run_dir.join("asterisk")
    }

    fn etc(&self) -> PathBuf {
        self.home().join("etc")
    }

    fn pipes(&self) -> PathBuf {
        self.run_dir.join("pipes")
    }
}

/// How to reach ARI.
#[derive(Clone, Debug)]
pub struct Ari {
    /// `http://127.0.0.1:<port>/ari`.
    pub url: String,
    /// User name for basic authentication.
    pub user: String,
    /// Password for basic authentication.
    pub password: String,
}

/// A running Asterisk. Dropping it stops it.
#[derive(Debug)]
pub struct Asterisk {
    process: Process,
    options: Options,
    ari: Ari,
}

impl Asterisk {
    /// Renders the configuration, starts Asterisk and waits until it has booted.
    ///
    /// # Errors
    /// When a file is missing or cannot be made, or Asterisk does not boot within 30 s; that error quotes the log.
    pub fn start(options: Options) -> Result<Self> {
        check(&options)?;
        let ari = Ari {
            url: format!("http://127.0.0.1:{}/ari", options.http_port),
            user: "dragoman".to_owned(),
            password: random_secret()?,
        };
        make_directories(&options)?;
        link_modules(&options)?;
        configuration::render(&options, &ari)?;

        let process = boot(&options)?;
        Ok(Self { process, options, ari })
    }

    /// Starts it again as it was, after it ended or was killed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.process.wait(BOOT_TIMEOUT)?;
        self.process = boot(&self.options)?;
        Ok(())
    }

    /// Runs a command of Asterisk's command line and returns what it prints.
    ///
    /// # Errors
    /// When Asterisk does not answer.
    pub fn cli(&self, command: &str) -> Result<String> {
        run_cli(&self.options, command)
    }

    /// A program that is the command line of this Asterisk, as `asterisk` is of a box's only one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn program(&self) -> Result<PathBuf> {
        let path = self.options.run_dir.join("asterisk-program");
        let command = self.options.prefix.command(PROGRAM);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
        let conf = self.configuration_file("asterisk.conf");
        let script = format!("#!/bin/sh\nexec {} -C '{}' \"$@\"\n", words.join(" "), conf.display());
        fs::write(&path, script).with_context(|| format!("cannot write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Where phones register.
    pub fn sip(&self) -> SocketAddr {
        self.options.sip
    }

    /// Who may register.
    pub fn phones(&self) -> &[Phone] {
        &self.options.phones
    }

    /// How to reach ARI.
    pub fn ari(&self) -> &Ari {
        &self.ari
    }

    /// Where the driver makes its pipes.
    pub fn pipes(&self) -> PathBuf {
        self.options.pipes()
    }

    /// A file of the rendered configuration.
    pub fn configuration_file(&self, name: &str) -> PathBuf {
        self.options.etc().join(name)
    }

    /// All that Asterisk has logged.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        let bytes = fs::read(self.process.log())
            .with_context(|| format!("cannot read {}", self.process.log().display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The process, for signals and its exit.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn boot(options: &Options) -> Result<Process> {
    let mut command = options.prefix.command(PROGRAM);
    command.arg("-C").arg(options.etc().join("asterisk.conf")).arg("-f");
    let mut process = Process::spawn("Asterisk", &command, &options.run_dir.join("asterisk.log"))?;
    process.wait_until("boot", BOOT_TIMEOUT, || {
        run_cli(options, "core waitfullybooted").is_ok_and(|answer| answer.contains("fully booted"))
    })?;
    Ok(process)
}

fn check(options: &Options) -> Result<()> {
    let asterisk = options.prefix.path(PROGRAM);
    ensure!(asterisk.is_file(), "no Asterisk at {}: run `cargo xtask setup`", asterisk.display());
    let driver = &options.driver;
    ensure!(
        driver.is_file(),
        "no driver at {}: run `cargo build -p chan-slinpipe --profile driver`",
        driver.display()
    );
    let socket = options.home().join("run/asterisk.ctl");
    let length = socket.as_os_str().len();
    ensure!(
        length <= MAX_SOCKET_PATH,
        "{} has {length} characters, a socket's name at most {MAX_SOCKET_PATH}: choose a shorter run directory",
        socket.display()
    );
    Ok(())
}

fn make_directories(options: &Options) -> Result<()> {
    let inside =
        ["etc", "modules", "var", "spool", "run", "log", "cache"].map(|name| options.home().join(name));
    for directory in inside.iter().chain([&options.pipes()]) {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    }
    Ok(())
}

/// Asterisk loads modules from one directory: links to those of the tree, and to the driver.
fn link_modules(options: &Options) -> Result<()> {
    let modules = options.home().join("modules");
    let shipped = options.prefix.library_dir().join("asterisk/modules");
    let entries = fs::read_dir(&shipped)
        .with_context(|| format!("no modules in {}: run `cargo xtask setup`", shipped.display()))?;
    for entry in entries {
        let entry = entry?;
        link(&entry.path(), &modules.join(entry.file_name()))?;
    }
    link(&options.driver.canonicalize()?, &modules.join(DRIVER))
}

fn link(target: &Path, name: &Path) -> Result<()> {
    if name.is_symlink() {
        fs::remove_file(name)?;
    }
    symlink(target, name).with_context(|| format!("cannot link {}", name.display()))
}

/// 128 random bits in hexadecimal digits.
fn random_secret() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("no random bytes")?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn run_cli(options: &Options, command: &str) -> Result<String> {
    let output = options
        .prefix
        .command(PROGRAM)
        .arg("-C")
        .arg(options.etc().join("asterisk.conf"))
        .args(["-rx", command])
        .output()
        .context("cannot run Asterisk's command line")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "Asterisk does not answer `{command}`: {}", text.trim());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ() {
        let [one, two] = [random_secret(), random_secret()].map(|secret| secret.expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
    }
}
