//! The two FIFOs of a leg: made complete before they can be seen, and nothing else in the directory touched.

use std::{
    fs,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, FileType, Mode, OFlags, RenameFlags},
    io::Errno,
};
use thiserror::Error;

use crate::id::LegId;

const FROM_CALLER: &str = "_in.pcm";
const TO_CALLER: &str = "_out.pcm";
/// Ends the hidden name of a FIFO in the making, so that nobody who looks for the suffixes above opens it.
const UNFINISHED: &str = ".new";

/// Why a leg gets no pipes.
#[derive(Debug, Error)]
pub(crate) enum FifoError {
    #[error(
        "{0} exists already: another call has this id, or something that is no pipe is in the way; it was not touched"
    )]
    Occupied(PathBuf),
    #[error("cannot {what} {path}: {errno}")]
    Refused { what: &'static str, path: PathBuf, errno: Errno },
}

impl FifoError {
    fn new(what: &'static str, path: &Path, errno: Errno) -> Self {
        match errno {
            Errno::EXIST => Self::Occupied(path.to_owned()),
            _ => Self::Refused { what, path: path.to_owned(), errno },
        }
    }
}

/// One FIFO, open at both ends so that no other process's coming or going blocks or signals this one.
struct Fifo {
    fd: OwnedFd,
    path: PathBuf,
    inode: u64,
}

/// `<id>_in.pcm` and `<id>_out.pcm`. Dropping closes and unlinks both.
pub(crate) struct FifoPair {
    from_caller: Fifo,
    to_caller: Fifo,
}

impl FifoPair {
    /// Makes both. When `_out.pcm` can be seen, both are open, sized and have their mode.
    pub(crate) fn create(directory: &Path, id: &LegId, pipe_bytes: usize) -> Result<Self, FifoError> {
        let from_caller = Fifo::create(directory, id, FROM_CALLER, pipe_bytes)?;
        let to_caller = Fifo::create(directory, id, TO_CALLER, pipe_bytes)?;
        Ok(Self { from_caller, to_caller })
    }

    /// Where the caller's audio is written.
    pub(crate) fn writable(&self) -> BorrowedFd<'_> {
        self.from_caller.fd.as_fd()
    }

    /// Where audio for the caller is read.
    pub(crate) fn readable(&self) -> BorrowedFd<'_> {
        self.to_caller.fd.as_fd()
    }
}

impl Fifo {
    /// Readable and writable by the group as well: the daemon runs as another user.
    const MODE: Mode = Mode::from_bits_truncate(0o660);

    fn create(directory: &Path, id: &LegId, suffix: &str, pipe_bytes: usize) -> Result<Self, FifoError> {
        let path = directory.join(format!("{}{suffix}", id.as_str()));
        let hidden = directory.join(format!(".{}{suffix}{UNFINISHED}", id.as_str()));

        rustix::fs::mknodat(CWD, &hidden, FileType::Fifo, Self::MODE, 0)
            .map_err(|errno| FifoError::new("make", &hidden, errno))?;
        let opened = Self::open(&hidden, pipe_bytes)
            .map_err(|errno| FifoError::new("open", &hidden, errno))
            .and_then(|(fd, inode)| {
                rustix::fs::renameat_with(CWD, &hidden, CWD, &path, RenameFlags::NOREPLACE)
                    .map_err(|errno| FifoError::new("make", &path, errno))?;
                Ok(Self { fd, path: path.clone(), inode })
            });
        if opened.is_err() {
            // Best effort: what stays behind is swept at the next load.
            fs::remove_file(&hidden).unwrap_or_default();
        }
        opened
    }

    fn open(path: &Path, pipe_bytes: usize) -> Result<(OwnedFd, u64), Errno> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Fifo {
            return Err(Errno::EXIST);
        }
        // The umask took part of the mode.
        rustix::fs::fchmod(&fd, Self::MODE)?;
        rustix::pipe::fcntl_setpipe_size(&fd, pipe_bytes)?;
        Ok((fd, stat.st_ino))
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        // Somebody may have put a file of his own in the place of a FIFO that he removed.
        let ours = rustix::fs::statat(CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| stat.st_ino == self.inode);
        if ours {
            // There is nobody left to tell; the sweep at the next load takes what stays.
            fs::remove_file(&self.path).unwrap_or_default();
        }
    }
}

/// Removes the FIFOs that an Asterisk which died left behind, finished or hidden, and returns how many. Only FIFOs whose
/// names this driver makes are touched. To be called when no leg is up.
pub(crate) fn sweep(directory: &Path) -> std::io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_fifo() && entry.file_name().to_str().is_some_and(is_made_here) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_made_here(name: &str) -> bool {
    let name = name.strip_prefix('.').and_then(|name| name.strip_suffix(UNFINISHED)).unwrap_or(name);
    let id = name.strip_suffix(FROM_CALLER).or_else(|| name.strip_suffix(TO_CALLER));
    id.is_some_and(|id| LegId::parse(id.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn id() -> LegId {
        LegId::parse(b"700-1.2").expect("a good id")
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn both_fifos_live_as_long_as_the_pair() {
        let directory = tempfile::tempdir().expect("a directory");
        let pair = FifoPair::create(directory.path(), &id(), 4096).expect("pair");
        assert_eq!(names(directory.path()), ["700-1.2_in.pcm", "700-1.2_out.pcm"]);
        for name in names(directory.path()) {
            let metadata = fs::symlink_metadata(directory.path().join(name)).expect("there");
            assert!(metadata.file_type().is_fifo());
            assert_eq!(metadata.mode() & 0o7777, 0o660);
        }
        for fd in [pair.writable(), pair.readable()] {
            assert_eq!(rustix::pipe::fcntl_getpipe_size(fd), Ok(4096));
        }
        drop(pair);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn whatever_is_in_the_way_stays_untouched() {
        for suffix in [FROM_CALLER, TO_CALLER] {
            let directory = tempfile::tempdir().expect("a directory");
            let way = directory.path().join(format!("700-1.2{suffix}"));
            let precious = directory.path().join("precious");
            fs::write(&precious, "audio").expect("write");

            symlink(&precious, &way).expect("link");
            assert!(
                matches!(FifoPair::create(directory.path(), &id(), 4096), Err(FifoError::Occupied(path)) if path == way)
            );
            assert_eq!(fs::read_link(&way).expect("still a link"), precious);
            fs::remove_file(&way).expect("remove");

            fs::write(&way, "kept").expect("write");
            assert!(FifoPair::create(directory.path(), &id(), 4096).is_err());
            assert_eq!(fs::read_to_string(&way).expect("still a file"), "kept");
            assert_eq!(names(directory.path()).len(), 2, "no half-made pair stays");
            assert_eq!(fs::read_to_string(&precious).expect("still there"), "audio");
        }
    }

    #[test]
    fn a_second_leg_of_the_same_id_is_refused_and_the_first_lives() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = FifoPair::create(directory.path(), &id(), 4096).expect("pair");
        assert!(FifoPair::create(directory.path(), &id(), 4096).is_err());
        assert_eq!(names(directory.path()).len(), 2);
        drop(first);
    }

    #[test]
    fn a_file_put_in_a_fifos_place_outlives_the_leg() {
        let directory = tempfile::tempdir().expect("a directory");
        let pair = FifoPair::create(directory.path(), &id(), 4096).expect("pair");
        let place = directory.path().join("700-1.2_out.pcm");
        fs::remove_file(&place).expect("remove");
        fs::write(&place, "mine").expect("write");
        drop(pair);
        assert_eq!(fs::read_to_string(&place).expect("kept"), "mine");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = FifoPair::create(Path::new("/nonexistent"), &id(), 4096).err().expect("refused");
        assert!(error.to_string().contains("/nonexistent/.700-1.2_in.pcm.new"), "{error}");
    }

    #[test]
    fn the_sweep_takes_only_our_leftovers() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["700-1_in.pcm", "700-1_out.pcm", ".701-2_out.pcm.new", "other.fifo", "a b_in.pcm"] {
            rustix::fs::mknodat(CWD, directory.path().join(name), FileType::Fifo, Mode::RUSR, 0)
                .expect("fifo");
        }
        fs::write(directory.path().join("702-3_in.pcm"), "a recording").expect("write");
        assert_eq!(sweep(directory.path()).expect("swept"), 3);
        assert_eq!(names(directory.path()), ["702-3_in.pcm", "a b_in.pcm", "other.fifo"]);
    }
}
