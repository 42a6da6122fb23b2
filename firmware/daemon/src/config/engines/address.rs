//! Addresses of engines.

use std::net::IpAddr;

use toml::Spanned;

use crate::config::Fault;
use crate::endpoint::Endpoint;

pub(super) fn endpoint(key: &str, value: &Spanned<String>) -> Result<Endpoint, Fault> {
    Endpoint::parse(value.get_ref())
        .ok_or_else(|| (Some(value.span()), format!("{key}: write \"tcp://HOST:PORT\" or \"unix:///PATH\"")))
}

/// A base URL without a slash at its end.
pub(super) fn base(key: &str, value: &Spanned<String>, schemes: &[&str]) -> Result<String, Fault> {
    let url = value.get_ref().trim_end_matches('/');
    let parsed = reqwest::Url::parse(url).ok();
    let Some(parsed) = parsed.filter(|parsed| schemes.contains(&parsed.scheme()) && parsed.has_host()) else {
        return Err((Some(value.span()), format!("{key}: write \"{}://HOST:PORT\"", schemes[0])));
    };
    if !parsed.username().is_empty() || parsed.password().is_some() || url.contains(char::is_whitespace) {
        let message = "write the address alone, without a name or password and without spaces";
        return Err((Some(value.span()), format!("{key}: {message}")));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        // It is shown in advice, and no place for a key.
        let message = "write the address alone, without what begins with ? or #";
        return Err((Some(value.span()), format!("{key}: {message}")));
    }
    Ok(url.to_owned())
}

/// Whether what is sent to `url` can be read on a network that is not the box's own.
pub(super) fn is_open_to_strangers(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host.parse().map_or_else(|_| is_near_name(host), is_near_address);
    matches!(url.scheme(), "http" | "ws") && !is_near
}

pub(super) fn is_near_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Names that no public name server knows.
pub(super) fn is_near_name(host: &str) -> bool {
    let near = [".localhost", ".local", ".lan", ".internal", ".home.arpa"];
    !host.contains('.') || near.iter().any(|end| host.ends_with(end))
}
