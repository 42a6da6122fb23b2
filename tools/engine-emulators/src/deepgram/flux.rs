//! `/v2/listen`: turns, which the model ends itself.

mod teller;

use std::sync::Arc;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::admission::{Kind, Wishes, admit};
use super::ear::RATE;
use super::intake::{IDLE, Intake, NO_AUDIO};
use super::line::{Event, Line, Mouth};
use crate::{Fault, World};
use teller::Job;

const KNOWN: [(&str, Kind); 13] = [
    ("model", Kind::One(&["flux-general-en", "flux-general-multi"])),
    ("encoding", Kind::One(&["linear16"])),
    ("sample_rate", Kind::Number(8_000.0, 48_000.0)),
    ("eager_eot_threshold", Kind::Number(0.3, 0.9)),
    ("eot_threshold", Kind::Number(0.5, 1.0)),
    ("eot_timeout_ms", Kind::Number(500.0, 60_000.0)),
    ("keyterm", Kind::Text),
    ("language_hint", Kind::Text),
    ("profanity_filter", Kind::Flag),
    ("numerals", Kind::Flag),
    ("redact", Kind::One(&["numbers", "aggressive_numbers"])),
    ("mip_opt_out", Kind::Flag),
    ("tag", Kind::Text),
];
/// The model tells what it hears this often.
const UPDATE_EVERY: u64 = RATE / 4;
/// Silence after which a turn is certainly over; less for a lower threshold.
const SURE_AFTER: f64 = RATE as f64 * 0.8;

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
    let mouth = line.mouth();
    let mut session = Session::new(world, &wishes, line.mouth());
    let broken = loop {
        match line.next(session.intake.idle).await {
            Event::Gone => break None,
            _ if session.closing => (),
            Event::Idle => session.end(1011, IDLE),
            Event::Text(text) => session.text(&text),
            Event::Audio(bytes) => {
                session.binary(&bytes);
                let broken = line.breaks(session.intake.audio());
                if broken.is_some() {
                    break broken;
                }
            }
        }
    };
    // Before the client knows, and is back.
    session.intake.end(mouth.finals());
    if let Some((code, reason)) = broken {
        line.hang_up(code, &reason).await;
    }
}

struct Session {
    intake: Intake,
    jobs: UnboundedSender<Job>,
    threshold: f64,
    eager: Option<f64>,
    timeout: u64,
    /// When the last update was told, in samples.
    updated: u64,
    closing: bool,
}

impl Session {
    fn new(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> Self {
        let timeout = wishes.number("eot_timeout_ms").unwrap_or(5_000.0);
        Self {
            jobs: teller::start(Arc::clone(&world), wishes, mouth),
            intake: Intake::new(world, wishes),
            threshold: wishes.number("eot_threshold").unwrap_or(0.7),
            eager: wishes.number("eager_eot_threshold"),
            timeout: (timeout / 1_000.0 * RATE as f64) as u64,
            updated: 0,
            closing: false,
        }
    }

    fn job(&self, job: Job) {
        // Nobody takes jobs once the client has gone.
        drop(self.jobs.send(job));
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.closing = true;
        self.job(Job::Close(code, reason.to_owned()));
    }

    fn text(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("ForceEndTurn") if self.intake.ear.voice().is_some() => self.end_turn("manual"),
            // Without a turn there is nothing to end.
            Some("ForceEndTurn") => self.update(),
            Some("CloseStream") => {
                self.update();
                self.end(1000, "");
            }
            _ => {
                self.intake.world.tally.violation("a text message that Flux does not know");
                let description =
                    "Text message received from client did not match any of the formats we expect.";
                let error =
                    json!({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": description});
                self.job(Job::Error(error));
                self.end(1008, "UNPARSABLE_CLIENT_MESSAGE");
            }
        }
    }

    fn binary(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !self.intake.takes(bytes) {
            return self.end(1008, NO_AUDIO);
        }
        for piece in bytes.chunks(self.intake.piece) {
            self.hear(piece);
        }
    }

    fn hear(&mut self, piece: &[u8]) {
        self.intake.hear(piece);
        let silence = self.intake.ear.silence().unwrap_or(0);
        if self.threshold < 1.0 && self.sure() >= self.threshold {
            self.end_turn("model");
        } else if silence >= self.timeout {
            self.end_turn("timeout");
        } else if self.intake.ear.position() >= self.updated + UPDATE_EVERY {
            self.update();
        }
    }

    /// How sure the model is that the turn is over.
    fn sure(&self) -> f64 {
        let silence = self.intake.ear.silence().unwrap_or(0);
        (silence as f64 / SURE_AFTER).min(0.99)
    }

    fn update(&mut self) {
        self.updated = self.intake.ear.position();
        let eager = self.eager.is_some_and(|eager| self.sure() >= eager);
        let due = Instant::now() + self.intake.world.draw(self.intake.world.delays.asr);
        self.job(Job::Update { window: self.intake.ear.peek(), due, sure: self.sure(), eager });
    }

    fn end_turn(&mut self, trigger: &'static str) {
        let world = &self.intake.world;
        let due = Instant::now() + world.draw(world.delays.asr);
        self.updated = self.intake.ear.position();
        let window = self.intake.settle(false);
        self.job(Job::End { window, due, trigger });
    }
}
