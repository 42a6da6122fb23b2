//! Speech recognition, translation and speech on the device, as a server of its own.
//!
//! - [`asr`] hears, [`mt`] translates, [`tts`] speaks; [`load`] makes them from the configuration.
//! - [`wyoming`] and [`http`] serve them.

#![forbid(unsafe_code)]

pub mod asr;
pub mod config;
pub mod http;
pub mod load;
pub mod manifest;
pub mod mt;
pub mod programs;
pub mod tts;
pub mod wyoming;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use config::Config;
use load::Engines;

const EXAMPLE: &str = "\
Example of a configuration:

  models = \"/var/lib/dragoman/models\"    # files of the model manifest, checked at every start
  prefix = \"/\"                           # the tree with Apertium and Pico; \"/\" is this machine

  [listen]
  wyoming = \"127.0.0.1:10300\"            # speech recognition and synthesis
  libretranslate = \"127.0.0.1:5000\"      # translation

  [asr]
  workers = 2                            # passes at the same time, about 90 MB each; default: one a core
  threads = 1                            # threads a pass; more only where cores are idle

  [limits]
  connections = 64
  idle_seconds = 300

Try it: curl -d q='Good morning' -d source=en -d target=es http://127.0.0.1:5000/translate";

/// Speech recognition, translation and speech synthesis on this device, for anything that speaks Wyoming and
/// LibreTranslate's API. Needs no network.
#[derive(Debug, Parser)]
#[command(name = "dragoman-engines", version, after_help = EXAMPLE)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/engines.toml")]
    config: PathBuf,
    /// Load every engine, use each once, print how long it took, and end
    #[arg(long)]
    check: bool,
}

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// One line that says what to do, when the server cannot start.
pub async fn run(arguments: Arguments) -> Result<()> {
    let config = Config::read(&arguments.config)?;
    let scratch = Scratch::create()?;
    if arguments.check {
        let engines = Engines::load(&config, &scratch.0)?;
        return engines.check().await;
    }
    // Before the models, so that a port in use is told at once.
    let wyoming = listen(config.listen.wyoming, "listen.wyoming").await?;
    let libretranslate = listen(config.listen.libretranslate, "listen.libretranslate").await?;
    let engines = Arc::new(Engines::load(&config, &scratch.0)?);
    let http = http::router(engines.clone(), config.limits.connections);
    notify_ready();
    log::info!(
        "ready: Wyoming on {}, LibreTranslate on {}",
        wyoming.local_addr()?,
        libretranslate.local_addr()?
    );
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = wyoming::serve(wyoming, engines, config.limits) => {}
        served = axum::serve(libretranslate, http) => served.context("the HTTP server has ended")?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr, key: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: end what uses it, or change {key}"))
}

fn notify_ready() {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = systemd::daemon::notify([(systemd::daemon::STATE_READY, "1")].iter()) {
        log::warn!("systemd cannot be told that the server is ready: {error}");
    }
}

/// A scratch directory's name, before the number of its process.
const SCRATCH: &str = "dragoman-engines-";

/// A directory of our own, removed with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Self> {
        let parent = std::env::var_os("RUNTIME_DIRECTORY").map_or_else(std::env::temp_dir, PathBuf::from);
        sweep(&parent);
        let path = parent.join(format!("{SCRATCH}{}", std::process::id()));
        remove(&path)?;
        // Others must not be able to replace what is run from here.
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

/// Removes what killed servers of this user left in `parent`.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(SCRATCH)?.parse::<u32>().ok());
        let left_over = owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if left_over && let Err(error) = std::fs::remove_dir_all(entry.path()) {
            log::debug!("{}: not removed: {error}", entry.path().display());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            log::warn!("{error:#}");
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
