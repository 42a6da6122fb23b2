//! Streaming speech recognition over a WebSocket, one file a provider.
//!
//! A stream is one connection: audio goes in as it is spoken, texts come out with the time at which they were said.
//! Times count from the beginning of the leg's audio, whatever connection it went through: a stream is told how much
//! audio went before it.

mod axis;
pub mod deepgram_flux;
pub mod deepgram_listen;
mod keyterms;

use std::time::Duration;

pub use keyterms::keyterms;

/// A word, and when it was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// With punctuation and capitals, where the provider gives them.
    pub text: String,
    /// Its beginning.
    pub start: Duration,
    /// Its end.
    pub end: Duration,
}

/// What a recogniser says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The text since the last [`Heard::Segment`]; the next one replaces it.
    Interim {
        /// All of it.
        text: String,
        /// ISO 639-1, where the provider tells.
        language: Option<String>,
        /// It was made of the audio up to here.
        until: Duration,
    },
    /// Text that is not taken back.
    Segment {
        /// May be empty: nothing was said in this stretch.
        text: String,
        /// Those of `text`; empty where the provider gives no times.
        words: Vec<Word>,
        /// ISO 639-1, where the provider tells.
        language: Option<String>,
        /// All audio up to here is answered: it need not be sent again after a reconnect.
        until: Duration,
    },
    /// The answer to a request to finish is complete: nothing more comes of the audio sent before it.
    Finished,
    /// The provider took the turn to be over, by its own judgement.
    TurnEnded,
    /// The provider warns; the stream goes on.
    Warning(String),
}
