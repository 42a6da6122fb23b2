//! `OpenAI`: `POST /v1/audio/speech`. Speaks raw samples only, not the vendor's compressed formats.

use std::sync::Arc;

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::http::{Connection, Connections, Looks, answer, meet, spoken};
use crate::language::guess;
use crate::{Emulator, World};

const RATE: u32 = 24_000;
const TEXT_AT_MOST: usize = 4096;
const BODY_AT_MOST: usize = 1 << 20;
const CONTENT: &str = "audio/pcm";
const MODELS: [&str; 4] = ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"];
const VOICES: [&str; 13] = [
    "alloy", "ash", "ballad", "coral", "echo", "fable", "onyx", "nova", "sage", "shimmer", "verse", "marin",
    "cedar",
];
const LOOKS: Looks = Looks { content_type: CONTENT, endless: (&[], 0), refusal };

struct Server {
    world: Arc<World>,
    connections: Connections,
}

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let server = Server { world: Arc::clone(&world), connections: Connections::default() };
    let router = Router::new()
        .route("/v1/audio/speech", post(speech))
        .layer(DefaultBodyLimit::max(BODY_AT_MOST))
        .with_state(Arc::new(server));
    Emulator::start(router, world, port).await
}

/// A scripted refusal; of a spent quota the vendor speaks as of too many requests, with another code.
fn refusal(status: StatusCode) -> Response {
    let (status, kind, code, words) = match status.as_u16() {
        401 => (status, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
        402 | 456 => {
            let words = "You exceeded your current quota, please check your plan and billing details.";
            (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota", words)
        }
        429 => (status, "requests", "rate_limit_exceeded", "Rate limit reached."),
        _ => {
            (status, "server_error", "server_error", "The server had an error while processing your request.")
        }
    };
    body(status, kind, None, Some(code), words)
}

fn body(status: StatusCode, kind: &str, param: Option<&str>, code: Option<&str>, words: &str) -> Response {
    let error = json!({"message": words, "type": kind, "param": param, "code": code});
    (status, Json(json!({"error": error}))).into_response()
}

/// Why a request is refused: status, field, code, words.
struct Refusal(StatusCode, Option<&'static str>, Option<&'static str>, String);

impl Refusal {
    fn bad(field: &'static str, code: &'static str, words: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, Some(field), Some(code), words.into())
    }
}

impl Server {
    fn refuse(&self, Refusal(status, param, code, words): Refusal) -> Response {
        self.world.tally.count(|counts| counts.refused += 1);
        self.world.tally.violation(format!("{}: {words}", status.as_u16()));
        body(status, "invalid_request_error", param, code, &words)
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match header(AUTHORIZATION).strip_prefix("Bearer ") {
            None => {
                let words = "You didn't provide an API key in an Authorization header using Bearer auth.";
                Err(Refusal(StatusCode::UNAUTHORIZED, None, None, words.to_owned()))
            }
            Some(key) if key != self.world.key => {
                let words = "Incorrect API key provided.".to_owned();
                Err(Refusal(StatusCode::UNAUTHORIZED, None, Some("invalid_api_key"), words))
            }
            Some(_) if !header(CONTENT_TYPE).starts_with("application/json") => {
                let words = "Unsupported content type: this method takes application/json.".to_owned();
                Err(Refusal(StatusCode::BAD_REQUEST, None, None, words))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The text of a valid request.
fn read(body: &[u8]) -> Result<String, Refusal> {
    let unreadable =
        || Refusal(StatusCode::BAD_REQUEST, None, None, "We could not parse the JSON body.".to_owned());
    let fields: Map<String, Value> = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let model = text(&fields, "model")?;
    if !MODELS.contains(&model) {
        let words = format!("The model `{model}` does not exist or you do not have access to it.");
        return Err(Refusal(StatusCode::NOT_FOUND, None, Some("model_not_found"), words));
    }
    one_of(text(&fields, "voice")?, "voice", &VOICES)?;
    let format = fields.get("response_format").map_or(Ok("mp3"), |_| text(&fields, "response_format"))?;
    one_of(format, "response_format", &["pcm"])?;
    let stream = fields.get("stream_format").map_or(Ok("audio"), |_| text(&fields, "stream_format"))?;
    one_of(stream, "stream_format", &["audio"])?;
    let speed = fields.get("speed").map_or(Some(1.0), Value::as_f64);
    if !speed.is_some_and(|speed| (0.25..=4.0).contains(&speed)) {
        return Err(Refusal::bad(
            "speed",
            "invalid_value",
            "Invalid 'speed': expected a number from 0.25 to 4.",
        ));
    }
    let input = text(&fields, "input")?;
    match input.chars().count() {
        0 => Err(Refusal::bad("input", "string_below_min_length", "Invalid 'input': string too short.")),
        1..=TEXT_AT_MOST => Ok(input.to_owned()),
        _ => Err(Refusal::bad("input", "string_above_max_length", "Invalid 'input': string too long.")),
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, Refusal> {
    match fields.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Refusal::bad(name, "invalid_type", format!("Invalid type for '{name}'."))),
        None => {
            let words = format!("Missing required parameter: '{name}'.");
            Err(Refusal::bad(name, "missing_required_parameter", words))
        }
    }
}

fn one_of(value: &str, name: &'static str, values: &[&str]) -> Result<(), Refusal> {
    if values.contains(&value) {
        return Ok(());
    }
    let words = format!("Invalid value: '{value}'. Supported values are: {}.", values.join(", "));
    Err(Refusal::bad(name, "invalid_value", words))
}

async fn speech(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let under_way = server.connections.request(&server.world, connection);
    let cut = match meet(&server.world, &LOOKS).await {
        Ok(cut) => cut,
        Err(fault) => return fault,
    };
    let text = match server.admit(&headers).and_then(|()| read(&body)) {
        Ok(text) => text,
        Err(refusal) => return server.refuse(refusal),
    };
    let begin = Instant::now() + server.world.draw(server.world.delays.tts);
    match server.world.voices.speak(&text, guess(&text)).await {
        Ok(speech) => answer(CONTENT, spoken(&[], speech.at(RATE).to_bytes(), RATE, begin, cut, under_way)),
        Err(error) => {
            log::warn!("cannot speak: {error}");
            refusal(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
