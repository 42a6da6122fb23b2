//! One WebSocket: what is said waits for its time, and meets the connection's fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout};

use crate::script::message_of;
use crate::{Fault, OpenConnection, World};

/// How long a client may take to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// What is said to a client.
#[derive(Debug)]
pub(super) enum Say {
    Json(Value),
    /// A text that is not taken back.
    Final(Value),
    /// Speech, unless it was cleared since.
    Audio {
        epoch: u64,
        bytes: Vec<u8>,
        length: Duration,
    },
    Close(u16, String),
}

/// What came from a client.
#[derive(Debug)]
pub(super) enum Event {
    Text(Utf8Bytes),
    Audio(Bytes),
    /// Nothing came in time.
    Idle,
    /// The connection has ended.
    Gone,
}

/// Where answers are handed in, each with the time at which it is due; none overtakes another.
#[derive(Clone, Debug)]
pub(super) struct Mouth {
    queue: UnboundedSender<(Instant, Say)>,
    epoch: Arc<AtomicU64>,
    finals: Arc<AtomicUsize>,
}

impl Mouth {
    pub(super) fn say(&self, due: Instant, say: Say) {
        // The line may have ended: then nobody hears it.
        drop(self.queue.send((due, say)));
    }

    /// How many finals were sent.
    pub(super) fn finals(&self) -> usize {
        self.finals.load(Ordering::Relaxed)
    }

    /// What speech belongs to that is made now.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Throws away all speech that is not yet sent.
    pub(super) fn clear(&self) {
        self.epoch.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client's connection. Dropping it hangs up.
pub(super) struct Line {
    socket: WebSocket,
    connection: OpenConnection,
    fault: Option<Fault>,
    mouth: Mouth,
    queue: UnboundedReceiver<(Instant, Say)>,
    next: Option<(Instant, Say)>,
    /// A final that changes places with the next.
    held: Option<Value>,
    /// Speech that was sent.
    spoken: Duration,
}

impl Line {
    pub(super) fn open(socket: WebSocket, world: &Arc<World>, fault: Option<Fault>) -> Self {
        let (sender, queue) = unbounded_channel();
        let mouth = Mouth { queue: sender, epoch: Arc::default(), finals: Arc::default() };
        Self {
            socket,
            connection: world.connect(),
            fault,
            mouth,
            queue,
            next: None,
            held: None,
            spoken: Duration::ZERO,
        }
    }

    pub(super) fn mouth(&self) -> Mouth {
        self.mouth.clone()
    }

    /// The code and reason of a scripted close, once so much went over the line.
    pub(super) fn breaks(&self, so_far: Duration) -> Option<(u16, String)> {
        match &self.fault {
            Some(Fault::Close { code, reason, after }) if so_far >= *after => {
                self.connection.world.tally.count(|counts| counts.broken += 1);
                Some((*code, reason.clone()))
            }
            _ => None,
        }
    }

    /// What comes next, until `idle`. Says what is due in the meantime.
    pub(super) async fn next(&mut self, idle: Instant) -> Event {
        loop {
            let due = self.due().unwrap_or(idle);
            tokio::select! {
                biased;
                () = self.connection.ended() => return Event::Gone,
                next = self.queue.recv(), if self.next.is_none() => self.next = next.map(|(due, say)| (self.late(due), say)),
                () = sleep_until(due), if self.next.is_some() => {
                    let Some((_, say)) = self.next.take() else { continue };
                    if !self.say(say).await {
                        return Event::Gone;
                    }
                }
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => return Event::Text(text),
                    Some(Ok(Message::Binary(bytes))) => return Event::Audio(bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => (),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Event::Gone,
                },
                () = sleep_until(idle) => return Event::Idle,
            }
        }
    }

    /// Hangs up at once, whatever is still to be said; 1006 is no code that can be sent, but a connection that breaks.
    pub(super) async fn hang_up(&mut self, code: u16, reason: &str) {
        if code == 1006 {
            return;
        }
        let frame = CloseFrame { code, reason: reason.into() };
        if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
            let ended = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            drop(timeout(CLOSE_WITHIN, ended).await);
        }
    }

    /// When the next is said. What was cleared holds up nothing.
    fn due(&self) -> Option<Instant> {
        match self.next.as_ref()? {
            (_, Say::Audio { epoch, .. }) if *epoch != self.mouth.epoch() => Some(Instant::now()),
            (due, _) => Some(*due),
        }
    }

    fn late(&self, due: Instant) -> Instant {
        if let Some(Fault::Late(by)) = self.fault { due + by } else { due }
    }

    /// Whether the connection lives on.
    async fn say(&mut self, say: Say) -> bool {
        if let Say::Close(code, reason) = say {
            if let Some(held) = self.held.take() {
                self.send_final(Message::text(held.to_string())).await;
            }
            self.hang_up(code, &reason).await;
            return false;
        }
        match &self.fault {
            Some(Fault::Silence) => return true,
            Some(Fault::Garbage(pieces)) => {
                let pieces: Vec<_> = pieces.iter().map(|piece| message_of(piece)).collect();
                self.fault = None;
                for piece in pieces {
                    self.send(piece).await;
                }
            }
            Some(Fault::Flood { most }) => {
                let most = usize::try_from(*most).unwrap_or(usize::MAX);
                self.fault = None;
                return self.send(Message::text("{\"type\":\"".to_owned() + &"x".repeat(most))).await;
            }
            _ => (),
        }
        match say {
            Say::Final(value) => self.settle(value).await,
            Say::Json(value) => self.send(Message::text(value.to_string())).await,
            Say::Audio { epoch, bytes, length } if epoch == self.mouth.epoch() => {
                self.spoken += length;
                let lives = self.send(Message::binary(bytes)).await;
                let Some((code, reason)) = self.breaks(self.spoken) else { return lives };
                self.hang_up(code, &reason).await;
                false
            }
            Say::Audio { .. } | Say::Close(..) => true,
        }
    }

    async fn settle(&mut self, value: Value) -> bool {
        let text = Message::text(value.to_string());
        match self.fault {
            Some(Fault::RepeatFinals) => self.send_final(text.clone()).await && self.send(text).await,
            Some(Fault::SwapFinals) => {
                let Some(held) = self.held.take() else {
                    self.held = Some(value);
                    return true;
                };
                self.connection.world.tally.count(|counts| counts.swapped += 1);
                self.send_final(text).await && self.send_final(Message::text(held.to_string())).await
            }
            _ => self.send_final(text).await,
        }
    }

    async fn send_final(&mut self, text: Message) -> bool {
        let sent = self.send(text).await;
        self.mouth.finals.fetch_add(usize::from(sent), Ordering::Relaxed);
        sent
    }

    async fn send(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }
}
