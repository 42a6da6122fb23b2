//! The XTTS v2 streaming server: `POST /clone_speaker` and `/tts_stream`, `GET /studio_speakers` and `/languages`.
//!
//! One text is spoken at a time; the others wait. Voices differ in their numbers only: all sound the same here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use anyhow::Result;
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::http::{Connection, Connections, Looks, answer, meet, spoken};
use crate::{Emulator, World};

const RATE: u32 = 24_000;
const BODY_AT_MOST: usize = 32 << 20;
const ROW: usize = 1024;
/// What `/tts_stream` takes.
const LANGUAGES: [&str; 16] =
    ["en", "de", "fr", "es", "it", "pl", "pt", "tr", "ru", "nl", "cs", "ar", "zh", "ja", "hu", "ko"];
/// What `/languages` tells: that of the model.
const MODELS_LANGUAGES: [&str; 17] =
    ["en", "es", "fr", "de", "it", "pt", "pl", "tr", "ru", "nl", "cs", "ar", "zh-cn", "hu", "ko", "ja", "hi"];
const STUDIO: [&str; 2] = ["Claribel Dervla", "Viktor Menelaos"];
static OF_STUDIO: LazyLock<Vec<Value>> =
    LazyLock::new(|| STUDIO.map(|name| voice(name.as_bytes())["speaker_embedding"].take()).into());
/// As Python's `wave` writes it for no samples: 24 kHz, 16 bit, mono.
const WAV_HEADER: &[u8; 44] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0data\0\0\0\0";
const LOOKS: Looks = Looks {
    content_type: "audio/wav",
    endless: (WAV_HEADER, 0),
    refusal: |status| (status, status.canonical_reason().unwrap_or_default()).into_response(),
};

/// One that goes on for ever has a voice of endless numbers.
const OF_A_STUDIO: Looks = Looks {
    content_type: "application/json",
    endless: (b"{\"Claribel Dervla\":{\"gpt_cond_latent\":[[0", b'1'),
    refusal: LOOKS.refusal,
};

struct Server {
    world: Arc<World>,
    connections: Connections,
    turn: Arc<Mutex<()>>,
}

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let connections = Connections::default();
    let server = Server { world: Arc::clone(&world), connections, turn: Arc::default() };
    let router = Router::new()
        .route("/clone_speaker", post(clone_speaker))
        .route("/tts_stream", post(tts_stream))
        .route("/studio_speakers", get(studio_speakers))
        .route("/languages", get(async || Json(MODELS_LANGUAGES)))
        .layer(DefaultBodyLimit::max(BODY_AT_MOST))
        .with_state(Arc::new(server));
    Emulator::start(router, world, port).await
}

async fn studio_speakers(State(server): State<Arc<Server>>) -> Response {
    server.world.tally.count(|counts| counts.studios += 1);
    match meet(&server.world, &OF_A_STUDIO).await {
        Ok(_) => Json(studio()).into_response(),
        Err(fault) => fault,
    }
}

fn studio() -> Value {
    STUDIO.iter().map(|name| (*name, voice(name.as_bytes()))).collect::<Value>()
}

/// A voice's numbers, which depend on the recording only.
fn voice(recording: &[u8]) -> Value {
    let mut hasher = DefaultHasher::new();
    recording.hash(&mut hasher);
    let mut random = fastrand::Rng::with_seed(hasher.finish());
    let mut row =
        |length| (0..length).map(|_| f64::from(random.i16(-999..=999)) / 1000.0).collect::<Vec<_>>();
    let rows: Vec<_> = (0..32).map(|_| row(ROW)).collect();
    json!({"gpt_cond_latent": rows, "speaker_embedding": row(512)})
}

/// Why a request is refused: in which field, the error's type, and words.
struct Refusal(Vec<&'static str>, &'static str, String);

impl Refusal {
    fn field(name: &'static str, kind: &'static str, words: &str) -> Self {
        Self(vec!["body", name], kind, words.to_owned())
    }
}

impl Server {
    fn refuse(&self, Refusal(place, kind, words): Refusal) -> Response {
        self.world.tally.count(|counts| counts.refused += 1);
        self.world.tally.violation(format!("422: {}: {words}", place.join(".")));
        let body = json!({"detail": [{"type": kind, "loc": place, "msg": words}]});
        (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
    }

    fn broken(&self, why: &str) -> Response {
        self.world.tally.count(|counts| counts.refused += 1);
        self.world.tally.violation(format!("500: {why}"));
        (LOOKS.refusal)(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

async fn clone_speaker(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    form: Result<Multipart, MultipartRejection>,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    if let Err(fault) = meet(&server.world, &LOOKS).await {
        return fault;
    }
    let missing = || server.refuse(Refusal::field("wav_file", "missing", "Field required"));
    let Ok(form) = form else { return missing() };
    let Some(wav) = wav_file(form).await else { return missing() };
    if !(wav.starts_with(b"RIFF") && wav.get(8..12) == Some(b"WAVE") && wav.len() > WAV_HEADER.len()) {
        return server.broken("the recording is not a WAV file");
    }
    let _turn = server.turn.lock().await;
    server.world.tally.count(|counts| {
        counts.cloned += 1;
        counts.audio_ms += (wav.len() - WAV_HEADER.len()) as u64 / 32;
    });
    Json(voice(&wav)).into_response()
}

async fn wav_file(mut form: Multipart) -> Option<Bytes> {
    while let Some(field) = form.next_field().await.ok()? {
        if field.name() == Some("wav_file") && field.file_name().is_some() {
            return field.bytes().await.ok();
        }
    }
    None
}

/// A valid text to speak.
struct Speak {
    text: String,
    language: String,
    header: bool,
    is_of_studio: bool,
    /// Found too late for a refusal: the answer has begun.
    breaks: Option<&'static str>,
}

impl Speak {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let fields = serde_json::from_slice::<Map<String, Value>>(body).ok();
        let Some(fields) = fields.filter(|_| kind.starts_with("application/json")) else {
            let words = "Input should be a valid dictionary or object to extract fields from";
            return Err(Refusal(vec!["body"], "model_attributes_type", words.to_owned()));
        };
        numbers(&fields, "speaker_embedding")?;
        let latents = rows(&fields)?;
        let language = text(&fields, "language", None)?;
        if !LANGUAGES.contains(&language) {
            return Err(Refusal::field("language", "literal_error", "Input should be one of the languages"));
        }
        let header = fields.get("add_wav_header").map_or(Some(true), Value::as_bool);
        let header = header.ok_or_else(|| {
            Refusal::field("add_wav_header", "bool_type", "Input should be a valid boolean")
        })?;
        let size = text(&fields, "stream_chunk_size", Some("20"))?;
        let breaks = match size.parse::<u32>() {
            Err(_) => Some("stream_chunk_size is not a number"),
            Ok(_) if !latents.is_multiple_of(ROW) => Some("gpt_cond_latent is not rows of 1024"),
            Ok(_) => None,
        };
        let text = text(&fields, "text", None)?.to_owned();
        let is_of_studio = fields.get("speaker_embedding").is_some_and(|voice| OF_STUDIO.contains(voice));
        Ok(Self { text, language: language.to_owned(), header, is_of_studio, breaks })
    }
}

fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &'static str,
    usual: Option<&'a str>,
) -> Result<&'a str, Refusal> {
    match (fields.get(name), usual) {
        (Some(Value::String(text)), _) => Ok(text),
        (Some(_), _) => Err(Refusal::field(name, "string_type", "Input should be a valid string")),
        (None, Some(usual)) => Ok(usual),
        (None, None) => Err(Refusal::field(name, "missing", "Field required")),
    }
}

fn numbers(fields: &Map<String, Value>, name: &'static str) -> Result<(), Refusal> {
    let all = fields.get(name).ok_or_else(|| Refusal::field(name, "missing", "Field required"))?;
    match all.as_array() {
        Some(all) if all.iter().all(Value::is_number) => Ok(()),
        _ => Err(Refusal::field(name, "list_type", "Input should be a valid list")),
    }
}

/// How many numbers `gpt_cond_latent` has.
fn rows(fields: &Map<String, Value>) -> Result<usize, Refusal> {
    let name = "gpt_cond_latent";
    let all = fields.get(name).ok_or_else(|| Refusal::field(name, "missing", "Field required"))?;
    let count = |row: &Value| row.as_array().filter(|row| row.iter().all(Value::is_number)).map(Vec::len);
    let rows = all.as_array().and_then(|rows| rows.iter().map(count).sum::<Option<usize>>());
    rows.ok_or_else(|| Refusal::field(name, "list_type", "Input should be a valid list"))
}

async fn tts_stream(
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
    let speak = match Speak::read(&headers, &body) {
        Ok(speak) => speak,
        Err(refusal) => return server.refuse(refusal),
    };
    if let Some(why) = speak.breaks {
        server.world.tally.violation(format!("broken off: {why}"));
        let error = std::io::Error::other(why);
        return answer("audio/wav", Body::from_stream(futures_util::stream::iter([Err::<Bytes, _>(error)])));
    }
    server.world.tally.count(|counts| counts.spoken_in_cloned += u64::from(!speak.is_of_studio));
    let turn = Arc::clone(&server.turn).lock_owned().await;
    let begin = Instant::now() + server.world.draw(server.world.delays.tts);
    match server.world.voices.speak(&speak.text, &speak.language).await {
        Ok(speech) => {
            let head: &[u8] = if speak.header { WAV_HEADER } else { &[] };
            let speech = speech.at(RATE).to_bytes();
            answer("audio/wav", spoken(head, speech, RATE, begin, cut, (turn, under_way)))
        }
        Err(error) => server.broken(&format!("cannot speak: {error}")),
    }
}
