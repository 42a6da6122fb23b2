//! The daemon under measurement, as a child process.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

/// How long the daemon may take to answer after its start; under callgrind it is slow.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A running `dragomand` with two echo rooms: 791 returns at once, 790 at the tick.
pub(crate) struct Daemon {
    child: Child,
    directory: TempDir,
}

/// What the daemon has used so far.
pub(crate) struct Usage {
    pub(crate) at: Instant,
    /// Time on a CPU, user and system, of all its threads.
    pub(crate) cpu: Duration,
    /// Of the media thread alone.
    pub(crate) media_cpu: Duration,
    pub(crate) resident_kib: u64,
}

impl Daemon {
    /// Starts the daemon and waits until it answers.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        Self::start_under(&[], program)
    }

    /// As [`Self::start`], run by another program (`wrapper`, with its arguments).
    pub(crate) fn start_under(wrapper: &[String], program: &Path) -> Result<Self> {
        let directory = memory_directory()?;
        let config = directory.path().join("dragomand.toml");
        std::fs::create_dir(directory.path().join("pipes"))?;
        std::fs::write(&config, configuration(directory.path()))?;
        let mut words = wrapper.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
        let mut command = Command::new(words.next().context("a program to run")?);
        let log = std::fs::File::create(directory.path().join("log"))?;
        command
            .args(words)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut daemon = Self { child, directory };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    pub(crate) fn pipes(&self) -> PathBuf {
        self.directory.path().join("pipes")
    }

    /// The status object that the control socket gives.
    pub(crate) fn status(&self) -> Result<Value> {
        let stream = UnixStream::connect(self.directory.path().join("control.sock"))?;
        stream.set_read_timeout(Some(START_WITHIN))?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        usage_of(Path::new(&format!("/proc/{}", self.child.id())))
    }

    /// Asks the daemon to end, and waits for it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + START_WITHIN;
        while self.status().is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("dragomand ended at its start ({status}): {}", self.log_tail());
            }
            if Instant::now() > until {
                bail!("dragomand did not answer within {START_WITHIN:?}: {}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        log.lines().rev().take(3).collect::<Vec<_>>().join(" / ")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The directory goes next; a daemon that is gone already is what is wanted.
        let _gone = self.stop();
    }
}

/// What the process at `process`, a directory of `/proc`, has used so far.
pub(crate) fn usage_of(process: &Path) -> Result<Usage> {
    let (mut cpu, mut media_cpu) = (Duration::ZERO, Duration::ZERO);
    for task in std::fs::read_dir(process.join("task"))? {
        let task = task?.path();
        let time = on_cpu(&task)?;
        cpu += time;
        if std::fs::read_to_string(task.join("comm"))?.trim() == "media" {
            media_cpu += time;
        }
    }
    let status = std::fs::read_to_string(process.join("status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let resident_kib = resident.trim().trim_end_matches(" kB").parse()?;
    Ok(Usage { at: Instant::now(), cpu, media_cpu, resident_kib })
}

fn configuration(directory: &Path) -> String {
    let path = directory.display();
    format!(
        "[pipes]\ndirectory = \"{path}/pipes\"\n[control]\nsocket = \"{path}/control.sock\"\n\
         [[room]]\nextension = \"790\"\nkind = \"echo\"\n[[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n[calls]\nmost = 256\n"
    )
}

/// Pipes on a disk's file system would have their times journalled; a box keeps them in memory as well.
pub(crate) fn memory_directory() -> Result<TempDir> {
    let shared_memory = Path::new("/dev/shm");
    let parent = if shared_memory.is_dir() { shared_memory.to_owned() } else { std::env::temp_dir() };
    Ok(tempfile::Builder::new().prefix("media-bench-").tempdir_in(parent)?)
}

/// First field of `schedstat`: nanoseconds spent on a CPU.
fn on_cpu(task: &Path) -> Result<Duration> {
    let text = std::fs::read_to_string(task.join("schedstat"))?;
    let nanos = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}
