//! `DeepL`: `POST /v2/translate`, `GET /v2/usage`, and glossaries as far as they are made, listed, read and deleted
//! (`/v3/glossaries`, and `POST /v2/glossaries`). Takes JSON only; the vendor also takes forms.

mod glossary;
mod languages;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::body::to_bytes;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use self::glossary::Glossaries;
use self::request::Translate;
use crate::http::{Connection, Connections, Looks, meet};
use crate::{Emulator, World};

const BODY_AT_MOST: usize = 128 << 10;
const GLOSSARY_AT_MOST: usize = 11 << 20;
const CHARACTERS_AT_MOST: usize = 500_000;
const LOOKS: Looks = Looks {
    content_type: "application/json",
    endless: (br#"{"translations":[{"detected_source_language":"EN","text":""#, b'a'),
    refusal: |status| match status.as_u16() {
        456 => message(status, "Quota for this billing period has been exceeded."),
        500.. => message(status, "Internal server error"),
        _ => status.into_response(),
    },
};

struct Server {
    world: Arc<World>,
    connections: Connections,
    glossaries: Glossaries,
    characters: AtomicUsize,
}

/// Serves on a loopback port, 0 for a free one.
///
/// # Errors
/// When the port is taken.
pub async fn start(world: Arc<World>, port: u16) -> Result<Emulator> {
    let server = Server {
        world: Arc::clone(&world),
        connections: Connections::default(),
        glossaries: Glossaries::default(),
        characters: AtomicUsize::new(0),
    };
    let router = Router::new()
        .route("/v2/translate", post(translate))
        .route("/v2/glossaries", post(create_single_glossary))
        .route("/v3/glossaries", post(create_glossary).get(list_glossaries))
        .route("/v3/glossaries/{id}", get(one_glossary).delete(one_glossary))
        .route("/v3/glossaries/{id}/entries", get(glossary_entries))
        .route("/v2/usage", get(usage).post(usage))
        .with_state(Arc::new(server));
    Emulator::start(router, world, port).await
}

/// A status, what the vendor says with it, and more about it.
pub(crate) struct Refusal(StatusCode, String, Option<String>);

impl Refusal {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into(), None)
    }
}

fn message(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({"message": text}))).into_response()
}

impl Server {
    /// Answers, and counts a refusal as the fault of the client.
    fn respond(&self, answer: Result<Response, Refusal>) -> Response {
        answer.unwrap_or_else(|Refusal(status, why, detail)| {
            self.world.tally.count(|counts| counts.refused += 1);
            self.world.tally.violation(format!("{}: {why}", status.as_u16()));
            match detail {
                // The vendor says nothing of a key.
                _ if status == StatusCode::FORBIDDEN => status.into_response(),
                Some(detail) => (status, Json(json!({"message": why, "detail": detail}))).into_response(),
                None => message(status, &why),
            }
        })
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header(AUTHORIZATION).strip_prefix("DeepL-Auth-Key ") != Some(&self.world.key) {
            return Err(Refusal(StatusCode::FORBIDDEN, "no valid key".to_owned(), None));
        }
        if header(USER_AGENT).is_empty() {
            return Err(Refusal::bad("User-Agent header missing."));
        }
        Ok(())
    }

    async fn json(&self, request: Request, at_most: usize) -> Result<Value, Refusal> {
        self.admit(request.headers())?;
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refusal::bad("Parameter 'text' not specified"));
        }
        let too_large =
            |_| Refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request size exceeds the limit.".to_owned(), None);
        let body = to_bytes(request.into_body(), at_most).await.map_err(too_large)?;
        serde_json::from_slice(&body).map_err(|_| Refusal::bad("Invalid JSON in request body."))
    }

    async fn translate(&self, request: Request) -> Result<Response, Refusal> {
        let due = Instant::now() + self.world.draw(self.world.delays.mt);
        let asked = Translate::read(&self.json(request, BODY_AT_MOST).await?)?;
        self.world.tally.count(|counts| counts.translations += asked.texts.len() as u64);
        let glossary = self.glossaries.find(&asked)?;
        let mut translations = Vec::with_capacity(asked.texts.len());
        for text in &asked.texts {
            let marked = glossary.as_ref().map_or_else(|| text.clone(), |glossary| glossary.apply(text));
            let (source, target) = (languages::plain(&asked.source), languages::plain(&asked.target));
            let translated =
                self.world.voices.translate(&marked, &source, &target).await.map_err(|error| {
                    Refusal(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot translate: {error}"), None)
                })?;
            let characters = text.chars().count();
            self.characters.fetch_add(characters, Ordering::Relaxed);
            translations.push(asked.answer(&translated, characters));
        }
        sleep_until(due).await;
        Ok(Json(json!({"translations": translations})).into_response())
    }
}

async fn translate(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    if let Err(fault) = meet(&server.world, &LOOKS).await {
        return fault;
    }
    server.respond(server.translate(request).await)
}

async fn create_glossary(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    if let Err(fault) = meet(&server.world, &LOOKS).await {
        return fault;
    }
    let body = server.json(request, GLOSSARY_AT_MOST).await;
    let created = body.and_then(|body| server.glossaries.create(&body));
    server.respond(created.map(|info| (StatusCode::CREATED, Json(info)).into_response()))
}

async fn create_single_glossary(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    let body = server.json(request, GLOSSARY_AT_MOST).await;
    let created = body.and_then(|body| server.glossaries.create_single(&body));
    server.respond(created.map(|info| (StatusCode::CREATED, Json(info)).into_response()))
}

async fn list_glossaries(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    if let Err(fault) = meet(&server.world, &LOOKS).await {
        return fault;
    }
    server.respond(server.admit(&headers).map(|()| Json(server.glossaries.list()).into_response()))
}

async fn one_glossary(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(id): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    let done = server.admit(&headers).and_then(|()| match method {
        Method::DELETE => server.glossaries.delete(&id).map(|()| StatusCode::NO_CONTENT.into_response()),
        _ => server.glossaries.info(&id).map(|info| Json(info).into_response()),
    });
    server.respond(done)
}

#[derive(Deserialize)]
struct Direction {
    source_lang: String,
    target_lang: String,
}

async fn glossary_entries(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    Path(id): Path<String>,
    direction: Query<Direction>,
    headers: HeaderMap,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    let entries = || server.glossaries.entries(&id, &direction.source_lang, &direction.target_lang);
    server.respond(server.admit(&headers).and_then(|()| Ok(Json(entries()?).into_response())))
}

async fn usage(
    State(server): State<Arc<Server>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    headers: HeaderMap,
) -> Response {
    let _under_way = server.connections.request(&server.world, connection);
    if let Err(fault) = meet(&server.world, &LOOKS).await {
        return fault;
    }
    let count = server.characters.load(Ordering::Relaxed);
    let usage = json!({"character_count": count, "character_limit": CHARACTERS_AT_MOST});
    server.respond(server.admit(&headers).map(|()| Json(usage).into_response()))
}
