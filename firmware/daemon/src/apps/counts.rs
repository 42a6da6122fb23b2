//! What became of programs, counted for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a program was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is on another machine.
    Elsewhere,
    /// It is a page of a browser that nobody allowed.
    Origin,
    /// It has not the token.
    Token,
    /// Too many had not.
    Tries,
    /// The token cannot be read.
    NoToken,
    /// There are as many as there may be.
    Full,
    /// It asked for no WebSocket.
    NoWebSocket,
}

impl Refusal {
    pub(crate) const ALL: [Self; 7] = [
        Self::Elsewhere,
        Self::Origin,
        Self::Token,
        Self::Tries,
        Self::NoToken,
        Self::Full,
        Self::NoWebSocket,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Elsewhere => "elsewhere",
            Self::Origin => "origin",
            Self::Token => "token",
            Self::Tries => "tries",
            Self::NoToken => "no_token",
            Self::Full => "full",
            Self::NoWebSocket => "no_websocket",
        }
    }
}

/// Why the connection of a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It went.
    Left,
    /// It does not read as fast as there is something to read.
    Slow,
    /// It gave no sign of life.
    Silent,
    /// It asks too much.
    TooMany,
    /// A message of it was too large.
    Large,
    /// It sent what is no message.
    Malformed,
    /// Its token is not the one any more.
    Token,
}

impl End {
    pub(crate) const ALL: [Self; 7] =
        [Self::Left, Self::Slow, Self::Silent, Self::TooMany, Self::Large, Self::Malformed, Self::Token];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::TooMany => "too_many",
            Self::Large => "large",
            Self::Malformed => "malformed",
            Self::Token => "token",
        }
    }

    /// What the program is told: a close code of RFC 6455, or one of our own, and words.
    pub(super) const fn told(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Left => None,
            Self::Slow => Some((1013, "too slow: read on, or subscribe to less")),
            Self::Silent => Some((4408, "no answer to pings")),
            Self::TooMany => Some((1008, "too many messages")),
            Self::Large => Some((1009, "a message has at most 8192 bytes")),
            Self::Malformed => Some((1002, "this is no message of a WebSocket")),
            Self::Token => Some((4401, "the token was replaced")),
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    refused: [AtomicU64; Refusal::ALL.len()],
    ended: [AtomicU64; End::ALL.len()],
}

impl Counts {
    pub(super) fn refuse(&self, reason: Refusal) {
        self.refused[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self, reason: End) {
        self.ended[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were not let in, by reason.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// How many connections ended, by reason.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (End, u64)> {
        End::ALL.into_iter().zip(self.ended.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
