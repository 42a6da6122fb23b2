//! Commands to a running daemon.

use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to its control socket.
pub(super) struct Daemon {
    control: PathBuf,
    stream: UnixStream,
    lines: Lines<BufReader<UnixStream>>,
}

impl Daemon {
    /// # Errors
    /// Where nobody listens at `control`: those of connecting.
    pub(super) fn connect(control: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(control)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let lines = BufReader::new(stream.try_clone()?).lines();
        Ok(Self { control: control.to_owned(), stream, lines })
    }

    /// The state of everything, which it tells first.
    pub(super) fn status(&mut self) -> Result<Value, String> {
        self.wait_for("status")
    }

    /// Its answer of the type `kind` to `command`.
    pub(super) fn ask(&mut self, command: &Value, kind: &str) -> Result<Value, String> {
        let sent = self.stream.write_all(format!("{command}\n").as_bytes());
        sent.map_err(|error| self.failed(&error))?;
        self.wait_for(kind)
    }

    fn wait_for(&mut self, kind: &str) -> Result<Value, String> {
        loop {
            let line = self.lines.next().ok_or("dragomand hung up; its log says why")?;
            let line = line.map_err(|error| self.failed(&error))?;
            let said: Value = serde_json::from_str(&line).map_err(|error| format!("dragomand: {error}"))?;
            if said["type"] == kind {
                return Ok(said);
            }
            if said["type"] == "error" && said["component"] == "control" {
                return Err(format!("dragomand: {}", said["message"].as_str().unwrap_or("refused")));
            }
        }
    }

    fn failed(&self, error: &io::Error) -> String {
        advise(&self.control, error)
    }
}

/// What to do where the daemon cannot be asked.
pub(super) fn advise(control: &Path, error: &io::Error) -> String {
    format!("{}: {error}; start dragomand, or mend control.socket in its configuration", control.display())
}

/// Has a daemon that runs read anew who can be called; one that does not run reads it when it starts.
pub(super) fn reload(control: &Path) -> Result<(), String> {
    let mut daemon = match Daemon::connect(control) {
        Ok(daemon) => daemon,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(());
        }
        Err(error) => return Err(format!("{}: {error}; ask as root", control.display())),
    };
    daemon.ask(&json!({ "command": "reload" }), "reloaded").map(drop)
}
