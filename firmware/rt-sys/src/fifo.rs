//! Named pipes: opened without waiting, never through a symlink, never anything but a pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// Opens the reading end. Succeeds whether or not a writer is there.
///
/// # Errors
/// `NotFound`; `ELOOP` for a symlink; `InvalidInput` for anything that is not a named pipe, which stays untouched.
pub fn open_reader(path: &Path) -> io::Result<OwnedFd> {
    open_fifo(path, OFlags::RDONLY)
}

/// Opens the writing end.
///
/// # Errors
/// As [`open_reader`], and `ENXIO` while nobody has the pipe open for reading.
pub fn open_writer(path: &Path) -> io::Result<OwnedFd> {
    open_fifo(path, OFlags::WRONLY)
}

fn open_fifo(path: &Path, access: OFlags) -> io::Result<OwnedFd> {
    // Without O_TRUNC and O_CREAT an open for writing changes nothing, so the check may come after it.
    let flags = access | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Fifo {
        Ok(fd)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a named pipe"))
    }
}

/// Sets how many bytes the pipe holds; the kernel rounds up to whole pages. Returns what it chose.
///
/// # Errors
/// `EBUSY` where more than that is waiting in it, `EPERM` above the user's limit.
pub fn set_size(fd: impl AsFd, bytes: usize) -> io::Result<usize> {
    Ok(rustix::pipe::fcntl_setpipe_size(fd, bytes)?)
}

/// What a read or a write on a pipe came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// So many bytes went through.
    Bytes(usize),
    /// Nothing to read, or no room to write, now.
    NotNow,
    /// Nobody is on the other side.
    Gone,
}

/// Reads what is there, up to `buffer`. Never blocks on a pipe opened here.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Transfer {
    match rustix::io::read(fd, buffer) {
        Ok(0) => Transfer::Gone,
        Ok(bytes) => Transfer::Bytes(bytes),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Transfer::NotNow,
        Err(_) => Transfer::Gone,
    }
}

/// Writes `bytes`, whole or not at all as long as they are at most `PIPE_BUF` (4096).
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Transfer {
    match rustix::io::write(fd, bytes) {
        Ok(written) => Transfer::Bytes(written),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Transfer::NotNow,
        Err(_) => Transfer::Gone,
    }
}

/// Bytes that wait in the pipe, unread. Works on both ends.
///
/// # Errors
/// Those of `ioctl(FIONREAD)`.
pub fn waiting(fd: impl AsFd) -> io::Result<usize> {
    Ok(rustix::io::ioctl_fionread(fd)? as usize)
}

/// Makes a named pipe with `mode`, whatever the umask says.
///
/// # Errors
/// `AlreadyExists`, and those of `mkfifo(3)` and `chmod(2)`.
pub fn make(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(mode), 0)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// The error of opening a pipe for writing while nobody has it open for reading (`ENXIO`).
pub const NO_READER: i32 = libc::ENXIO;
/// The error of opening a symlink without following it (`ELOOP`).
pub const IS_A_LINK: i32 = libc::ELOOP;
