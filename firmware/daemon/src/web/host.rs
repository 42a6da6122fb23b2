use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::hub::Hub;

/// Lets a request through that names this box. A browser that was led here under a stranger's name must not read what
/// is here on the stranger's behalf; an address cannot be a stranger's.
pub(super) async fn admit(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    if named.is_some_and(|named| is_ours(named, &hub.config.health.hosts)) {
        return next.run(request).await;
    }
    let advice = "ask by address, or add this name to [health] hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, advice).into_response()
}

/// Whether a `Host` header names this box, which is known as `hosts`, too.
pub fn is_ours(named: &str, hosts: &[String]) -> bool {
    let Some(host) = named.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_ascii_lowercase)) else {
        return false;
    };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok() || hosts.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_the_names_that_were_given_are_ours() {
        let hosts = ["box.local".to_owned()];
        for named in ["127.0.0.1:8080", "192.168.1.5", "[::1]:80", "localhost:1", "Box.local", "box.local:9"]
        {
            assert!(is_ours(named, &hosts), "{named}");
        }
        for named in
            ["", "evil.example", "localhost.evil.example", "box.local.evil", "1.2.3.4.evil:80", "a b"]
        {
            assert!(!is_ours(named, &hosts), "{named}");
        }
    }
}
