//! Requests to the providers that are asked over HTTP.

use std::time::{Duration, Instant};

use engines::http::Request;
use engines::{Failure, FailureKind};
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{CONTENT_ENCODING, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::tls;

/// How long a server may take to accept a connection, TLS included: less than any request may, and long enough for it to be
/// seen before whether its host takes connections at all.
const CONNECT_DEADLINE: Duration = Duration::from_millis(1_480);
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
    let began = Instant::now();
    let sent = builder.body(request.body).send().await;
    let response = sent.map_err(|error| broke(&error).after(began.elapsed()))?;
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        // Nobody asked for that, and a little of it may be much.
        return Err(Failure::new(FailureKind::Protocol, "the answer is compressed"));
    }
    Ok(response)
}

/// The answer's `Retry-After`.
pub(crate) fn retry_after(response: &reqwest::Response) -> Option<String> {
    retry_after_in(response.headers())
}

/// `Retry-After`, in seconds where it can be read. A moment counts from the answer's own `Date`: what the box takes the
/// time to be does not matter.
pub(crate) fn retry_after_in(headers: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let moment = |text| DateTimeParser::new().parse_timestamp(text).ok().map(jiff::Timestamp::as_second);
    let (after, date) = (text(RETRY_AFTER)?, text(DATE));
    let wait = moment(after).zip(date.and_then(moment)).map(|(until, now)| until.saturating_sub(now).max(0));
    Some(wait.map_or_else(|| after.to_owned(), |seconds| seconds.to_string()))
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
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => Failure::new(FailureKind::Slow, "the server takes connections and then says nothing"),
        (true, false) => failure.unreached(),
        (false, true) => Failure { kind: FailureKind::Slow, ..failure },
        (false, false) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_so_long_after_the_answers_own_date() {
        let named = |after: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            headers.extend(date.map(|date| (DATE, HeaderValue::from_static(date))));
            retry_after_in(&headers)
        };
        let date = Some("Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(named("Wed, 21 Oct 2026 07:29:30 GMT", date).as_deref(), Some("90"));
        assert_eq!(named("Wed, 21 Oct 2026 07:27:00 GMT", date).as_deref(), Some("0"), "it is past");
        assert_eq!(named(" 7 ", date).as_deref(), Some("7"));
        assert_eq!(retry_after_in(&HeaderMap::new()), None);
        for (after, date) in [("Wed, 21 Oct 2026 07:29:30 GMT", None), ("soon", date)] {
            let failure = Failure::of_status(429, named(after, date).as_deref());
            assert_eq!(failure.retry_after, None, "nobody can tell");
        }
    }
}
