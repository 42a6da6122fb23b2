//! A leg's line to its phone: how its port is opened, and what happens when the other side goes away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use audio_path::LegId;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::refuse;
use super::sound_card::SoundCard;
use crate::asterisk::LegEvent;
use crate::config::Caller;
use crate::hub::{Hub, Inbox};
use crate::ports::Port;
use crate::ports::pipe::{PipeError, PipePort};
use crate::watcher::inspect;

/// Between attempts to open a port whose other side is not there.
const REOPEN_EVERY: Duration = Duration::from_millis(100);
/// The driver holds both ends of its pipes: where nobody reads one for so long, Asterisk is dead and the call with it.
const DEAD_AFTER: Duration = Duration::from_millis(1_500);

/// The line of one leg.
#[derive(Debug)]
pub struct Line {
    /// The leg's id.
    pub id: String,
    /// Who is at it, where the configuration of its port says so.
    pub(crate) caller: Option<Caller>,
    way: Way,
    /// The call ended without the removal of its pipes.
    lost: AtomicBool,
}

#[derive(Debug)]
enum Way {
    /// Pipes of that id in the configured directory.
    Pipes,
    /// A sound card.
    Card(SoundCard),
    /// Given once by whoever took the call, who waits until the line is dropped.
    Given(Mutex<Option<Port>>, #[expect(dead_code, reason = "its being dropped tells")] oneshot::Sender<()>),
}

impl Line {
    /// The pair of pipes that is named by `id`.
    pub fn of_pipes(id: &str) -> Self {
        Self { id: id.to_owned(), caller: None, way: Way::Pipes, lost: AtomicBool::new(false) }
    }

    /// A sound card, which may be unplugged and plugged in again.
    pub(crate) fn of_card(id: String, caller: &Caller, device: &str) -> Self {
        let way = Way::Card(SoundCard::new(device));
        Self { id, caller: Some(caller.clone()), way, lost: AtomicBool::new(false) }
    }

    /// Whether the removal of its pipes ends it.
    pub(crate) fn is_of_pipes(&self) -> bool {
        matches!(self.way, Way::Pipes)
    }

    /// A line whose port is open already, and ends with it; the other end is closed when the call is over.
    pub(crate) fn given(id: String, caller: &Caller, port: Port) -> (Self, oneshot::Receiver<()>) {
        let (open, over) = oneshot::channel();
        let way = Way::Given(Mutex::new(Some(port)), open);
        (Self { id, caller: Some(caller.clone()), way, lost: AtomicBool::new(false) }, over)
    }

    /// Opens the port, waiting for its other side; `None` where it can never be opened.
    pub(super) async fn open(&self, hub: &Hub) -> Option<Port> {
        match &self.way {
            Way::Pipes => open_pipes(hub, &self.id).await,
            Way::Card(card) => Some(card.open(hub).await),
            Way::Given(port, _) => port.lock().unwrap_or_else(PoisonError::into_inner).take(),
        }
    }

    /// A card that found no room for its leg is still there, and nobody else calls for it.
    pub(super) fn comes_back(&self) {
        self.lost.store(matches!(self.way, Way::Card(_)), Ordering::Relaxed);
    }

    /// Whether the call ended though its port is still there: it may come back. Answers once.
    pub(super) fn was_lost(&self) -> bool {
        self.lost.swap(false, Ordering::Relaxed)
    }

    /// Opens the leg's pipes again each time a side of them goes away. Ends with the call, where that is how a side ends
    /// calls; the removal of pipes is told otherwise, and only Asterisk can end their call.
    pub(crate) async fn keep(&self, hub: &Hub, leg: LegId, inbox: &Inbox) {
        match &self.way {
            Way::Pipes => {
                keep_pipes(hub, leg, &self.id, inbox).await;
                self.lost.store(true, Ordering::Relaxed);
                log::warn!("{}: nobody is at the other side of its pipes any more", self.id);
                hub.leg_happened(&self.id, LegEvent::Gone);
            }
            Way::Card(card) => {
                card.keep(hub).await;
                self.lost.store(true, Ordering::Relaxed);
                hub.leg_happened(&self.id, LegEvent::Gone);
            }
            Way::Given(..) => tokio::select! {
                () = inbox.port_down.notified() => {}
                () = inbox.dismissed.notified() => {}
            },
        }
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
