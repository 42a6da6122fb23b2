//! Set-up, demo, test and bench: `cargo xtask`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use lab::cache::Cache;
use lab::setup::{self, Profile};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything a developer of Dragoman runs", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the other verbs need; they call it themselves
    Setup {
        /// For which verb
        #[arg(value_enum, default_value = "test")]
        profile: For,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum For {
    /// A first call: compilers, Asterisk, models
    Demo,
    /// The demo's, and other SIP callers, prompts, Python packages
    Test,
    /// Compilers and valgrind
    Bench,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    lab::interrupt::install()?;
    let cache = Cache::locate()?;
    match cli.verb {
        Verb::Setup { profile } => {
            let profile = match profile {
                For::Demo => Profile::Demo,
                For::Test => Profile::Test,
                For::Bench => Profile::Bench,
            };
            setup::run(profile, &cache)?;
            println!("Everything is installed in {}.", cache.root().display());
            Ok(())
        }
    }
}
