//! How a leg's audio travels between the daemon and its phone.
//!
//! A [`Port`] is what the media thread reads and writes: without waiting, allocating or locking. It is opened
//! elsewhere, and when its other side is gone its descriptors are closed elsewhere, too.

pub mod alsa;
pub mod audiosocket;
pub mod pipe;
pub mod rtp;

use std::os::fd::{BorrowedFd, OwnedFd};

use audio_path::{DropReason, Frame};
use rt_sys::fifo::Transfer;

pub use alsa::AlsaPort;
pub use audiosocket::AudioSocketPort;
pub use pipe::PipePort;
pub use rtp::RtpPort;

/// The most that one read of a port takes.
pub const READ_BYTES: usize = pipe::READ_BYTES;
/// Datagrams that are read at once before others have their turn.
const MOST_DATAGRAMS: usize = 32;

/// One leg's port.
#[derive(Debug)]
pub enum Port {
    /// A pair of FIFOs.
    Pipe(Box<PipePort>),
    /// A connection of an AudioSocket sender.
    AudioSocket(Box<AudioSocketPort>),
    /// RTP over UDP.
    Rtp(Box<RtpPort>),
    /// A sound card of the box.
    Alsa(AlsaPort),
}

/// What came in through a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "handed on at once, and nothing may be allocated for it")]
pub enum Arrived {
    /// 20 ms of what the phone hears.
    Frame(Frame),
    /// A key of the phone.
    Key(char),
    /// Frames or packets that are not passed on.
    Dropped(DropReason, u64),
    /// A packet that was overtaken and is played in its place all the same.
    Reordered,
    /// The other side has hung up.
    Gone,
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
            Self::AudioSocket(_) | Self::Rtp(_) | Self::Alsa(_) => 0,
        }
    }

    /// What to wait on for [`Self::read`].
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Pipe(pipe) => pipe.reader(),
            Self::AudioSocket(connection) => connection.reader(),
            Self::Rtp(rtp) => rtp.reader(),
            Self::Alsa(_) => None,
        }
    }

    /// How often [`Self::read`] may be called for one wake-up.
    pub fn reads_at_once(&self) -> usize {
        match self {
            Self::Pipe(_) | Self::AudioSocket(_) | Self::Alsa(_) => 1,
            Self::Rtp(_) => MOST_DATAGRAMS,
        }
    }

    /// Reads bytes, for [`Self::next`].
    pub fn read(&mut self, buffer: &mut [u8; READ_BYTES]) -> Transfer {
        match self {
            Self::Pipe(pipe) => pipe.read(buffer),
            Self::AudioSocket(connection) => connection.read(buffer),
            Self::Rtp(rtp) => rtp.read(buffer),
            Self::Alsa(_) => Transfer::NotNow,
        }
    }

    /// What is next in bytes that were read, which are taken off their front; `None` when they are used up.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Arrived> {
        match self {
            Self::Pipe(pipe) => pipe.next_frame(bytes).map(Arrived::Frame),
            Self::AudioSocket(connection) => connection.next(bytes),
            Self::Rtp(rtp) => rtp.next(bytes),
            Self::Alsa(_) => None,
        }
    }

    /// 20 ms went by: [`Self::due`] may have something.
    pub fn tick(&mut self) {
        match self {
            Self::Pipe(_) | Self::AudioSocket(_) => {}
            Self::Rtp(rtp) => rtp.tick(),
            Self::Alsa(card) => card.tick(),
        }
    }

    /// What a tick brings, where audio is not passed on as it comes.
    pub fn due(&mut self) -> Option<Arrived> {
        match self {
            Self::Pipe(_) | Self::AudioSocket(_) => None,
            Self::Rtp(rtp) => rtp.due(),
            Self::Alsa(card) => card.due(),
        }
    }

    /// Writes one frame, whole or not at all.
    pub fn write(&mut self, frame: &Frame) -> Written {
        match self {
            Self::Pipe(pipe) => pipe.write(frame),
            Self::AudioSocket(connection) => connection.write(frame),
            Self::Rtp(rtp) => rtp.write(frame),
            Self::Alsa(card) => card.write(frame),
        }
    }

    /// Gives up what is read from, for someone else to close.
    pub fn take_reader(&mut self) -> Option<OwnedFd> {
        match self {
            Self::Pipe(pipe) => pipe.take_reader(),
            Self::AudioSocket(connection) => connection.take_reader(),
            Self::Rtp(rtp) => rtp.take_reader(),
            Self::Alsa(_) => None,
        }
    }

    /// Gives up what only is written to, for someone else to close.
    pub fn take_writer(&mut self) -> Option<OwnedFd> {
        match self {
            Self::Pipe(pipe) => pipe.take_writer(),
            Self::AudioSocket(_) | Self::Rtp(_) | Self::Alsa(_) => None,
        }
    }
}
