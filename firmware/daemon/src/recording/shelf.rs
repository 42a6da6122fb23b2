//! The directory of recordings: `NUMBER-BEGAN-ROOM.age`, and `.part` behind it until one is whole. The numbers tell
//! which is older, whatever the clock said.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::format::Title;

const WHOLE: &str = ".age";
const PARTIAL: &str = ".age.part";

/// How far a recording got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// To its end.
    Whole,
    /// It is being written.
    Running,
    /// It was cut off: by a crash, or by a disk without room.
    CutOff,
}

/// A recording in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number: older ones have lower ones.
    pub number: u32,
    /// When it began, by the box's clock: `20261121T215500Z`.
    pub began: String,
    /// What was dialled.
    pub room: String,
    /// What it takes up, bytes.
    pub bytes: u64,
    /// Its file.
    pub path: PathBuf,
    /// How far it got.
    pub state: State,
}

/// The recordings in a directory, the oldest first.
///
/// # Errors
/// Where it cannot be read.
pub fn list(directory: &Path) -> io::Result<Vec<Kept>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Some((number, began, room, is_whole)) = entry.file_name().to_str().and_then(parse) else {
            continue;
        };
        let Ok(meta) = entry.metadata() else { continue };
        let path = entry.path();
        let state = if is_whole { State::Whole } else { partial(&path) };
        all.push(Kept { number, began, room, bytes: meta.len(), path, state });
    }
    all.sort_by_key(|kept| kept.number);
    Ok(all)
}

/// Whoever writes one holds a lock on it.
fn partial(path: &Path) -> State {
    match File::open(path).map(|file| file.try_lock_shared()) {
        Ok(Err(TryLockError::WouldBlock)) => State::Running,
        _ => State::CutOff,
    }
}

fn parse(name: &str) -> Option<(u32, String, String, bool)> {
    let (stem, is_whole) = match name.strip_suffix(PARTIAL) {
        Some(stem) => (stem, false),
        None => (name.strip_suffix(WHOLE)?, true),
    };
    let mut parts = stem.splitn(3, '-');
    let (number, began, room) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    Some((number, began.to_owned(), room.to_owned(), is_whole))
}

/// The directory as its one writer sees it.
pub(super) struct Shelf {
    directory: PathBuf,
    /// What all may take up together, bytes.
    most: u64,
    entries: BTreeMap<u32, Entry>,
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    is_running: bool,
}

impl Shelf {
    /// Makes the directory where there is none.
    pub(super) fn open(directory: &Path, most: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut shelf = Self { directory: directory.to_owned(), most, entries: BTreeMap::new() };
        shelf.look()?;
        Ok(shelf)
    }

    /// Others may have removed some.
    fn look(&mut self) -> io::Result<()> {
        let kept = list(&self.directory)?;
        self.entries.retain(|_, entry| entry.is_running);
        for kept in kept {
            let entry = Entry { path: kept.path, bytes: kept.bytes, is_running: false };
            self.entries.entry(kept.number).or_insert(entry);
        }
        Ok(())
    }

    /// Begins a file.
    pub(super) fn begin(&mut self, title: &Title) -> io::Result<(u32, File)> {
        self.look()?;
        let number = self.entries.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let began: String = title.began.chars().filter(char::is_ascii_alphanumeric).collect();
        let path = self.directory.join(format!("{number:06}-{began}-{}{PARTIAL}", title.room));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        self.entries.insert(number, Entry { path, bytes: 0, is_running: true });
        Ok((number, file))
    }

    /// Makes room for so many bytes more, at the cost of the oldest recordings.
    pub(super) fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        while self.bytes() + bytes > self.most {
            let oldest = self.entries.iter().find(|(_, entry)| !entry.is_running).map(|(number, _)| *number);
            let Some(entry) = oldest.and_then(|number| self.entries.remove(&number)) else {
                let reason = "the recordings of calls under way fill recording.most_mib";
                return Err(io::Error::new(io::ErrorKind::QuotaExceeded, reason));
            };
            match fs::remove_file(&entry.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => log::info!("{} gave way to newer recordings", entry.path.display()),
            }
        }
        Ok(())
    }

    pub(super) fn grew(&mut self, number: u32, bytes: u64) {
        self.entries.get_mut(&number).into_iter().for_each(|entry| entry.bytes += bytes);
    }

    /// A file is whole.
    pub(super) fn finish(&mut self, number: u32) -> io::Result<()> {
        self.give_up(number);
        let Some(entry) = self.entries.get_mut(&number) else { return Ok(()) };
        let whole = entry.path.with_extension("");
        fs::rename(&entry.path, &whole)?;
        entry.path = whole;
        File::open(&self.directory)?.sync_all()
    }

    /// A file stays as far as it got.
    pub(super) fn give_up(&mut self, number: u32) {
        self.entries.get_mut(&number).into_iter().for_each(|entry| entry.is_running = false);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// What they take up.
    pub(super) fn bytes(&self) -> u64 {
        self.entries.values().map(|entry| entry.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(room: &str) -> Title {
        let (room, began) = (room.to_owned(), "2026-11-21T21:55:00Z".to_owned());
        Title { dragoman_recording: 1, room, kind: "conference".to_owned(), began }
    }

    fn numbers(directory: &Path) -> Vec<(u32, State)> {
        list(directory).unwrap().into_iter().map(|kept| (kept.number, kept.state)).collect()
    }

    #[test]
    fn one_is_running_then_whole_or_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recordings");
        let mut shelf = Shelf::open(&path, 1_000).unwrap();
        let (first, file) = shelf.begin(&title("800")).unwrap();
        assert_eq!(numbers(&path), [(first, State::Running)]);
        shelf.finish(first).unwrap();
        let (second, lost) = shelf.begin(&title("1.x")).unwrap();
        drop((file, lost));
        assert_eq!(numbers(&path), [(1, State::Whole), (second, State::CutOff)]);
        let kept = list(&path).unwrap();
        assert_eq!((&*kept[0].began, &*kept[1].room), ("20261121T215500Z", "1.x"));
        assert_eq!(kept[0].path.file_name().unwrap(), "000001-20261121T215500Z-800.age");
    }

    #[test]
    fn the_oldest_give_way_but_none_that_is_running() {
        let directory = tempfile::tempdir().unwrap();
        for number in [3, 12] {
            let name = format!("{number:06}-19700101T000000Z-700.age");
            fs::write(directory.path().join(name), [0; 400]).unwrap();
        }
        fs::write(directory.path().join("notes.txt"), "kept").unwrap();
        let mut shelf = Shelf::open(directory.path(), 1_000).unwrap();
        let (number, _file) = shelf.begin(&title("800")).unwrap();
        assert_eq!((number, shelf.count(), shelf.bytes()), (13, 3, 800));
        shelf.make_room(200).unwrap();
        shelf.grew(number, 200);
        assert_eq!(shelf.count(), 3);
        shelf.make_room(1).unwrap();
        assert_eq!(numbers(directory.path()).len(), 2);
        assert_eq!(shelf.make_room(900).unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!(numbers(directory.path()), [(13, State::Running)]);
        assert!(directory.path().join("notes.txt").exists());
    }
}
