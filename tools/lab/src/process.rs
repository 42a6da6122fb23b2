//! A child process that never outlives its owner.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::interrupt;

/// `setpriv` (util-linux, on every Debian) asks the kernel for it, which std cannot without unsafe code.
const WITH_DEATH_SIGNAL: [&str; 4] = ["setpriv", "--pdeathsig", "TERM", "--"];
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A running child with its output in a log file. Dropping it stops it: SIGTERM, then SIGKILL after five seconds.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in a process group of its own, so that Ctrl-C reaches only us and we stop things in order.
    /// The kernel ends the child with SIGTERM should this process die first.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened.
    pub fn spawn(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
        let program = command.get_program().to_owned();
        let mut command = wrapped(&WITH_DEATH_SIGNAL, command);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let child = spawn_from_lasting_thread(command)
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its standard output and error go.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The exit status when the child has ended.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// # Errors
    /// When the child has ended; the error quotes the end of the log.
    pub fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.exited()? {
            bail!("{} ended ({status})\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Asks `ready` every 20 ms until it is true.
    ///
    /// # Errors
    /// When the child ends, the time runs out, or the user interrupts; the first two quote the end of the log.
    pub fn wait_until(
        &mut self,
        what: &str,
        timeout: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !ready() {
            interrupt::check()?;
            if let Some(status) = self.exited()? {
                bail!("{} ended ({status}) before {what}\n{}", self.name, self.log_tail());
            }
            if Instant::now() > deadline {
                bail!("{}: no {what} within {} s\n{}", self.name, timeout.as_secs(), self.log_tail());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits for the child to end by itself.
    ///
    /// # Errors
    /// When the time runs out or the user interrupts.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            interrupt::check()?;
            if Instant::now() > deadline {
                bail!("{} still runs after {} s\n{}", self.name, timeout.as_secs(), self.log_tail());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid(), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// The last lines of the log, for error messages.
    pub fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        last_lines(&String::from_utf8_lossy(&bytes), 15)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn stop(&mut self) {
        let deadline = Instant::now() + STOP_GRACE;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_process(self.pid(), Signal::TERM).ok();
            self.stop();
        }
        // What the child started and did not take along; usually there is no such group any more.
        kill_process_group(self.pid(), Signal::KILL).ok();
    }
}

/// The last `count` lines of `text` that say something, each marked as a quotation.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let lines = &lines[lines.len().saturating_sub(count)..];
    if lines.is_empty() { String::new() } else { format!("  | {}", lines.join("\n  | ")) }
}

/// `command` as the arguments of another: `wrapped(&["chrt", "--rr", "10"], …)`, with its environment and directory.
/// Without `words` it is a copy.
pub fn wrapped(words: &[&str], command: &Command) -> Command {
    let mut all = words.iter().map(OsStr::new).chain([command.get_program()]).chain(command.get_args());
    let mut outer = Command::new(all.next().unwrap_or_default());
    outer.args(all);
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        outer.current_dir(dir);
    }
    outer
}

/// The death signal comes when the *thread* that forked ends; tests end theirs early, so one thread forks for all.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                reply.send(command.spawn()).ok();
            }
        });
        requests
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).map_err(io::Error::other)?;
    answer.recv().map_err(io::Error::other)?
}
