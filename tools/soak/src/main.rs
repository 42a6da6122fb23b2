//! `cargo xtask soak`, once everything is built.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use soak::Soak;

const BOUNDS: &str = "\
It fails, with exit code 1 and one line a bound that broke, where
  - a call failed, or a leg was never translated, or fewer than 90 of 100 sentences were;
  - 0.1 % of all frames or more were dropped, by the daemon or the channel driver;
  - more than 50 frames stayed in a queue for 15 s (a sentence and its translation take 10);
  - the daemon grew by more than 10 MiB after the first third of the time (5 minutes at most);
  - the media thread allocated, or missed a tick of 20 ms in a thousand;
  - a leg, channel, pipe, connection or task was left 20 s after the last hangup.

Without --json a line on the terminal shows how it goes. Ctrl-C ends all of it.
Nothing else should run beside it: on two cores, a build alone makes frames late.";

/// Fifty calls at once through a real Asterisk, each translated all the time, by emulated cloud engines.
///
/// sipp registers a phone a call with its password, five a second, calls the interpreter and plays people's recorded
/// speech over RTP (A-law), a sentence every ten seconds. Each second the daemon is looked at: frames dropped and why,
/// what waits in each leg's queues, memory, CPU, descriptors, threads, tasks, and how late translations are heard.
#[derive(Parser)]
#[command(bin_name = "cargo xtask soak", after_help = BOUNDS)]
struct Arguments {
    /// How many calls at once
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    legs: u16,
    /// How long all of them stand, in minutes
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=1_440))]
    minutes: u16,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let Arguments { legs, minutes, json } = Arguments::parse();
    let soak = Soak { legs, lasts: Duration::from_secs(60) * u32::from(minutes), shows: !json };
    match lab::interrupt::install().and_then(|()| soak::run(&soak)) {
        Ok(report) => {
            if json {
                println!("{}", serde_json::json!(report));
            } else {
                print!("{report}");
            }
            if report.met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("soak: {error:#}");
            if json {
                println!("{}", serde_json::json!({ "met": false, "error": format!("{error:#}") }));
            }
            ExitCode::FAILURE
        }
    }
}
