use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::apps::Apps;
use crate::asterisk;
use crate::clients::Outside;
use crate::config::{self, Config};
use crate::control::ControlSocket;
use crate::doors;
use crate::hub::Hub;
use crate::keys::Keys;
use crate::logging;
use crate::media;
use crate::memory;
use crate::report::Report;
use crate::supervision::{Part, Parts, supervise};
use crate::switchboard::Switchboard;
use crate::watcher::Watcher;
use crate::web;

/// The real-time daemon of Dragoman.
#[derive(Parser)]
#[command(name = "dragomand", version)]
struct Arguments {
    /// The configuration, TOML.
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
    config: PathBuf,
    /// Only check the configuration.
    #[arg(long)]
    check: bool,
}

/// Set to `abort`, an allocation in the media thread ends the daemon: for tests.
const ALLOCATION_TRAP: &str = "DRAGOMAN_ALLOC_TRAP";

/// How long stopping waits for the disk.
const RECORDINGS_DEADLINE: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to stop. What keeps it from running is told in one line.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start();
    logging::tell_faults();
    if std::env::var_os(ALLOCATION_TRAP).is_some_and(|trap| trap == "abort") {
        rt_sys::alloc::abort_on_violation();
    }
    let outcome = config::load(&arguments.config).map_err(|error| error.to_string()).and_then(|config| {
        if arguments.check {
            say::say!("{}: {} rooms, no faults", arguments.config.display(), config.rooms.len());
            return Ok(());
        }
        let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
        runtime.block_on(serve(config))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // Not through the log, which may be switched off.
            eprintln!("dragomand: {reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), String> {
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    let watcher = Watcher::new(&config.pipes).map_err(|error| {
        format!("pipes.directory {}: {error}; make it, for dragomand and asterisk", config.pipes.display())
    })?;
    let control = ControlSocket::bind(&config.control)
        .map_err(|error| format!("control.socket {}: {error}", config.control.display()))?;
    let (doors, lines) = doors::open(&config.ports)?;
    let outside = Outside::new(&config.engines, config.languages()).map_err(|failure| failure.to_string())?;
    let (media, media_events) =
        media::start(&config.media).map_err(|error| format!("no media thread: {error}"))?;
    for refused in media.status().refused {
        log::warn!("running without {refused}");
    }
    let hub = Arc::new(Hub::new(config, media, outside));
    remember(&hub, &watcher);
    hub.config.apps.iter().for_each(Apps::prepare);
    keep(
        &hub,
        |parts| &parts.engines,
        |hub| async move {
            hub.outside.watch(|| hub.config.notices(&hub.directory())).await;
        },
    );
    keep(&hub, |parts| &parts.web, web::serve);
    keep_one(&hub, |parts| &parts.control, control, |control, hub| async move { control.serve(&hub).await });
    if let Some(ari) = hub.config.asterisk.clone() {
        keep(&hub, |parts| &parts.asterisk, move |hub| asterisk::run(hub, ari.clone()));
    }
    for door in doors {
        keep_one(&hub, |parts| &parts.doors, door, |door, hub| async move { door.serve(&hub).await });
    }
    match Keys::bind(&hub.config.pipes) {
        Ok(keys) => {
            keep_one(&hub, |parts| &parts.keys, keys, |keys, hub| async move { keys.serve(&hub).await });
        }
        Err(error) => {
            log::warn!("keys of the phones are not heard: {}: {error}", hub.config.pipes.display());
        }
    }

    let mut switchboard = Switchboard::new(Arc::clone(&hub), watcher, media_events, lines);
    log::info!("ready: {} rooms", hub.config.rooms.len());
    logging::notify_systemd(&[("READY", "1"), ("STATUS", "legs: 0")]);
    let outcome = tokio::select! {
        outcome = switchboard.run() => {
            outcome.map_err(|error| format!("serving {}: {error}", hub.config.pipes.display()))
        }
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    logging::notify_systemd(&[("STOPPING", "1")]);
    log::info!("stopping with {} legs", hub.count());
    switchboard.hang_up().await;
    finish_recordings(&hub).await;
    hub.tell(&Report::new("stopping", serde_json::json!({})));
    hub.media.stop();
    outcome
}

/// Without it calls work, but a daemon that is started anew knows nothing of them.
fn remember(hub: &Arc<Hub>, watcher: &Watcher) {
    let directory = &hub.config.memory;
    match watcher.scan().and_then(|present| hub.memory.open(directory, &present)) {
        Ok(()) => keep(hub, |parts| &parts.memory, memory::serve),
        Err(error) => log::error!("calls.memory {}: {error}; nothing of a call is kept", directory.display()),
    }
}

/// Has a part served beside all others, and started anew where it dies.
fn keep<F>(hub: &Arc<Hub>, part: fn(&Parts) -> &Part, serve: impl Fn(Arc<Hub>) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send,
{
    let hub = Arc::clone(hub);
    tokio::spawn(async move { supervise(part(&hub.parts), || serve(Arc::clone(&hub))).await });
}

/// The same for a part that keeps what it was opened with.
fn keep_one<T, F>(
    hub: &Arc<Hub>,
    part: fn(&Parts) -> &Part,
    opened: T,
    serve: impl Fn(Arc<T>, Arc<Hub>) -> F + Send + Sync + 'static,
) where
    T: Send + Sync + 'static,
    F: Future<Output = ()> + Send,
{
    let opened = Arc::new(opened);
    keep(hub, part, move |hub| serve(Arc::clone(&opened), hub));
}

/// A disk that stalls keeps nobody from stopping.
async fn finish_recordings(hub: &Arc<Hub>) {
    let recorder = Arc::clone(hub);
    let stop = tokio::task::spawn_blocking(move || recorder.recorder.stop());
    if tokio::time::timeout(RECORDINGS_DEADLINE, stop).await.is_err() {
        log::error!(
            "recordings were not finished within {RECORDINGS_DEADLINE:?}; they are kept as far as they got"
        );
    }
}

fn signals(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("no signals: {error}"))
}
