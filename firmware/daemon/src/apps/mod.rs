//! Programs of the box: over a WebSocket at `/api/v1/stream` they hear what happens in rooms, and have texts said there, in
//! a sound of their own or by the engines.
//!
//! Whoever comes is a program of this machine and knows the token, or he learns nothing. Nobody waits for a program: one
//! that does not read is cut off, by the room's tap where its channel is full, here where a message is not taken in time.

mod allowance;
mod client;
mod counts;
mod request;
mod sound;
mod streams;
pub mod token;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{self, State};
use axum::http::header::{
    AUTHORIZATION, HeaderName, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::config;
use crate::hub::{Hub, now};
use crate::supervision::end_of;
use allowance::Allowance;
use counts::{Counts, Refusal};
pub use request::{Asked, Refused, Request, Wants, parse};

/// Where programs come in.
pub(crate) const PATH: &str = "/api/v1/stream";
/// What is spoken here, for who asks for a subprotocol.
const PROTOCOL: &str = "dragoman.v1";
/// Browsers cannot send other headers: there the token comes as another subprotocol, behind this.
const TOKEN_PROTOCOL: &str = "dragoman.token.";
/// Programs at once.
const MOST_CLIENTS: usize = 8;
/// Wrong tokens in a row, and how long until one more may be tried.
const MOST_TRIES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_secs(2);
/// How long the token may take to be read.
const READ_DEADLINE: Duration = Duration::from_secs(2);
/// Longest message to a program, bytes: a list of all legs.
const LONGEST_ANSWER: usize = 256 << 10;

/// How long a connection may take to become a WebSocket.
const UPGRADE_DEADLINE: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Who comes, and which address of ours it comes to.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

impl Peer {
    /// Whether it is a program of this box: the kernel has one that asks at the box's own address come from there, and
    /// nobody else can.
    fn is_here(self) -> bool {
        let [from, to] = [self.from, self.to].map(|address| address.ip().to_canonical());
        from.is_loopback() || from == to
    }
}

/// What is known of programs.
pub(crate) struct Apps {
    pub(crate) counts: Counts,
    places: Arc<Semaphore>,
    tries: Mutex<Allowance>,
}

impl Default for Apps {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            places: Arc::new(Semaphore::new(MOST_CLIENTS)),
            tries: Mutex::new(Allowance::new(MOST_TRIES, TRY_EVERY)),
        }
    }
}

impl Apps {
    /// Makes the token, where there is none yet.
    pub(crate) fn prepare(config: &config::Apps) {
        let file = &config.token_file;
        if let Err(reason) = token::make(file).map_err(|e| e.to_string()).and_then(|()| token::read(file)) {
            log::error!("apps.token_file {}: {reason}; no app is let in", file.display());
        }
    }

    /// Programs that are connected.
    pub(crate) fn connected(&self) -> usize {
        MOST_CLIENTS - self.places.available_permits()
    }

    fn tries(&self) -> MutexGuard<'_, Allowance> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a program in, or says why not.
pub(crate) async fn open(
    State(hub): State<Arc<Hub>>,
    Extension(peer): Extension<Peer>,
    mut request: extract::Request,
) -> Response {
    let admitted = admit(&hub, peer, request.headers()).await;
    let greeted = admitted.and_then(|admitted| Ok((admitted, greet(&mut request)?)));
    match greeted {
        Ok(((token, place), (response, upgrade))) => {
            tokio::spawn(async move {
                if let Some(socket) = socket(upgrade).await {
                    client::serve(hub, socket, token, place).await;
                }
            });
            response
        }
        Err(reason) => {
            hub.apps.counts.refuse(reason);
            log::debug!("{} asks for {PATH} and is refused: {}", peer.from, reason.name());
            refuse(reason)
        }
    }
}

/// The answer to who asks for a WebSocket.
fn greet(request: &mut extract::Request) -> Result<(Response, OnUpgrade), Refusal> {
    let response = create_response_with_body(request, Body::empty);
    let mut response = response.map_err(|_| Refusal::NoWebSocket)?;
    if offered(request.headers()).any(|protocol| protocol == PROTOCOL) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok((response, hyper::upgrade::on(request)))
}

/// What the connection becomes once that is sent.
async fn socket(upgrade: OnUpgrade) -> Option<Socket> {
    let upgraded = timeout(UPGRADE_DEADLINE, upgrade).await.ok()?.ok()?;
    let limits = WebSocketConfig::default()
        .max_message_size(Some(request::LONGEST))
        .max_frame_size(Some(request::LONGEST))
        .read_buffer_size(request::LONGEST)
        .write_buffer_size(0)
        .max_write_buffer_size(LONGEST_ANSWER);
    Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await)
}

/// The token that is good now, and a place.
async fn admit(
    hub: &Hub,
    peer: Peer,
    headers: &HeaderMap,
) -> Result<(SecretString, OwnedSemaphorePermit), Refusal> {
    let config = hub.config.apps.as_ref().ok_or(Refusal::NoToken)?;
    if !peer.is_here() {
        return Err(Refusal::Elsewhere);
    }
    if !is_welcome(headers, &config.origins) {
        return Err(Refusal::Origin);
    }
    let refused = match current(&config.token_file).await {
        None => Refusal::NoToken,
        // Whoever else uses up all tries: what is right passes.
        Some(token) if given(headers).is_some_and(|given| token::is_same(&given, &token)) => {
            let place = Arc::clone(&hub.apps.places).try_acquire_owned();
            return place.map(|place| (token, place)).map_err(|_| Refusal::Full);
        }
        Some(_) => Refusal::Token,
    };
    Err(if hub.apps.tries().take(now()) { refused } else { Refusal::Tries })
}

/// Browsers say whose page asks, programs do not.
fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let is_known = |origin: &[u8]| origins.iter().any(|known| origin.eq_ignore_ascii_case(known.as_bytes()));
    headers.get_all(ORIGIN).iter().all(|origin| is_known(origin.as_bytes()))
}

/// The token that a program brings.
fn given(headers: &HeaderMap) -> Option<SecretString> {
    let bearer = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()?.strip_prefix("Bearer "));
    let token = bearer.or_else(|| offered(headers).find_map(|one| one.strip_prefix(TOKEN_PROTOCOL)));
    token.map(SecretString::from)
}

/// The subprotocols that a program offers.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|header| header.to_str().ok());
    all.flat_map(|header| header.split(',')).map(str::trim)
}

/// The token that is good now; `None` where that cannot be told.
async fn current(file: &Path) -> Option<SecretString> {
    let path = file.to_owned();
    let read = timeout(READ_DEADLINE, spawn_blocking(move || token::read(&path))).await;
    let reason = match read {
        Ok(Ok(Ok(token))) => return Some(token),
        Ok(Ok(Err(reason))) => reason,
        Ok(Err(error)) => end_of(&error).to_owned(),
        Err(_) => "it is not read in time".to_owned(),
    };
    log::warn!("apps.token_file {}: {reason}", file.display());
    None
}

fn refuse(reason: Refusal) -> Response {
    type Refused = (StatusCode, Option<(HeaderName, &'static str)>, &'static str);
    let (status, header, words): Refused = match reason {
        Refusal::Elsewhere => (StatusCode::FORBIDDEN, None, "for programs on this box alone\n"),
        Refusal::Origin => (StatusCode::FORBIDDEN, None, "the page's origin is not among [apps] origins\n"),
        Refusal::Token => {
            let header = (WWW_AUTHENTICATE, "Bearer");
            (StatusCode::UNAUTHORIZED, Some(header), "the token is missing or wrong\n")
        }
        Refusal::Tries => {
            (StatusCode::TOO_MANY_REQUESTS, Some((RETRY_AFTER, "2")), "too many wrong tokens\n")
        }
        Refusal::NoToken => {
            (StatusCode::SERVICE_UNAVAILABLE, None, "the token cannot be read; the daemon's log says why\n")
        }
        Refusal::Full => (StatusCode::SERVICE_UNAVAILABLE, None, "too many apps are connected\n"),
        Refusal::NoWebSocket => {
            (StatusCode::UPGRADE_REQUIRED, Some((UPGRADE, "websocket")), "this is a WebSocket\n")
        }
    };
    (status, header.map(|header| [header]), words).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_token_comes_as_a_bearers_or_as_a_subprotocol() {
        let token = |pairs: &[_]| given(&headers(pairs)).map(|token| token.expose_secret().to_owned());
        let some = |token: &str| Some(token.to_owned());
        assert_eq!(token(&[(AUTHORIZATION, "Bearer abc")]), some("abc"));
        assert_eq!(token(&[(SEC_WEBSOCKET_PROTOCOL, "dragoman.v1, dragoman.token.abc")]), some("abc"));
        for none in [(AUTHORIZATION, "Basic abc"), (AUTHORIZATION, "abc"), (SEC_WEBSOCKET_PROTOCOL, "abc")] {
            assert_eq!(token(&[none]), None);
        }
    }

    #[test]
    fn pages_are_welcome_by_their_origin() {
        let known = ["http://localhost:3000".to_owned()];
        let welcome = |pairs: &[_]| is_welcome(&headers(pairs), &known);
        assert!(welcome(&[]) && welcome(&[(ORIGIN, "http://LOCALHOST:3000")]));
        for stranger in ["null", "http://localhost", "http://localhost:3000.evil.example", ""] {
            assert!(!welcome(&[(ORIGIN, stranger)]), "{stranger}");
        }
        let mut both = headers(&[(ORIGIN, "http://localhost:3000")]);
        both.append(ORIGIN, HeaderValue::from_static("http://evil.example"));
        assert!(!is_welcome(&both, &known));
    }
}
