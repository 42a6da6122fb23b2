//! `cargo xtask demo`, once everything is installed and built: one call to a whole box on this machine.

mod call;
mod captions;
mod check;
mod cloud;
mod keep;
mod report;
mod waterfall;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::interrupt;
use lab::setup::Progress;
use say::say;
use serde::Serialize;

use captions::Captions;
use cloud::Cloud;

/// Dials a box on this machine, speaks English and shows what comes back.
#[derive(Parser)]
struct Cli {
    /// Leave it running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Speak, until Ctrl-C, with this machine's sound card
    #[arg(long, conflicts_with_all = ["keep", "json"])]
    mic: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Who hears, translates and speaks
    #[arg(long, value_enum, default_value = "device")]
    engines: Engines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Engines {
    /// The engines on the device
    Device,
    /// The same, behind the protocols of Deepgram, `DeepL` and Aura
    CloudEmulated,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if say::is_lost() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            if cli.json {
                say!("{}", serde_json::json!({ "ok": false, "error": format!("{error:#}") }));
            }
            ExitCode::FAILURE
        }
    }
}

/// Whether the call did what it should.
fn run(cli: &Cli) -> Result<bool> {
    interrupt::install()?;
    say::when_lost(interrupt::request);
    if cli.mic {
        softphone::audio::device::ensure_sound()?;
    }
    let cache = Cache::locate()?;
    let progress = Progress::start("Starting Asterisk, the engines and the daemon");
    let mut options = Options::default();
    if cli.keep {
        options.sip = keep::address();
    }
    let mut cloud = None;
    let mut appliance = Appliance::start_with(&cache, options, |engines, directory| {
        if cli.engines == Engines::Device {
            return Ok(toml::Table::new());
        }
        cloud.insert(Cloud::start(engines)?).tables(directory)
    })?;
    progress.finish();

    let captions = Captions::start(appliance.daemon.listen()?);
    if cli.mic {
        call::with_microphone(&mut appliance)?;
        return Ok(true);
    }
    let call = call::with_recording(&mut appliance, &cache)?;
    let story = captions.finish()?;
    let faults = cloud.as_ref().map(Cloud::complaints).unwrap_or_default();
    let report = report::Report::new(&appliance, &cache, &call, &story, cli.engines, faults)?;
    report.show();
    if cli.keep {
        keep::until_interrupted(&mut appliance)?;
    }
    drop(appliance);
    if cli.json {
        say!("{}", serde_json::to_string(&report)?);
    }
    Ok(report.ok)
}
