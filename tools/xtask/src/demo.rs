//! `cargo xtask demo`: installs and builds all of a box, then hands over to the program that calls it.

use std::process::{Command, ExitCode};

use anyhow::Result;
use clap::ValueEnum;
use lab::cache::Cache;
use lab::programs::program;
use lab::setup::{self, Profile};
use say::say;

use crate::build;

/// A first call: dial a box on this machine, speak English, hear Spanish.
///
/// Installs and builds what is needed, starts Asterisk, the engines and the daemon, places a SIP call that plays a
/// recorded sentence, shows captions and translation as they come, and checks the answer by transcribing it again.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave it running afterwards, until Ctrl-C, and say how a phone registers and dials
    #[arg(long)]
    keep: bool,
    /// Speak, until Ctrl-C, with this machine's sound card instead of a recording
    #[arg(long, conflicts_with_all = ["keep", "json"])]
    mic: bool,
    /// Print one JSON object as the last line
    #[arg(long)]
    json: bool,
    /// Who hears, translates and speaks
    #[arg(long, value_enum, default_value = "device")]
    engines: Engines,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engines {
    /// The engines on the device
    Device,
    /// The same, behind the protocols of Deepgram, `DeepL` and Aura, as if a vendor ran them
    CloudEmulated,
}

/// With `--json` the last line is an object whatever happens.
pub(crate) fn run(args: &Args, cache: &Cache) -> Result<ExitCode> {
    match prepare_and_hand_over(args, cache) {
        Err(error) if args.json => {
            eprintln!("error: {error:#}");
            say!("{}", serde_json::json!({ "ok": false, "error": format!("{error:#}") }));
            Ok(ExitCode::FAILURE)
        }
        outcome => outcome,
    }
}

fn prepare_and_hand_over(args: &Args, cache: &Cache) -> Result<ExitCode> {
    setup::run(Profile::Demo, cache)?;
    build::packages(cache, &["dragomand", "dragoman-engines", "dragoman-demo"])?;
    build::driver(cache)?;
    let mut command = Command::new(program("dragoman-demo")?);
    let flags = [(args.keep, "--keep"), (args.mic, "--mic"), (args.json, "--json")];
    command.args(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag));
    if let Engines::CloudEmulated = args.engines {
        command.args(["--engines", "cloud-emulated"]);
    }
    command.env("DRAGOMAN_CACHE", cache.root());
    build::become_program(command)
}
