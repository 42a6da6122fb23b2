//! `/v1/speak`: text in pieces, speech in pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::admission::{Kind, Wishes, admit};
use super::line::{Event, Line, Mouth, Say};
use super::uuid;
use crate::{Fault, Speech, World};

const KNOWN: [(&str, Kind); 5] = [
    ("encoding", Kind::One(&["linear16"])),
    ("mip_opt_out", Kind::Flag),
    ("model", Kind::Prefix("aura-")),
    ("sample_rate", Kind::One(&["8000", "16000", "24000", "32000", "48000"])),
    ("speed", Kind::Number(0.7, 1.5)),
];
const FLUSHES: usize = 20;
const FLUSHES_WITHIN: Duration = Duration::from_secs(60);
const CHARACTERS_AT_MOST: usize = 2_000;
/// Nothing is said for so long: the vendor's time limit of a connection.
const IDLE_AT_MOST: Duration = Duration::from_secs(3_600);
/// Speech comes in messages of this length …
const PIECE: Duration = Duration::from_millis(100);
/// … so many times faster than it is heard.
const SPEED: u32 = 4;

pub(super) async fn upgrade(
    State(world): State<Arc<World>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
    socket: WebSocketUpgrade,
) -> Response {
    match admit(&world, &headers, query, &KNOWN) {
        Err(refusal) => *refusal,
        Ok((wishes, fault)) => socket.on_upgrade(move |socket| serve(socket, world, wishes, fault)),
    }
}

async fn serve(socket: WebSocket, world: Arc<World>, wishes: Wishes, fault: Option<Fault>) {
    let mut line = Line::open(socket, &world, fault);
    let mut session = Session::new(world, &wishes, line.mouth());
    let idle = Instant::now() + IDLE_AT_MOST;
    loop {
        match line.next(idle).await {
            Event::Gone => break,
            _ if session.closing => (),
            Event::Idle => session.end(1011, "NET-0003: time limit exceeded"),
            Event::Text(text) => session.text(&text),
            Event::Audio(_) => session.refuse(1003, "MESSAGE-0000: binary messages are not supported"),
        }
    }
}

/// What is said, in this order.
enum Job {
    Speak { text: String, epoch: u64, due: Instant },
    Flushed { epoch: u64 },
    Say(Value),
    Close(u16, String),
}

struct Session {
    world: Arc<World>,
    model: String,
    mouth: Mouth,
    jobs: UnboundedSender<Job>,
    /// Text that is not spoken yet.
    text: String,
    flushes: VecDeque<Instant>,
    closing: bool,
}

impl Session {
    fn new(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> Self {
        let model = wishes.get("model").unwrap_or_default();
        let (jobs, queue) = unbounded_channel();
        let speaker = Speaker {
            world: Arc::clone(&world),
            mouth: mouth.clone(),
            language: model.rsplit('-').next().unwrap_or_default().to_owned(),
            rate: wishes.number("sample_rate").unwrap_or(24_000.0) as u32,
            sequence: 0,
        };
        tokio::spawn(speaker.speak(queue));
        let (text, flushes, spoken_in) = (String::new(), VecDeque::new(), model.to_owned());
        let session = Self { world, model: spoken_in, mouth, jobs, text, flushes, closing: false };
        session.job(Job::Say(json!({
            "type": "Metadata", "request_id": uuid(), "model_name": model,
            "model_version": "2026-01-01.0", "model_uuid": uuid(), "additional_model_uuids": [],
        })));
        session
    }

    fn job(&self, job: Job) {
        // Nobody takes jobs once the client has gone.
        drop(self.jobs.send(job));
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.closing = true;
        self.job(Job::Close(code, reason.to_owned()));
    }

    fn refuse(&mut self, code: u16, reason: &str) {
        self.world.tally.violation(reason);
        self.end(code, reason);
    }

    fn text(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match (message["type"].as_str(), message["text"].as_str()) {
            (Some("Speak"), Some(text)) if text.chars().count() > CHARACTERS_AT_MOST => {
                self.refuse(1009, "BIG-0001: input text has too many characters");
            }
            (Some("Speak"), Some(text)) => {
                self.world.tally.count(|counts| {
                    counts.texts += 1;
                    *counts.texts_in_voice.entry(self.model.clone()).or_default() += 1;
                });
                self.text.push_str(text);
                self.sentences();
            }
            (Some("Flush"), _) => self.flush(),
            (Some("Clear"), _) => self.clear(),
            (Some("Close"), _) => {
                self.mouth.clear();
                self.end(1000, "");
            }
            _ => self.refuse(1008, "DATA-0000: the message is not recognized as a valid command"),
        }
    }

    /// Whole sentences are spoken without being asked for.
    fn sentences(&mut self) {
        let end = self.text.rfind(['.', '!', '?']).filter(|end| self.text[end + 1..].starts_with(' '));
        if let Some(end) = end {
            let rest = self.text.split_off(end + 1);
            self.speak(&rest);
        }
    }

    /// Speaks the text so far; `rest` waits.
    fn speak(&mut self, rest: &str) {
        let text = std::mem::replace(&mut self.text, rest.to_owned());
        if !text.trim().is_empty() {
            let due = Instant::now() + self.world.draw(self.world.delays.tts);
            self.job(Job::Speak { text, epoch: self.mouth.epoch(), due });
        }
    }

    fn flush(&mut self) {
        let now = Instant::now();
        while self.flushes.front().is_some_and(|&flush| flush + FLUSHES_WITHIN <= now) {
            self.flushes.pop_front();
        }
        if self.flushes.len() >= FLUSHES {
            let why = "Rate limit exceeded for flushes.";
            self.world.tally.violation(why);
            // The specification names the fields in one way, the service was seen to do it in the other.
            let warning = json!({
                "type": "Warning", "code": "EXCESSIVE_FLUSH", "description": why,
                "warn_code": "EXCESSIVE_FLUSH", "warn_msg": why,
            });
            return self.job(Job::Say(warning));
        }
        self.flushes.push_back(now);
        self.speak("");
        self.job(Job::Flushed { epoch: self.mouth.epoch() });
    }

    fn clear(&mut self) {
        self.text.clear();
        self.mouth.clear();
        self.job(Job::Say(json!({"type": "Cleared"})));
    }
}

/// Makes speech.
struct Speaker {
    world: Arc<World>,
    mouth: Mouth,
    language: String,
    rate: u32,
    sequence: u64,
}

impl Speaker {
    async fn speak(mut self, mut jobs: UnboundedReceiver<Job>) {
        let mut heard = Instant::now();
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Speak { text, epoch, due } if epoch == self.mouth.epoch() => {
                    heard = self.say(&text, epoch, due.max(heard)).await;
                }
                Job::Flushed { epoch } if epoch == self.mouth.epoch() => {
                    let flushed = self.numbered(json!({"type": "Flushed"}));
                    self.mouth.say(heard, Say::Final(flushed));
                }
                Job::Speak { .. } | Job::Flushed { .. } => (),
                Job::Say(value) if value["type"] == "Cleared" => {
                    heard = Instant::now();
                    let cleared = self.numbered(value);
                    self.mouth.say(heard, Say::Json(cleared));
                }
                Job::Say(value) => self.mouth.say(Instant::now(), Say::Json(value)),
                Job::Close(code, reason) => self.mouth.say(Instant::now(), Say::Close(code, reason)),
            }
        }
    }

    /// When all of it is sent.
    async fn say(&self, text: &str, epoch: u64, due: Instant) -> Instant {
        let speech = match self.world.voices.speak(text.trim(), &self.language).await {
            Ok(speech) => speech.at(self.rate),
            Err(error) => {
                log::error!("nothing is spoken: {error:#}");
                Speech { rate: self.rate, samples: Vec::new() }
            }
        };
        let mut due = due.max(Instant::now());
        for piece in speech.samples.chunks((self.rate / 10) as usize) {
            let bytes = Speech { rate: self.rate, samples: piece.to_vec() }.to_bytes();
            let length = Duration::from_secs(1) * piece.len() as u32 / self.rate;
            self.mouth.say(due, Say::Audio { epoch, bytes, length });
            due += PIECE / SPEED;
        }
        due
    }

    fn numbered(&mut self, mut message: Value) -> Value {
        message["sequence_id"] = self.sequence.into();
        self.sequence += 1;
        message
    }
}
