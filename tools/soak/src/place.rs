//! A box with emulated engines: Asterisk, the daemon, and what answers it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use engine_emulators::{Counts, Delays, Emulator, Line, Voices, World, deepgram, deepl};
use lab::appliance::start_asterisk_for;
use lab::asterisk::Asterisk;
use lab::cache::Cache;
use lab::daemon::{self, Daemon, Phone, Room};
use lab::programs::program;
use lab::run_dir::RunDir;
use tokio::runtime::Runtime;
use toml::{Table, Value};

const KEY: &str = "soak-key";

/// What to start.
pub struct Plan {
    /// Calls at once.
    pub calls: u16,
    /// What can be dialled.
    pub rooms: Vec<Room>,
    /// Which phone speaks which language.
    pub phones: Vec<Phone>,
    /// What is heard, an utterance each, whoever speaks.
    pub heard: Vec<Line>,
    /// What everything is translated into.
    pub translation: &'static str,
    /// How long the engines take.
    pub delays: Delays,
}

/// A running box. Dropping it stops all; the fields are dropped in this order.
pub struct Place {
    /// The daemon.
    pub daemon: Daemon,
    /// The telephone side.
    pub asterisk: Asterisk,
    /// Recognition, translation, speech.
    pub engines: [Emulator; 3],
    _runtime: Runtime,
    run_dir: RunDir,
}

impl Place {
    /// Starts everything and waits until a call can be made.
    ///
    /// # Errors
    /// When something does not start; the error quotes its log.
    pub fn start(cache: &Cache, plan: Plan) -> Result<Self> {
        let run_dir = RunDir::create(cache)?;
        Self::start_in(cache, plan, run_dir)
    }

    /// The same in a directory that has something in it already.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_in(cache: &Cache, plan: Plan, run_dir: RunDir) -> Result<Self> {
        let runtime = Runtime::new()?;
        let engines = runtime.block_on(start_engines(&plan))?;
        let loopback = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        let asterisk = start_asterisk_for(cache, loopback, &run_dir, plan.calls)?;
        let key_file = run_dir.join("key");
        fs::write(&key_file, KEY).with_context(|| format!("cannot write {}", key_file.display()))?;
        let mut tables = tables(&engines, &key_file);
        tables.extend(daemon::controlling(asterisk.ari(), run_dir.path())?);
        let most = Table::from_iter([("most".to_owned(), Value::from(i64::from(plan.calls)))]);
        tables.insert("calls".to_owned(), most.into());
        let daemon = Daemon::start(&daemon::Options {
            program: program("dragomand")?,
            run_dir: run_dir.path().to_owned(),
            pipes: asterisk.pipes(),
            engines: tables,
            rooms: plan.rooms,
            phones: plan.phones,
        })?;
        Ok(Self { daemon, asterisk, engines, _runtime: runtime, run_dir })
    }

    /// # Errors
    /// When a part of it has ended; the error names it and quotes its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.asterisk.process().ensure_running()?;
        self.daemon.process().ensure_running()
    }

    /// Where its files are.
    pub fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }

    /// What the engines were asked, in the order of the stages.
    pub fn counts(&self) -> [Counts; 3] {
        self.engines.each_ref().map(|engine| engine.world.tally.read())
    }
}

async fn start_engines(plan: &Plan) -> Result<[Emulator; 3]> {
    let world = |heard: &[Line], seed| {
        let voices = Voices::timed(heard.iter().cloned(), [("", plan.translation)]);
        Arc::new(World::new(KEY, voices, plan.delays, seed))
    };
    Ok([
        deepgram::start(world(&plan.heard, 1), 0).await?,
        deepl::start(world(&[], 2), 0).await?,
        deepgram::start(world(&[], 3), 0).await?,
    ])
}

fn tables([asr, mt, tts]: &[Emulator; 3], key_file: &Path) -> Table {
    let table = |pairs: [(&str, String); 3]| {
        Value::from(Table::from_iter(pairs.map(|(key, value)| (key.to_owned(), Value::from(value)))))
    };
    let engine = |kind: &str, scheme: &str, engine: &Emulator| {
        let url = format!("{scheme}://{}", engine.address);
        table([("kind", kind.to_owned()), ("url", url), ("key_file", key_file.display().to_string())])
    };
    let engines = Table::from_iter([
        ("asr".to_owned(), engine("deepgram-listen", "ws", asr)),
        ("mt".to_owned(), engine("deepl", "http", mt)),
        ("tts".to_owned(), engine("deepgram-aura", "ws", tts)),
    ]);
    let chains = ["asr", "mt", "tts"].map(|stage| (stage.to_owned(), Value::from(vec![Value::from(stage)])));
    Table::from_iter([
        ("engine".to_owned(), Value::from(engines)),
        ("engines".to_owned(), Value::from(Table::from_iter(chains))),
    ])
}
