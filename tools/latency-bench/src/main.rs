//! `cargo xtask bench latency`, once everything is built: real SIP calls through Asterisk to a daemon whose engines
//! are emulated and answer after known delays.

mod events;
mod place;
mod report;
mod sentences;
mod talk;
mod turns;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use engine_emulators::{Delay, Delays};
use lab::cache::Cache;
use lab::interrupt;

use report::{Goals, Report};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Measures from the end of a clause to the first translated sample, at the caller's network.
///
/// Recorded sentences are played into calls; recognition, translation and speech are emulated, and answer after fixed
/// delays (ASR 150, MT 80, TTS 250 ms to the first byte), then after delays drawn from distributions (99 of 100 within
/// 350, 150 and 250 ms), then to a long talk that is interpreted simultaneously. Fails where a goal is missed.
#[derive(Parser)]
struct Arguments {
    /// Sentences with each kind of delay
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=200))]
    sentences: u16,
    /// How long the talk is; 0 leaves it out
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(0..=120))]
    talk_minutes: u16,
    /// Print one JSON object and nothing else
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match bench(&arguments) {
        Ok(report) => {
            if arguments.json {
                say::say!("{}", serde_json::json!(report));
            } else {
                say::write(format_args!("{report}"));
            }
            if report.met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("latency-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<Report> {
    interrupt::install()?;
    let cache = Cache::locate()?;
    let sentences = sentences::read(&cache)?;
    let fixed = Delays { asr: Delay::Fixed(MS(150)), mt: Delay::Fixed(MS(80)), tts: Delay::Fixed(MS(250)) };
    // Medians as the vendors tell them; the tails are what the goal is about.
    let drawn = |median, p99| Delay::Drawn { median: MS(median), p99: MS(p99) };
    let drawn = Delays { asr: drawn(150, 350), mt: drawn(80, 150), tts: drawn(150, 250) };
    let count = usize::from(arguments.sentences);
    let some = || sentences.iter().cycle().take(count);
    eprintln!("{count} sentences, engines with fixed delays");
    let first = turns::measure(&cache, fixed, &some().collect::<Vec<_>>())?;
    eprintln!("{count} sentences, engines with drawn delays");
    let second = turns::measure(&cache, drawn, &some().collect::<Vec<_>>())?;
    let talk = if arguments.talk_minutes == 0 {
        None
    } else {
        eprintln!("a talk of {} minutes", arguments.talk_minutes);
        let length = Duration::from_secs(60) * u32::from(arguments.talk_minutes);
        Some(talk::measure(&cache, fixed, &sentences, length)?)
    };
    Ok(Report::new(first, second, talk, &Goals::default()))
}
