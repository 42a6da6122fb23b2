//! The telephone side: what Asterisk says of its channels over ARI, and what it is told to do. The dialplan starts calls
//! and the pipes are the list of them, so that everything works without this, except what only Asterisk can do.

mod calls;
mod client;
mod leg_state;
mod message;

use std::sync::{Mutex, MutexGuard, PoisonError};

use audio_path::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::hub::now;

pub use calls::{Calls, Change, Leg, Refusal};
pub(crate) use client::run;
pub use leg_state::{LegEvent, LegState};
pub use message::{Channel, Event};

/// Orders that may wait for Asterisk.
const MOST_ORDERS: usize = 128;

/// Why a channel is hung up, as the phone is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no such number.
    Unknown,
    /// The call is over.
    Normal,
    /// There is no place.
    Busy,
    /// It cannot be served now.
    Failed,
}

impl Cause {
    /// Asterisk's number for it.
    pub const fn number(self) -> u32 {
        match self {
            Self::Unknown => 1,
            Self::Normal => 16,
            Self::Busy => 17,
            // Congestion: the phone is told 503; for a failure it would be told 603, as if somebody had declined.
            Self::Failed => 42,
        }
    }
}

/// What Asterisk is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Order {
    HangUp {
        channel: String,
        cause: Cause,
    },
    /// Tell which codec the leg's phone speaks.
    AskCodec {
        leg: String,
        channel: String,
    },
}

/// Whether Asterisk is under control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    /// The configuration names no ARI.
    Off,
    Connected,
    Lost,
}

/// The telephone side, as all parts of the daemon share it.
pub struct Asterisk {
    calls: Mutex<Calls>,
    control: Mutex<Control>,
    orders: mpsc::Sender<Order>,
    /// Held by the client.
    taken: tokio::sync::Mutex<mpsc::Receiver<Order>>,
    let_go: Mutex<Vec<String>>,
    /// There are legs to let go.
    pub(crate) some_to_let_go: Notify,
}

impl Asterisk {
    /// Nothing is known yet.
    pub fn new(is_controlled: bool) -> Self {
        let (orders, taken) = mpsc::channel(MOST_ORDERS);
        Self {
            calls: Mutex::default(),
            control: Mutex::new(if is_controlled { Control::Lost } else { Control::Off }),
            orders,
            taken: tokio::sync::Mutex::new(taken),
            let_go: Mutex::default(),
            some_to_let_go: Notify::new(),
        }
    }

    /// Has a channel hung up. Without control of Asterisk nothing happens: the dialplan's own deadlines end the call.
    /// Otherwise it is told again until the channel is gone.
    pub fn hang_up(&self, channel: &str, cause: Cause) {
        if *lock(&self.control) != Control::Off {
            self.calls().ends(channel, cause, now());
        }
        self.order(Order::HangUp { channel: channel.to_owned(), cause });
    }

    /// The legs that have no channel any more.
    pub(crate) fn to_let_go(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.let_go))
    }

    /// What is wrong with it, where something is.
    pub fn fault(&self) -> Option<&'static str> {
        (*lock(&self.control) == Control::Lost).then_some("Asterisk does not answer over ARI")
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.calls)
    }

    /// Adds to the status of legs what is known of their calls; answers with the legs that are not among them.
    pub(crate) fn complete(&self, legs: &mut [Value]) -> Vec<Value> {
        let calls = self.calls();
        let mut arriving = Vec::new();
        for (id, leg) in calls.legs() {
            let known = json!({ "state": leg.state.name(), "phone": leg.phone, "codec": leg.codec });
            if let Some(status) = legs.iter_mut().find(|status| status["id"] == id.as_str()) {
                merge(status, known);
            } else {
                let mut alone = json!({ "id": id });
                merge(&mut alone, known);
                arriving.push(alone);
            }
        }
        arriving
    }

    /// For the status; `now` is the time.
    pub fn status(&self, now: Timestamp) -> Value {
        let control = match *lock(&self.control) {
            Control::Off => "off",
            Control::Connected => "connected",
            Control::Lost => "lost",
        };
        let calls = self.calls();
        let (over, refusals) = calls.remembered();
        let over: Vec<Value> = over
            .map(|over| {
                json!({
                    "id": over.id, "phone": over.phone, "cause": over.cause, "ago_s": now.since(over.at).as_secs(),
                })
            })
            .collect();
        let refusals: Vec<Value> = refusals
            .map(|refusal| {
                json!({
                    "phone": refusal.phone, "dialled": refusal.dialled, "reason": refusal.reason,
                    "ago_s": now.since(refusal.at).as_secs(),
                })
            })
            .collect();
        json!({ "control": control, "over": over, "refusals": refusals })
    }

    /// Asks for the codec of a leg's phone, to be shown.
    fn ask_codec(&self, leg: String) {
        let channel = self.calls().leg(&leg).map(|leg| leg.channel.clone());
        if let Some(channel) = channel {
            self.order(Order::AskCodec { leg, channel });
        }
    }

    fn order(&self, order: Order) {
        if *lock(&self.control) == Control::Off {
            return log::debug!("{order:?} without control of Asterisk");
        }
        if let Err(error) = self.orders.try_send(order) {
            log::warn!("Asterisk takes no more orders: {error}");
        }
    }

    /// It is under control as long as what this gives lives, be that ended by a panic.
    fn connected(&self) -> Connected<'_> {
        *lock(&self.control) = Control::Connected;
        Connected(self)
    }

    fn let_go(&self, leg: String) {
        lock(&self.let_go).push(leg);
        self.some_to_let_go.notify_one();
    }
}

/// Asterisk is under control.
struct Connected<'a>(&'a Asterisk);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        *lock(&self.0.control) = Control::Lost;
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// A panic elsewhere leaves what is locked here whole: it is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// ARI's messages, to be fed with anything.
pub fn parse(bytes: &[u8]) -> bool {
    let mut calls = Calls::default();
    let event = Event::parse(bytes).map(|event| drop(calls.event(&event, Timestamp::default())));
    let list = Channel::parse_list(bytes).map(|list| drop(calls.listed(&list, Timestamp::default())));
    event.is_ok() || list.is_ok()
}
