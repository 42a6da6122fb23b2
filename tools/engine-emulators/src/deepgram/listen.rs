//! `/v1/listen`: interims while somebody speaks, finals at pauses and on request.

mod speaker;

use std::sync::Arc;

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::admission::{Kind, Wishes, admit};
use super::ear::{HEAR_EVERY, RATE, seconds};
use super::intake::{IDLE, Intake, NO_AUDIO};
use super::line::{Event, Line, Mouth, Say};
use super::uuid;
use crate::{Fault, World};
use speaker::Job;

const KNOWN: [(&str, Kind); 32] = [
    ("callback", Kind::Text),
    ("callback_method", Kind::One(&["POST", "GET", "PUT", "DELETE"])),
    ("channels", Kind::One(&["1"])),
    ("detect_entities", Kind::Flag),
    ("diarize", Kind::Flag),
    ("diarize_model", Kind::One(&["latest", "v1"])),
    ("dictation", Kind::Flag),
    ("encoding", Kind::One(&["linear16"])),
    ("endpointing", Kind::Pause),
    ("extra", Kind::Text),
    ("filler_words", Kind::Flag),
    ("interim_results", Kind::Flag),
    ("keyterm", Kind::Text),
    ("keywords", Kind::Text),
    ("language", Kind::Text),
    ("language_hint", Kind::Text),
    ("mip_opt_out", Kind::Flag),
    ("model", Kind::Prefix("nova")),
    ("multichannel", Kind::Flag),
    ("no_delay", Kind::Flag),
    ("numerals", Kind::Flag),
    ("profanity_filter", Kind::Flag),
    ("punctuate", Kind::Flag),
    ("redact", Kind::Text),
    ("replace", Kind::Text),
    ("sample_rate", Kind::Number(8_000.0, 48_000.0)),
    ("search", Kind::Text),
    ("smart_format", Kind::Flag),
    ("tag", Kind::Text),
    ("utterance_end_ms", Kind::Number(1_000.0, 5_000.0)),
    ("vad_events", Kind::Flag),
    ("version", Kind::Text),
];
/// An utterance gives a final at least this often, silence too.
const SPEECH_AT_MOST: u64 = 10 * RATE;
const SILENCE_AT_MOST: u64 = 4 * RATE;

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
    let mut line = Line::open(socket, &world, fault.clone());
    let mouth = line.mouth();
    let mut session = Session::new(world, &wishes, line.mouth());
    session.fault = fault;
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
    id: String,
    interims: bool,
    vad_events: bool,
    endpointing: Option<u64>,
    utterance_end: Option<u64>,
    /// The end of the last speech, until it was told that its utterance is over.
    last_voice: Option<u64>,
    /// What the last interim was made of: words, or seconds.
    guessed: u64,
    fault: Option<Fault>,
    closing: bool,
}

impl Session {
    fn new(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> Self {
        let samples = |ms: f64| (ms / 1_000.0 * RATE as f64) as u64;
        let endpointing = match wishes.get("endpointing") {
            Some("false") => None,
            _ => Some(samples(wishes.number("endpointing").unwrap_or(10.0))),
        };
        let interims = wishes.is("interim_results");
        let id = uuid();
        Self {
            jobs: speaker::start(Arc::clone(&world), wishes, mouth, &id),
            intake: Intake::new(world, wishes),
            id,
            interims,
            vad_events: wishes.is("vad_events"),
            endpointing,
            utterance_end: wishes.number("utterance_end_ms").filter(|_| interims).map(samples),
            last_voice: None,
            guessed: 0,
            fault: None,
            closing: false,
        }
    }

    fn job(&self, job: Job) {
        // Nobody takes jobs once the client has gone.
        drop(self.jobs.send(job));
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.closing = true;
        let duration = seconds(self.intake.ear.position());
        let metadata = json!({
            "type": "Metadata", "transaction_key": "deprecated", "request_id": self.id, "sha256": "incomplete",
            "created": "2026-01-01T00:00:00.000Z", "duration": duration, "channels": 1,
        });
        self.job(Job::Say(Say::Json(metadata)));
        self.job(Job::Say(Say::Close(code, reason.to_owned())));
    }

    fn text(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("KeepAlive") => self.intake.keep_alive(),
            Some("Finalize") if self.fault == Some(Fault::Unanswered) => {}
            Some("Finalize") => self.settle(true, true),
            Some("CloseStream") => self.close(),
            _ => {
                self.intake.world.tally.violation("a text message that Deepgram does not know");
                let description = "Could not deserialize last text message: unknown type or no JSON";
                let error = json!({
                    "type": "Error", "variant": "SchemaError", "description": description, "message": text,
                });
                self.job(Job::Say(Say::Json(error)));
            }
        }
    }

    fn close(&mut self) {
        self.settle(true, false);
        self.end(1000, "");
    }

    fn binary(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.intake.world.tally.violation("an empty message, which ends the stream");
            return self.close();
        }
        if !self.intake.takes(bytes) {
            return self.end(1008, NO_AUDIO);
        }
        for piece in bytes.chunks(self.intake.piece) {
            self.hear(piece);
        }
    }

    fn hear(&mut self, piece: &[u8]) {
        if self.intake.hear(piece) {
            self.speech_begins();
        }
        if let Some(voice) = self.intake.ear.voice() {
            self.last_voice = Some(voice.end);
        }
        match (self.intake.ear.silence(), self.endpointing) {
            (Some(silence), Some(pause)) if silence >= pause => self.settle(true, false),
            (Some(_), _) if self.intake.ear.waiting() >= SPEECH_AT_MOST => self.settle(false, false),
            (None, _) if self.intake.ear.waiting() >= SILENCE_AT_MOST => self.settle(false, false),
            _ => self.guess(),
        }
        self.utterance_end();
    }

    fn speech_begins(&mut self) {
        self.guessed = 0;
        if self.vad_events {
            let at = self.intake.ear.voice().map_or(0, |voice| voice.start);
            let started = json!({"type": "SpeechStarted", "channel": [0, 1], "timestamp": seconds(at)});
            self.job(Job::Say(Say::Json(started)));
        }
    }

    fn guess(&mut self) {
        let made_of = match self.intake.ear.voice() {
            None => self.intake.ear.waiting() / RATE,
            Some(_) if self.intake.ear.is_scripted() => self.intake.ear.said() as u64,
            Some(voice) => (self.intake.ear.position() - voice.start) / HEAR_EVERY,
        };
        if self.interims && made_of > self.guessed {
            let due = Instant::now() + self.intake.world.draw(self.intake.world.delays.asr);
            self.job(Job::Interim { window: self.intake.ear.peek(), due });
        }
        self.guessed = made_of;
    }

    fn settle(&mut self, speech_final: bool, from_finalize: bool) {
        if self.intake.ear.waiting() == 0 {
            return;
        }
        let world = &self.intake.world;
        let due = Instant::now() + world.draw(world.delays.asr);
        let speech_final = speech_final && self.intake.ear.voice().is_some();
        let goes_on = !speech_final && self.intake.ear.voice().is_some();
        let window = self.intake.settle(goes_on);
        self.guessed = 0;
        self.job(Job::Final { window, due, speech_final, from_finalize });
    }

    fn utterance_end(&mut self) {
        let Some((end, pause)) = self.last_voice.zip(self.utterance_end) else { return };
        if self.intake.ear.voice().is_none() && self.intake.ear.position() >= end + pause {
            self.last_voice = None;
            let told = json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": seconds(end)});
            self.job(Job::Say(Say::Json(told)));
        }
    }
}
