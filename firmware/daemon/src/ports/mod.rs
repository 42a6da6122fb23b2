//! How a leg's audio travels between the daemon and its phone.
//!
//! A [`Port`] is what the media thread reads and writes: without waiting, allocating or locking. It is opened
//! elsewhere, and when its other side is gone its descriptors are closed elsewhere, too.

pub mod pipe;

use std::os::fd::{BorrowedFd, OwnedFd};

use audio_path::Frame;
use rt_sys::fifo::Transfer;

pub use pipe::PipePort;

/// The most that one read of a port takes.
pub const READ_BYTES: usize = pipe::READ_BYTES;

/// One leg's port.
#[derive(Debug)]
pub enum Port {
    /// A pair of FIFOs.
    Pipe(PipePort),
}

/// What came in through a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// 20 ms of what the phone hears.
    Frame(Frame),
}

/// What became of a frame that was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is on its way.
    Whole,
    /// The other side does not read fast enough: there was no room for it.
    Full,
    /// Nobody reads: the way was lost with this frame.
    Lost,
    /// Nobody reads, as before.
    Down,
}

impl Port {
    /// Whole frames that had waited before the port was opened, and were discarded.
    pub fn stale_frames(&self) -> u64 {
        match self {
            Self::Pipe(pipe) => pipe.stale_frames(),
        }
    }

    /// What to wait on for [`Self::read`].
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pipe(pipe) => pipe.reader(),
        }
    }

    /// Reads bytes, for [`Self::next`].
    pub fn read(&mut self, buffer: &mut [u8; READ_BYTES]) -> Transfer {
        match self {
            Self::Pipe(pipe) => pipe.read(buffer),
        }
    }

    /// What is next in bytes that were read, which are taken off their front; `None` when they are used up.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Arrived> {
        match self {
            Self::Pipe(pipe) => pipe.next_frame(bytes).map(Arrived::Frame),
        }
    }

    /// Writes one frame, whole or not at all.
    pub fn write(&mut self, frame: &Frame) -> Written {
        match self {
            Self::Pipe(pipe) => pipe.write(frame),
        }
    }

    /// Gives up what is read from, for someone else to close.
    pub fn take_reader(&mut self) -> Option<OwnedFd> {
        match self {
            Self::Pipe(pipe) => pipe.take_reader(),
        }
    }

    /// Gives up what is written to, for someone else to close.
    pub fn take_writer(&mut self) -> Option<OwnedFd> {
        match self {
            Self::Pipe(pipe) => pipe.take_writer(),
        }
    }
}
