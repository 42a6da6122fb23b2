//! `dragoman-guard`: bans whoever guesses the phones' passwords.
//!
//! Asterisk tells of wrong passwords on its manager interface; the kernel drops what comes from a banned address, so
//! that a flood costs Asterisk nothing. A program of its own, since it is the only one that may change the firewall.

pub mod events;
mod firewall;
pub mod lately;
mod manager;
pub mod sets;
mod state;
pub mod tries;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;

use events::Event;
use firewall::{Network, News};
use manager::Manager;
use state::Writer;
use tries::Tries;

const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// Bans whoever guesses the phones' passwords.
#[derive(Parser)]
#[command(name = "dragoman-guard", version)]
struct Arguments {
    /// Asterisk's manager interface
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5038")]
    manager: SocketAddr,
    /// The password of its user `guard`
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/keys/guard")]
    password_file: PathBuf,
    /// An address or network that calls come from without a password: the trunk's provider
    #[arg(long, value_name = "ADDRESS")]
    trust: Vec<Network>,
    /// Tells `dragoman status` who is kept out and why
    #[arg(long, value_name = "FILE", default_value = "/run/dragoman-guard/state.json")]
    state: PathBuf,
}

/// The whole program; ends where the firewall cannot be changed.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info")).init();
    match guard(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("dragoman-guard: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn guard(arguments: &Arguments) -> Result<(), String> {
    let password = manager::password(&arguments.password_file)?;
    firewall::set_up(&arguments.trust)?;
    log::info!("the firewall is set up");
    let started = Instant::now();
    let writer = Writer::start(arguments.state.clone(), started);
    let mut tries = Tries::default();
    let mut told = String::new();
    loop {
        let reason = match Manager::connect(arguments.manager, &password) {
            Ok(mut manager) => {
                log::info!("listening to Asterisk");
                told.clear();
                watch(&mut manager, &mut tries, &writer, started)
            }
            Err(error) => error.to_string(),
        };
        if told != reason {
            log::warn!("Asterisk's manager interface at {}: {reason}", arguments.manager);
            told = reason;
        }
        sleep(CONNECT_AGAIN);
    }
}

/// Until the connection ends: why it did.
fn watch(manager: &mut Manager, tries: &mut Tries, writer: &Writer, started: Instant) -> String {
    loop {
        let events = match manager.events() {
            Ok(events) => events,
            Err(error) => return error.to_string(),
        };
        let now = started.elapsed();
        let (mut news, mut wrong) = (News::default(), Vec::new());
        for event in events {
            match event {
                Event::Succeeded(address) => news.known.extend(tries.succeeded(address, now)),
                Event::Failed { from, phone } => {
                    news.banned.extend(tries.failed(from, now));
                    wrong.push((from, phone));
                }
            }
        }
        if !news.is_empty() {
            match firewall::tell(&news) {
                Ok(()) => report(&news),
                Err(reason) => log::error!(
                    "{} sources are not banned, {} are not known: {reason}",
                    news.banned.len(),
                    news.known.len()
                ),
            }
        }
        writer.wrong_passwords(wrong, now, !news.banned.is_empty());
    }
}

fn report(news: &News) {
    for source in &news.banned {
        log::warn!("{source} is banned from SIP for {} s: wrong passwords", tries::BAN.as_secs());
    }
    for address in &news.known {
        log::debug!("{address} told a right password");
    }
}
