//! `dragoman`: what a technician asks a box on site.

mod apps;
mod check;
mod live;
mod phones;
mod recordings;
mod report;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use dragomand::config;

use report::Report;

/// Where the answer is that something must be mended.
const NOT_WELL: u8 = 1;
/// Where nothing could be asked: the command line, the configuration.
const NOT_ASKED: u8 = 2;

/// What a technician asks a box on site.
#[derive(Parser)]
#[command(name = "dragoman", version)]
struct Cli {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Subcommand)]
enum Subject {
    /// What happens now: legs by room, engines, real time, refusals, who is kept out
    ///
    /// Asks the running daemon. A leg is one phone's audio: its state is idle, ringing, connected, translating,
    /// disconnecting, disconnected or error; frames are of 20 ms; lost ones are named with their reason. Kept out is who
    /// told wrong passwords or came from outside the LAN, as dragoman-guard writes it down. The exit code is 2 where the
    /// daemon is not there; who is kept out is shown all the same.
    ///
    /// Examples: `dragoman status --watch` while somebody calls; `dragoman status --json | jq .legs`.
    #[command(verbatim_doc_comment)]
    Status(live::StatusArgs),
    /// The rooms that can be dialled, and who is in them
    ///
    /// Asks the running daemon, as `dragoman status` does. The exit code is 2 where it is not there.
    Rooms(live::Args),
    /// The services that hear, translate and speak
    #[command(subcommand)]
    Engines(Engines),
    /// The programs of the box that may listen in and have texts said
    #[command(subcommand)]
    Apps(apps::Apps),
    /// The phones that may register
    #[command(subcommand)]
    Phones(phones::Phones),
    /// What was recorded
    #[command(subcommand)]
    Recordings(recordings::Recordings),
}

#[derive(Subcommand)]
enum Engines {
    /// Try every configured engine with a short real request
    ///
    /// A second of silence is recognised, a word translated, a word spoken, and a spoken word interpreted by who does all
    /// of this: as good as free. Prints how long each engine
    /// took and what to do where it failed. The exit code is 1 where a stage has no engine that works or the report
    /// cannot be written, 2 where the configuration cannot be read.
    Check(Check),
}

#[derive(clap::Args)]
struct Check {
    /// The daemon's configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/dragoman/dragomand.toml")]
    config: PathBuf,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// The whole program.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().subject {
        Subject::Engines(Engines::Check(args)) => check(&args),
        Subject::Apps(apps) => apps.run().map(|()| true),
        Subject::Phones(phones) => phones.run().map(|()| true),
        Subject::Recordings(recordings) => recordings.run(),
        Subject::Status(args) => live::status(&args).map(|()| true),
        Subject::Rooms(args) => live::rooms(&args).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_WELL),
        Err(reason) => {
            eprintln!("dragoman: {reason}");
            ExitCode::from(NOT_ASKED)
        }
    }
}

/// Whether each stage has an engine that works.
fn check(args: &Check) -> Result<bool, String> {
    let config = config::load(&args.config).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let report = Report::new(&runtime.block_on(check::all(&config))?, &config.engines.idle);
    let text = if args.json {
        serde_json::to_string(&report).map_err(|error| error.to_string())? + "\n"
    } else {
        report.to_string()
    };
    say::write(format_args!("{text}"));
    Ok(report.ok)
}

/// Who reads no further, as `head` does, has seen what he wanted.
fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("the report cannot be written: {error}"))
        }
        _ => Ok(()),
    }
}
