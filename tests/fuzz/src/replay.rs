//! Feeds a target with the inputs of files, as after a crash.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(target) = args.next().and_then(|name| dragoman_fuzz::target(&name)) else {
        let names: Vec<_> = dragoman_fuzz::TARGETS.iter().map(|target| target.name).collect();
        eprintln!("usage: replay TARGET FILE…, where TARGET is one of {}", names.join(" "));
        return ExitCode::FAILURE;
    };
    for path in args {
        match std::fs::read(&path) {
            Ok(input) if (target.run)(&input) => println!("{path}: understood"),
            Ok(_) => println!("{path}: refused"),
            Err(error) => {
                eprintln!("{path}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
