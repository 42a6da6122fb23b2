//! Registered phones that call and speak, by `sipp`, which nobody here wrote.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::asterisk::Asterisk;
use lab::process::Process;

const SCENARIO: &str = include_str!("registered.xml");
/// New calls in a second.
pub const RATE: u16 = 5;
/// What signalling may take besides the calls.
const SLACK: Duration = Duration::from_secs(60);
/// sipp's ports for speech begin here; Asterisk's lie elsewhere.
const FIRST_PORT: u16 = 6_000;

/// Calls, as they are to be.
pub struct Load<'a> {
    /// What is dialled.
    pub number: &'a str,
    /// How many at once: one a phone of Asterisk's.
    pub calls: u16,
    /// How long each lasts, from its answer.
    pub lasts: Duration,
    /// What is said all the time, again and again: A-law.
    pub recording: &'a Path,
    /// Where files may be kept.
    pub directory: &'a Path,
}

/// Calls under way. Dropping them kills the callers, who then hang up nothing.
pub struct Callers {
    process: Process,
    ends_within: Duration,
}

impl Load<'_> {
    /// Until the last call is placed.
    pub fn ramp(&self) -> Duration {
        Duration::from_secs(self.calls.div_ceil(RATE).into())
    }
}

impl Callers {
    /// Begins to register and to call, [`RATE`] phones a second.
    ///
    /// # Errors
    /// When Asterisk has too few phones, or sipp is not there.
    pub fn start(asterisk: &Asterisk, load: &Load<'_>) -> Result<Self> {
        let phones = asterisk.phones();
        ensure!(phones.len() >= load.calls.into(), "Asterisk has only {} phones", phones.len());
        let mut logins = "SEQUENTIAL\n".to_owned();
        for phone in phones {
            let (user, password) = (&phone.extension, &phone.secret);
            writeln!(logins, "{user};[authentication username={user} password={password}]")?;
        }
        let file = |name: &str, text: String| {
            let path = load.directory.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok::<_, anyhow::Error>(path)
        };
        let recording = load.recording.display().to_string();
        ensure!(!recording.contains(','), "sipp cannot play {recording}, which has a comma in its name");
        let logins = file("callers.csv", logins)?;
        let scenario = file("callers.xml", SCENARIO.replace("RECORDING", &recording))?;
        let ends_within = load.ramp() + load.lasts + SLACK;
        let number = |number: u128| number.to_string();
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(scenario).arg("-inf").arg(logins).args(["-s", load.number]);
        command.args(["-m", &number(load.calls.into()), "-l", &number(load.calls.into())]);
        command.args(["-r", &number(RATE.into()), "-d", &number(load.lasts.as_millis())]);
        command.args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", &number(FIRST_PORT.into())]);
        command.args(["-timeout", &format!("{}s", ends_within.as_secs()), "-timeout_error", "-nostdin"]);
        // Asterisk asks each registered phone whether it is there: that is answered, and no call of ours.
        command.args(["-oocsn", "ooc_default", "-f", "86400", "-trace_err", "-error_file", "/dev/stderr"]);
        command.arg(asterisk.sip().to_string()).current_dir(load.directory);
        let process = Process::spawn("sipp", &command, &load.directory.join("callers.log"))?;
        Ok(Self { process, ends_within })
    }

    /// sipp's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// # Errors
    /// When a call failed or the callers died; the error quotes what sipp said.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running()
    }

    /// Waits until the last call is hung up and its phone not registered any more.
    ///
    /// # Errors
    /// When any call failed; the error quotes what sipp said.
    pub fn finish(mut self) -> Result<()> {
        let status = self.process.wait(self.ends_within)?;
        ensure!(status.success(), "calls failed ({status})\n{}", self.process.log_tail());
        Ok(())
    }
}
