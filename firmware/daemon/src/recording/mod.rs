//! Recording of calls, where the configuration wants it: off the calls' way, encrypted before it reaches the disk.
//!
//! Each room has a task that listens in on it ([`follow`]) and makes records; one thread writes them all ([`writer`])
//! into files of age's format, a file a recording ([`format`] tells what is in it), in a directory of bounded size
//! ([`shelf`]). [`Reader`] reads them again.

mod follow;
mod format;
mod keys;
mod read;
mod shelf;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::config::{self, Phone};
use crate::hub::now;
use crate::tap::{RoomName, Taps};
use follow::Follower;
use writer::{Job, Writer};

pub use format::{Record, Title, What};
pub use keys::identities;
pub use read::Reader;
pub use shelf::{Kept, State, list};

/// Records that may wait for the disk: 80 s of two legs, 6 MB.
const MOST_JOBS: usize = 8_192;
/// What may wait on its way from a room: as much as 10 s of two legs.
const MOST_TAPS: usize = 1_024;

/// What is counted of recordings.
#[derive(Default)]
struct Counts {
    running: AtomicU64,
    kept: AtomicU64,
    bytes: AtomicU64,
    /// Frames that no recording has.
    lost: AtomicU64,
    faults: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl Counts {
    fn lose(&self, frames: u64) {
        self.lost.fetch_add(frames, Ordering::Relaxed);
    }

    fn failed(&self, reason: String) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    /// A recording was finished.
    fn mended(&self) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The recorder.
#[derive(Default)]
pub struct Recorder {
    on: Option<On>,
    counts: Arc<Counts>,
    /// Whether it should be there.
    is_wanted: bool,
}

struct On {
    jobs: SyncSender<Job>,
    recordings: AtomicU64,
    most_bytes: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts it where it is wanted. Where it cannot be, calls are served and not recorded, and that is a fault.
    pub fn start(config: Option<&config::Recording>) -> Self {
        let Some(config) = config else { return Self::default() };
        let counts = Arc::<Counts>::default();
        let on = On::start(config, &counts).inspect_err(|reason| {
            log::error!("no call is recorded: {reason}");
            counts.failed(reason.clone());
        });
        Self { on: on.ok(), counts, is_wanted: true }
    }

    /// Whether calls are recorded.
    pub fn is_on(&self) -> bool {
        self.on.is_some()
    }

    /// Records a room that is about to be opened.
    pub(crate) fn record(&self, taps: &Taps, room: &RoomName, phones: &[Phone]) {
        let Some(on) = &self.on else { return };
        let follower = Follower {
            recording: on.recordings.fetch_add(1, Ordering::Relaxed),
            room: room.clone(),
            phones: phones.to_vec(),
            jobs: on.jobs.clone(),
            counts: Arc::clone(&self.counts),
        };
        tokio::spawn(follower.follow(taps.subscribe(Some(&room.key), MOST_TAPS, now())));
    }

    /// What is to be mended.
    pub fn fault(&self) -> Option<String> {
        self.counts.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Frames that no recording has though they should be in one.
    pub fn lost(&self) -> u64 {
        self.counts.lost.load(Ordering::Relaxed)
    }

    /// How often recording failed.
    pub fn faults(&self) -> u64 {
        self.counts.faults.load(Ordering::Relaxed)
    }

    /// For the status; `null` where nothing is to be recorded.
    pub fn report(&self) -> Value {
        if !self.is_wanted {
            return Value::Null;
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        json!({
            "on": self.is_on(), "running": read(&counts.running), "kept": read(&counts.kept),
            "bytes": read(&counts.bytes), "most_bytes": self.on.as_ref().map(|on| on.most_bytes),
            "lost_frames": self.lost(), "faults": self.faults(), "fault": self.fault(),
        })
    }

    /// Finishes what is recorded, as far as it got. Waits for the disk.
    pub fn stop(&self) {
        let Some(on) = &self.on else { return };
        let thread = on.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if on.jobs.send(Job::Stop).is_ok()
            && let Some(Err(_)) = thread.map(JoinHandle::join)
        {
            log::error!("the recorder's thread failed");
        }
    }
}

impl On {
    fn start(config: &config::Recording, counts: &Arc<Counts>) -> Result<Self, String> {
        let recipients = keys::recipients(&config.readers)?;
        let shelf = shelf::Shelf::open(&config.directory, config.most_bytes)
            .map_err(|error| format!("recording.directory {}: {error}", config.directory.display()))?;
        let (jobs, waiting) = sync_channel(MOST_JOBS);
        let counts = Arc::clone(counts);
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || Writer::new(shelf, recipients, counts).run(&waiting))
            .map_err(|error| format!("no thread: {error}"))?;
        let recordings = AtomicU64::new(1);
        Ok(Self { jobs, recordings, most_bytes: config.most_bytes, thread: Mutex::new(Some(thread)) })
    }
}
