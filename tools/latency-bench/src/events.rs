//! The daemon's events, kept as they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use lab::daemon::Listener;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;

/// What follows a hangup is still wanted.
const LINGER: Duration = Duration::from_millis(500);

/// A thread that reads the control socket.
pub(crate) struct Events {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Result<Vec<Value>>>,
}

impl Events {
    pub(crate) fn listen(listener: Listener) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        Self { stop, reader: thread::spawn(move || read(listener, &told)) }
    }

    /// All until now.
    pub(crate) fn finish(self) -> Result<Vec<Value>> {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().map_err(|_| anyhow!("the thread that reads events has died"))?
    }
}

fn read(mut listener: Listener, stop: &AtomicBool) -> Result<Vec<Value>> {
    let mut events = Vec::new();
    loop {
        match listener.next_within(LINGER)? {
            Some(event) => events.push(event),
            None if stop.load(Ordering::Relaxed) => return Ok(events),
            None => {}
        }
    }
}

/// Those of one type.
pub(crate) fn of_type<'a>(events: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["type"] == kind)
}

/// When the daemon saw it, on its clock: that of this machine since it was started.
pub(crate) fn at(event: &Value) -> Result<Duration> {
    event["at_ms"].as_u64().map(Duration::from_millis).context("an event without a time")
}

/// The same clock at an instant of this program.
pub(crate) fn on_clock(instant: Instant) -> Result<Duration> {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.try_into()?, now.tv_nsec.try_into()?);
    now.checked_sub(instant.elapsed()).context("an instant before the machine was started")
}
