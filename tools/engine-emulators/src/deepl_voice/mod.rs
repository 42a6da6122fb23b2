//! `DeepL` Voice: `POST /v3/voice/realtime`, and the WebSocket that it leads to. JSON and raw samples only; text is
//! concluded at the end of the audio only; a session cannot be reconnected. With which codes the vendor closes is not
//! known: an error closes with 1008 here.

mod session;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Query, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Error, Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep, timeout};

use self::session::{Asked, Tickets};
use crate::http::{Connection, Connections, PACE, bytes_in};
use crate::interpreting::{HEARING_RATE, Interpreter, Line, Said, halves, lasts, samples};
use crate::{Emulator, Fault, Speech, World};

const CHUNK_AT_MOST: usize = 100_000;
const CHUNK_LASTS_AT_MOST: Duration = Duration::from_secs(1);
/// What a network may jolt together.
const JOLT: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);
/// Speech is sent in pieces of this length.
const PIECE: Duration = Duration::from_millis(200);
/// What is tentative changes this often.
const TENTATIVE_EVERY: Duration = Duration::from_secs(1);

struct Server {
    interpreter: Interpreter,
    connections: Connections,
    tickets: Tickets,
}

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let server = Server {
        interpreter: Interpreter::new(Arc::clone(&world)),
        connections: Connections::default(),
        tickets: Tickets::default(),
    };
    let router = Router::new()
        .route("/v3/voice/realtime", post(ask))
        .route("/v3/voice/realtime/connect", any(upgrade))
        .with_state(Arc::new(server));
    Emulator::start(router, world, port).await
}

fn refuse(world: &World, status: u16, why: &str, retry_after: Option<u32>) -> Response {
    world.tally.count(|counts| counts.refused += 1);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(json!({"message": why}))).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

async fn ask(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let world = &server.interpreter.world;
    let _under_way = server.connections.request(world, connection);
    let fault = match world.script.next() {
        Some(Fault::Refuse { status, retry_after }) => return refuse(world, status, "refused", retry_after),
        fault => fault,
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let refused = |status, why: &str| {
        world.tally.violation(format!("{status}: {why}"));
        refuse(world, status, why, None)
    };
    if header(AUTHORIZATION).strip_prefix("DeepL-Auth-Key ") != Some(&world.key) {
        return refused(403, "Invalid auth key.");
    }
    if header(USER_AGENT).is_empty() || !header(CONTENT_TYPE).starts_with("application/json") {
        return refused(400, "User-Agent or Content-Type header missing.");
    }
    match Asked::read(&body) {
        Ok(asked) => {
            let token = server.tickets.issue(asked, fault);
            let url = format!("ws://{}/v3/voice/realtime/connect", header(HOST));
            Json(json!({"streaming_url": url, "token": token, "session_id": "4f911080"})).into_response()
        }
        Err(why) => refused(400, &why),
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn upgrade(
    State(server): State<Arc<Server>>,
    Query(Token { token }): Query<Token>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let world = &server.interpreter.world;
    let Some((asked, fault)) = server.tickets.take(&token) else {
        world.tally.violation("403: the token is not known, or was used");
        return refuse(world, 403, "Invalid token", None);
    };
    let session =
        Session { server: Arc::clone(&server), asked, heard: Vec::new(), began: None, told: Duration::ZERO };
    upgrade.on_upgrade(|socket| session.serve(socket, fault))
}

/// One WebSocket.
struct Session {
    server: Arc<Server>,
    asked: Asked,
    heard: Vec<u8>,
    /// When the first audio came.
    began: Option<Instant>,
    /// Up to where the tentative text was told.
    told: Duration,
}

/// A code, a detailed one, and words.
struct Refusal(u16, u64, String);

enum Order {
    GoOn,
    End,
}

impl Session {
    async fn serve(mut self, socket: WebSocket, fault: Option<Fault>) {
        let mut open = self.server.interpreter.world.connect();
        let mut line = Line::new(socket, fault);
        if open.outlives(self.listen(&mut line)).await {
            line.closed().await;
        }
    }

    /// Until the session is over.
    async fn listen(&mut self, line: &mut Line) -> Result<(), Error> {
        loop {
            let order = match timeout(PATIENCE, line.socket.recv()).await {
                Err(_) => Err(Refusal(408, 4_080_000, "No data was received for 30 seconds".to_owned())),
                Ok(None) => return Ok(()),
                Ok(Some(message)) => match message? {
                    Message::Text(text) => self.read(&text),
                    Message::Binary(_) => Err(bad("Binary frames are for MessagePack")),
                    Message::Close(_) => return Ok(()),
                    Message::Ping(_) | Message::Pong(_) => continue,
                },
            };
            match order {
                Ok(Order::GoOn) => self.tentative(line).await?,
                Ok(Order::End) => return self.conclude(line).await,
                Err(refusal) => return self.refuse(line, refusal).await,
            }
            if let Some((code, reason)) = line.cut(self.length()) {
                return line.close(code, &reason).await;
            }
        }
    }

    fn length(&self) -> Duration {
        lasts(self.heard.len(), self.asked.source_rate)
    }

    fn read(&mut self, text: &str) -> Result<Order, Refusal> {
        let fields: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| bad("Message is no JSON object"))?;
        if fields.contains_key("end_of_source_media") {
            return Ok(Order::End);
        }
        let data = fields.get("source_media_chunk").and_then(|chunk| chunk["data"].as_str());
        let data = data.ok_or_else(|| bad("Unknown message"))?;
        let bytes = BASE64_STANDARD.decode(data).map_err(|_| bad("Audio is not base64"))?;
        let length = lasts(bytes.len(), self.asked.source_rate);
        if bytes.is_empty()
            || bytes.len() % 2 != 0
            || bytes.len() > CHUNK_AT_MOST
            || length > CHUNK_LASTS_AT_MOST
        {
            return Err(bad("Chunk size not supported"));
        }
        let since = self.began.get_or_insert_with(Instant::now).elapsed();
        if self.length() > since * 2 + JOLT {
            return Err(Refusal(429, 4_290_000, "Audio is sent too fast".to_owned()));
        }
        let is_silence = bytes.iter().all(|byte| *byte == 0);
        self.server.interpreter.world.tally.count(|counts| {
            counts.audio_ms += length.as_millis() as u64;
            counts.keep_alives += u64::from(is_silence);
        });
        self.heard.extend(bytes);
        Ok(Order::GoOn)
    }

    /// Text that is taken back later: nobody may rely on it.
    async fn tentative(&mut self, line: &mut Line) -> Result<(), Error> {
        if self.length() < self.told + TENTATIVE_EVERY {
            return Ok(());
        }
        self.told = self.length();
        let segment = json!({"language": self.asked.source, "text": "…", "start_time": 0, "end_time": 1});
        line.answer(&json!({"source_transcript_update": {"concluded": [], "tentative": [segment]}})).await
    }

    async fn refuse(&self, line: &mut Line, Refusal(code, reason, words): Refusal) -> Result<(), Error> {
        let tally = &self.server.interpreter.world.tally;
        tally.count(|counts| counts.refused += 1);
        tally.violation(format!("{code}: {words}"));
        let error = json!({
            "request_type": "source_media_chunk", "error_code": code, "reason_code": reason, "error_message": words,
        });
        line.tell(&json!({"error": error})).await?;
        line.close(1008, &words).await
    }

    /// Answers all that was said.
    async fn conclude(&mut self, line: &mut Line) -> Result<(), Error> {
        if line.is_mute() {
            return Ok(());
        }
        let server = Arc::clone(&self.server);
        let world = &server.interpreter.world;
        let due = Instant::now() + world.draw(world.delays.asr) + line.late();
        let heard = Speech { rate: self.asked.source_rate, samples: samples(&self.heard) }.at(HEARING_RATE);
        let main = self.asked.targets.first().map_or("en", |target| plain(target)).to_owned();
        let said = server.interpreter.hear(&heard.samples, self.asked.source.as_deref(), &main).await;
        tokio::time::sleep_until(due).await;
        let end = self.length().as_millis() as u64;
        for half in halves(&said.text) {
            let segment = json!({"language": said.language, "text": half, "start_time": 0, "end_time": end});
            line.answer(&json!({"source_transcript_update": {"concluded": [segment], "tentative": []}}))
                .await?;
        }
        line.answer(&json!({"end_of_source_transcript": {}})).await?;
        sleep(world.draw(world.delays.mt)).await;
        for target in self.asked.targets.clone() {
            self.translate(line, &said, &target, end).await?;
        }
        line.answer(&json!({"end_of_stream": {}})).await
    }

    async fn translate(&self, line: &mut Line, said: &Said, target: &str, end: u64) -> Result<(), Error> {
        let interpreter = &self.server.interpreter;
        let text = interpreter.translate(said, plain(target)).await;
        for half in halves(&text) {
            let segment = json!({"text": half, "start_time": 0, "end_time": end});
            let update = json!({"language": target, "concluded": [segment], "tentative": []});
            line.answer(&json!({"target_transcript_update": update})).await?;
        }
        line.answer(&json!({"end_of_target_transcript": {"language": target}})).await?;
        let Some((spoken, rate)) = self.asked.spoken.as_ref().filter(|(spoken, _)| spoken == target) else {
            return Ok(());
        };
        let speech = interpreter.speak(&text, plain(spoken), *rate).await;
        sleep(interpreter.world.draw(interpreter.world.delays.tts)).await;
        for (number, piece) in speech.chunks(bytes_in(PIECE, *rate)).enumerate() {
            let mut chunk = json!({
                "language": spoken, "data": [BASE64_STANDARD.encode(piece)],
                "duration": lasts(piece.len(), *rate).as_millis() as u64, "text": null,
            });
            if number == 0 {
                chunk["content_type"] = format!("audio/pcm;encoding=s16le;rate={rate}").into();
                chunk["text"] = text.as_str().into();
            }
            line.answer(&json!({"target_media_chunk": chunk})).await?;
            sleep(PACE).await;
        }
        line.answer(&json!({"end_of_target_media": {"language": spoken}})).await
    }
}

fn bad(words: &str) -> Refusal {
    Refusal(400, 4_000_000, words.to_owned())
}

/// A language without its region.
fn plain(code: &str) -> &str {
    code.split('-').next().unwrap_or_default()
}
