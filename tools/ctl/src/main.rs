//! `dragoman`: see [`dragoman_ctl`].

use std::process::ExitCode;

fn main() -> ExitCode {
    dragoman_ctl::main()
}
