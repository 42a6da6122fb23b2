//! A leg's line to its phone: how its port is opened, and what happens when the other side goes away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use audio_path::LegId;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::refuse;
use crate::asterisk::LegEvent;
use crate::hub::{Hub, Inbox};
use crate::ports::pipe::{PipeError, PipePort};
use crate::ports::{AlsaPort, Port};
use crate::watcher::inspect;

/// Between attempts to open a port whose other side is not there.
const REOPEN_EVERY: Duration = Duration::from_millis(100);
/// Between attempts to open a sound card that stays away.
const REOPEN_CARD_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// The driver holds both ends of its pipes: where nobody reads one for so long, Asterisk is dead and the call with it.
const DEAD_AFTER: Duration = Duration::from_millis(1_500);

/// The line of one leg.
#[derive(Debug)]
pub struct Line {
    /// The leg's id.
    pub id: String,
    way: Way,
    /// The call ended without the removal of its pipes.
    lost: AtomicBool,
}

#[derive(Debug)]
enum Way {
    /// Pipes of that id in the configured directory.
    Pipes,
    /// A sound card, by its ALSA name.
    Card(String),
    /// Given once by whoever took the call, who waits until the line is dropped.
    Given(Mutex<Option<Port>>, #[expect(dead_code, reason = "its being dropped tells")] oneshot::Sender<()>),
}

impl Line {
    /// The pair of pipes that is named by `id`.
    pub fn of_pipes(id: &str) -> Self {
        Self { id: id.to_owned(), way: Way::Pipes, lost: AtomicBool::new(false) }
    }

    /// A sound card, which may be unplugged and plugged in again.
    pub(crate) fn of_card(id: String, device: &str) -> Self {
        Self { id, way: Way::Card(device.to_owned()), lost: AtomicBool::new(false) }
    }

    /// Whether the removal of its pipes ends it.
    pub(crate) fn is_of_pipes(&self) -> bool {
        matches!(self.way, Way::Pipes)
    }

    /// A line whose port is open already, and ends with it; the other end is closed when the call is over.
    pub(crate) fn given(id: String, port: Port) -> (Self, oneshot::Receiver<()>) {
        let (open, over) = oneshot::channel();
        let way = Way::Given(Mutex::new(Some(port)), open);
        (Self { id, way, lost: AtomicBool::new(false) }, over)
    }

    /// Opens the port, waiting for its other side; `None` where it can never be opened.
    pub(super) async fn open(&self, hub: &Hub) -> Option<Port> {
        match &self.way {
            Way::Pipes => open_pipes(hub, &self.id).await,
            Way::Card(device) => Some(open_card(device).await),
            Way::Given(port, _) => port.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }

    /// Whether the call ended though its port is still there: it may come back. Answers once.
    pub(super) fn was_lost(&self) -> bool {
        self.lost.swap(false, Ordering::Relaxed)
    }

    /// Opens the leg's port again each time a side of it goes away. Ends with the call, where that is how the other
    /// side ends calls; the removal of pipes is told otherwise.
    pub(crate) async fn keep(&self, hub: &Hub, leg: LegId, inbox: &Inbox) {
        match &self.way {
            Way::Pipes => {
                keep_pipes(hub, leg, &self.id, inbox).await;
                self.lost.store(true, Ordering::Relaxed);
                log::warn!("{}: nobody is at the other side of its pipes any more", self.id);
                hub.leg_happened(&self.id, LegEvent::Gone);
            }
            Way::Card(device) => loop {
                inbox.port_down.notified().await;
                hub.media.replace_port(leg, open_card(device).await);
            },
            Way::Given(..) => inbox.port_down.notified().await,
        }
    }
}

/// Tries until the card is there, less and less often, and says each reason once.
async fn open_card(device: &str) -> Port {
    let (mut pause, mut said) = (REOPEN_EVERY, String::new());
    loop {
        let name = device.to_owned();
        let reason = match spawn_blocking(move || AlsaPort::open(&name)).await {
            Ok(Ok(card)) => return Port::Alsa(card),
            Ok(Err(reason)) => reason,
            Err(error) => error.to_string(),
        };
        if reason != said {
            log::warn!("no sound card: {reason}");
            said = reason;
        }
        sleep(pause).await;
        pause = (pause * 2).min(REOPEN_CARD_AT_LEAST_EVERY);
    }
}

async fn open_pipes(hub: &Hub, id: &str) -> Option<Port> {
    loop {
        let fault = match inspect(&hub.config.pipes, id) {
            Ok(true) => match PipePort::open(&hub.config.pipes, id) {
                Ok(port) => return Some(Port::Pipe(Box::new(port))),
                Err(PipeError::ReaderMissing(_)) => None,
                Err(error) => Some(error.to_string()),
            },
            Ok(false) => None,
            Err(reason) => Some(reason),
        };
        if let Some(reason) = fault {
            refuse(hub, id, &reason);
            return None;
        }
        sleep(REOPEN_EVERY).await;
    }
}

/// Ends when nobody is at the other side any more.
async fn keep_pipes(hub: &Hub, leg: LegId, id: &str, inbox: &Inbox) {
    loop {
        inbox.port_down.notified().await;
        log::info!("leg {}: a side of its pipes went away", leg.0);
        let since = Instant::now();
        loop {
            sleep(REOPEN_EVERY).await;
            match PipePort::open(&hub.config.pipes, id) {
                Ok(port) => break hub.media.replace_port(leg, Port::Pipe(Box::new(port))),
                Err(PipeError::ReaderMissing(_)) if since.elapsed() >= DEAD_AFTER => return,
                Err(error) => log::debug!("leg {}: {error}", leg.0),
            }
        }
    }
}
