//! Set-up, demo, test and bench: `cargo xtask`.

mod bench;
mod build;
mod demo;
mod isolation;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use lab::cache::Cache;
use lab::setup::{self, Profile};
use say::say;

const PLACES: &str = "Each verb first installs what it needs, and says so. What is not in the repository goes to \
                      $DRAGOMAN_CACHE, else $XDG_CACHE_HOME/dragoman, else ~/.cache/dragoman.";

#[derive(Parser)]
#[command(name = "cargo xtask", version, about = "Everything a developer of Dragoman runs", after_help = PLACES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the other verbs need (they call it themselves)
    Setup {
        /// For which verb
        #[arg(value_enum, default_value = "test")]
        profile: For,
    },
    Demo(demo::Args),
    Test(test::Args),
    /// Measure
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Many translated calls at once, for as long as one likes: what is lost, what grows, what is left over
    #[command(disable_help_flag = true)]
    Soak(soak::Args),
}

#[derive(Clone, Copy, ValueEnum)]
enum For {
    /// Compilers, Asterisk, models
    Demo,
    /// The demo's, and other SIP callers, prompts, Python packages
    Test,
    /// Compilers and valgrind
    Bench,
    /// The demo's without models, and sipp
    Soak,
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        _ if say::is_lost() => ExitCode::FAILURE,
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<ExitCode> {
    lab::interrupt::install()?;
    say::when_lost(lab::interrupt::request);
    let cache = Cache::locate()?;
    match verb {
        Verb::Setup { profile } => setup_for(profile, &cache),
        Verb::Demo(args) => demo::run(&args, &cache),
        Verb::Test(args) => test::run(&args, &cache),
        Verb::Bench(bench) => bench::run(&bench, &cache),
        Verb::Soak(args) => soak::run(&args, &cache),
    }
}

fn setup_for(profile: For, cache: &Cache) -> Result<ExitCode> {
    let profile = match profile {
        For::Demo => Profile::Demo,
        For::Test => Profile::Test,
        For::Bench => Profile::Bench,
        For::Soak => Profile::Soak,
    };
    setup::run(profile, cache)?;
    say!("Everything is installed in {}.", cache.root().display());
    Ok(ExitCode::SUCCESS)
}
