//! The daemon's events, counted as they come: of each translation a number is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use lab::daemon::Listener;
use serde_json::Value;

const LINGER: Duration = Duration::from_millis(200);

/// What was told so far.
#[derive(Clone, Default)]
pub(crate) struct Told {
    /// From the end of a clause to its first translated sample, milliseconds.
    pub(crate) latencies_ms: Vec<u32>,
    /// Legs of which a translation was heard.
    pub(crate) translated: BTreeSet<u64>,
    /// Events by type.
    pub(crate) kinds: BTreeMap<String, u64>,
    /// What went wrong, the first few.
    pub(crate) errors: Vec<String>,
}

const MOST_ERRORS: usize = 10;

impl Told {
    fn take(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        *self.kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "latency" => {
                self.latencies_ms.extend(event["total_ms"].as_f64().map(|ms| ms as u32));
                self.translated.extend(event["leg"].as_u64());
            }
            "error" if self.errors.len() < MOST_ERRORS => self.errors.push(event["message"].to_string()),
            _ => {}
        }
    }
}

/// A thread that reads the control socket.
pub(crate) struct Ears {
    told: Arc<Mutex<(Told, bool)>>,
    reader: JoinHandle<Result<()>>,
}

impl Ears {
    pub(crate) fn listen(listener: Listener) -> Self {
        let told = Arc::<Mutex<(Told, bool)>>::default();
        let shared = Arc::clone(&told);
        Self { told, reader: thread::spawn(move || read(listener, &shared)) }
    }

    /// What was told until now.
    pub(crate) fn so_far(&self) -> Told {
        lock(&self.told).0.clone()
    }

    /// All of it.
    pub(crate) fn finish(self) -> Result<Told> {
        lock(&self.told).1 = true;
        self.reader.join().map_err(|_| anyhow!("the thread that reads events has died"))??;
        Ok(lock(&self.told).0.clone())
    }
}

fn read(mut listener: Listener, told: &Mutex<(Told, bool)>) -> Result<()> {
    loop {
        match listener.next_within(LINGER)? {
            Some(event) => lock(told).0.take(&event),
            None if lock(told).1 => return Ok(()),
            None => {}
        }
    }
}

fn lock(told: &Mutex<(Told, bool)>) -> MutexGuard<'_, (Told, bool)> {
    // Counts are changed in single steps.
    told.lock().unwrap_or_else(PoisonError::into_inner)
}
