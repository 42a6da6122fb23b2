//! Translation over LibreTranslate's HTTP API.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use engines::mt::libretranslate::{ErrorBody, Language, Text, TranslateResponse};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::load::Engines;

/// Longest body, bytes.
const LONGEST_BODY: usize = 128 << 10;
/// Longest text, characters, and most texts in a batch.
const LONGEST_TEXT: usize = 5000;
const LARGEST_BATCH: usize = 32;
const DEADLINE: Duration = Duration::from_secs(30);

/// English names of the languages that engines may bring.
const NAMES: [(&str, &str); 14] = [
    ("ca", "Catalan"),
    ("de", "German"),
    ("en", "English"),
    ("es", "Spanish"),
    ("eu", "Basque"),
    ("fr", "French"),
    ("gl", "Galician"),
    ("it", "Italian"),
    ("nl", "Dutch"),
    ("oc", "Occitan"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ru", "Russian"),
    ("uk", "Ukrainian"),
];

struct Server {
    engines: Arc<Engines>,
    turns: Semaphore,
}

/// The routes. `requests` translate at the same time; more are told to slow down.
pub fn router(engines: Arc<Engines>, requests: usize) -> Router {
    Router::new()
        .route("/translate", post(translate))
        .route("/languages", get(languages))
        .route("/health", get(|| async { Json(serde_json::json!({"status": "ok"})) }))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Arc::new(Server { engines, turns: Semaphore::new(requests) }))
}

/// The fields of a request, JSON or form; what is missing is told as LibreTranslate tells it.
#[derive(Deserialize)]
struct Fields {
    q: Option<Text>,
    source: Option<String>,
    target: Option<String>,
    format: Option<String>,
}

/// A refusal with its status.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(ErrorBody { error: self.1 })).into_response()
    }
}

fn invalid(why: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, why.into())
}

async fn languages(State(server): State<Arc<Server>>) -> Json<Vec<Language>> {
    let pairs = server.engines.translator.pairs().into_iter();
    Json(pairs.map(|(code, targets)| Language { name: name(&code).to_owned(), code, targets }).collect())
}

fn name(code: &str) -> &str {
    NAMES.iter().find(|(known, _)| *known == code).map_or(code, |(_, name)| name)
}

async fn translate(
    State(server): State<Arc<Server>>,
    request: Request,
) -> Result<Json<TranslateResponse>, Refusal> {
    let fields = read(request).await?;
    let missing = |name: &str| invalid(format!("Invalid request: missing {name} parameter"));
    let q =
        fields.q.filter(|q| q.as_slice().iter().any(|text| !text.is_empty())).ok_or_else(|| missing("q"))?;
    let source = fields.source.filter(|code| !code.is_empty()).ok_or_else(|| missing("source"))?;
    let target = fields.target.filter(|code| !code.is_empty()).ok_or_else(|| missing("target"))?;
    if let Some(format) = fields.format.filter(|format| !format.is_empty() && format != "text") {
        return Err(invalid(format!("{format} format is not supported")));
    }
    check_size(&q)?;
    check_pair(&server.engines, &source, &target)?;
    let Ok(_turn) = server.turns.try_acquire() else {
        return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, "Slowdown: too many requests at once".into()));
    };
    let mut translated = Vec::new();
    for text in q.as_slice() {
        let answer = timeout(DEADLINE, server.engines.translator.translate(text, &source, &target));
        let failed = |why: String| {
            log::warn!("translation from {source} to {target} failed: {why}");
            Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("Cannot translate text: {why}"))
        };
        let answer = answer.await.map_err(|_| failed("it takes too long".into()))?;
        translated.push(answer.map_err(|error| failed(format!("{error:#}")))?);
    }
    Ok(Json(TranslateResponse { translated_text: q.answer(translated), detected_language: None }))
}

async fn read(request: Request) -> Result<Fields, Refusal> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/json") {
        let body = Bytes::from_request(request, &()).await;
        let body = body.map_err(|error| Refusal(error.status(), error.body_text()))?;
        return serde_json::from_slice(&body)
            .map_err(|error| invalid(format!("Invalid JSON format: {error}")));
    }
    let form = Form::<Fields>::from_request(request, &()).await;
    form.map(|Form(fields)| fields).map_err(|error| Refusal(error.status(), error.body_text()))
}

fn check_size(q: &Text) -> Result<(), Refusal> {
    let too_much = |size: usize, limit: usize| {
        invalid(format!("Invalid request: request ({size}) exceeds text limit ({limit})"))
    };
    if q.as_slice().len() > LARGEST_BATCH {
        return Err(too_much(q.as_slice().len(), LARGEST_BATCH));
    }
    let longest = q.as_slice().iter().map(|text| text.chars().count()).max().unwrap_or(0);
    if longest > LONGEST_TEXT { Err(too_much(longest, LONGEST_TEXT)) } else { Ok(()) }
}

fn check_pair(engines: &Engines, source: &str, target: &str) -> Result<(), Refusal> {
    let pairs = engines.translator.pairs();
    let targets = pairs.get(source).ok_or_else(|| invalid(format!("{source} is not supported")))?;
    if !pairs.contains_key(target) {
        return Err(invalid(format!("{target} is not supported")));
    }
    if !targets.iter().any(|code| code == target) {
        let (from, to) = (name(source), name(target));
        return Err(invalid(format!(
            "{to} ({target}) is not available as a target language from {from} ({source})"
        )));
    }
    Ok(())
}
