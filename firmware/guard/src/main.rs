//! `dragoman-guard`: see [`dragoman_guard`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dragoman_guard::main()
}
