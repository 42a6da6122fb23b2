//! Speech recognition: what to listen to and when ([`utterance`]), and the passes over it ([`queue`], [`whisper`]).

pub mod agreement;
pub mod queue;
pub mod utterance;
pub mod voice;
pub mod whisper;
