//! `OpenAI`: the WebSocket `/v1/realtime/translations`. Answers when the session is closed; until then the interpreter
//! is silent, frame by frame. Which output languages the vendor knows is not checked.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Error, Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, sleep_until};

use crate::http::{PACE, bytes_in};
use crate::interpreting::{HEARING_RATE, Interpreter, Line, halves, lasts, samples};
use crate::{Emulator, Fault, Speech, World};

const RATE: u32 = 24_000;
/// What the model takes at a time.
const FRAME: Duration = Duration::from_millis(200);
const MODELS: [&str; 1] = ["gpt-realtime-translate"];
const TRANSCRIBERS: [&str; 1] = ["gpt-realtime-whisper"];
const MESSAGE_AT_MOST: usize = 16 << 20;

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let interpreter = Arc::new(Interpreter::new(Arc::clone(&world)));
    let router = Router::new().route("/v1/realtime/translations", any(upgrade)).with_state(interpreter);
    Emulator::start(router, world, port).await
}

#[derive(Deserialize)]
struct Model {
    model: Option<String>,
}

async fn upgrade(
    State(interpreter): State<Arc<Interpreter>>,
    Query(Model { model }): Query<Model>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let world = &interpreter.world;
    world.tally.count(|counts| counts.requests += 1);
    let fault = match world.script.next() {
        Some(Fault::Refuse { status, retry_after }) => {
            return refuse(world, status, "server_error", "refused", retry_after);
        }
        fault => fault,
    };
    let key = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.strip_prefix("Bearer ") != Some(&world.key) {
        world.tally.violation("401: invalid_api_key");
        return refuse(world, 401, "invalid_api_key", "Incorrect API key provided.", None);
    }
    let Some(model) = model.filter(|model| MODELS.contains(&model.as_str())) else {
        world.tally.violation("400: model");
        return refuse(world, 400, "invalid_model", "You must provide a model parameter.", None);
    };
    let session = Session {
        interpreter: Arc::clone(&interpreter),
        model,
        target: "en".to_owned(),
        transcriber: None,
        heard: Vec::new(),
        answered: 0,
        events: 0,
    };
    upgrade.max_message_size(MESSAGE_AT_MOST).on_upgrade(|socket| session.serve(socket, fault))
}

fn refuse(world: &World, status: u16, code: &str, words: &str, retry_after: Option<u32>) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error = json!({"message": words, "type": "invalid_request_error", "code": code, "param": null});
    let mut response = (status, Json(json!({"error": error}))).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// One WebSocket.
struct Session {
    interpreter: Arc<Interpreter>,
    model: String,
    target: String,
    transcriber: Option<String>,
    heard: Vec<u8>,
    /// Frames of input that silence was answered to.
    answered: usize,
    events: u64,
}

/// Code and words of an error that leaves the session open.
struct Mistake(&'static str, String);

enum Order {
    GoOn,
    Updated,
    Close,
}

impl Session {
    async fn serve(mut self, socket: WebSocket, fault: Option<Fault>) {
        let mut open = self.interpreter.world.connect();
        let mut line = Line::new(socket, fault);
        if open.outlives(self.listen(&mut line)).await {
            line.closed().await;
        }
    }

    async fn listen(&mut self, line: &mut Line) -> Result<(), Error> {
        let created = self.session("session.created");
        line.tell(&created).await?;
        while let Some(message) = line.socket.recv().await {
            let order = match message? {
                Message::Text(text) => self.read(&text),
                Message::Binary(_) => Err(Mistake("invalid_event", "Events are text.".to_owned())),
                Message::Close(_) => return Ok(()),
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            match order {
                Ok(Order::GoOn) => self.stay_silent(line).await?,
                Ok(Order::Updated) => {
                    let updated = self.session("session.updated");
                    line.tell(&updated).await?;
                }
                Ok(Order::Close) => return self.close(line).await,
                Err(mistake) => self.complain(line, mistake).await?,
            }
            if let Some((code, reason)) = line.cut(lasts(self.heard.len(), RATE)) {
                return line.close(code, &reason).await;
            }
        }
        Ok(())
    }

    fn read(&mut self, text: &str) -> Result<Order, Mistake> {
        let invalid = |words: &str| Mistake("invalid_event", words.to_owned());
        let event: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| invalid("The event is no JSON object."))?;
        match event.get("type").and_then(Value::as_str) {
            Some("session.update") => self.update(&event["session"]).map(|()| Order::Updated),
            Some("session.input_audio_buffer.append") => {
                let audio = event
                    .get("audio")
                    .and_then(Value::as_str)
                    .ok_or_else(|| invalid("'audio' is missing."))?;
                let bytes = BASE64_STANDARD.decode(audio).map_err(|_| invalid("'audio' is not base64."))?;
                if bytes.len() % 2 != 0 {
                    return Err(invalid("'audio' ends in half a sample."));
                }
                let length = lasts(bytes.len(), RATE);
                self.interpreter.world.tally.count(|counts| counts.audio_ms += length.as_millis() as u64);
                self.heard.extend(bytes);
                Ok(Order::GoOn)
            }
            Some("session.close") => Ok(Order::Close),
            Some(other) => Err(invalid(&format!("Invalid value: '{other}'."))),
            None => Err(invalid("The 'type' field is missing.")),
        }
    }

    fn update(&mut self, session: &Value) -> Result<(), Mistake> {
        let wrong = |name: &str| Mistake("invalid_value", format!("Invalid value for '{name}'."));
        let fixed = ["model", "type"].into_iter().find(|name| session.get(name).is_some());
        if let Some(name) = fixed {
            return Err(Mistake("unknown_parameter", format!("'{name}' cannot be changed.")));
        }
        if let Some(language) = session.pointer("/audio/output/language") {
            let language = language.as_str().filter(|language| language.len() >= 2);
            let language = language.ok_or_else(|| wrong("session.audio.output.language"))?;
            language.clone_into(&mut self.target);
        }
        match session.pointer("/audio/input/transcription") {
            None => {}
            Some(Value::Null) => self.transcriber = None,
            Some(transcription) => {
                let model = transcription["model"].as_str().filter(|model| TRANSCRIBERS.contains(model));
                let model = model.ok_or_else(|| wrong("session.audio.input.transcription.model"))?;
                self.transcriber = Some(model.to_owned());
            }
        }
        Ok(())
    }

    fn event(&mut self, kind: &str, mut fields: Value) -> Value {
        self.events += 1;
        fields["type"] = kind.into();
        fields["event_id"] = format!("event_{}", self.events).into();
        fields
    }

    fn session(&mut self, kind: &str) -> Value {
        let transcription = self.transcriber.as_ref().map(|model| json!({"model": model}));
        let audio = json!({
            "input": {"transcription": transcription, "noise_reduction": null},
            "output": {"language": self.target},
        });
        let session = json!({
            "id": "sess_1234567890abcdef", "type": "translation", "model": self.model, "expires_at": 1_900_000_000,
            "audio": audio,
        });
        self.event(kind, json!({"session": session}))
    }

    async fn complain(&mut self, line: &mut Line, Mistake(code, words): Mistake) -> Result<(), Error> {
        self.interpreter.world.tally.violation(format!("{code}: {words}"));
        let error = json!({
            "type": "invalid_request_error", "code": code, "message": words, "param": null, "event_id": null,
        });
        let event = self.event("error", json!({"error": error}));
        line.tell(&event).await
    }

    fn audio(&mut self, samples: &[u8]) -> Value {
        let elapsed = self.answered as u64 * FRAME.as_millis() as u64;
        self.event("session.output_audio.delta", json!({
            "delta": BASE64_STANDARD.encode(samples), "sample_rate": RATE, "channels": 1, "format": "pcm16",
            "elapsed_ms": elapsed,
        }))
    }

    /// A frame of silence for each that came.
    async fn stay_silent(&mut self, line: &mut Line) -> Result<(), Error> {
        let frame = bytes_in(FRAME, RATE);
        while self.heard.len() >= (self.answered + 1) * frame {
            self.answered += 1;
            let silence = self.audio(&vec![0; frame]);
            line.answer(&silence).await?;
        }
        Ok(())
    }

    async fn close(&mut self, line: &mut Line) -> Result<(), Error> {
        if line.is_mute() {
            return Ok(());
        }
        let interpreter = Arc::clone(&self.interpreter);
        let world = &interpreter.world;
        let due = Instant::now() + world.draw(world.delays.asr) + line.late();
        let heard = Speech { rate: RATE, samples: samples(&self.heard) }.at(HEARING_RATE);
        let said = interpreter.hear(&heard.samples, None, &self.target).await;
        sleep_until(due).await;
        if self.transcriber.is_some() {
            self.deltas(line, "session.input_transcript.delta", &said.text).await?;
        }
        sleep(world.draw(world.delays.mt)).await;
        let translation = interpreter.translate(&said, &self.target).await;
        self.deltas(line, "session.output_transcript.delta", &translation).await?;
        let speech = interpreter.speak(&translation, &self.target, RATE).await;
        sleep(world.draw(world.delays.tts)).await;
        for piece in speech.chunks(bytes_in(FRAME, RATE)) {
            self.answered += 1;
            let audio = self.audio(piece);
            line.answer(&audio).await?;
            sleep(PACE).await;
        }
        let closed = self.event("session.closed", json!({}));
        line.answer(&closed).await?;
        line.close(1000, "").await
    }

    async fn deltas(&mut self, line: &mut Line, kind: &str, text: &str) -> Result<(), Error> {
        for half in halves(text) {
            let elapsed = self.answered as u64 * FRAME.as_millis() as u64;
            let delta = self.event(kind, json!({"delta": half, "elapsed_ms": elapsed}));
            line.answer(&delta).await?;
        }
        Ok(())
    }
}
