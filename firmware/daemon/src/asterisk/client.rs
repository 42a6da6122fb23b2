//! The connection to ARI: events over a WebSocket, orders over HTTP. It comes back for ever.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engines::http::Request;
use engines::websocket::{Handshake, Message, url};
use engines::{Failure, FailureKind};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::calls::Mend;
use super::message::{Channel, Event};
use super::{Cause, Order};
use crate::clients::http;
use crate::clients::websocket::{NotOpened, Received, Socket};
use crate::config::Ari;
use crate::hub::{Hub, now};

/// The name by which Asterisk knows us. One connection has it at a time: the newest.
const APPLICATION: &str = "dragoman";
/// What of all that happens in Asterisk is of use here.
const WANTED: [&str; 7] = [
    "ChannelCreated",
    "ChannelStateChange",
    "ChannelEnteredBridge",
    "ChannelLeftBridge",
    "ChannelHangupRequest",
    "ChannelDestroyed",
    "ChannelUserevent",
];
const DEADLINE: Duration = Duration::from_secs(2);
/// No answer is longer: a channel takes half a kilobyte.
const LONGEST_ANSWER: usize = 1 << 20;
/// How often the channels are compared with the legs.
const COMPARE_EVERY: Duration = Duration::from_secs(2);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// Watches and commands Asterisk for ever.
pub(crate) async fn run(hub: Arc<Hub>, ari: Ari) {
    let mut orders = hub.asterisk.taken.lock().await;
    let client = Client { hub: &hub, authorization: authorization(&ari), ari: &ari };
    let mut wait = FIRST_WAIT;
    let mut told = None;
    loop {
        let (served, failure) = client.serve(&mut orders).await;
        if served {
            (wait, told) = (FIRST_WAIT, None);
        }
        if told != Some(failure.kind) {
            log::warn!("Asterisk is not under control: {failure}");
            told = Some(failure.kind);
        }
        // Not in step with anything else that waits for it.
        sleep(wait.mul_f64(0.75 + fastrand::f64() / 4.0)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

fn authorization(ari: &Ari) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", ari.user, ari.password.expose_secret())))
}

struct Client<'a> {
    hub: &'a Arc<Hub>,
    ari: &'a Ari,
    authorization: String,
}

impl Client<'_> {
    /// Serves a connection to its end: whether there was one, and why it ended.
    async fn serve(&self, orders: &mut mpsc::Receiver<Order>) -> (bool, Failure) {
        let mut events = match self.connect().await {
            Ok(events) => events,
            Err(failure) => return (false, failure),
        };
        log::info!("Asterisk is under control");
        let _connected = self.hub.asterisk.connected();
        loop {
            if let Err(failure) = self.step(&mut events, orders).await {
                return (true, failure);
            }
        }
    }

    async fn connect(&self) -> Result<Events, Failure> {
        let query = [("app", APPLICATION), ("subscribeAll", "true")];
        let handshake = Handshake {
            url: url(&self.ari.url.replacen("http", "ws", 1), "/events", &query),
            headers: vec![("authorization", self.authorization.clone())],
        };
        let socket = Socket::open(&self.hub.outside.transport.tls, &handshake).await.map_err(not_opened)?;
        let allowed: Vec<Value> = WANTED.iter().map(|kind| json!({ "type": kind })).collect();
        let filter = json!({ "allowed": allowed }).to_string();
        self.ask("PUT", &format!("/applications/{APPLICATION}/eventFilter"), &[], filter).await?;
        let most = self.hub.config.most_legs.to_string();
        let most = [("variable", "MOST_LEGS"), ("value", &*most)];
        self.ask("POST", "/asterisk/variable", &most, String::new()).await?;
        let mut compare = interval(COMPARE_EVERY);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Events { socket, compare })
    }

    async fn step(&self, events: &mut Events, orders: &mut mpsc::Receiver<Order>) -> Result<(), Failure> {
        tokio::select! {
            received = events.socket.receive() => match received? {
                Received::Message(Message::Text(text)) => self.heard(text.as_bytes()),
                Received::Message(Message::Binary(_)) => {}
                Received::Closed(code, _) => {
                    return Err(Failure::new(FailureKind::Down, format!("Asterisk said goodbye ({code})")));
                }
            },
            Some(order) = orders.recv() => self.obey(order).await?,
            _ = events.compare.tick() => self.compare().await?,
        }
        Ok(())
    }

    fn heard(&self, bytes: &[u8]) {
        match Event::parse(bytes) {
            Ok(event) => {
                let changes = self.hub.asterisk.calls().event(&event, now());
                for change in changes {
                    self.hub.changed(change);
                }
            }
            Err(reason) => log::debug!("not understood of ARI: {reason}"),
        }
    }

    async fn compare(&self) -> Result<(), Failure> {
        let asked = now();
        let body = self.ask("GET", "/channels", &[], String::new()).await?;
        let channels =
            Channel::parse_list(&body).map_err(|error| Failure::new(FailureKind::Protocol, error))?;
        let mends = self.hub.asterisk.calls().listed(&channels, asked);
        for mend in mends {
            match mend {
                Mend::HangUp(channel) => {
                    log::warn!("the channel {channel} leads nowhere and is hung up");
                    self.hub.asterisk.hang_up(&channel, Cause::Normal);
                }
                Mend::HangUpAgain(channel, cause) => {
                    log::debug!("the channel {channel} is still there and is hung up again");
                    self.hub.asterisk.hang_up(&channel, cause);
                }
                Mend::AskCodec(leg) => self.hub.asterisk.ask_codec(leg),
                Mend::LetGo(leg) => {
                    log::warn!("{leg} has no channel any more and is let go");
                    self.hub.asterisk.let_go(leg);
                }
            }
        }
        Ok(())
    }

    async fn obey(&self, order: Order) -> Result<(), Failure> {
        match order {
            Order::HangUp { channel, cause } => {
                let cause = cause.number().to_string();
                let path = url("", &format!("/channels/{channel}"), &[("reason_code", &cause)]);
                self.ask("DELETE", &path, &[], String::new()).await.map(drop)
            }
            Order::AskCodec { leg, channel } => {
                let path = format!("/channels/{channel}/variable");
                let variable = [("variable", "CHANNEL(audionativeformat)")];
                let body = self.ask("GET", &path, &variable, String::new()).await?;
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                let codec = answer["value"].as_str().unwrap_or("unknown").trim_matches(['(', ')']);
                self.hub.asterisk.calls().speaks(&leg, codec);
                Ok(())
            }
        }
    }

    /// Asks ARI. That there is no such channel is an answer, the empty one: it is gone by itself.
    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        query: &[(&str, &str)],
        body: String,
    ) -> Result<Vec<u8>, Failure> {
        let mut headers = vec![("authorization", self.authorization.clone())];
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let request =
            Request { method, url: url(&self.ari.url, path, query), headers, body: body.into_bytes() };
        let asked = timeout(DEADLINE, async {
            let response = http::send(&self.hub.outside.transport.http, request).await?;
            match response.status().as_u16() {
                200..=299 => http::body(response, LONGEST_ANSWER).await,
                404 if path.starts_with("/channels/") => Ok(Vec::new()),
                status => Err(refused(status)),
            }
        });
        asked.await.map_err(|_| Failure::new(FailureKind::Slow, "Asterisk does not answer in time"))?
    }
}

/// What comes by itself.
struct Events {
    socket: Socket,
    compare: tokio::time::Interval,
}

fn not_opened(reason: NotOpened) -> Failure {
    match reason {
        NotOpened::Status(status, _) => refused(status),
        NotOpened::Failure(failure) => failure,
    }
}

fn refused(status: u16) -> Failure {
    if status == 401 || status == 403 {
        return Failure::new(FailureKind::Credential, "ARI refuses user and password; see [asterisk]");
    }
    Failure::new(FailureKind::Down, format!("ARI answers with the status {status}"))
}
