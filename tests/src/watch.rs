//! The daemon's events as they come.

use std::time::{Duration, Instant};

use lab::appliance::Appliance;
use lab::daemon::{Daemon, Listener};
use serde_json::Value;

/// A reader of the control socket.
pub struct Watch {
    listener: Listener,
    /// What was told so far.
    pub seen: Vec<Value>,
}

impl Watch {
    /// Of a box.
    ///
    /// # Panics
    /// Where its daemon does not answer.
    pub fn new(appliance: &Appliance) -> Self {
        Self::of(&appliance.daemon)
    }

    /// Of a daemon.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn of(daemon: &Daemon) -> Self {
        Self { listener: daemon.listen().expect("the daemon answers"), seen: Vec::new() }
    }

    /// The next event of `kind` that `wanted` takes.
    ///
    /// # Panics
    /// Where none comes in time.
    pub fn wait_for(&mut self, kind: &str, limit: Duration, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let until = Instant::now() + limit;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Some(event) = self.listener.next_within(left).expect("the daemon answers") {
                self.seen.push(event.clone());
                if event["type"] == kind && wanted(&event) {
                    return event;
                }
            }
        }
        panic!("no {kind} within {limit:?}; there was: {:#?}", self.seen);
    }

    /// Takes what was told already.
    ///
    /// # Panics
    /// Where the daemon is gone.
    pub fn catch_up(&mut self) {
        const UNDER_WAY: Duration = Duration::from_millis(100);
        while let Some(event) = self.listener.next_within(UNDER_WAY).expect("the daemon answers") {
            self.seen.push(event);
        }
    }

    /// What of `kind` was told after the first `from`.
    pub fn seen_since(&self, from: usize, kind: &str) -> Vec<&Value> {
        self.seen[from..].iter().filter(|event| event["type"] == kind).collect()
    }
}
