//! What is to be known of callers as long as their calls last, though the daemon may be killed: a file for each, made
//! and read by the daemon alone. A reboot ends the calls, and so may end the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use session::room::Remembered;
use tokio::sync::Notify;

use crate::hub::Hub;
use crate::supervision::end_of;

const SUFFIX: &str = ".json";
/// Ends the name of a file in the making.
const NEW_SUFFIX: &str = ".new";
/// No file of ours is longer.
const LONGEST_FILE: u64 = 1_024;
/// More files than that are none of ours.
const MOST_FILES: usize = 1_000;

/// What is known of the callers there are.
#[derive(Default)]
pub(crate) struct Memory {
    calls: Mutex<Calls>,
    changed: Notify,
    directory: OnceLock<PathBuf>,
}

#[derive(Default)]
struct Calls {
    known: BTreeMap<String, Remembered>,
    /// The legs whose files are not what is known of them.
    stale: BTreeSet<String>,
}

/// A leg's file. It holds for the leg that is named in it alone, and no other leg is ever called the same.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    leg: String,
    known: Remembered,
}

impl Memory {
    /// Reads what is there of the legs `present`, and removes what there is of others.
    ///
    /// # Errors
    /// Where the directory cannot be made or read, or is not the daemon's alone.
    pub(crate) fn open(&self, directory: &Path, present: &BTreeSet<String>) -> io::Result<()> {
        make_private(directory)?;
        for entry in fs::read_dir(directory)?.take(MOST_FILES) {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_suffix(SUFFIX);
            let known = id.filter(|id| present.contains(*id)).and_then(|id| read(&path, id));
            match (id, known) {
                (Some(id), Some(known)) => {
                    self.calls().known.insert(id.to_owned(), known);
                }
                (Some(_), None) => remove(&path)?,
                (None, _) if name.ends_with(NEW_SUFFIX) => remove(&path)?,
                (None, _) => {}
            }
        }
        // It is opened once.
        let _first = self.directory.set(directory.to_owned());
        Ok(())
    }

    /// The leg `id` is there: what is known of it is kept from now on.
    pub(crate) fn expect(&self, id: &str) {
        self.calls().known.entry(id.to_owned()).or_default();
    }

    /// What is known of the leg `id`.
    pub(crate) fn recall(&self, id: &str) -> Remembered {
        self.calls().known.get(id).copied().unwrap_or_default()
    }

    /// This is known of the leg `id` from now on, where it is there.
    pub(crate) fn keep(&self, id: &str, known: Remembered) {
        let mut calls = self.calls();
        let Some(before) = calls.known.get_mut(id) else { return };
        if *before != known {
            *before = known;
            self.mark_stale(&mut calls, id);
        }
    }

    /// The leg `id` is gone for good.
    pub(crate) fn forget(&self, id: &str) {
        let mut calls = self.calls();
        if calls.known.remove(id).is_some() {
            self.mark_stale(&mut calls, id);
        }
    }

    fn mark_stale(&self, calls: &mut Calls, id: &str) {
        if self.directory.get().is_some() {
            calls.stale.insert(id.to_owned());
            self.changed.notify_one();
        }
    }

    /// Writes what changed.
    fn save(&self) {
        let Some(directory) = self.directory.get() else { return };
        let changes: Vec<(String, Option<Remembered>)> = {
            let Calls { known, stale } = &mut *self.calls();
            std::mem::take(stale).into_iter().map(|id| (id.clone(), known.get(&id).copied())).collect()
        };
        for (leg, known) in changes {
            let path = directory.join(format!("{leg}{SUFFIX}"));
            let saved = match known.filter(|known| *known != Remembered::default()) {
                Some(known) => write(&path, &File { leg, known }),
                None => remove(&path),
            };
            if let Err(error) = saved {
                log::error!(
                    "{}: {error}; a restart of the daemon would be noticed in this call",
                    path.display()
                );
            }
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // Each change is a single step, so a panic elsewhere leaves it whole.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what is to be remembered for ever.
pub(crate) async fn serve(hub: Arc<Hub>) {
    loop {
        hub.memory.changed.notified().await;
        let writer = Arc::clone(&hub);
        if let Err(error) = tokio::task::spawn_blocking(move || writer.memory.save()).await {
            log::error!("what is known of callers was not written: {}", end_of(&error));
        }
    }
}

fn make_private(directory: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let meta = fs::symlink_metadata(directory)?;
    let is_ours = meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || meta.mode() & 0o077 != 0 {
        return Err(io::Error::other("not a directory of dragomand's own, mode 0700; remove it"));
    }
    Ok(())
}

/// `None` for what is not the file of the leg `id`.
fn read(path: &Path, id: &str) -> Option<Remembered> {
    let mut text = Vec::new();
    let no_link = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(no_link.bits().cast_signed()).open(path);
    let length = file.and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut text));
    let file: Option<File> = length.ok().and_then(|_| parse(&text));
    let known = file.filter(|file| file.leg == id).map(|file| file.known);
    if known.is_none() {
        log::warn!("{}: nothing that dragomand wrote of this leg; removed", path.display());
    }
    known
}

fn parse(text: &[u8]) -> Option<File> {
    let is_short = text.len() as u64 <= LONGEST_FILE;
    is_short.then(|| serde_json::from_slice(text).ok()).flatten()
}

/// Whole or not at all.
fn write(path: &Path, file: &File) -> io::Result<()> {
    let new = path.with_extension(&NEW_SUFFIX[1..]);
    remove(&new)?;
    let text = serde_json::to_vec(file)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(&text)?;
    fs::rename(&new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    const LEG: &str = "800-1732.5-101";

    fn opened(directory: &Path, present: &[&str]) -> io::Result<Memory> {
        let memory = Memory::default();
        let present = present.iter().map(|id| (*id).to_owned()).collect();
        memory.open(directory, &present).map(|()| memory)
    }

    /// A directory in which it is known that the caller of [`LEG`] was told.
    fn with_one() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("calls");
        let memory = opened(&directory, &[]).unwrap();
        memory.expect(LEG);
        memory.keep(LEG, Remembered::told());
        memory.save();
        (parent, directory)
    }

    fn files(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn what_is_known_of_a_leg_is_found_again_while_the_leg_is_there() {
        let (_parent, directory) = with_one();
        let meta = directory.join(format!("{LEG}.json")).metadata().unwrap();
        assert_eq!((meta.mode() & 0o777, directory.metadata().unwrap().mode() & 0o777), (0o600, 0o700));
        let memory = opened(&directory, &[LEG, "790-1"]).unwrap();
        assert_eq!((memory.recall(LEG), memory.recall("790-1")), (Remembered::told(), Remembered::default()));
        memory.forget(LEG);
        memory.keep(LEG, Remembered::told());
        memory.save();
        assert_eq!((memory.recall(LEG), files(&directory)), (Remembered::default(), vec![]));
    }

    #[test]
    fn of_legs_that_are_gone_nothing_is_left() {
        let (_parent, directory) = with_one();
        fs::write(directory.join(format!("{LEG}.new")), "{").unwrap();
        fs::write(directory.join("notes.txt"), "mine").unwrap();
        assert_eq!(opened(&directory, &["790-1"]).unwrap().recall(LEG), Remembered::default());
        assert_eq!(files(&directory), ["notes.txt"]);
    }

    #[test]
    fn a_file_holds_for_the_leg_it_was_written_for() {
        let (_parent, directory) = with_one();
        let other = "801-1732.5-101";
        fs::rename(directory.join(format!("{LEG}.json")), directory.join(format!("{other}.json"))).unwrap();
        let memory = opened(&directory, &[LEG, other]).unwrap();
        assert_eq!([LEG, other].map(|id| memory.recall(id)), [Remembered::default(); 2]);
        assert_eq!(files(&directory), [""; 0]);
    }

    #[test]
    fn only_the_daemons_own_directory_will_do() {
        let (parent, directory) = with_one();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(opened(&directory, &[LEG]).is_err());
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        assert!(opened(&link, &[LEG]).is_err());
        assert!(opened(&parent.path().join("no/calls"), &[]).is_err());
        fs::write(directory.join("aim"), fs::read(directory.join(format!("{LEG}.json"))).unwrap()).unwrap();
        fs::remove_file(directory.join(format!("{LEG}.json"))).unwrap();
        std::os::unix::fs::symlink("aim", directory.join(format!("{LEG}.json"))).unwrap();
        assert_eq!(opened(&directory, &[LEG]).unwrap().recall(LEG), Remembered::default());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever is in a file.
        #[test]
        fn garbage_is_nothing_known(garbage in prop::collection::vec(any::<u8>(), 0..2_000), cut in 0usize..90) {
            prop_assert!(parse(&garbage).is_none());
            let mut text = serde_json::to_vec(&File { leg: LEG.to_owned(), known: Remembered::told() }).unwrap();
            prop_assert!(parse(&text).is_some());
            text.truncate(cut);
            prop_assert!(parse(&text).is_none());
        }
    }
}
