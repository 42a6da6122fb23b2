//! Speech to speech: one engine hears, translates and speaks, one file a provider.
//!
//! A session carries one utterance into one language. The vendors tell that all of an utterance is there only when a
//! session is asked to end, so each utterance has its own; the next one waits open and is kept so.
//!
//! How a stream is used: give it audio ([`push`](deepl_voice::Stream::push)) and messages (`receive`), say that the
//! utterance is over (`finish`), and after each of these `poll` until it has nothing more to do for now.

pub mod deepl_voice;
mod echo;
pub mod openai_translations;
mod pauses;

use std::time::Duration;

use crate::Failure;
use crate::websocket::Message;

pub use echo::which_is_echoed;

/// A session is not used any more when it is this old: `DeepL` closes after an hour, and `OpenAI` tells an end of its
/// sessions by the wall clock, which is not asked here.
pub const SESSION_AT_MOST: Duration = Duration::from_secs(50 * 60);

/// What an engine says of the utterance.
#[derive(Clone, Debug, PartialEq)]
pub enum Interpreted {
    /// More of what was said. It is not taken back, and goes on after the text before it as it is, spaces included.
    Source {
        /// The next piece.
        text: String,
        /// ISO 639-1, where the provider tells.
        language: Option<String>,
    },
    /// No more of what was said follows.
    SourceEnded,
    /// More of the translation, likewise.
    Target(String),
    /// No more of the translation follows.
    TargetEnded,
    /// The next raw samples of the translation's speech, at the provider's rate.
    Audio(Vec<u8>),
    /// All is said and spoken: nothing more comes.
    Finished,
    /// The provider ended the session before that.
    Failed(Failure),
    /// The provider warns; the session goes on.
    Warning(String),
}

/// What is to be done for a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Send this.
    Send(Message),
    /// Time told this.
    Tell(Interpreted),
    /// Nothing before this moment.
    Wait(Duration),
    /// Nothing before something comes.
    Nothing,
}
