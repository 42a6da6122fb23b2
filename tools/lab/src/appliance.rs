//! A whole box on this machine: Asterisk, the engines and the daemon, on free ports.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

use anyhow::{Context, Result};

use crate::asterisk::{self, Asterisk};
use crate::cache::Cache;
use crate::daemon::{self, Daemon, Phone, Room};
use crate::engines::{self, Engines};
use crate::programs::{driver, in_repository, program};
use crate::run_dir::RunDir;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Calls at once where nobody says how many.
const CALLS: u16 = 10;
/// Ports for speech and its reports a call, and as many again for calls that are just over.
const PORTS_A_CALL: u16 = 4;

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where phones register; port 0 takes a free one.
    pub sip: SocketAddr,
    /// What can be dialled.
    pub rooms: Vec<Room>,
    /// Which phone speaks which language.
    pub phones: Vec<Phone>,
}

impl Default for Options {
    /// On loopback: 700 interprets between English and Spanish, 790 and 791 give an echo, 800 is a conference; 101 and
    /// 103 speak English, 102 speaks Spanish.
    fn default() -> Self {
        let rooms = vec![
            Room::interpreter("700", ["en", "es"]),
            Room::of_kind("790", "echo"),
            Room::of_kind("791", "echo-direct"),
            Room::of_kind("800", "conference"),
        ];
        let phones = [("101", "en"), ("102", "es"), ("103", "en")];
        let phones = phones.map(|(extension, language)| Phone::new(extension, language)).to_vec();
        Self { sip: SocketAddr::new(LOOPBACK, 0), rooms, phones }
    }
}

/// A running box. Dropping it stops all of it and removes its directory; the fields are dropped in this order.
#[derive(Debug)]
pub struct Appliance {
    /// The daemon.
    pub daemon: Daemon,
    /// Recognition, translation, speech.
    pub engines: Engines,
    /// The telephone side.
    pub asterisk: Asterisk,
    run_dir: RunDir,
}

impl Appliance {
    /// Starts everything and waits until a call can be made.
    ///
    /// # Errors
    /// When something does not start; the error quotes its log.
    pub fn start(cache: &Cache, options: Options) -> Result<Self> {
        Self::start_with(cache, options, |_, _| Ok(toml::Table::new()))
    }

    /// The same with more engines, by the tables `engines` and `engine` of the daemon's configuration: they are asked
    /// for once those on the device are ready, and may keep files in the directory.
    ///
    /// # Errors
    /// As [`Self::start`]; those of `more`.
    pub fn start_with(
        cache: &Cache,
        options: Options,
        more: impl FnOnce(&Engines, &Path) -> Result<toml::Table>,
    ) -> Result<Self> {
        let run_dir = RunDir::create(cache)?;
        let here = |port| SocketAddr::new(LOOPBACK, port);
        let mut engines = Engines::start(engines::Options {
            program: program("dragoman-engines")?,
            run_dir: run_dir.path().to_owned(),
            models: cache.models(),
            prefix: cache.prefix().root().to_owned(),
            wyoming: here(free_port(LOOPBACK)?),
            libretranslate: here(free_port(LOOPBACK)?),
        })?;
        // While the models load.
        let asterisk = start_asterisk(cache, options.sip, &run_dir)?;
        engines.wait_ready()?;
        let mut tables = daemon::on_device(engines.speech(), engines.translation());
        tables.extend(daemon::controlling(asterisk.ari(), run_dir.path())?);
        tables.extend(more(&engines, run_dir.path())?);
        let daemon = Daemon::start(&daemon::Options {
            program: program("dragomand")?,
            run_dir: run_dir.path().to_owned(),
            pipes: asterisk.pipes(),
            engines: tables,
            rooms: options.rooms,
            phones: options.phones,
        })?;
        Ok(Self { daemon, engines, asterisk, run_dir })
    }

    /// # Errors
    /// When a part of it has ended; the error names it and quotes its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.asterisk.process().ensure_running()?;
        self.engines.process().ensure_running()?;
        self.daemon.process().ensure_running()
    }

    /// Where its files are.
    pub fn run_dir(&self) -> &RunDir {
        &self.run_dir
    }
}

/// Asterisk alone, with the driver; port 0 takes a free one.
///
/// # Errors
/// When it does not start; the error quotes its log.
pub fn start_asterisk(cache: &Cache, sip: SocketAddr, run_dir: &RunDir) -> Result<Asterisk> {
    start_asterisk_for(cache, sip, run_dir, CALLS)
}

/// The same with phones and ports for so many calls at once.
///
/// # Errors
/// As [`start_asterisk`].
pub fn start_asterisk_for(cache: &Cache, sip: SocketAddr, run_dir: &RunDir, calls: u16) -> Result<Asterisk> {
    let run_dir = run_dir.path().to_owned();
    let mut options =
        asterisk::Options::new(cache.prefix(), driver()?, in_repository("asterisk-conf"), run_dir)?;
    options.sip = if sip.port() == 0 { SocketAddr::new(sip.ip(), free_port(sip.ip())?) } else { sip };
    options.http_port = free_port(LOOPBACK)?;
    options.manager_port = free_port(LOOPBACK)?;
    options.phones = asterisk::Phone::numbered(calls)?;
    let ports = calls * PORTS_A_CALL;
    let first = free_port_range(sip.ip(), ports)?;
    options.rtp_ports = first..=first + ports - 1;
    Asterisk::start(options)
}

/// A port that is free for both UDP and TCP now; nothing else on this machine is likely to take it in between.
fn free_port(ip: IpAddr) -> Result<u16> {
    for _ in 0..100 {
        let port = UdpSocket::bind((ip, 0))?.local_addr()?.port();
        if TcpListener::bind((ip, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::AddrInUse)).context("no free port")
}

/// The first of `count` free UDP ports in a row, even.
fn free_port_range(ip: IpAddr, count: u16) -> Result<u16> {
    for _ in 0..100 {
        let first = free_port(ip)? & !1;
        let free = |port: u16| UdpSocket::bind((ip, port)).is_ok();
        if first.checked_add(count).is_some() && (first..first + count).all(free) {
            return Ok(first);
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::AddrInUse))
        .with_context(|| format!("no {count} free ports in a row"))
}
