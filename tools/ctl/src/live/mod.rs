//! What the running daemon tells on its control socket, and `dragoman-guard` in its file.

mod kept_out;
mod recording;
mod status;
pub(crate) mod table;

use std::io::{BufRead, BufReader, IsTerminal, Read, stdout};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use kept_out::KeptOut;
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

#[derive(clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    args: Args,
    /// Where dragoman-guard tells whom it keeps out; where it is not, nothing is said of that
    #[arg(long, value_name = "FILE", default_value = "/run/dragoman-guard/state.json")]
    guard: PathBuf,
}

/// Prints all of it, once or for ever. Who is kept out is told even where the daemon is not there.
pub(crate) fn status(StatusArgs { args, guard }: &StatusArgs) -> Result<(), String> {
    repeat(args, || {
        let kept_out = kept_out::read(guard, kept_out::now());
        let told = ask(&args.socket).and_then(|line| {
            if args.json {
                with(&line, kept_out.as_ref())
            } else {
                Ok(whole(&parse(&line)?, kept_out.as_ref()))
            }
        });
        told.map_err(|reason| {
            let alone = kept_out.as_ref().map(|kept_out| {
                if args.json { format!("{{\"guard\":{}}}\n", kept_out.json()) } else { kept_out.to_string() }
            });
            (alone.unwrap_or_default(), reason)
        })
    })
}

/// Prints the rooms and who is in them, once or for ever.
pub(crate) fn rooms(args: &Args) -> Result<(), String> {
    repeat(args, || {
        let told = ask(&args.socket);
        let text = if args.json { told } else { told.and_then(|line| Ok(parse(&line)?.rooms())) };
        text.map_err(|reason| (String::new(), reason))
    })
}

/// Prints what is found, until that fails: then what was found all the same.
fn repeat(args: &Args, find: impl Fn() -> Result<String, (String, String)>) -> Result<(), String> {
    let clear = if args.watch && !args.json && stdout().is_terminal() { CLEAR } else { "" };
    loop {
        match find() {
            Ok(text) => say::write(format_args!("{clear}{text}")),
            Err((text, reason)) => {
                say::write(format_args!("{text}"));
                return Err(reason);
            }
        }
        if !args.watch {
            return Ok(());
        }
        thread::sleep(REFRESH_EVERY);
    }
}

fn whole(status: &Status, kept_out: Option<&KeptOut>) -> String {
    kept_out.map_or_else(|| status.to_string(), |kept_out| format!("{status}\n{kept_out}"))
}

/// One object of both.
fn with(line: &str, kept_out: Option<&KeptOut>) -> Result<String, String> {
    let Some(kept_out) = kept_out else { return Ok(line.to_owned()) };
    let mut told: serde_json::Map<_, _> =
        serde_json::from_str(line).map_err(|error| not_understood(&error))?;
    told.insert("guard".to_owned(), kept_out.json());
    Ok(format!("{}\n", serde_json::Value::Object(told)))
}

fn parse(line: &str) -> Result<Status, String> {
    serde_json::from_str(line).map_err(|error| not_understood(&error))
}

fn not_understood(error: &serde_json::Error) -> String {
    format!("dragomand says what this dragoman does not understand: {error}; are both of one version?")
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
