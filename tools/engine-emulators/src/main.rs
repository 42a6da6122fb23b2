//! `dragoman-engine-emulators`: the emulators alone, for a daemon on the same machine.

mod links;
mod options;

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser as _;
use engine_emulators::{
    Emulator, Relay, World, deepgram, deepl, deepl_voice, elevenlabs, hume, openai_speech,
    openai_translations, xtts,
};
use options::{Options, Service};

const KEY: &str = "emulated-key";

/// An emulator, and what is between it and its clients.
struct Running {
    service: Service,
    address: SocketAddr,
    _emulator: Emulator,
    _relay: Option<Arc<Relay>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    let options = Options::parse();
    let key_file = options.key_file()?;
    let key = key(&key_file)?;
    let mut running = Vec::new();
    for (service, port) in Service::ALL.into_iter().zip(options.port..) {
        let key = if service == Service::Xtts { "" } else { &key };
        let world = Arc::new(World::new(key, options.voices(), options.delays(), options.seed));
        options.faults_of(service).for_each(|fault| world.script.push(fault));
        running.push(Running::start(&options, service, world, port).await?);
    }
    say::say!("{}", configuration(&running, &key_file)?);
    tokio::signal::ctrl_c().await.context("no signal comes")?;
    Ok(())
}

/// The key that clients must bring: what stands in the file, which is made where there is none.
fn key(path: &Path) -> Result<String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => writeln!(file, "{KEY}").with_context(|| path.display().to_string())?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).with_context(|| format!("{}: no key file", path.display())),
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let key = text.trim();
    ensure!(!key.is_empty(), "{}: there is no key in it", path.display());
    Ok(key.to_owned())
}

impl Running {
    async fn start(options: &Options, service: Service, world: Arc<World>, port: u16) -> Result<Self> {
        let links: Vec<_> = options.links_of(service).collect();
        if links.is_empty() {
            let emulator = start(service, world, port).await?;
            return Ok(Self { service, address: emulator.address, _emulator: emulator, _relay: None });
        }
        let emulator = start(service, world, 0).await?;
        let relay = Arc::new(Relay::start(emulator.address, port).await?);
        for link in links {
            link.befall(&relay);
        }
        Ok(Self { service, address: relay.address, _emulator: emulator, _relay: Some(relay) })
    }
}

async fn start(service: Service, world: Arc<World>, port: u16) -> Result<Emulator> {
    match service {
        Service::Deepgram => deepgram::start(world, port).await,
        Service::Deepl => deepl::start(world, port).await,
        Service::DeeplVoice => deepl_voice::start(world, port).await,
        Service::Elevenlabs => elevenlabs::start(world, port).await,
        Service::Hume => hume::start(world, port).await,
        Service::OpenaiSpeech => openai_speech::start(world, port).await,
        Service::OpenaiTranslations => openai_translations::start(world, port).await,
        Service::Xtts => xtts::start(world, port).await,
    }
}

/// What the daemon's configuration must say to ask them.
fn configuration(running: &[Running], key_file: &Path) -> Result<String> {
    let key_file = std::path::absolute(key_file)?;
    let mut text =
        "# Into /etc/dragoman/dragomand.toml; leave out what is not wanted. Ctrl-C ends the emulators.\n\
                    [engines]\nasr = [\"deepgram-listen\", \"device\"]\nmt = [\"deepl\", \"device\"]\n\
                    tts = [\"deepgram-aura\", \"device\"]\nemotion = [\"hume\"]\n"
            .to_owned();
    for Running { service, address, .. } in running {
        for (kind, scheme) in service.kinds() {
            writeln!(text, "\n[engine.{kind}]\nkind = \"{kind}\"\nurl = \"{scheme}://{address}\"")?;
            if *service != Service::Xtts {
                writeln!(text, "key_file = \"{}\"", key_file.display())?;
            }
        }
    }
    Ok(text)
}
