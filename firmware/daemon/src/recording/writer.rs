//! The one thread that writes recordings. It may be as slow as the disk: what does not fit into its queue is lost to
//! the recording, and counted; no call knows of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use age::Encryptor;
use age::stream::StreamWriter;
use age::x25519::Recipient;

use super::Counts;
use super::format::{FILLER, Title, filler};
use super::shelf::Shelf;

/// Age encrypts so many bytes at once; what is in none of these when the process dies is lost.
const CHUNK: u64 = 64 << 10;
/// The longest that something may be lost so.
const AT_RISK: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is to be done with a recording, by a number of the daemon's own.
pub(super) enum Job {
    Begin {
        recording: u64,
        title: Title,
    },
    /// `frames` tells how much audio the record is, for what is lost.
    Record {
        recording: u64,
        record: Vec<u8>,
        frames: u64,
    },
    End {
        recording: u64,
    },
    /// All are to be finished.
    Stop,
}

/// What the thread works with.
pub(super) struct Writer {
    shelf: Rc<RefCell<Shelf>>,
    recipients: Vec<Recipient>,
    open: HashMap<u64, Recording>,
    counts: Arc<Counts>,
}

/// A recording that is written.
struct Recording {
    stream: StreamWriter<Disk>,
    number: u32,
    /// Bytes that were encrypted or are to be.
    written: u64,
    /// When the last chunk was complete, and whether anything came since.
    chunk_at: Instant,
    has_news: bool,
}

/// A recording's file, whose size counts.
struct Disk {
    file: File,
    number: u32,
    shelf: Rc<RefCell<Shelf>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.shelf.borrow_mut().make_room(bytes.len() as u64)?;
        let written = self.file.write(bytes)?;
        self.shelf.borrow_mut().grew(self.number, written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Recording {
    fn begin(shelf: &Rc<RefCell<Shelf>>, to: &[Recipient], title: &Title, now: Instant) -> io::Result<Self> {
        let (number, file) = shelf.borrow_mut().begin(title)?;
        let disk = Disk { file, number, shelf: Rc::clone(shelf) };
        let recipients = to.iter().map(|recipient| recipient as &dyn age::Recipient);
        let sealed = Encryptor::with_recipients(recipients).map_err(io::Error::other);
        let begun = sealed.and_then(|sealed| sealed.wrap_output(disk)).and_then(|stream| {
            let mut begun = Self { stream, number, written: 0, chunk_at: now, has_news: false };
            begun.write(&title.to_line(), now).map(|()| begun)
        });
        begun.inspect_err(|_| shelf.borrow_mut().give_up(number))
    }

    fn write(&mut self, bytes: &[u8], now: Instant) -> io::Result<()> {
        // A chunk goes to the disk with the first byte after it.
        let chunks = |written: u64| written.saturating_sub(1) / CHUNK;
        let before = chunks(self.written);
        self.stream.write_all(bytes)?;
        self.written += bytes.len() as u64;
        self.has_news = true;
        if chunks(self.written) > before {
            self.chunk_at = now;
        }
        Ok(())
    }

    /// Fills a chunk up whose beginning has waited for long.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        if !self.has_news || now.duration_since(self.chunk_at) < AT_RISK {
            return Ok(());
        }
        let least = self.written + FILLER as u64;
        let size = least.div_ceil(CHUNK) * CHUNK + 1 - self.written;
        self.write(&filler(size as usize), now)?;
        self.has_news = false;
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        let disk = self.stream.finish()?;
        disk.file.sync_data()?;
        disk.shelf.borrow_mut().finish(disk.number)
    }
}

impl Writer {
    pub(super) fn new(shelf: Shelf, recipients: Vec<Recipient>, counts: Arc<Counts>) -> Self {
        let writer = Self { shelf: Rc::new(RefCell::new(shelf)), recipients, open: HashMap::new(), counts };
        writer.show();
        writer
    }

    /// Works until it is told to stop, or nobody is left who could.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        let mut looked = Instant::now();
        loop {
            let now = match jobs.recv_timeout(LOOK_EVERY) {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => Instant::now(),
                Ok(job) => {
                    let now = Instant::now();
                    self.take(job, now);
                    now
                }
            };
            if now.duration_since(looked) >= LOOK_EVERY {
                looked = now;
                self.look(now);
            }
        }
        let running: Vec<u64> = self.open.keys().copied().collect();
        for recording in running {
            self.finish(recording);
        }
    }

    fn take(&mut self, job: Job, now: Instant) {
        match job {
            Job::Begin { recording, title } => {
                match Recording::begin(&self.shelf, &self.recipients, &title, now) {
                    Ok(begun) => drop(self.open.insert(recording, begun)),
                    Err(error) => self.failed(&error),
                }
                self.show();
            }
            Job::Record { recording, record, frames } => match self.open.get_mut(&recording) {
                None => self.counts.lose(frames),
                Some(open) => {
                    if let Err(error) = open.write(&record, now) {
                        self.counts.lose(frames);
                        self.give_up(recording, &error);
                    }
                }
            },
            Job::End { recording } => self.finish(recording),
            Job::Stop => {}
        }
    }

    fn look(&mut self, now: Instant) {
        let look = |(recording, open): (&u64, &mut Recording)| Some((*recording, open.look(now).err()?));
        let failed: Vec<_> = self.open.iter_mut().filter_map(look).collect();
        for (recording, error) in failed {
            self.give_up(recording, &error);
        }
        self.show();
    }

    fn finish(&mut self, recording: u64) {
        let Some(open) = self.open.remove(&recording) else { return };
        let number = open.number;
        match open.finish() {
            Ok(()) => self.counts.mended(),
            Err(error) => {
                self.shelf.borrow_mut().give_up(number);
                self.failed(&error);
            }
        }
        self.show();
    }

    /// A recording ends here; what it has so far stays.
    fn give_up(&mut self, recording: u64, error: &io::Error) {
        if let Some(open) = self.open.remove(&recording) {
            self.shelf.borrow_mut().give_up(open.number);
        }
        self.failed(error);
        self.show();
    }

    fn failed(&self, error: &io::Error) {
        log::error!("a call is not recorded any further, it goes on: {error}");
        self.counts.failed(error.to_string());
    }

    /// Tells how many there are.
    fn show(&self) {
        let kept = self.shelf.borrow();
        self.counts.kept.store(kept.count() as u64, Ordering::Relaxed);
        self.counts.bytes.store(kept.bytes(), Ordering::Relaxed);
        self.counts.running.store(self.open.len() as u64, Ordering::Relaxed);
    }
}
