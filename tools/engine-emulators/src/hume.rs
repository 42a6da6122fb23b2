//! Hume: the WebSocket `/v1/expression/audio/realtime`. What it measures is how loud somebody speaks. After how long
//! without audio the vendor ends a session is not known: here after a minute.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Error, Json, Router};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use self::utterances::{Told, Utterances};
use crate::interpreting::{Line, lasts, samples};
use crate::{Emulator, Fault, World};

mod utterances;

const RATE: u32 = 16_000;
const MESSAGE_AT_MOST: usize = 1 << 20;
const FRAME_AT_MOST: Duration = Duration::from_secs(10);
/// What a network may jolt together.
const JOLT: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);
const USUAL_TIMER_MS: u64 = 3_000;

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let router =
        Router::new().route("/v1/expression/audio/realtime", any(upgrade)).with_state(Arc::clone(&world));
    Emulator::start(router, world, port).await
}

async fn upgrade(State(world): State<Arc<World>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    world.tally.count(|counts| counts.requests += 1);
    let fault = match world.script.next() {
        Some(Fault::Refuse { status, retry_after }) => return refuse(&world, status, retry_after),
        fault => fault,
    };
    if headers.get("x-hume-api-key").and_then(|key| key.to_str().ok()) != Some(&world.key) {
        world.tally.violation("401: the key");
        return refuse(&world, 401, None);
    }
    // The largest message is refused by a message of ours, so a larger one must get in.
    let socket = upgrade.max_message_size(2 * MESSAGE_AT_MOST);
    socket.on_upgrade(|socket| Session::new(world).serve(socket, fault))
}

fn refuse(world: &World, status: u16, retry_after: Option<u32>) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({"type": "error", "code": "refused", "message": "refused", "request_id": "r1"});
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// One WebSocket.
struct Session {
    world: Arc<World>,
    timer_ms: u64,
    /// When the first frame came.
    began: Option<Instant>,
    bytes: usize,
    frames: u64,
    utterances: Utterances,
}

/// An error's code and words, and whether the session survives it.
struct Refusal {
    code: &'static str,
    words: &'static str,
    retryable: bool,
}

enum Order {
    Updated,
    Told(Vec<Told>),
    Close,
}

impl Session {
    fn new(world: Arc<World>) -> Self {
        let utterances = Utterances::new(USUAL_TIMER_MS);
        Self { world, timer_ms: USUAL_TIMER_MS, began: None, bytes: 0, frames: 0, utterances }
    }

    async fn serve(mut self, socket: WebSocket, fault: Option<Fault>) {
        let mut open = self.world.connect();
        let mut line = Line::new(socket, fault);
        if open.outlives(self.listen(&mut line)).await {
            line.closed().await;
        }
    }

    fn configuration(&self, kind: &str) -> Value {
        let audio = json!({"type": "audio/pcm", "encoding": "s16le", "sample_rate": RATE, "channels": 1});
        json!({"type": kind, "audio": audio, "measurement_timer_ms": self.timer_ms})
    }

    async fn listen(&mut self, line: &mut Line) -> Result<(), Error> {
        let mut created = self.configuration("session.created");
        created["session_id"] = "s1".into();
        line.tell(&created).await?;
        loop {
            let order = match timeout(PATIENCE, line.socket.recv()).await {
                Err(_) => return self.end(line, "idle_timeout", 1000).await,
                Ok(None) => return Ok(()),
                Ok(Some(message)) => match message? {
                    Message::Text(text) => self.read(&text),
                    Message::Binary(frame) => self.hear(&frame),
                    Message::Close(_) => return Ok(()),
                    Message::Ping(_) | Message::Pong(_) => continue,
                },
            };
            match order {
                Ok(Order::Updated) => line.tell(&self.configuration("session.updated")).await?,
                Ok(Order::Told(told)) => self.tell(line, &told).await?,
                Ok(Order::Close) => {
                    let told = self.utterances.end();
                    self.tell(line, &told).await?;
                    return self.end(line, "client_request", 1000).await;
                }
                Err(refusal) => {
                    let Refusal { code, words, retryable } = refusal;
                    self.world.tally.violation(format!("{code}: {words}"));
                    let error =
                        json!({"type": "error", "code": code, "message": words, "retryable": retryable});
                    line.tell(&error).await?;
                    if !retryable {
                        return self.end(line, "error", 1008).await;
                    }
                }
            }
            if let Some((code, reason)) = line.cut(lasts(self.bytes, RATE)) {
                return line.close(code, &reason).await;
            }
        }
    }

    fn read(&mut self, text: &str) -> Result<Order, Refusal> {
        let invalid = |words| Refusal { code: "message_invalid", words, retryable: true };
        if text.len() > MESSAGE_AT_MOST {
            return Err(too_large());
        }
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| invalid("No JSON object."))?;
        match fields.get("type").and_then(Value::as_str) {
            Some("session.close") => Ok(Order::Close),
            Some("session.update") => self.update(&fields),
            _ => Err(invalid("Unknown type.")),
        }
    }

    fn update(&mut self, fields: &Map<String, Value>) -> Result<Order, Refusal> {
        let wrong = |words| Refusal { code: "config_invalid", words, retryable: false };
        if self.began.is_some() {
            return Err(wrong("The configuration is locked by the first audio."));
        }
        if let Some(Value::Object(audio)) = fields.get("audio") {
            let only = [
                ("type", json!("audio/pcm")),
                ("encoding", json!("s16le")),
                ("sample_rate", json!(RATE)),
                ("channels", json!(1)),
            ];
            let is_other = |(name, value): &(&str, Value)| {
                audio.get(*name).is_some_and(|given| !given.is_null() && given != value)
            };
            if only.iter().any(is_other) {
                return Err(wrong("Only one format is supported."));
            }
        }
        let timer = match fields.get("measurement_timer_ms") {
            None | Some(Value::Null) => Some(USUAL_TIMER_MS),
            Some(timer) => timer.as_u64().filter(|timer| (3_000..=10_000).contains(timer)),
        };
        self.timer_ms = timer.ok_or_else(|| wrong("measurement_timer_ms is from 3000 to 10000."))?;
        self.utterances = Utterances::new(self.timer_ms);
        Ok(Order::Updated)
    }

    fn hear(&mut self, frame: &[u8]) -> Result<Order, Refusal> {
        if frame.len() > MESSAGE_AT_MOST {
            return Err(too_large());
        }
        let length = lasts(frame.len(), RATE);
        if frame.is_empty() || !frame.len().is_multiple_of(2) || length > FRAME_AT_MOST {
            let words = "A frame has whole samples, of 10 seconds at most.";
            return Err(Refusal { code: "invalid_audio_frame", words, retryable: true });
        }
        let since = self.began.get_or_insert_with(Instant::now).elapsed();
        if lasts(self.bytes, RATE) > since + JOLT {
            let words = "Audio comes faster than it is spoken.";
            return Err(Refusal { code: "rate_limited", words, retryable: true });
        }
        self.bytes += frame.len();
        self.frames += 1;
        self.world.tally.count(|counts| counts.audio_ms += length.as_millis() as u64);
        Ok(Order::Told(self.utterances.hear(&samples(frame))))
    }

    async fn tell(&self, line: &mut Line, told: &[Told]) -> Result<(), Error> {
        for told in told {
            if matches!(told, Told::Measured { .. }) {
                tokio::time::sleep(line.late()).await;
            }
            line.answer(&told.json()).await?;
        }
        Ok(())
    }

    async fn end(&self, line: &mut Line, reason: &str, code: u16) -> Result<(), Error> {
        let (utterances, measurements) = self.utterances.produced();
        let closed = json!({
            "type": "session.closed", "session_id": "s1", "reason": reason,
            "received": {"audio_duration_ms": lasts(self.bytes, RATE).as_millis() as u64, "frames": self.frames},
            "produced": {"utterances": utterances, "measurements": measurements},
        });
        line.tell(&closed).await?;
        line.close(code, "").await
    }
}

fn too_large() -> Refusal {
    Refusal { code: "message_too_large", words: "At most 1 MiB.", retryable: false }
}
