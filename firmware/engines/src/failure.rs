//! Why an engine did not do what it was asked, in kinds that field staff can act on.

use std::fmt;
use std::time::Duration;

use crate::words::shown;

/// What took so long to fail is not tried again by whoever waits for it.
const SPENT_AFTER: Duration = Duration::from_secs(1);

/// What kind of failure it is, and so who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The service cannot be reached: the uplink, a name, a firewall.
    Network,
    /// The key is missing, wrong or not allowed to do this.
    Credential,
    /// The account's quota is spent; asking again costs nothing and gives nothing.
    Quota,
    /// Too much was asked in too short a time.
    RateLimited,
    /// No answer in time.
    Slow,
    /// The service says that it is broken, or hangs up.
    Down,
    /// The server's certificate is not to be trusted: nothing was sent to it.
    Certificate,
    /// The answer cannot be read, or is larger than any true answer.
    Protocol,
    /// The request is not one that the service takes: a language or a voice that it does not have.
    Refused,
}

impl FailureKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Network,
        Self::Credential,
        Self::Quota,
        Self::RateLimited,
        Self::Slow,
        Self::Down,
        Self::Certificate,
        Self::Protocol,
        Self::Refused,
    ];

    /// The kind as metrics and reports spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Credential => "credential",
            Self::Quota => "quota",
            Self::RateLimited => "rate_limited",
            Self::Slow => "slow",
            Self::Down => "down",
            Self::Certificate => "certificate",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
        }
    }

    /// Whether the same request may succeed when it is made again shortly.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Network | Self::RateLimited | Self::Slow | Self::Down | Self::Protocol)
    }
}

/// Why an engine did not do what it was asked. Never holds a key that is to be [withheld](crate::withhold), nor what was
/// said in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Who can do something about it.
    pub kind: FailureKind,
    /// One line for people, at most 200 characters.
    pub detail: String,
    /// How long the service asked to be left alone.
    pub retry_after: Option<Duration>,
    /// It took the time in which the same could have been tried again.
    pub is_spent: bool,
    /// Nobody takes connections there, so that to try one asks for nothing.
    pub is_unreached: bool,
}

impl Failure {
    /// A failure; `detail`, which may be a vendor's words, is cut to one line of 200 characters without keys and control
    /// characters.
    pub fn new(kind: FailureKind, detail: impl AsRef<str>) -> Self {
        let detail = shown(detail.as_ref()).chars().take(200).collect();
        Self { kind, detail, retry_after: None, is_spent: false, is_unreached: false }
    }

    /// The same, of a connection that was not made.
    #[must_use]
    pub fn unreached(self) -> Self {
        Self { is_unreached: true, ..self }
    }

    /// The same, of what was begun so long ago.
    #[must_use]
    pub fn after(self, spent: Duration) -> Self {
        Self { is_spent: self.is_spent || spent >= SPENT_AFTER, ..self }
    }

    /// The failure that an HTTP status stands for with most services; `retry_after` is that header, in seconds or not.
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        let kind = match status {
            401 | 403 => FailureKind::Credential,
            402 | 456 => FailureKind::Quota,
            408 | 504 => FailureKind::Slow,
            429 | 529 => FailureKind::RateLimited,
            400..=499 => FailureKind::Refused,
            _ => FailureKind::Down,
        };
        let seconds = retry_after.and_then(|header| header.trim().parse::<u32>().ok());
        let retry_after = seconds.map(|seconds| Duration::from_secs(u64::from(seconds)));
        Self { retry_after, ..Self::new(kind, format!("HTTP status {status}")) }
    }

    /// Adds the service's own words to a refused request; those about a key may repeat a part of it and are left out.
    #[must_use]
    pub(crate) fn in_words(self, words: Option<impl AsRef<str>>) -> Self {
        match words {
            Some(words) if self.kind == FailureKind::Refused => {
                let detail = format!("{}: {}", self.detail, words.as_ref());
                Self { retry_after: self.retry_after, ..Self::new(self.kind, detail) }
            }
            _ => self,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_who_can_act() {
        assert_eq!(Failure::of_status(401, None).kind, FailureKind::Credential);
        assert_eq!(Failure::of_status(456, None).kind, FailureKind::Quota);
        assert_eq!(Failure::of_status(503, None).kind, FailureKind::Down);
        let limited = Failure::of_status(429, Some(" 7 "));
        assert_eq!(
            (limited.kind, limited.retry_after),
            (FailureKind::RateLimited, Some(Duration::from_secs(7)))
        );
        assert_eq!(Failure::of_status(429, Some("Wed, 21 Oct 2026 07:28:00 GMT")).retry_after, None);
    }

    #[test]
    fn words_about_a_key_are_left_out() {
        let said = |status| Failure::of_status(status, None).in_words(Some("key sk-12 is wrong")).detail;
        assert_eq!(said(401), "HTTP status 401");
        assert_eq!(said(400), "HTTP status 400: key *** is wrong");
    }

    #[test]
    fn details_stay_one_short_line() {
        let failure = Failure::new(FailureKind::Down, format!("a\nb {}", "é".repeat(400)));
        assert!(failure.detail.starts_with("a b é") && failure.detail.chars().count() == 200);
    }
}
