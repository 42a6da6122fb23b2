//! Phones at the other end of the pipes: each sends a numbered frame every 20 ms and times its return.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use audio_path::FRAME_BYTES;
use hdrhistogram::Histogram;
use rt_sys::fifo::{self, Transfer};
use rt_sys::monotonic_nanos;
use rt_sys::poll::{Batch, Poll};
use rustix::fs::{Mode, OFlags, open};

const FRAME_NANOS: u64 = 20_000_000;
/// Marks a frame as one of ours; silence and concealment never carry it.
const MAGIC: u32 = 0x4452_4147;
/// As the channel driver sizes its pipes.
const PIPE_BYTES: usize = 8192;

/// How the daemon returns the audio.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    Direct,
    AtTick,
}

impl Echo {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "echo at once",
            Self::AtTick => "echo at the tick",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Direct => "791",
            Self::AtTick => "790",
        }
    }
}

/// What came back.
pub(crate) struct Trips {
    pub(crate) sent: u64,
    pub(crate) returned: u64,
    /// Frames that came back with other bytes or in another order than they were sent.
    pub(crate) damaged: u64,
    /// Microseconds from write to read.
    pub(crate) micros: Histogram<u32>,
}

/// Pairs of pipes, made and opened as the channel driver does.
pub(crate) struct Phones(Vec<Phone>);

struct Phone {
    paths: [PathBuf; 2],
    to_daemon: OwnedFd,
    from_daemon: OwnedFd,
}

impl Phones {
    /// Makes the pipes and waits until the daemon serves each of them.
    pub(crate) fn connect(directory: &Path, legs: u16, echo: Echo) -> Result<Self> {
        let phones = Self::make(directory, echo.extension(), legs)?;
        for phone in &phones.0 {
            phone.wait_for_echo()?;
        }
        std::thread::sleep(Duration::from_millis(200));
        phones.0.iter().for_each(Phone::discard);
        Ok(phones)
    }

    /// Makes the pipes of legs that dialled `extension`.
    pub(crate) fn make(directory: &Path, extension: &str, legs: u16) -> Result<Self> {
        let phones: Result<Vec<_>> = (0..legs).map(|leg| Phone::new(directory, extension, leg)).collect();
        Ok(Self(phones?))
    }

    /// All phones talk for `duration`.
    pub(crate) fn talk(&self, duration: Duration) -> Result<Trips> {
        let over = AtomicBool::new(false);
        let (sent, trips) = std::thread::scope(|scope| {
            let listener = scope.spawn(|| self.listen(&over));
            let sent = self.send(duration);
            // What is on its way comes back within a few ticks.
            std::thread::sleep(Duration::from_millis(100));
            over.store(true, Ordering::Relaxed);
            (sent, listener.join())
        });
        let mut trips = trips.map_err(|_| anyhow::anyhow!("the listening thread panicked"))??;
        trips.sent = sent?;
        Ok(trips)
    }

    fn send(&self, duration: Duration) -> Result<u64> {
        let legs = self.0.len() as u64;
        let start = monotonic_nanos() + FRAME_NANOS;
        let frames = duration.as_nanos() as u64 / FRAME_NANOS;
        for number in 0..frames {
            for (leg, phone) in self.0.iter().enumerate() {
                sleep_until(start + number * FRAME_NANOS + leg as u64 * FRAME_NANOS / legs);
                let bytes = numbered(number as u32, monotonic_nanos());
                if fifo::write(&phone.to_daemon, &bytes) != Transfer::Bytes(FRAME_BYTES) {
                    bail!("the daemon does not read fast enough: the pipe of leg {leg} is full");
                }
            }
        }
        Ok(frames * legs)
    }

    fn listen(&self, over: &AtomicBool) -> Result<Trips> {
        let poll = Poll::new()?;
        for (index, phone) in self.0.iter().enumerate() {
            poll.add_reader(&phone.from_daemon, index as u64)?;
        }
        let clock = rt_sys::Ticker::new(Duration::from_millis(20))?;
        poll.add_reader(&clock, u64::MAX)?;
        let mut listener = Listener { expected: vec![0; self.0.len()], clock, trips: Trips::new()? };
        let mut batch = Batch::default();
        while !over.load(Ordering::Relaxed) {
            poll.wait(&mut batch)?;
            for ready in batch.iter() {
                listener.take(&self.0, ready.token);
            }
        }
        Ok(listener.trips)
    }
}

struct Listener {
    expected: Vec<u32>,
    clock: rt_sys::Ticker,
    trips: Trips,
}

impl Listener {
    fn take(&mut self, phones: &[Phone], token: u64) {
        let Some(phone) = phones.get(token as usize) else {
            self.clock.take();
            return;
        };
        let mut bytes = [0; FRAME_BYTES];
        if fifo::read(&phone.from_daemon, &mut bytes) == Transfer::Bytes(FRAME_BYTES)
            && let Some((number, sent)) = read_numbered(&bytes)
        {
            self.trips.returned += 1;
            let expected = &mut self.expected[token as usize];
            if number != *expected || bytes != numbered(number, sent) {
                self.trips.damaged += 1;
            }
            *expected = number + 1;
            let micros = (monotonic_nanos().saturating_sub(sent) / 1000).clamp(1, 60_000_000);
            self.trips.micros.saturating_record(micros);
        }
    }
}

impl Trips {
    fn new() -> Result<Self> {
        Ok(Self { sent: 0, returned: 0, damaged: 0, micros: Histogram::new_with_bounds(1, 60_000_000, 3)? })
    }
}

impl Phone {
    fn new(directory: &Path, extension: &str, leg: u16) -> Result<Self> {
        let path = |end: &str| directory.join(format!("{extension}-{leg}_{end}.pcm"));
        let paths = [path("in"), path("out")];
        let to_daemon = make(&paths[0])?;
        let from_daemon = make(&paths[1])?;
        Ok(Self { paths, to_daemon, from_daemon })
    }

    fn wait_for_echo(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            fifo::write(&self.to_daemon, &[0; FRAME_BYTES]);
            std::thread::sleep(Duration::from_millis(20));
            if fifo::waiting(&self.from_daemon)? > 0 {
                return Ok(());
            }
        }
        bail!("the daemon did not serve {}", self.paths[0].display());
    }

    fn discard(&self) {
        let mut buffer = [0; PIPE_BYTES];
        while let Transfer::Bytes(_) = fifo::read(&self.from_daemon, &mut buffer) {}
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        for path in &self.paths {
            // The daemon's directory goes with the run in any case.
            let _gone = std::fs::remove_file(path);
        }
    }
}

fn make(path: &Path) -> Result<OwnedFd> {
    fifo::make(path, 0o660).with_context(|| path.display().to_string())?;
    // Both ways, so that neither end depends on when the daemon comes and goes.
    let fd = open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    fifo::set_size(&fd, PIPE_BYTES)?;
    Ok(fd)
}

fn numbered(number: u32, sent: u64) -> [u8; FRAME_BYTES] {
    let mut bytes = [0; FRAME_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (index as u32).wrapping_mul(number | 1) as u8;
    }
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..16].copy_from_slice(&sent.to_le_bytes());
    bytes
}

fn read_numbered(bytes: &[u8; FRAME_BYTES]) -> Option<(u32, u64)> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let (sent, _) = rest.split_first_chunk::<8>()?;
    (u32::from_le_bytes(*magic) == MAGIC).then(|| (u32::from_le_bytes(*number), u64::from_le_bytes(*sent)))
}

fn sleep_until(nanos: u64) {
    let now = monotonic_nanos();
    if nanos > now {
        std::thread::sleep(Duration::from_nanos(nanos - now));
    }
}
