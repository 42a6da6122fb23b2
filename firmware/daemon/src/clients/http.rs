//! Requests to the providers that are asked over HTTP.

use std::time::Duration;

use engines::http::Request;
use engines::{Failure, FailureKind};
use reqwest::header::{CONTENT_ENCODING, HeaderValue};

use super::tls;

/// How long a server may take to accept a connection, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_millis(1_600);
/// Connections to a server that are kept for the next request: more are only needed while many legs ask at once.
const MOST_IDLE: usize = 8;

/// The HTTP client that all legs share, with its connections.
pub(crate) fn client(tls: &rustls::ClientConfig) -> Result<reqwest::Client, Failure> {
    // A proxy of the environment is not meant for engines in the LAN, and one in between is one more to fail.
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls.clone())
        .connect_timeout(CONNECT_DEADLINE)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("dragoman/", env!("CARGO_PKG_VERSION")))
        .tcp_nodelay(true)
        .pool_max_idle_per_host(MOST_IDLE)
        .build()
        .map_err(|error| Failure::new(FailureKind::Refused, format!("no HTTP client: {error}")))
}

/// Asks; the answer's body is not read yet.
pub(crate) async fn send(client: &reqwest::Client, request: Request) -> Result<reqwest::Response, Failure> {
    let method = match request.method {
        "GET" => reqwest::Method::GET,
        "DELETE" => reqwest::Method::DELETE,
        "PUT" => reqwest::Method::PUT,
        _ => reqwest::Method::POST,
    };
    let mut builder = client.request(method, &request.url);
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Failure::new(FailureKind::Refused, "a header that cannot be sent"))?;
        value.set_sensitive(true);
        builder = builder.header(*name, value);
    }
    let response = builder.body(request.body).send().await.map_err(|error| broke(&error))?;
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // Nobody asked for that, and a little of it may be much.
        return Err(Failure::new(FailureKind::Protocol, "the answer is compressed"));
    }
    Ok(response)
}

/// The answer's `Retry-After`.
pub(crate) fn retry_after(response: &reqwest::Response) -> Option<String> {
    response.headers().get("retry-after")?.to_str().ok().map(str::to_owned)
}

/// The next piece of a body.
pub(crate) async fn chunk(response: &mut reqwest::Response) -> Result<Option<Vec<u8>>, Failure> {
    let piece = response.chunk().await.map_err(|error| broke(&error))?;
    Ok(piece.map(|bytes| bytes.to_vec()))
}

/// The whole body, if it is no longer than `at_most` bytes: what is comes from a broken engine.
pub(crate) async fn body(mut response: reqwest::Response, at_most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = chunk(&mut response).await? {
        if body.len() + piece.len() > at_most {
            return Err(Failure::new(
                FailureKind::Protocol,
                format!("the answer is longer than {at_most} bytes"),
            ));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What a failed request or a broken body means.
fn broke(error: &reqwest::Error) -> Failure {
    let failure = tls::failure_of(error);
    if error.is_timeout() && !error.is_connect() {
        Failure { kind: FailureKind::Slow, ..failure }
    } else {
        failure
    }
}
