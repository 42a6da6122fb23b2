//! The Wyoming protocol: events of one JSON line, an optional JSON block and an optional payload.
//!
//! ```
//! use engines::wyoming::{Decoder, Limits, Message, Transcript};
//!
//! let sent = Message::Transcript(Transcript { text: "hello".into(), language: Some("en".into()), context: None });
//! let mut wire = Vec::new();
//! sent.clone().into_event().encode(&mut wire);
//!
//! let mut decoder = Decoder::new(Limits::default());
//! for byte in wire {
//!     decoder.push(&[byte]);
//! }
//! let event = decoder.next_event().unwrap().expect("a whole event was pushed");
//! assert_eq!(Message::from_event(event).unwrap(), sent);
//! assert!(decoder.next_event().unwrap().is_none());
//! ```

mod codec;
mod info;
mod message;

pub use codec::{Decoder, Event, Limits, Refused, VERSION};
pub use info::{AsrModel, AsrProgram, Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker};
pub use message::{
    AudioChunk, AudioFormat, AudioStart, AudioStop, Context, Describe, Error, Message, Ping, Pong,
    SelectProgram, Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped,
    Transcribe, Transcript, TranscriptChunk, TranscriptStart, TranscriptStop, Unreadable, Voice,
    VoiceStarted, VoiceStopped,
};
