//! Notices the pipes that the channel driver makes and removes.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchMask};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::ports::pipe::{in_path, out_path};

const IN_SUFFIX: &str = "_in.pcm";
const OUT_SUFFIX: &str = "_out.pcm";
/// The kernel does not tell of a directory's removal while a pipe in it is still open somewhere.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What happened in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// A pair of this id is complete.
    Appeared(String),
    /// A pipe of this id was removed.
    Vanished(String),
    /// Something was missed: these ids are what there is now.
    Rescanned(BTreeSet<String>),
}

/// A watch on the directory of pipes.
pub struct Watcher {
    directory: PathBuf,
    identity: (u64, u64),
    look: Interval,
    events: EventStream<[u8; 4_096]>,
}

impl Watcher {
    /// Watches `directory`.
    ///
    /// # Errors
    /// Where it is missing, is no directory, or cannot be watched.
    pub fn new(directory: &Path) -> io::Result<Self> {
        // Before the watch: whatever happens in between is seen as a change.
        let identity = identity(directory)?;
        let inotify = Inotify::init()?;
        let mask = WatchMask::CREATE
            | WatchMask::MOVED_TO
            | WatchMask::DELETE
            | WatchMask::MOVED_FROM
            | WatchMask::DELETE_SELF
            | WatchMask::MOVE_SELF
            | WatchMask::ONLYDIR;
        inotify.watches().add(directory, mask)?;
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = inotify.into_event_stream([0; 4_096])?;
        Ok(Self { directory: directory.to_owned(), identity, look, events })
    }

    /// The pairs that are there now.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn scan(&self) -> io::Result<BTreeSet<String>> {
        let mut ids = BTreeSet::new();
        for entry in std::fs::read_dir(&self.directory)? {
            ids.extend(id_of(&entry?.file_name(), OUT_SUFFIX));
        }
        Ok(ids)
    }

    /// What happens next. May be dropped and called again without loss.
    ///
    /// # Errors
    /// Where the directory can no longer be watched.
    pub async fn next(&mut self) -> io::Result<Sighting> {
        loop {
            let event = tokio::select! {
                event = self.events.next() => event.ok_or_else(|| io::Error::other("the watch ended"))??,
                _ = self.look.tick() => {
                    self.check_directory()?;
                    continue;
                }
            };
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                return self.scan().map(Sighting::Rescanned);
            }
            if event.mask.intersects(EventMask::DELETE_SELF | EventMask::IGNORED) {
                return Err(io::Error::other("the directory was removed"));
            }
            if event.mask.contains(EventMask::MOVE_SELF) {
                return Err(io::Error::other("the directory was moved away"));
            }
            if let Some(sighting) = sighting(&event) {
                return Ok(sighting);
            }
        }
    }

    /// The watch is on a directory, whatever its name is by now; the driver makes pipes by name.
    fn check_directory(&self) -> io::Result<()> {
        if identity(&self.directory)? == self.identity {
            return Ok(());
        }
        Err(io::Error::other("the directory was replaced by another"))
    }
}

/// Device and inode.
fn identity(directory: &Path) -> io::Result<(u64, u64)> {
    let meta = std::fs::metadata(directory)?;
    Ok((meta.dev(), meta.ino()))
}

fn sighting(event: &Event<OsString>) -> Option<Sighting> {
    let name = event.name.as_ref()?;
    if event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO) {
        // The pipe to the caller is made last: with it the pair is complete.
        id_of(name, OUT_SUFFIX).map(Sighting::Appeared)
    } else {
        id_of(name, OUT_SUFFIX).or_else(|| id_of(name, IN_SUFFIX)).map(Sighting::Vanished)
    }
}

/// The id in a pipe's name; `None` for names that are none of ours, hidden ones among them.
fn id_of(name: &OsStr, suffix: &str) -> Option<String> {
    let id = name.to_str()?.strip_suffix(suffix)?;
    (!id.is_empty() && !id.starts_with('.')).then(|| id.to_owned())
}

/// Checks a pair before it is opened. Nothing at the paths is touched. Answers whether both are there.
///
/// # Errors
/// What is wrong with which path, and what to do.
pub fn inspect(directory: &Path, id: &str) -> Result<bool, String> {
    let mut complete = true;
    for path in [in_path(directory, id), out_path(directory, id)] {
        let meta = match std::fs::symlink_metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                complete = false;
                continue;
            }
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        if !meta.file_type().is_fifo() {
            let advice = "not a named pipe, left untouched; remove it, the channel driver makes its own";
            return Err(format!("{}: {advice}", path.display()));
        }
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o007 != 0 || mode & 0o600 != 0o600 {
            let advice =
                "everyone could listen in, or nobody could; the channel driver makes pipes with mode 0660";
            return Err(format!("{}: mode {mode:04o}: {advice}", path.display()));
        }
    }
    Ok(complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_visible_names_are_pairs() {
        let id = |name: &str| id_of(OsStr::new(name), OUT_SUFFIX);
        assert_eq!(id("700-1_out.pcm"), Some("700-1".into()));
        for name in [".700-1_out.pcm", "_out.pcm", "700-1_in.pcm", "700-1_out.pcm.tmp"] {
            assert_eq!(id(name), None, "{name}");
        }
    }

    #[test]
    fn files_links_and_open_modes_are_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let pipe = |name: &str, mode: u32| {
            let mode = rustix::fs::Mode::from_raw_mode(mode);
            rustix::fs::mknodat(rustix::fs::CWD, path(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode.as_raw_mode()))
                .unwrap();
        };
        pipe("700-1_in.pcm", 0o660);
        pipe("700-1_out.pcm", 0o660);
        assert_eq!(inspect(directory.path(), "700-1"), Ok(true));
        assert_eq!(inspect(directory.path(), "700-0"), Ok(false));

        pipe("700-2_in.pcm", 0o660);
        std::fs::write(path("700-2_out.pcm"), "precious").unwrap();
        assert!(inspect(directory.path(), "700-2").unwrap_err().contains("not a named pipe"));
        assert_eq!(std::fs::read(path("700-2_out.pcm")).unwrap(), b"precious");

        std::os::unix::fs::symlink(path("700-1_in.pcm"), path("700-3_in.pcm")).unwrap();
        pipe("700-3_out.pcm", 0o660);
        assert!(inspect(directory.path(), "700-3").unwrap_err().contains("not a named pipe"));

        pipe("700-4_in.pcm", 0o666);
        pipe("700-4_out.pcm", 0o660);
        assert!(inspect(directory.path(), "700-4").unwrap_err().contains("0666"));
    }
}
