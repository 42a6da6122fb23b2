//! What Deepgram's three streams have in common: how they are asked, how they refuse, how they hang up.

use crate::websocket::{Handshake, url};
use crate::{Failure, FailureKind};

/// Longest message that is read, bytes. A final result of a minute of speech is a tenth of it.
pub(crate) const MESSAGE_AT_MOST: usize = 1 << 20;

/// What is asked at the upgrade.
pub(crate) fn handshake(base: &str, path: &str, key: &str, query: &[(&str, &str)]) -> Handshake {
    Handshake { url: url(base, path, query), headers: vec![("Authorization", format!("Token {key}"))] }
}

/// The failure that a message is which cannot be read.
pub(crate) fn unreadable(why: &str) -> Failure {
    Failure::new(FailureKind::Protocol, format!("Deepgram's message {why}"))
}

/// The language of a text: the most frequent of those `told`, or the only one that was `asked` for.
pub(crate) fn language(told: Vec<String>, asked: &[String]) -> Option<String> {
    let only = <&[String; 1]>::try_from(asked).ok().map(|[one]| one.clone());
    let tag = told.into_iter().next().or(only)?;
    Some(tag.split('-').next().unwrap_or_default().to_lowercase())
}

/// What it means that the connection is closed, and nobody here asked for it.
pub(crate) fn closed(code: u16, reason: &str) -> Failure {
    let lower = reason.to_lowercase();
    let names = |what: &str| lower.contains(what) || lower.contains(&what.replace('-', ""));
    let kind = match code {
        // Nothing of what was sent arrived in time, or no close frame came at all.
        1011 if names("net-0001") => FailureKind::Network,
        1006 => FailureKind::Network,
        1008 if names("data-0001") => FailureKind::RateLimited,
        1003 | 1007 | 1009 => FailureKind::Refused,
        1008 if names("data-0000") => FailureKind::Refused,
        1008 => FailureKind::Credential,
        _ => FailureKind::Down,
    };
    Failure::new(kind, format!("Deepgram closed the connection ({code}): {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_tells_who_can_act() {
        let net = "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001";
        assert_eq!(closed(1011, net).kind, FailureKind::Network);
        assert_eq!(closed(1011, "NET-0001").kind, FailureKind::Network);
        assert_eq!(closed(1011, "NET-0000").kind, FailureKind::Down);
        assert_eq!(closed(1008, "DATA-0000").kind, FailureKind::Refused);
        assert_eq!(closed(1008, "DATA-0001").kind, FailureKind::RateLimited);
        assert_eq!(closed(1008, "policy violation").kind, FailureKind::Credential);
        assert_eq!(closed(1006, "").kind, FailureKind::Network);
        assert_eq!(closed(1000, "").kind, FailureKind::Down);
    }

    #[test]
    fn keys_travel_in_the_header_only() {
        let handshake = handshake("wss://h", "/v1/listen", "s3cret", &[("model", "nova-3")]);
        assert_eq!(handshake.url, "wss://h/v1/listen?model=nova-3");
        assert_eq!(handshake.headers, [("Authorization", "Token s3cret".to_owned())]);
    }
}
