//! A box with emulated engines: Asterisk, the daemon, and what answers it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use engine_emulators::{Delays, Emulator, Line, Voices, World, deepgram, deepl};
use lab::appliance::start_asterisk;
use lab::asterisk::Asterisk;
use lab::cache::Cache;
use lab::daemon::{self, Daemon, Room};
use lab::programs::program;
use lab::run_dir::RunDir;
use softphone::{Account, AudioOptions, Call, Codec, Connected, Phone, PhoneOptions};
use tokio::runtime::Runtime;
use toml::{Table, Value};

const KEY: &str = "bench-key";
const ROOM: &str = "700";
const ANSWER_AT_MOST: Duration = Duration::from_secs(10);

/// Dropping it stops all; the fields are dropped in this order.
pub(crate) struct Place {
    pub(crate) daemon: Daemon,
    asterisk: Asterisk,
    _engines: [Emulator; 3],
    _runtime: Runtime,
    _run_dir: RunDir,
}

/// What the engines do.
pub(crate) struct Script {
    pub(crate) delays: Delays,
    pub(crate) heard: Vec<Line>,
    pub(crate) translations: Vec<(&'static str, String)>,
}

impl Place {
    /// `manner` is the room's.
    pub(crate) fn start(cache: &Cache, manner: &str, script: Script) -> Result<Self> {
        let run_dir = RunDir::create(cache)?;
        let runtime = Runtime::new()?;
        let engines = runtime.block_on(start_engines(script))?;
        let asterisk = start_asterisk(cache, SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0), &run_dir)?;
        let key_file = run_dir.join("key");
        std::fs::write(&key_file, KEY).with_context(|| format!("cannot write {}", key_file.display()))?;
        let room = Room { manner: Some(manner.to_owned()), ..Room::interpreter(ROOM, ["en", "es"]) };
        let daemon = Daemon::start(&daemon::Options {
            program: program("dragomand")?,
            run_dir: run_dir.path().to_owned(),
            pipes: asterisk.pipes(),
            engines: tables(&engines, &key_file.display().to_string()),
            rooms: vec![room],
            phones: Vec::new(),
        })?;
        Ok(Self { daemon, asterisk, _engines: engines, _runtime: runtime, _run_dir: run_dir })
    }

    pub(crate) fn phone(&self) -> Result<Phone> {
        let account = self.asterisk.phones().first().context("Asterisk knows no phone")?;
        let address = format!("127.0.0.1:{}", self.asterisk.sip().port());
        let account = Account::new(&account.extension, &address, Some(account.secret.clone()))?;
        // What happens is told by the daemon's events.
        let (phone, _events) = Phone::start(account, PhoneOptions::default())?;
        phone.register()?;
        Ok(phone)
    }
}

pub(crate) fn dial(phone: &Phone) -> Result<(Call<'_>, Connected)> {
    let mut call = phone.dial(ROOM, &[Codec::G722], AudioOptions::default())?;
    let connected = call.wait_connected(ANSWER_AT_MOST)?;
    Ok((call, connected))
}

/// Recognition, translation, speech.
async fn start_engines(script: Script) -> Result<[Emulator; 3]> {
    let Script { delays, heard, translations } = script;
    let voices = |heard| {
        let pairs = translations.iter().map(|(source, target)| (*source, target.as_str()));
        Voices::timed(heard, pairs)
    };
    let world = |heard, seed| Arc::new(World::new(KEY, voices(heard), delays, seed));
    Ok([
        deepgram::start(world(heard, 1), 0).await?,
        deepl::start(world(Vec::new(), 2), 0).await?,
        deepgram::start(world(Vec::new(), 3), 0).await?,
    ])
}

fn tables([asr, mt, tts]: &[Emulator; 3], key_file: &str) -> Table {
    let table = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect::<Table>()
    };
    let engine = |kind: &str, url: String| {
        Value::from(table(&[("kind", kind), ("url", &url), ("key_file", key_file)]))
    };
    let engines = Table::from_iter([
        ("asr".to_owned(), engine("deepgram-listen", format!("ws://{}", asr.address))),
        ("mt".to_owned(), engine("deepl", format!("http://{}", mt.address))),
        ("tts".to_owned(), engine("deepgram-aura", format!("ws://{}", tts.address))),
    ]);
    let chains = ["asr", "mt", "tts"].map(|stage| (stage.to_owned(), Value::from(vec![Value::from(stage)])));
    Table::from_iter([
        ("engine".to_owned(), Value::from(engines)),
        ("engines".to_owned(), Value::from(Table::from_iter(chains))),
    ])
}
