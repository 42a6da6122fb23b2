use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use audio_path::Timestamp;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::SecretString;
use serde_json::json;
use session::{Language, Unsaid};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::allowance::Allowance;
use super::counts::End;
use super::request::answer;
use super::sound::{Heard, Sound};
use super::streams::{Out, Streams};
use super::{Asked, PROTOCOL, Refused, Request, Socket, Wants, current, parse, token};
use crate::hub::{Hub, Outcome, now};
use crate::tap::Tap;

/// Subscriptions of one program.
const MOST_SUBSCRIPTIONS: usize = 8;
/// What may wait for a program: ten seconds of a call of two.
const MOST_WAITING: usize = 1_024;
/// Messages of a program at once, and how long until one more may come.
const MOST_MESSAGES: u32 = 100;
const MESSAGE_EVERY: Duration = Duration::from_millis(50);
/// How long a message may take to be taken.
const WRITE_DEADLINE: Duration = Duration::from_secs(2);
/// How often a program is asked whether it is there, and how long it may say nothing.
const PING_EVERY: Duration = Duration::from_secs(5);
const LONGEST_SILENCE: Duration = Duration::from_secs(15);
/// How long a room may take to say whether a text is said.
const SAY_DEADLINE: Duration = Duration::from_secs(2);
/// How long the end may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// What is waited for beside everything else.
enum Done {
    Answer(String),
    TokenIsGood(bool),
}

type Task = Pin<Box<dyn Future<Output = Done> + Send>>;

struct Subscription {
    /// `None`: all rooms.
    room: Option<String>,
    taps: mpsc::Receiver<Arc<Tap>>,
    streams: Streams,
}

struct Client<'a> {
    hub: &'a Hub,
    token: SecretString,
    subscriptions: Vec<Subscription>,
    /// Whose turn it is to be looked at first, so that none keeps the others waiting.
    turn: usize,
    last_stream: u32,
    /// What it said that it would send.
    sound: Option<Sound>,
    allowance: Allowance,
    /// When it gave a sign of life last.
    alive: Timestamp,
    tasks: FuturesUnordered<Task>,
    out: Vec<Out>,
}

/// Serves a program until it goes, or is to.
pub(super) async fn serve(
    hub: Arc<Hub>,
    mut socket: Socket,
    token: SecretString,
    place: OwnedSemaphorePermit,
) {
    log::info!("an app is connected");
    let mut client = Client::new(&hub, token);
    let Err(end) = client.run(&mut socket).await;
    // From here on nobody tells it anything.
    drop(client);
    hub.apps.counts.end(end);
    log::info!("an app is not connected any more: {}", end.name());
    // Who does not even take that finds the connection gone.
    let _gone = timeout(CLOSE_DEADLINE, close(socket, end)).await;
    drop(place);
}

async fn close(mut socket: Socket, end: End) {
    let Some((code, reason)) = end.told() else { return };
    let told = Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }));
    if socket.send(told).await.is_ok() {
        // Until it answers, or the connection would be reset under what it was told.
        while let Some(Ok(_)) = socket.next().await {}
    }
}

impl<'a> Client<'a> {
    fn new(hub: &'a Hub, token: SecretString) -> Self {
        let hello = json!({ "protocol": PROTOCOL, "version": env!("CARGO_PKG_VERSION") });
        Self {
            hub,
            token,
            subscriptions: Vec::new(),
            turn: 0,
            last_stream: 0,
            sound: None,
            allowance: Allowance::new(MOST_MESSAGES, MESSAGE_EVERY),
            alive: now(),
            tasks: FuturesUnordered::new(),
            out: vec![Out::Text(answer("hello", None, hello))],
        }
    }

    async fn run(&mut self, socket: &mut Socket) -> Result<std::convert::Infallible, End> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.send(socket).await?;
            tokio::select! {
                message = socket.next() => self.received(message)?,
                (place, tap) = next(&mut self.subscriptions, &mut self.turn) => self.heard(place, tap)?,
                Some(done) = self.tasks.next() => self.done(done)?,
                _ = pings.tick() => self.look_after(socket).await?,
            }
        }
    }

    async fn send(&mut self, socket: &mut Socket) -> Result<(), End> {
        for out in self.out.drain(..) {
            let message = match out {
                Out::Text(text) => Message::Text(text.into()),
                Out::Sound(bytes) => Message::Binary(bytes.into()),
            };
            send(socket, message).await?;
        }
        Ok(())
    }

    fn heard(&mut self, place: usize, tap: Option<Arc<Tap>>) -> Result<(), End> {
        // The tap ends where too much waited.
        let tap = tap.ok_or(End::Slow)?;
        let streams = &mut self.subscriptions[place].streams;
        self.out.extend(streams.messages(&tap, &mut self.last_stream));
        Ok(())
    }

    fn done(&mut self, done: Done) -> Result<(), End> {
        match done {
            Done::Answer(text) => self.out.push(Out::Text(text)),
            Done::TokenIsGood(true) => {}
            Done::TokenIsGood(false) => return Err(End::Token),
        }
        Ok(())
    }

    /// Asks whether it is still there, and sees whether it may be.
    async fn look_after(&mut self, socket: &mut Socket) -> Result<(), End> {
        if now().since(self.alive) > LONGEST_SILENCE {
            return Err(End::Silent);
        }
        let (file, token) =
            (self.hub.config.apps.as_ref().map(|apps| apps.token_file.clone()), self.token.clone());
        self.tasks.push(Box::pin(async move {
            let current = match &file {
                Some(file) => current(file).await,
                None => None,
            };
            Done::TokenIsGood(current.is_none_or(|current| token::is_same(&current, &token)))
        }));
        send(socket, Message::Ping(Bytes::new())).await
    }

    fn received(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        let message = message.ok_or(End::Left)?.map_err(|error| end_of(&error))?;
        self.alive = now();
        if !self.allowance.take(now()) {
            return Err(End::TooMany);
        }
        match message {
            Message::Text(text) => self.asked(parse(text.as_str())),
            Message::Binary(piece) => self.heard_piece(&piece),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Close(_) => return Err(End::Left),
        }
        Ok(())
    }

    fn asked(&mut self, asked: Result<Asked, Refused>) {
        let told = match asked {
            Ok(Asked { id, request }) => self.obey(id, request).map_err(|reason| Refused { id, reason }),
            Err(refused) => Err(refused),
        };
        let told = told.unwrap_or_else(|refused| Some(error(&refused)));
        self.out.extend(told.map(Out::Text));
    }

    /// Does what is asked. The answer, unless it comes later.
    fn obey(&mut self, id: Option<u64>, request: Request) -> Result<Option<String>, String> {
        match request {
            Request::Rooms => Ok(Some(answer("rooms", id, self.hub.rooms_report()))),
            Request::Subscribe(room, wants) => {
                self.subscribe(room.clone(), wants)?;
                Ok(Some(answer("subscribed", id, json!({ "room": spelt(room.as_deref()) }))))
            }
            Request::Unsubscribe(room) => {
                let before = self.subscriptions.len();
                self.subscriptions.retain(|subscription| subscription.room != room);
                let name = spelt(room.as_deref());
                if self.subscriptions.len() == before {
                    return Err(format!("there is no subscription to {name}"));
                }
                Ok(Some(answer("unsubscribed", id, json!({ "room": name }))))
            }
            Request::Speak { room, text, language, sound: None } => {
                self.speak(id, room, (&text, language), None)?;
                Ok(None)
            }
            Request::Speak { room, text, language, sound: Some(bytes) } => {
                let never_whole = self.sound.replace(Sound::new(id, room, text, language, bytes));
                let reason = || "another sound was told of before this one was whole".to_owned();
                Ok(never_whole.map(|sound| error(&Refused { id: sound.id, reason: reason() })))
            }
        }
    }

    /// Who subscribes again has the new one instead.
    fn subscribe(&mut self, room: Option<String>, wants: Wants) -> Result<(), String> {
        self.subscriptions.retain(|subscription| subscription.room != room);
        if self.subscriptions.len() >= MOST_SUBSCRIPTIONS {
            return Err(format!("{MOST_SUBSCRIPTIONS} subscriptions are the most; end one of them"));
        }
        let taps = self.hub.taps.subscribe(room.as_deref(), MOST_WAITING, now());
        self.subscriptions.push(Subscription { room, taps, streams: Streams::new(wants) });
        Ok(())
    }

    fn heard_piece(&mut self, piece: &[u8]) {
        let Some(sound) = self.sound.take() else {
            let reason = "no sound is waited for: a speak tells how many bytes of it follow".into();
            return self.asked(Err(Refused { id: None, reason }));
        };
        let (id, told) = match sound.hear(piece) {
            Heard::More(sound) => {
                self.sound = Some(sound);
                return;
            }
            Heard::TooMuch(Sound { id, .. }) => {
                (id, Err("more bytes of sound came than were told of".into()))
            }
            Heard::Whole(Sound { id, room, text, language, .. }, samples) => {
                (id, self.speak(id, room, (&text, language), Some(&samples)))
            }
        };
        if let Err(reason) = told {
            self.asked(Err(Refused { id, reason }));
        }
    }

    fn speak(
        &mut self,
        id: Option<u64>,
        room: String,
        text: (&str, Language),
        sound: Option<&Arc<[i16]>>,
    ) -> Result<(), String> {
        let outcomes = self.hub.say(&room, text, sound);
        if outcomes.is_empty() {
            return Err(unsaid(&room, Unsaid::NobodyThere));
        }
        self.tasks.push(Box::pin(async move {
            let told = match timeout(SAY_DEADLINE, join_all(outcomes)).await {
                Ok(outcomes) => {
                    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
                    said(&outcomes).map_err(|reason| unsaid(&room, reason))
                }
                Err(_) => Err(format!("{room} does not answer; the box is too busy")),
            };
            Done::Answer(match told {
                Ok(languages) => answer("speaking", id, json!({ "room": room, "languages": languages })),
                Err(reason) => error(&Refused { id, reason }),
            })
        }));
        Ok(())
    }
}

/// In which languages a text is said, in any of the calls that it was meant for.
fn said(outcomes: &[Outcome]) -> Result<Vec<String>, Unsaid> {
    let mut languages: Vec<String> = outcomes.iter().flatten().flatten().map(Language::to_string).collect();
    languages.sort_unstable();
    languages.dedup();
    let reason = outcomes.iter().find_map(|outcome| outcome.as_ref().err().copied());
    if languages.is_empty() { Err(reason.unwrap_or(Unsaid::NobodyThere)) } else { Ok(languages) }
}

fn unsaid(room: &str, reason: Unsaid) -> String {
    match reason {
        Unsaid::NobodyThere => format!("nobody is in {room}"),
        Unsaid::TooMany => format!("too much waits to be said in {room}; wait for a playback_ended"),
    }
}

fn spelt(room: Option<&str>) -> &str {
    room.unwrap_or("*")
}

fn error(Refused { id, reason }: &Refused) -> String {
    answer("error", *id, json!({ "message": reason }))
}

/// Why nothing more can be read.
fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::Large,
        Error::Io(_)
        | Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Left,
        error => {
            log::debug!("an app sends what is no message: {error}");
            End::Malformed
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(WRITE_DEADLINE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            log::debug!("an app is gone: {error}");
            Err(End::Left)
        }
        Err(_) => Err(End::Slow),
    }
}

/// The next thing to be told, and by which subscription.
async fn next(subscriptions: &mut [Subscription], turn: &mut usize) -> (usize, Option<Arc<Tap>>) {
    poll_fn(|context| {
        let count = subscriptions.len();
        for place in (0..count).map(|step| (*turn + step) % count) {
            if let Poll::Ready(tap) = subscriptions[place].taps.poll_recv(context) {
                *turn = place + 1;
                return Poll::Ready((place, tap));
            }
        }
        Poll::Pending
    })
    .await
}
