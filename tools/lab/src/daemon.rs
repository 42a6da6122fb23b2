//! `dragomand` as a child process, and what it tells.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::asterisk::Ari;
use crate::interrupt;
use crate::process::Process;

const START_TIMEOUT: Duration = Duration::from_secs(10);

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The built program.
    pub program: PathBuf,
    /// An existing directory: `dragomand.toml`, `dragomand.log` and `control.sock` appear in it.
    pub run_dir: PathBuf,
    /// Where the driver makes its pipes.
    pub pipes: PathBuf,
    /// The tables of the configuration that name engines: `device`, `engines`, `engine`.
    pub engines: toml::Table,
    /// What can be dialled.
    pub rooms: Vec<Room>,
    /// The phones that speak one language each.
    pub phones: Vec<Phone>,
}

/// One phone of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Phone {
    /// Its number.
    pub extension: String,
    /// Whose it is.
    pub name: String,
    /// What is spoken into it.
    pub language: String,
}

impl Phone {
    /// A phone that is called after its number.
    pub fn new(extension: &str, language: &str) -> Self {
        let name = format!("Phone {extension}");
        Self { extension: extension.to_owned(), name, language: language.to_owned() }
    }
}

/// One room of the configuration.
#[derive(Clone, Debug, Serialize)]
pub struct Room {
    /// What is dialled.
    pub extension: String,
    /// `interpreter`, `conference`, `echo`, `echo-direct`.
    pub kind: String,
    /// Of an interpreter: two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Of an interpreter: `consecutive` where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manner: Option<String>,
    /// Of a conference: the digits that open it, where it has such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Of an interpreter: to whom own voices are offered, `call` or `extension`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_voices: Option<String>,
}

/// The engines on the device alone: speech by Wyoming, such as `tcp://127.0.0.1:10300`, translation by
/// `LibreTranslate`'s API, such as `http://127.0.0.1:5000`.
pub fn on_device(speech: String, translation: String) -> toml::Table {
    let device = toml::Table::from_iter(
        [("speech", speech), ("translation", translation)].map(|(key, url)| (key.to_owned(), url.into())),
    );
    toml::Table::from_iter([("device".to_owned(), device.into())])
}

/// Control of Asterisk; the password goes into a file of its own in `directory`.
///
/// # Errors
/// When that file cannot be written.
pub fn controlling(ari: &Ari, directory: &Path) -> Result<toml::Table> {
    let file = directory.join("ari-password");
    fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| file.write_all(ari.password.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    let password_file = file.display().to_string();
    let pairs = [("ari", ari.url.clone()), ("user", ari.user.clone()), ("password_file", password_file)];
    let table = toml::Table::from_iter(pairs.map(|(key, value)| (key.to_owned(), value.into())));
    Ok(toml::Table::from_iter([("asterisk".to_owned(), table.into())]))
}

impl Room {
    /// A room where one phone is interpreted between two languages.
    pub fn interpreter(extension: &str, languages: [&str; 2]) -> Self {
        Self { languages: languages.map(str::to_owned).to_vec(), ..Self::of_kind(extension, "interpreter") }
    }

    /// A room without languages.
    pub fn of_kind(extension: &str, kind: &str) -> Self {
        Self {
            extension: extension.to_owned(),
            kind: kind.to_owned(),
            languages: Vec::new(),
            manner: None,
            pin: None,
            own_voices: None,
        }
    }
}

/// A running daemon. Dropping it stops it.
#[derive(Debug)]
pub struct Daemon {
    process: Process,
    command: Command,
    control: PathBuf,
}

impl Daemon {
    /// Writes the configuration, starts the daemon and waits until it answers on its control socket.
    ///
    /// # Errors
    /// When it does not within ten seconds; the error quotes its log.
    pub fn start(options: &Options) -> Result<Self> {
        let control = options.run_dir.join("control.sock");
        let config = options.run_dir.join("dragomand.toml");
        fs::write(&config, configuration(options, &control)?)
            .with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = Command::new(&options.program);
        command.arg("--config").arg(&config);
        let process = spawn(&command, &options.run_dir, &control)?;
        Ok(Self { process, command, control })
    }

    /// Starts it again with the same configuration, after it ended or was killed.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.process.wait(START_TIMEOUT)?;
        let run_dir = self.control.parent().unwrap_or(Path::new("/"));
        self.process = spawn(&self.command, run_dir, &self.control)?;
        Ok(())
    }

    /// Connects to the control socket: the first line is the status, events follow.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn listen(&self) -> Result<Listener> {
        Listener::connect(&self.control)
    }

    /// The state of everything.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn status(&self) -> Result<Value> {
        self.listen()?.next_within(Duration::from_secs(5))?.context("dragomand tells no status")
    }

    /// The process, for signals, its log and its exit.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn spawn(command: &Command, run_dir: &Path, control: &Path) -> Result<Process> {
    let mut process = Process::spawn("dragomand", command, &run_dir.join("dragomand.log"))?;
    process
        .wait_until("answer on its control socket", START_TIMEOUT, || Listener::connect(control).is_ok())?;
    Ok(process)
}

/// A connection to the control socket.
#[derive(Debug)]
pub struct Listener {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Listener {
    fn connect(path: &Path) -> Result<Self> {
        let stream =
            UnixStream::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
        stream.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self { stream: BufReader::new(stream), line: Vec::new() })
    }

    /// The next object, or `None` when none comes in time.
    ///
    /// # Errors
    /// When the daemon closes the connection or sends no JSON; when the user interrupts.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Value>> {
        let deadline = Instant::now() + timeout;
        loop {
            // What has come of a line stays in `line` over a timeout.
            match self.stream.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.ends_with(b"\n") => {
                    let object =
                        serde_json::from_slice(&self.line).context("no JSON on the control socket")?;
                    self.line.clear();
                    return Ok(Some(object));
                }
                Ok(_) => bail!("dragomand has closed its control socket"),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error).context("the control socket"),
            }
            interrupt::check()?;
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    pipes: Pipes<'a>,
    control: Control<'a>,
    health: Health,
    room: &'a [Room],
    phone: &'a [Phone],
    #[serde(flatten)]
    engines: &'a toml::Table,
}

#[derive(Serialize)]
struct Pipes<'a> {
    directory: &'a Path,
}

#[derive(Serialize)]
struct Control<'a> {
    socket: &'a Path,
}

/// On a free port: several boxes run on one machine.
#[derive(Serialize)]
struct Health {
    listen: &'static str,
}

fn configuration(options: &Options, control: &Path) -> Result<String> {
    let length = control.as_os_str().len();
    ensure!(length < 108, "{} is too long for a socket: choose a shorter run directory", control.display());
    let file = File {
        pipes: Pipes { directory: &options.pipes },
        control: Control { socket: control },
        health: Health { listen: "127.0.0.1:0" },
        room: &options.rooms,
        phone: &options.phones,
        engines: &options.engines,
    };
    toml::to_string(&file).context("cannot write the daemon's configuration")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_room_has_no_languages_in_its_configuration() {
        let options = Options {
            program: "dragomand".into(),
            run_dir: "/r".into(),
            pipes: "/r/pipes".into(),
            engines: on_device("tcp://127.0.0.1:1".into(), "http://127.0.0.1:2".into()),
            rooms: vec![Room::interpreter("700", ["en", "es"]), Room::of_kind("790", "echo")],
            phones: vec![Phone::new("101", "en")],
        };
        let text = configuration(&options, Path::new("/r/control.sock")).unwrap();
        assert_eq!(text.matches("languages").count(), 1, "{text}");
        assert!(text.contains("kind = \"echo\"") && text.contains("extension = \"101\""), "{text}");
    }
}
