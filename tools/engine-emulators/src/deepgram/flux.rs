//! `/v2/listen`: turns, which the model ends itself.

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
use super::ear::{Ear, Heard, RATE, Window, seconds};
use super::line::{Event, Line, Mouth, Say};
use super::listen::{HEAR_EVERY, IDLE, IDLE_AT_MOST, NO_AUDIO, PIECE_MS};
use super::uuid;
use crate::{Fault, Voices, World};

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
    let mut session = Session::new(Arc::clone(&world), &wishes, line.mouth());
    loop {
        match line.next(session.idle).await {
            Event::Gone => break,
            _ if session.closing => (),
            Event::Idle => session.end(1011, IDLE),
            Event::Text(text) => session.text(&text),
            Event::Audio(bytes) => {
                session.binary(&bytes).await;
                if let Some((code, reason)) = line.breaks(session.audio()) {
                    line.hang_up(code, &reason).await;
                    break;
                }
            }
        }
    }
    if let Some(unsaid) = session.ear.unsaid() {
        world.voices.put_back(&unsaid);
    }
}

/// What is told, in this order.
enum Job {
    /// How sure it is that the turn is over, and whether that is to be told before it is certain.
    Update {
        window: Window,
        sure: f64,
        eager: bool,
    },
    End {
        window: Window,
        due: Instant,
        trigger: &'static str,
    },
    Error(Value),
    Close(u16, String),
}

struct Session {
    world: Arc<World>,
    ear: Ear,
    jobs: UnboundedSender<Job>,
    piece: usize,
    /// Bytes a second.
    rate: u64,
    received: u64,
    threshold: f64,
    eager: Option<f64>,
    timeout: u64,
    /// When the last update was told, in samples.
    updated: u64,
    idle: Instant,
    closing: bool,
}

impl Session {
    fn new(world: Arc<World>, wishes: &Wishes, mouth: Mouth) -> Self {
        let rate = wishes.number("sample_rate").unwrap_or(16_000.0) as u32;
        let multi = wishes.get("model") == Some("flux-general-multi");
        let hints: Vec<String> = wishes.all("language_hint").map(str::to_owned).collect();
        let (jobs, queue) = unbounded_channel();
        let teller = Teller {
            world: Arc::clone(&world),
            mouth,
            id: uuid(),
            languages: if multi { hints } else { vec!["en".into()] },
            multi,
            sequence: 0,
            turn: 0,
            state: Turn::Ready,
            heard: Heard::default(),
            heard_until: 0,
        };
        tokio::spawn(teller.tell(queue));
        Self {
            world,
            ear: Ear::new(rate),
            jobs,
            piece: (rate * 2 * PIECE_MS / 1_000) as usize & !1,
            rate: u64::from(rate) * 2,
            received: 0,
            threshold: wishes.number("eot_threshold").unwrap_or(0.7),
            eager: wishes.number("eager_eot_threshold"),
            timeout: (wishes.number("eot_timeout_ms").unwrap_or(5_000.0) / 1_000.0 * RATE as f64) as u64,
            updated: 0,
            idle: Instant::now() + IDLE_AT_MOST,
            closing: false,
        }
    }

    /// Audio that came so far.
    fn audio(&self) -> Duration {
        Duration::from_millis(self.received * 1_000 / self.rate)
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
            Some("ForceEndTurn") if self.ear.voice().is_some() => self.end_turn("manual"),
            // Without a turn there is nothing to end.
            Some("ForceEndTurn") => self.update(),
            Some("CloseStream") => {
                self.update();
                self.end(1000, "");
            }
            _ => {
                self.world.tally.violation("a text message that Flux does not know");
                let description =
                    "Text message received from client did not match any of the formats we expect.";
                let error =
                    json!({"type": "Error", "code": "UNPARSABLE_CLIENT_MESSAGE", "description": description});
                self.job(Job::Error(error));
                self.end(1008, "UNPARSABLE_CLIENT_MESSAGE");
            }
        }
    }

    async fn binary(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"{\"") {
            self.world.tally.violation("JSON in a binary message, which is taken for audio");
        }
        if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
            self.world.tally.violation("half a sample, or none");
            return self.end(1008, NO_AUDIO);
        }
        self.idle = Instant::now() + IDLE_AT_MOST;
        let before = self.audio();
        self.received += bytes.len() as u64;
        let came = self.audio().saturating_sub(before);
        self.world.tally.count(|counts| counts.audio_ms += came.as_millis() as u64);
        for piece in bytes.chunks(self.piece) {
            self.hear(piece).await;
        }
    }

    async fn hear(&mut self, piece: &[u8]) {
        if self.ear.push(piece)
            && !self.ear.is_scripted()
            && matches!(self.world.voices, Voices::Scripted { .. })
        {
            // Scripted texts are there at once.
            let text = self.world.voices.hear(&[], None).await.unwrap_or_default();
            self.ear.script(&text);
        }
        let silence = self.ear.silence().unwrap_or(0);
        if self.threshold < 1.0 && self.sure() >= self.threshold {
            self.end_turn("model");
        } else if silence >= self.timeout {
            self.end_turn("timeout");
        } else if self.ear.position() >= self.updated + UPDATE_EVERY {
            self.update();
        }
    }

    /// How sure the model is that the turn is over.
    fn sure(&self) -> f64 {
        let silence = self.ear.silence().unwrap_or(0);
        (silence as f64 / SURE_AFTER).min(0.99)
    }

    fn update(&mut self) {
        self.updated = self.ear.position();
        let eager = self.eager.is_some_and(|eager| self.sure() >= eager);
        self.job(Job::Update { window: self.ear.peek(), sure: self.sure(), eager });
    }

    fn end_turn(&mut self, trigger: &'static str) {
        let due = Instant::now() + self.world.draw(self.world.delays.asr);
        self.updated = self.ear.position();
        let window = self.ear.take(false);
        self.job(Job::End { window, due, trigger });
    }
}

#[derive(PartialEq)]
enum Turn {
    Ready,
    Speaking,
    AwaitingEnd,
}

/// Finds the words and tells the turns.
struct Teller {
    world: Arc<World>,
    mouth: Mouth,
    id: String,
    languages: Vec<String>,
    multi: bool,
    sequence: u64,
    turn: u64,
    state: Turn,
    heard: Heard,
    /// Where the audio ended in which that was heard, in samples.
    heard_until: u64,
}

impl Teller {
    async fn tell(mut self, mut jobs: UnboundedReceiver<Job>) {
        let mut connected = json!({"type": "Connected", "request_id": self.id});
        self.number(&mut connected);
        self.mouth.say(Instant::now(), Say::Json(connected));
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Update { window, sure, eager } => self.update(&window, sure, eager).await,
                Job::End { window, due, trigger } => self.end(&window, due, trigger).await,
                Job::Error(mut error) => {
                    self.number(&mut error);
                    self.mouth.say(Instant::now(), Say::Json(error));
                }
                Job::Close(code, reason) => self.mouth.say(Instant::now(), Say::Close(code, reason)),
            }
        }
    }

    async fn update(&mut self, window: &Window, sure: f64, eager: bool) {
        let scripted = matches!(self.world.voices, Voices::Scripted { .. });
        if window.voice.is_some() && (scripted || window.span.end >= self.heard_until + HEAR_EVERY) {
            self.heard = self.hear(window).await;
            self.heard_until = window.span.end;
        }
        let event = match self.state {
            Turn::Ready if self.heard.text.is_empty() => "Update",
            Turn::Ready => {
                self.state = Turn::Speaking;
                "StartOfTurn"
            }
            Turn::Speaking if eager => {
                self.state = Turn::AwaitingEnd;
                "EagerEndOfTurn"
            }
            Turn::AwaitingEnd if !eager => {
                self.state = Turn::Speaking;
                "TurnResumed"
            }
            _ => "Update",
        };
        let info = self.info(event, window, sure);
        self.mouth.say(Instant::now(), Say::Json(info));
    }

    async fn end(&mut self, window: &Window, due: Instant, trigger: &str) {
        self.heard = self.hear(window).await;
        if self.heard.text.is_empty() && self.state == Turn::Ready {
            // A noise: no turn began, so none ends.
            let info = self.info("Update", window, 0.0);
            return self.mouth.say(due, Say::Json(info));
        }
        if self.state == Turn::Ready {
            let info = self.info("StartOfTurn", window, 0.5);
            self.mouth.say(due, Say::Json(info));
        }
        let mut info = self.info("EndOfTurn", window, 0.9);
        info["trigger"] = trigger.into();
        self.mouth.say(due, Say::Final(info));
        self.state = Turn::Ready;
        self.turn += 1;
        self.heard = Heard::default();
        self.heard_until = window.span.end;
    }

    async fn hear(&self, window: &Window) -> Heard {
        let languages: Vec<&str> = self.languages.iter().map(String::as_str).collect();
        window.hear(&self.world, &languages).await
    }

    fn info(&mut self, event: &str, window: &Window, sure: f64) -> Value {
        let mut info = json!({
            "type": "TurnInfo",
            "request_id": self.id,
            "event": event,
            "turn_index": self.turn,
            "audio_window_start": seconds(window.span.start),
            "audio_window_end": seconds(window.span.end),
            "transcript": self.heard.text,
            "words": self.heard.words_json(false),
            "end_of_turn_confidence": sure,
        });
        if self.multi {
            info["languages"] = self.heard.language.iter().map(String::as_str).collect();
            info["languages_hinted"] = self.languages.iter().map(String::as_str).collect();
        }
        self.number(&mut info);
        info
    }

    fn number(&mut self, message: &mut Value) {
        message["sequence_id"] = self.sequence.into();
        self.sequence += 1;
    }
}
