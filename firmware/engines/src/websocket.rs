//! What the providers that speak over a WebSocket have in common.

use std::fmt;

/// A WebSocket message, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// JSON, with all providers here.
    Text(String),
    /// Audio, with all providers here.
    Binary(Vec<u8>),
}

/// What the client asks at the upgrade. Its headers may hold a key, so they are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake {
    /// `wss://…` or `ws://…`, with path and query.
    pub url: String,
    /// Besides those of every WebSocket.
    pub headers: Vec<(&'static str, String)>,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("url", &self.url).finish_non_exhaustive()
    }
}

/// `base` without a slash at its end, `path`, and `pairs` as its query.
pub fn url(base: &str, path: &str, pairs: &[(&str, &str)]) -> String {
    let query: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{path}{mark}{}", base.trim_end_matches('/'), query.join("&"))
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn escaped(value: &str) -> String {
    let mut escaped = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        assert_eq!(url("wss://h/", "/v1/listen", &[("a", "b c&ü")]), "wss://h/v1/listen?a=b%20c%26%C3%BC");
        assert_eq!(url("ws://h", "/p", &[]), "ws://h/p");
    }

    #[test]
    fn keys_are_not_shown() {
        let handshake =
            Handshake { url: "wss://h/".into(), headers: vec![("Authorization", "Token s3cret".into())] };
        assert!(!format!("{handshake:?}").contains("s3cret"));
    }
}
