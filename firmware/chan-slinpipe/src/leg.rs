//! A leg's audio between Asterisk and its two FIFOs. Nothing here allocates once the leg exists.

use std::{
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use rustix::io::Errno;

use crate::{
    fifo::FifoPair,
    id::LegId,
    reassembly::{FRAME_BYTES, Frame, Reassembly},
};

/// What a leg has carried and lost, in frames. Read by the command line while the call runs.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) from_caller: AtomicU64,
    pub(crate) to_caller: AtomicU64,
    /// Dropped: the daemon was behind and the pipe full.
    pub(crate) pipe_full: AtomicU64,
    /// Dropped: not SLIN16, or not whole samples.
    pub(crate) malformed: AtomicU64,
    /// Dropped: the system refused the write.
    pub(crate) failed: AtomicU64,
    pub(crate) digits: AtomicU64,
}

/// A leg as the command line shows it.
pub(crate) struct Entry {
    pub(crate) id: LegId,
    pub(crate) since: Instant,
    pub(crate) counts: Counts,
}

impl Counts {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.pipe_full.load(Relaxed) + self.malformed.load(Relaxed) + self.failed.load(Relaxed)
    }
}

/// The audio of one channel.
pub(crate) struct Leg {
    fifos: FifoPair,
    to_pipe: Reassembly,
    from_pipe: Reassembly,
    pub(crate) entry: Arc<Entry>,
}

impl Leg {
    pub(crate) fn new(id: LegId, fifos: FifoPair) -> Self {
        let entry = Arc::new(Entry { id, since: Instant::now(), counts: Counts::default() });
        Self { fifos, to_pipe: Reassembly::new(), from_pipe: Reassembly::new(), entry }
    }

    /// The descriptor that is readable when there is audio for the caller.
    pub(crate) fn readable_fd(&self) -> RawFd {
        self.fifos.readable().as_raw_fd()
    }

    /// Passes on the caller's audio, SLIN16 of any length, as whole frames. What does not fit into the pipe is dropped and
    /// counted: a daemon that is behind must not slow the call, nor end it.
    pub(crate) fn deliver(&mut self, mut audio: &[u8]) {
        let counts = &self.entry.counts;
        if !audio.len().is_multiple_of(2) {
            // An odd byte would shift every later sample by half a sample.
            return Counts::add(&counts.malformed);
        }
        while !audio.is_empty() {
            if let Some(frame) = self.to_pipe.take(&mut audio) {
                write_frame(self.fifos.writable(), frame, counts);
            }
        }
    }

    /// The next frame for the caller, once it is whole.
    pub(crate) fn fetch(&mut self) -> Result<Option<&mut Frame>, Errno> {
        let count = match rustix::io::read(self.fifos.readable(), self.from_pipe.space()) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(errno) => return Err(errno),
        };
        let frame = self.from_pipe.advance(count);
        if frame.is_some() {
            Counts::add(&self.entry.counts.to_caller);
        }
        Ok(frame)
    }
}

/// Writes a frame whole or not at all: 640 bytes are less than `PIPE_BUF`.
fn write_frame(pipe: BorrowedFd<'_>, frame: &Frame, counts: &Counts) {
    Counts::add(match rustix::io::write(pipe, frame) {
        Ok(FRAME_BYTES) => &counts.from_caller,
        Err(Errno::AGAIN) => &counts.pipe_full,
        Ok(_) | Err(_) => &counts.failed,
    });
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{File, OpenOptions},
        io::{ErrorKind, Read, Write},
        os::unix::fs::OpenOptionsExt,
        path::Path,
    };

    use super::*;

    /// A leg and the daemon's ends of its pipes.
    fn leg(directory: &Path) -> (Leg, File, File) {
        let id = LegId::parse(b"700-1").expect("a good id");
        let leg = Leg::new(id.clone(), FifoPair::create(directory, &id, 4096).expect("pair"));
        let mut nonblocking = OpenOptions::new();
        nonblocking.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
        let reader = nonblocking.clone().read(true).open(directory.join("700-1_in.pcm")).expect("reader");
        let writer = nonblocking.write(true).open(directory.join("700-1_out.pcm")).expect("writer");
        (leg, reader, writer)
    }

    fn frame(number: usize) -> Vec<u8> {
        (0..FRAME_BYTES).map(|i| (i * 7 + number) as u8).collect()
    }

    #[test]
    fn the_callers_audio_arrives_bit_exact() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, mut reader, _writer) = leg(directory.path());
        for number in 0..100 {
            leg.deliver(&frame(number));
            let mut got = [0; 2 * FRAME_BYTES];
            assert_eq!(reader.read(&mut got).expect("a frame"), FRAME_BYTES);
            assert_eq!(got[..FRAME_BYTES], frame(number));
        }
        assert_eq!(leg.entry.counts.from_caller.load(Relaxed), 100);
        assert_eq!(leg.entry.counts.dropped(), 0);
    }

    #[test]
    fn a_full_pipe_drops_and_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, mut reader, _writer) = leg(directory.path());
        for number in 0..20 {
            leg.deliver(&frame(number));
        }
        let counts = &leg.entry.counts;
        assert_eq!((counts.from_caller.load(Relaxed), counts.pipe_full.load(Relaxed)), (6, 14));
        let mut got = vec![0; 1 << 16];
        assert_eq!(reader.read(&mut got).expect("the oldest"), 6 * FRAME_BYTES);
        assert_eq!(got[..FRAME_BYTES], frame(0));
    }

    #[test]
    fn half_a_sample_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, mut reader, _writer) = leg(directory.path());
        leg.deliver(&frame(1)[..639]);
        leg.deliver(&frame(2));
        let mut got = [0; FRAME_BYTES];
        reader.read_exact(&mut got).expect("the good frame");
        assert_eq!(got[..], frame(2));
        assert_eq!(leg.entry.counts.malformed.load(Relaxed), 1);
    }

    #[test]
    fn a_chopping_writer_is_put_together() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, _reader, mut writer) = leg(directory.path());
        let sent: Vec<u8> = (0..50).flat_map(frame).collect();
        let mut got = Vec::new();
        for chunk in sent.chunks(233) {
            writer.write_all(chunk).expect("room");
            while let Some(frame) = leg.fetch().expect("readable") {
                got.extend_from_slice(frame);
            }
        }
        assert!(got == sent);
    }

    #[test]
    fn an_idle_pipe_and_one_without_writer_are_quiet() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, _reader, writer) = leg(directory.path());
        assert!(leg.fetch().expect("idle").is_none());
        drop(writer);
        assert!(leg.fetch().expect("no writer").is_none());
    }

    #[test]
    fn the_daemon_sees_the_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let (mut leg, mut reader, mut writer) = leg(directory.path());
        leg.deliver(&frame(1));
        drop(leg);
        let mut got = Vec::new();
        reader.read_to_end(&mut got).expect("what was left, then the end");
        assert_eq!(got, frame(1));
        assert_eq!(writer.write(&frame(1)).expect_err("no reader").kind(), ErrorKind::BrokenPipe);
    }
}
