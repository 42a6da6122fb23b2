//! The pipe port: a pair of FIFOs that the channel driver makes, `<id>_in.pcm` from the caller and
//! `<id>_out.pcm` to the caller.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use audio_path::{FRAME_BYTES, Frame, Reframer};
use rt_sys::fifo::{self, Transfer};

use super::Written;

/// What each pipe is sized to hold: two pages, so that at least six frames fit whatever part of a page is used up.
const PIPE_BYTES: usize = 8192;
/// After a full pipe, writing goes on when this much or less waits: the reader then lags by 40 ms at most.
const RESUME_BELOW_BYTES: usize = 2 * FRAME_BYTES;
/// The most one read takes: all that a leg can owe within its burst limit.
pub const READ_BYTES: usize = PIPE_BYTES;

/// The path of the pipe that carries audio from the caller.
pub fn in_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}_in.pcm"))
}

/// The path of the pipe that carries audio to the caller.
pub fn out_path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}_out.pcm"))
}

/// Why a pair of pipes could not be opened.
#[derive(Debug)]
pub enum PipeError {
    /// Nobody reads the pipe to the caller yet: try again soon.
    ReaderMissing(PathBuf),
    /// What stands at the path is not a pipe (a file, a link, a directory); it was left untouched.
    NotAPipe(PathBuf),
    /// The pipe is not there, or may not be opened.
    Open(PathBuf, io::Error),
}

impl fmt::Display for PipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReaderMissing(path) => write!(f, "{}: nobody reads it yet", path.display()),
            Self::NotAPipe(path) => {
                write!(f, "{}: not a named pipe; remove it, the channel driver makes its own", path.display())
            }
            Self::Open(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for PipeError {}

/// One leg's pair of pipes. Either side may go away on its own; the descriptor then leaves the port.
#[derive(Debug)]
pub struct PipePort {
    reader: Option<OwnedFd>,
    writer: Option<OwnedFd>,
    reframer: Reframer,
    stale_bytes: usize,
    stalled: bool,
}

impl PipePort {
    /// Opens the pair `id` in `directory`, sizes the pipes and discards what waited in the caller's.
    ///
    /// # Errors
    /// [`PipeError`]; with `ReaderMissing` the call is to be repeated.
    pub fn open(directory: &Path, id: &str) -> Result<Self, PipeError> {
        let (in_path, out_path) = (in_path(directory, id), out_path(directory, id));
        let reader = fifo::open_reader(&in_path).map_err(|error| describe(in_path, error))?;
        let writer = fifo::open_writer(&out_path).map_err(|error| describe(out_path, error))?;
        for pipe in [&reader, &writer] {
            // EBUSY (more than that waits in it) and EPERM leave the pipe as its maker sized it: it works,
            // with more delay after a stall.
            let _larger_than_asked = fifo::set_size(pipe, PIPE_BYTES);
        }
        let stale_bytes = discard_waiting(&reader);
        Ok(Self {
            reader: Some(reader),
            writer: Some(writer),
            reframer: Reframer::default(),
            stale_bytes,
            stalled: false,
        })
    }

    /// Whole frames that had waited in the pipe before it was opened, and were discarded.
    pub fn stale_frames(&self) -> u64 {
        self.stale_bytes.div_ceil(FRAME_BYTES) as u64
    }

    /// The reading end, to wait on.
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(AsFd::as_fd)
    }

    /// Reads what arrived.
    pub fn read(&self, buffer: &mut [u8]) -> Transfer {
        self.reader.as_ref().map_or(Transfer::Gone, |reader| fifo::read(reader, buffer))
    }

    /// The next whole frame of bytes that were read.
    pub fn next_frame(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        self.reframer.next_frame(bytes)
    }

    /// Gives up the reading end, for someone else to close.
    pub fn take_reader(&mut self) -> Option<OwnedFd> {
        self.reader.take()
    }

    /// Gives up the writing end, for someone else to close.
    pub fn take_writer(&mut self) -> Option<OwnedFd> {
        self.writer.take()
    }

    /// Writes one frame, whole or not at all.
    pub fn write(&mut self, frame: &Frame) -> Written {
        let Some(writer) = &self.writer else { return Written::Down };
        if self.stalled {
            if fifo::waiting(writer).is_ok_and(|bytes| bytes > RESUME_BELOW_BYTES) {
                return Written::Full;
            }
            self.stalled = false;
        }
        match fifo::write(writer, &frame.to_wire()) {
            Transfer::Bytes(_) => Written::Whole,
            Transfer::NotNow => {
                self.stalled = true;
                Written::Full
            }
            Transfer::Gone => Written::Lost,
        }
    }
}

fn describe(path: PathBuf, error: io::Error) -> PipeError {
    let code = error.raw_os_error();
    if code == Some(rt_sys::fifo::NO_READER) {
        PipeError::ReaderMissing(path)
    } else if error.kind() == io::ErrorKind::InvalidInput
        || error.kind() == io::ErrorKind::IsADirectory
        || code == Some(rt_sys::fifo::IS_A_LINK)
    {
        PipeError::NotAPipe(path)
    } else {
        PipeError::Open(path, error)
    }
}

fn discard_waiting(reader: &OwnedFd) -> usize {
    let mut buffer = [0; READ_BYTES];
    let mut total = 0;
    // Bounded: a pipe that is filled as fast as it is emptied must not hold up the leg.
    for _ in 0..256 {
        match fifo::read(reader, &mut buffer) {
            Transfer::Bytes(bytes) => total += bytes,
            Transfer::NotNow | Transfer::Gone => break,
        }
    }
    total
}
