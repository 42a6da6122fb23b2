//! Cloud engines that run on this machine: the vendors' protocols in front, the engines on the device behind them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use engine_emulators::{Delays, Emulator, Voices, World, deepgram, deepl};
use lab::engines::Engines;
use tokio::runtime::Runtime;

const KEY: &str = "demo-key";

/// The emulators, until dropped.
pub(crate) struct Cloud {
    deepgram: Emulator,
    deepl: Emulator,
    aura: Emulator,
    _runtime: Runtime,
}

impl Cloud {
    /// Emulators whose words are those of `engines`.
    pub(crate) fn start(engines: &Engines) -> Result<Self> {
        let options = engines.options();
        let (speech, translation) = (options.wyoming, options.libretranslate);
        let world = || Arc::new(World::new(KEY, Voices::device(speech, translation), Delays::NONE, 1));
        let runtime = Runtime::new().context("no runtime for the emulators")?;
        let (deepgram, deepl, aura) = runtime.block_on(async {
            Ok::<_, anyhow::Error>((
                deepgram::start(world(), 0).await?,
                deepl::start(world(), 0).await?,
                deepgram::start(world(), 0).await?,
            ))
        })?;
        Ok(Self { deepgram, deepl, aura, _runtime: runtime })
    }

    /// The tables that put them before the device; the key is written into `directory`.
    pub(crate) fn tables(&self, directory: &Path) -> Result<toml::Table> {
        let key_file = directory.join("cloud-key");
        fs::write(&key_file, KEY).with_context(|| format!("cannot write {}", key_file.display()))?;
        let tables = format!(
            "[engines]\nasr = [\"deepgram\", \"device\"]\nmt = [\"deepl\", \"device\"]\ntts = [\"aura\", \"device\"]\n{}{}{}",
            table("deepgram", "deepgram-listen", "ws", self.deepgram.address, &key_file),
            table("deepl", "deepl", "http", self.deepl.address, &key_file),
            table("aura", "deepgram-aura", "ws", self.aura.address, &key_file),
        );
        tables.parse().context("the emulators' tables")
    }

    /// What is wrong with how they were used: the device must not have stood in for them.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let counts = [("Deepgram", &self.deepgram), ("DeepL", &self.deepl), ("Aura", &self.aura)]
            .map(|(name, emulator)| (name, emulator.world.tally.read()));
        let mut all = Vec::new();
        for (name, counts) in counts {
            all.extend(counts.violations.iter().map(|violation| format!("{name} refused: {violation}")));
            if counts.requests == 0 {
                all.push(format!("{name} was never asked"));
            }
        }
        all
    }
}

fn table(name: &str, kind: &str, scheme: &str, address: SocketAddr, key_file: &Path) -> String {
    let key_file = key_file.display();
    format!("[engine.{name}]\nkind = \"{kind}\"\nurl = \"{scheme}://{address}\"\nkey_file = \"{key_file}\"\n")
}
