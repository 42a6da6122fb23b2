//! Drives a real `dragomand` through real FIFOs, without engines, and measures its media thread.

mod callgrind;
mod conference;
mod daemon;
mod floor;
mod phones;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use daemon::Daemon;
use phones::{Echo, Phones};

#[global_allocator]
static ALLOCATOR: rt_sys::alloc::CountingAllocator = rt_sys::alloc::CountingAllocator;

/// Measures the media thread: round trip, tick lateness, losses, CPU, instructions, memory, allocations.
///
/// Two runs are made, each with its own daemon: `direct` (the frame comes back at once, paced by the writer) and
/// `playout` (it comes back at the daemon's next tick). In a third, `conference`, each leg hears three others and
/// speech, on a media thread in this process. The phones' phases are spread over the 20 ms, as real callers' are.
#[derive(Parser)]
struct Arguments {
    /// The daemon to measure.
    #[arg(long, value_name = "FILE")]
    dragomand: PathBuf,
    /// How many phones talk at once.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=256))]
    legs: u16,
    /// How long each run lasts.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
    /// Leave out the count of instructions (it needs valgrind).
    #[arg(long)]
    no_callgrind: bool,
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("media-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &Arguments) -> Result<()> {
    let report = measure(arguments)?;
    if arguments.json {
        say::say!("{}", serde_json::to_string(&report)?);
    } else {
        say::write(format_args!("{report}"));
    }
    anyhow::ensure!(report.lossless(), "frames were lost: see the counts above");
    Ok(())
}

fn measure(arguments: &Arguments) -> Result<report::Report> {
    let say = |text: &str| {
        if !arguments.json {
            eprintln!("{text}");
        }
    };
    say("measuring what the system calls alone cost");
    let floor = floor::measure()?;
    let mut runs = Vec::new();
    for echo in [Echo::Direct, Echo::AtTick] {
        say(&format!("{} legs, {}, {} s", arguments.legs, echo.name(), arguments.seconds));
        runs.push(run(arguments, echo)?);
    }
    say(&format!("{} legs in rooms of four, {} s", arguments.legs, arguments.seconds));
    let conference = conference::measure(arguments.legs, arguments.seconds)?;
    let instructions = if arguments.no_callgrind {
        None
    } else {
        say("counting instructions under callgrind");
        callgrind::instructions_per_frame(&arguments.dragomand)?
    };
    let playout = runs.pop().context("two runs were made")?;
    let direct = runs.pop().context("two runs were made")?;
    let (legs, seconds) = (arguments.legs, arguments.seconds);
    Ok(report::Report::new(legs, seconds, [direct, playout], conference, instructions, floor))
}

fn run(arguments: &Arguments, echo: Echo) -> Result<report::Run> {
    let daemon = Daemon::start(&arguments.dragomand)?;
    let phones = Phones::connect(&daemon.pipes(), arguments.legs, echo)?;
    // The first second warms caches and lets every leg settle; it is not counted.
    phones.talk(Duration::from_secs(1))?;
    let dropped_before = report::dropped(&daemon.status()?)?;
    let before = daemon.usage()?;
    let trips = phones.talk(Duration::from_secs(u64::from(arguments.seconds)))?;
    let after = daemon.usage()?;
    let status = daemon.status()?;
    drop(phones);
    report::Run::new(arguments.legs, &before, &after, &trips, &status, &dropped_before)
}
