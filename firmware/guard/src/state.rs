//! The file that tells people who is kept out. A thread of its own writes it: a disk that hangs keeps nobody from being
//! banned.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::lately::{Lately, State};
use crate::sets::Sets;

/// There is no secret in it, and whoever may use the box may know why a phone of his is refused.
const MODE: u32 = 0o644;
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// The kernel tells nobody of itself who came from outside, or whose ban was lifted.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// Has the file written when something has happened, at most once a second.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Option<Thread>,
}

#[derive(Default)]
struct Shared {
    lately: Mutex<Lately>,
    /// Whether the kernel is to be asked now.
    is_asking: AtomicBool,
}

impl Writer {
    pub(crate) fn start(path: PathBuf, started: Instant) -> Self {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let writer = thread::Builder::new().name("state".to_owned()).spawn(move || its.tell(&path, started));
        if let Err(error) = &writer {
            log::warn!("`dragoman status` does not show who is kept out: no thread: {error}");
        }
        Self { shared, thread: writer.ok().map(|writer| writer.thread().clone()) }
    }

    /// Wrong passwords came, or none; somebody was banned for them, or nobody.
    pub(crate) fn wrong_passwords(&self, all: Vec<(IpAddr, Option<String>)>, now: Duration, is_banned: bool) {
        if all.is_empty() {
            return;
        }
        let mut lately = self.shared.lately();
        for (from, phone) in all {
            lately.wrong_password(from, phone, now);
        }
        drop(lately);
        if is_banned {
            self.shared.is_asking.store(true, Ordering::Relaxed);
        }
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Shared {
    fn lately(&self) -> MutexGuard<'_, Lately> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, path: &Path, started: Instant) {
        let (mut kernel, mut file) = (Complaint::default(), Complaint::default());
        let mut asked: Option<Instant> = None;
        let mut written = None;
        loop {
            if self.is_asking.swap(false, Ordering::Relaxed)
                || asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY)
            {
                asked = Some(Instant::now());
                let told = Sets::read().map(|sets| self.lately().kept_out(sets, started.elapsed()));
                kernel.log(told.map_err(|reason| {
                    format!("{reason}; `dragoman status` does not show who is banned or from outside the LAN")
                }));
            }
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let state = self.lately().state(started.elapsed(), wall);
            if written.as_ref() != Some(&state) {
                let outcome = write(path, &state).map_err(|error| {
                    let file = path.display();
                    format!(
                        "{file}: {error}; `dragoman status` shows nobody kept out; --state names another file"
                    )
                });
                written = outcome.is_ok().then_some(state);
                file.log(outcome);
            }
            thread::sleep(WRITE_EVERY);
            thread::park_timeout(ASK_EVERY);
        }
    }
}

/// What goes on failing is said once.
#[derive(Default)]
struct Complaint(Option<String>);

impl Complaint {
    fn log(&mut self, outcome: Result<(), String>) {
        if let Some(reason) = self.news(outcome) {
            log::warn!("{reason}");
        }
    }

    fn news(&mut self, outcome: Result<(), String>) -> Option<&str> {
        let before = std::mem::replace(&mut self.0, outcome.err());
        self.0.as_deref().filter(|reason| before.as_deref() != Some(*reason))
    }
}

/// Whole or not at all.
fn write(path: &Path, state: &State) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(MODE).open(&new)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(&serde_json::to_vec(state)?)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(bans: usize) -> State {
        State { banned: Vec::new(), bans, refused: Vec::new() }
    }

    #[test]
    fn a_file_is_replaced_whole_and_everyone_may_read_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/state.json");
        write(&path, &state(1)).unwrap();
        // What a power cut left behind, and who still reads the old one.
        fs::write(home.path().join("run/state.json.new"), "ha").unwrap();
        let old = File::open(&path).unwrap();
        write(&path, &state(2)).unwrap();
        assert_eq!(io::read_to_string(old).unwrap(), r#"{"banned":[],"bans":1,"refused":[]}"#);
        assert_eq!(fs::read_to_string(&path).unwrap(), r#"{"banned":[],"bans":2,"refused":[]}"#);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(home.path().join("run")).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        assert!(write(&home.path().join("file/state.json"), &state(0)).is_err());
        let directory = home.path().join("directory");
        fs::create_dir_all(directory.join("in it")).unwrap();
        assert!(write(&directory, &state(0)).is_err());
    }

    #[test]
    fn what_goes_on_failing_is_said_once() {
        let mut complaint = Complaint::default();
        let mut is_said =
            |outcome: Result<(), &str>| complaint.news(outcome.map_err(str::to_owned)).is_some();
        let outcomes = [Err("a"), Err("a"), Err("b"), Ok(()), Err("b"), Ok(())];
        assert_eq!(outcomes.map(&mut is_said), [true, false, true, false, true, false]);
    }
}
