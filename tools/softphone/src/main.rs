//! `dragoman-phone`: see [`softphone::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    softphone::cli::main()
}
