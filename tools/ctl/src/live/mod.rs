//! What the running daemon tells on its control socket.

mod recording;
mod status;
pub(crate) mod table;

use std::io::{BufRead, BufReader, IsTerminal, Read, stdout};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use status::Status;

const DEADLINE: Duration = Duration::from_secs(3);
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// No status is longer.
const LONGEST: u64 = 4 << 20;
/// Cursor to the corner, and nothing below it.
const CLEAR: &str = "\x1b[H\x1b[J";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The daemon's control socket
    #[arg(long, value_name = "FILE", default_value = "/run/dragoman/control.sock")]
    socket: PathBuf,
    /// Print what the daemon tells as one JSON object, a line each time
    #[arg(long)]
    json: bool,
    /// Ask again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Status,
    Rooms,
}

/// Prints it, once or for ever.
pub(crate) fn show(subject: Subject, args: &Args) -> Result<(), String> {
    loop {
        let line = ask(&args.socket)?;
        let text = if args.json { line } else { render(subject, &line)? };
        let clear = if args.watch && !args.json && stdout().is_terminal() { CLEAR } else { "" };
        say::write(format_args!("{clear}{text}"));
        if !args.watch {
            return Ok(());
        }
        thread::sleep(REFRESH_EVERY);
    }
}

fn render(subject: Subject, line: &str) -> Result<String, String> {
    let status: Status = serde_json::from_str(line).map_err(|error| {
        format!("dragomand says what this dragoman does not understand: {error}; are both of one version?")
    })?;
    Ok(match subject {
        Subject::Status => status.to_string(),
        Subject::Rooms => status.rooms(),
    })
}

fn ask(socket: &Path) -> Result<String, String> {
    let there = |error| {
        format!("dragomand is not there: {}: {error}; see `systemctl status dragomand`", socket.display())
    };
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("{}: {error}; ask as root or as a member of its group", socket.display())
        }
        _ => there(error),
    })?;
    stream.set_read_timeout(Some(DEADLINE)).map_err(there)?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST))
        .read_line(&mut line)
        .map_err(|error| format!("dragomand does not answer: {}: {error}", socket.display()))?;
    if line.ends_with('\n') { Ok(line) } else { Err(format!("dragomand hung up: {}", socket.display())) }
}
