//! See the library.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    // Whisper complains aloud of every pass that is aborted on purpose; failures reach our own log.
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,whisper_rs=off")).init();
    match engine_server::run(engine_server::Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            eprintln!("dragoman-engines: {line}");
            ExitCode::FAILURE
        }
    }
}
