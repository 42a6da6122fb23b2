//! `ElevenLabs`: the WebSocket `/v1/text-to-speech/{voice}/stream-input`. Speaks raw samples only, not compressed formats.

mod input;
mod output;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{Instant, timeout};

use self::input::{Input, Order, Refusal};
use self::output::Output;
use crate::{Emulator, Fault, World};

/// Text frames of clients are small.
const MESSAGE_AT_MOST: usize = 1 << 20;
const CLOSES_WITHIN: Duration = Duration::from_secs(2);
const WITH_LANGUAGES: [&str; 2] = ["eleven_flash_v2_5", "eleven_turbo_v2_5"];
const MODELS: [&str; 4] =
    ["eleven_flash_v2", "eleven_turbo_v2", "eleven_multilingual_v2", "eleven_monolingual_v1"];
/// Has no WebSocket: the vendor refuses the upgrade.
const WITHOUT_SOCKET: &str = "eleven_v3";
const RATES: [(&str, u32); 4] =
    [("pcm_16000", 16_000), ("pcm_22050", 22_050), ("pcm_24000", 24_000), ("pcm_44100", 44_100)];

/// The query of the upgrade.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default = "usual_model")]
    model_id: String,
    #[serde(default = "usual_format")]
    output_format: String,
    language_code: Option<String>,
    #[serde(default)]
    auto_mode: bool,
    #[serde(default = "usual_timeout")]
    inactivity_timeout: u64,
}

fn usual_model() -> String {
    "eleven_monolingual_v1".to_owned()
}

fn usual_format() -> String {
    "mp3_44100".to_owned()
}

fn usual_timeout() -> u64 {
    20
}

impl Asked {
    /// The samples a second of a valid query.
    fn rate(&self, voice: &str) -> Result<u32, Refusal> {
        if voice.len() != 20 || !voice.chars().all(|c| c.is_ascii_alphanumeric()) {
            let words = format!("A voice with voice_id '{voice}' does not exist.");
            return Err(Refusal::new("voice_id_does_not_exist", words));
        }
        let model = self.model_id.as_str();
        if !MODELS.contains(&model) && !WITH_LANGUAGES.contains(&model) {
            return Err(Refusal::new(
                "model_not_found",
                format!("A model with model ID '{model}' does not exist."),
            ));
        }
        if self.language_code.is_some() && !WITH_LANGUAGES.contains(&model) {
            let words = format!("Model '{model}' does not support language_code.");
            return Err(Refusal::new("unsupported_language", words));
        }
        let format = self.output_format.as_str();
        let rate = RATES.iter().find(|(name, _)| *name == format).map(|(_, rate)| *rate);
        rate.ok_or_else(|| {
            Refusal::new("invalid_output_format", format!("No output format '{format}' here."))
        })
    }
}

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let path = "/v1/text-to-speech/{voice}/stream-input";
    let router = Router::new().route(path, any(upgrade)).with_state(Arc::clone(&world));
    Emulator::start(router, world, port).await
}

async fn upgrade(
    State(world): State<Arc<World>>,
    Path(voice): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    world.tally.count(|counts| counts.requests += 1);
    let fault = world.script.next();
    match fault {
        // Of a spent quota the vendor says nothing: see `Output::end`.
        Some(Fault::Refuse { status: 402 | 456, .. }) => {}
        Some(Fault::Refuse { status, retry_after }) => return refuse(&world, status, retry_after),
        _ => {}
    }
    if asked.model_id == WITHOUT_SOCKET {
        world.tally.violation(format!("403: {WITHOUT_SOCKET} has no WebSocket"));
        return refuse(&world, 403, None);
    }
    let key = headers.get("xi-api-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let connection = Connection { world, voice, asked, key, fault };
    upgrade.max_message_size(MESSAGE_AT_MOST).on_upgrade(|socket| connection.serve(socket))
}

fn refuse(world: &World, status: u16, retry_after: Option<u32>) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let words = status.canonical_reason().unwrap_or_default();
    let mut response =
        (status, Json(json!({"detail": {"status": "error", "message": words}}))).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// One WebSocket.
struct Connection {
    world: Arc<World>,
    voice: String,
    asked: Asked,
    /// That of the upgrade; another may come with the first message.
    key: Option<String>,
    fault: Option<Fault>,
}

impl Connection {
    async fn serve(self, socket: WebSocket) {
        let mut open = self.world.connect();
        let (mut sink, stream) = socket.split();
        let (orders, mut queue) = mpsc::unbounded_channel();
        let listening = self.listen(stream, orders);
        tokio::pin!(listening);
        let mut output = Output::new(&self, &mut sink);
        tokio::select! {
            () = open.ended() => return,
            () = &mut listening => return,
            done = output.speak(&mut queue) => {
                if let Err(gone) = done {
                    log::debug!("the client is gone: {gone}");
                }
            }
        }
        // Its close frame is waited for, lest the last messages be lost with the connection.
        if timeout(CLOSES_WITHIN, listening).await.is_err() {
            log::debug!("the client does not close");
        }
    }

    /// Turns what comes into orders until the client is gone.
    async fn listen(&self, mut stream: SplitStream<WebSocket>, orders: UnboundedSender<(Instant, Order)>) {
        let mut input = Input::new(&self.world.key, self.key.clone(), self.asked.auto_mode);
        let patience = Duration::from_secs(self.asked.inactivity_timeout.min(180));
        let mut refused = self.asked.rate(&self.voice).err();
        loop {
            let order = match timeout(patience, stream.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => match refused.take() {
                    Some(refusal) => Order::Refuse(refusal),
                    None => self.read(&mut input, &text),
                },
                Ok(Some(Ok(Message::Binary(_)))) => Order::Refuse(Refusal::unreadable()),
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return,
                Err(_) => Order::Refuse(Refusal::late(patience)),
            };
            // Once the output has ended there is nobody to order, but a close frame is still to come.
            if orders.send((Instant::now(), order)).is_err() {
                log::debug!("more came after the end");
            }
        }
    }

    fn read(&self, input: &mut Input, text: &str) -> Order {
        if input.keeps_alive(text) {
            self.world.tally.count(|counts| counts.keep_alives += 1);
        }
        input.read(text).unwrap_or_else(Order::Refuse)
    }
}
