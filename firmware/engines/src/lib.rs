//! Wire formats of the speech and translation engines: bytes in, bytes out.
//!
//! Nothing here opens a socket, reads a clock or starts a thread. Whoever owns the connection feeds what it
//! received and sends what it is handed.
//!
//! - [`wyoming`]: speech recognition and speech synthesis over one byte stream.
//! - [`asr`], [`mt`], [`tts`], [`speech`], [`emotion`]: one file a provider.
//! - [`websocket`], [`http`]: messages, handshakes and requests, as all providers have them.
//! - [`mt::libretranslate`]: translation over HTTP, as request and response bodies.

#![forbid(unsafe_code)]

pub mod asr;
mod deepgram;
pub mod emotion;
mod failure;
pub mod http;
pub mod mt;
pub mod speech;
pub mod tts;
pub mod websocket;
mod words;
pub mod wyoming;

pub use failure::{Failure, FailureKind};
pub use words::withhold;
