//! What goes wrong, and when.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::Message;

/// What happens to one connection (of a WebSocket) or one request (of HTTP) instead of the usual.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// It is refused with this HTTP status.
    Refuse {
        /// 401, 403, 429, 456, 500, 503, …
        status: u16,
        /// Seconds, as the header says them.
        retry_after: Option<u32>,
    },
    /// The WebSocket is closed once so much audio has arrived or, of speech, was sent.
    Close {
        /// The close code, such as 1011.
        code: u16,
        /// What the vendor says with it.
        reason: String,
        /// Audio until then.
        after: Duration,
    },
    /// Everything is taken, nothing is answered.
    Silence,
    /// The answer comes so much later than it would.
    Late(Duration),
    /// These come before the first answer, a message each, or all in its place where there is one answer: garbage,
    /// wrong types, half of an object.
    Garbage(Vec<Vec<u8>>),
    /// The first answer has no end: as many bytes as the client takes, up to this.
    Flood {
        /// Bytes.
        most: u64,
    },
    /// The body of the answer is compressed, and huge once it is not.
    GzipBomb,
    /// Every final text comes twice.
    RepeatFinals,
    /// Neighbouring final texts change places.
    SwapFinals,
    /// Requests to finalise are not answered, as a vendor may do where little audio is buffered.
    Unanswered,
}

/// What is no text cannot be sent as one.
pub(crate) fn message_of(garbage: &[u8]) -> Message {
    match std::str::from_utf8(garbage) {
        Ok(text) => Message::text(text),
        Err(_) => Message::binary(garbage.to_vec()),
    }
}

/// The faults of one emulator, in the order in which connections or requests meet them. Those after the last are served.
#[derive(Debug, Default)]
pub struct Script {
    faults: Mutex<VecDeque<Option<Fault>>>,
}

impl Script {
    /// The next connection or request that nothing was scripted for yet meets `fault`.
    pub fn push(&self, fault: Fault) {
        self.lock().push_back(Some(fault));
    }

    /// The next one is served.
    pub fn push_served(&self) {
        self.lock().push_back(None);
    }

    /// Forgets what has not happened yet.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// What happens to the connection or request that begins now.
    pub fn next(&self) -> Option<Fault> {
        self.lock().pop_front().flatten()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Option<Fault>>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
