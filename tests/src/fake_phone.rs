//! A phone's end of a leg's pipes, made as the channel driver makes them, for tests that need no Asterisk.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use audio_path::FRAME_BYTES;
use rt_sys::fifo::{self, Transfer};
use rustix::fs::{Mode, OFlags, open};

/// A frame as it travels on a pipe.
pub type Bytes = [u8; FRAME_BYTES];

/// The pipes of one leg, and the ends of them that the phone holds. Dropping it unlinks them: the call ended.
#[derive(Debug)]
pub struct FakePhone {
    directory: PathBuf,
    id: String,
    /// Where the phone writes; dropped, the daemon reads end-of-file.
    pub to_daemon: Option<OwnedFd>,
    /// Where the phone reads; dropped, the daemon's writes fail.
    pub from_daemon: Option<OwnedFd>,
}

impl FakePhone {
    /// Makes the pipes without opening them.
    ///
    /// # Panics
    /// Where the pipes cannot be made.
    pub fn make(directory: &Path, id: &str) -> Self {
        for end in ["in", "out"] {
            fifo::make(&directory.join(format!("{id}_{end}.pcm")), 0o660).expect("a pipe can be made");
        }
        Self { directory: directory.to_owned(), id: id.to_owned(), to_daemon: None, from_daemon: None }
    }

    /// Makes the pipes and holds both ends of each, as the driver does.
    ///
    /// # Panics
    /// Where the pipes cannot be made or opened.
    pub fn connect(directory: &Path, id: &str) -> Self {
        let mut phone = Self::make(directory, id);
        phone.to_daemon = Some(phone.open("in", OFlags::RDWR));
        phone.from_daemon = Some(phone.open("out", OFlags::RDWR));
        phone
    }

    /// Opens one end of `in` or `out`, without waiting.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn open(&self, end: &str, access: OFlags) -> OwnedFd {
        let path = self.directory.join(format!("{}_{end}.pcm", self.id));
        open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).expect("the pipe opens")
    }

    /// Writes bytes to the daemon; `false` where the pipe has no room.
    pub fn send(&self, bytes: &[u8]) -> bool {
        let writer = self.to_daemon.as_ref().expect("the phone holds its writing end");
        fifo::write(writer, bytes) == Transfer::Bytes(bytes.len())
    }

    /// One frame from the daemon, where one is there.
    pub fn receive(&self) -> Option<Bytes> {
        let mut frame = [0; FRAME_BYTES];
        let reader = self.from_daemon.as_ref().expect("the phone holds its reading end");
        (fifo::read(reader, &mut frame) == Transfer::Bytes(FRAME_BYTES)).then_some(frame)
    }

    /// Waits for a frame from the daemon.
    pub fn receive_within(&self, limit: Duration) -> Option<Bytes> {
        let until = Instant::now() + limit;
        loop {
            let frame = self.receive();
            if frame.is_some() || Instant::now() > until {
                return frame;
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    /// Whether what the phone says comes back, on an echo leg, before `limit` is over.
    pub fn hears_itself_within(&self, limit: Duration) -> bool {
        let start = Instant::now();
        let mut number = 0;
        while start.elapsed() < limit {
            self.send(&numbered(number));
            number += 1;
            thread::sleep(Duration::from_millis(20));
            if std::iter::from_fn(|| self.receive()).any(|frame| number_of(&frame).is_some()) {
                return true;
            }
        }
        false
    }

    /// How many frames arrive in `duration`.
    pub fn count_for(&self, duration: Duration) -> usize {
        let until = Instant::now() + duration;
        let mut frames = 0;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            frames += usize::from(self.receive_within(left).is_some());
        }
        frames
    }
}

impl Drop for FakePhone {
    fn drop(&mut self) {
        self.from_daemon = None;
        self.to_daemon = None;
        for end in ["in", "out"] {
            // A test may have removed it already.
            fs::remove_file(self.directory.join(format!("{}_{end}.pcm", self.id))).unwrap_or_default();
        }
    }
}

/// A frame that can be told from any other and from silence.
pub fn numbered(number: u32) -> Bytes {
    let mut bytes = [0x55; FRAME_BYTES];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// The number of a frame made by [`numbered`].
pub fn number_of(bytes: &Bytes) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    rest.iter().all(|byte| *byte == 0x55).then(|| u32::from_le_bytes(*number))
}
