//! `dragoman-engines` as a child process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::process::{Process, wrapped};

/// Loading the models takes a second or two on a machine with nothing else to do.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Whatever class this process runs in, the models never take the CPU from a call.
const BEHIND_THE_CALLS: [&str; 6] = ["chrt", "--other", "0", "nice", "-n", "10"];

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The built program.
    pub program: PathBuf,
    /// An existing directory: `engines.toml` and `engines.log` appear in it.
    pub run_dir: PathBuf,
    /// Where the models are.
    pub models: PathBuf,
    /// The tree with Apertium and Pico.
    pub prefix: PathBuf,
    /// Speech recognition and synthesis, Wyoming.
    pub wyoming: SocketAddr,
    /// Translation, `LibreTranslate`'s API.
    pub libretranslate: SocketAddr,
}

/// A running engine server. Dropping it stops it.
#[derive(Debug)]
pub struct Engines {
    process: Process,
    options: Options,
}

impl Engines {
    /// Writes the configuration and starts the server; [`Self::wait_ready`] waits for its models.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(options: Options) -> Result<Self> {
        let config = options.run_dir.join("engines.toml");
        fs::write(&config, configuration(&options)?)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = Command::new(&options.program);
        // What a killed server leaves behind goes with the run directory.
        command.arg("--config").arg(&config).env("TMPDIR", &options.run_dir);
        let command = wrapped(&BEHIND_THE_CALLS, &command);
        let process = Process::spawn("dragoman-engines", &command, &options.run_dir.join("engines.log"))?;
        Ok(Self { process, options })
    }

    /// Waits until the models are loaded.
    ///
    /// # Errors
    /// When that takes over a minute or fails; the error quotes the server's log.
    pub fn wait_ready(&mut self) -> Result<()> {
        let log = self.process.log().to_owned();
        self.process.wait_until("ready", START_TIMEOUT, || says_ready(&log))
    }

    /// For the daemon's configuration: `tcp://…`.
    pub fn speech(&self) -> String {
        format!("tcp://{}", self.options.wyoming)
    }

    /// For the daemon's configuration: `http://…`.
    pub fn translation(&self) -> String {
        format!("http://{}", self.options.libretranslate)
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The process, for signals, its log and its exit.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn says_ready(log: &Path) -> bool {
    fs::read_to_string(log).is_ok_and(|text| text.contains("ready"))
}

#[derive(Serialize)]
struct File<'a> {
    models: &'a Path,
    prefix: &'a Path,
    listen: Listen,
}

#[derive(Serialize)]
struct Listen {
    wyoming: SocketAddr,
    libretranslate: SocketAddr,
}

fn configuration(options: &Options) -> Result<String> {
    let listen = Listen { wyoming: options.wyoming, libretranslate: options.libretranslate };
    let file = File { models: &options.models, prefix: &options.prefix, listen };
    toml::to_string(&file).context("cannot write the engines' configuration")
}
