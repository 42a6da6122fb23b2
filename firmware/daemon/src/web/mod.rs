//! What the daemon tells over HTTP: `/healthz` for people and supervisors, `/metrics` for Prometheus, and a new phone's
//! account, once, with a page that leads there. Nothing can be changed here, but by programs of the box that know the [`apps`]' token.

mod healthz;
pub(crate) mod host;
mod metrics;
pub(crate) mod offers;
mod sheet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::apps::{self, Peer};
use crate::hub::Hub;

/// Connections served at once; more wait in the kernel's short queue.
const MOST_CONNECTIONS: usize = 16;
/// How long a connection may say nothing at all at first: a place is no waiting room.
const FIRST_BYTE_DEADLINE: Duration = Duration::from_secs(1);
/// How long a client may take to say what it wants, the first time and each time after.
const ASK_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection lasts at most: who reads slowly keeps its place no longer.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);
/// What a request's head may need, the least that the library takes.
const MOST_HEAD_BYTES: usize = 8 << 10;
const MOST_BODY_BYTES: usize = 1 << 10;
/// What the kernel keeps for who does not read: the less, the sooner that is noticed.
const SEND_BUFFER: usize = 64 << 10;
/// After an address that could not be listened at.
const LISTEN_AGAIN: Duration = Duration::from_secs(10);

const NOTHING_ELSE: [(HeaderName, &str); 3] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// Serves for ever. Calls do not need it: an address that is taken is tried again.
pub(crate) async fn serve(hub: Arc<Hub>) {
    let wanted = hub.config.health.listen;
    let listener = loop {
        match TcpListener::bind(wanted).await {
            Ok(listener) => break listener,
            Err(error) => {
                log::error!(
                    "health.listen {wanted}: {error}; nobody can ask how this box does; name another"
                );
                sleep(LISTEN_AGAIN).await;
            }
        }
    };
    match listener.local_addr() {
        Ok(address) => hub.serves_health_at(address),
        Err(error) => log::warn!("health.listen {wanted}: {error}"),
    }
    let router = router(hub);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("health.listen {wanted} accepts nobody now: {error}");
                sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let router = router.clone();
        tokio::spawn(async move {
            serve_connection(router, stream, from).await;
            drop(place);
        });
    }
}

fn router(hub: Arc<Hub>) -> Router {
    let router = Router::new()
        .route("/healthz", get(healthz::answer))
        .route("/metrics", get(tell_metrics))
        .route("/provision/{token}", get(offers::fetch))
        .route("/phones/{token}", get(offers::show));
    let router = if hub.config.apps.is_some() { router.route(apps::PATH, get(apps::open)) } else { router };
    router
        .layer(from_fn_with_state(Arc::clone(&hub), host::admit))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .with_state(hub)
}

async fn tell_metrics(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    (NOTHING_ELSE, [(CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::render(&hub))
}

async fn serve_connection(router: Router, stream: TcpStream, from: SocketAddr) {
    if !matches!(timeout(FIRST_BYTE_DEADLINE, stream.peek(&mut [0])).await, Ok(Ok(1))) {
        return;
    }
    let ready = stream.set_nodelay(true).and_then(|()| {
        set_socket_send_buffer_size(&stream, SEND_BUFFER)?;
        stream.local_addr()
    });
    let to = match ready {
        Ok(to) => to,
        Err(error) => return log::debug!("{from} is gone: {error}"),
    };
    let router = router.layer(Extension(Peer { from, to }));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASK_DEADLINE)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    match timeout(LONGEST_CONNECTION, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("{from} asked in vain: {error}"),
        Err(_) => log::debug!("{from} took too long"),
    }
}
