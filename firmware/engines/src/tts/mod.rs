//! Speech synthesis, one file a provider.

pub mod deepgram_aura;
pub mod elevenlabs;
pub mod openai_speech;
pub mod pcm;
pub mod xtts;

/// What a synthesiser says on a WebSocket.
#[derive(Clone, Debug, PartialEq)]
pub enum Spoken {
    /// The next raw samples, in the format that was asked for.
    Audio(Vec<u8>),
    /// All text that was given before the last flush is spoken.
    Flushed,
    /// What was still to come was thrown away, as asked.
    Cleared,
    /// The provider warns; the stream goes on.
    Warning(String),
}
