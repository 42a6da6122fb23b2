//! Events with named fields, as the `wyoming` package defines them.

use super::codec::Event;
use super::info::Info;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Free-form context that travels with a request and its answer.
pub type Context = Map<String, Value>;

/// Why an event is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A type that this crate does not know; servers are expected to ignore it.
    #[error("unknown Wyoming event {0:?}")]
    Unknown(String),
    /// A known type with a missing or wrong field.
    #[error("Wyoming event {kind:?} cannot be read: {reason}")]
    Fields {
        /// The event's type.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Declares each message's struct once, with its type on the wire.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident = $kind:literal,)*) => {
        /// Every event that this crate knows.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message { $($(#[$doc])* $name($name),)* }

        impl Message {
            /// The event's type on the wire.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }

            fn read_fields(event: Event) -> Result<Self, Unreadable> {
                let data = Value::Object(event.data);
                match event.kind.as_str() {
                    $($kind => serde_json::from_value(data)
                        .map(Self::$name)
                        .map_err(|e| Unreadable::Fields { kind: $kind, reason: e.to_string() }),)*
                    _ => Err(Unreadable::Unknown(event.kind)),
                }
            }

            fn write_fields(&self) -> Value {
                match self { $(Self::$name(fields) => serde_json::to_value(fields),)* }
                    .expect("plain fields serialise")
            }
        }

        $(impl From<$name> for Message {
            fn from(fields: $name) -> Self { Self::$name(fields) }
        })*
    };
}

messages! {
    /// Request: recognise the audio that follows.
    Transcribe = "transcribe",
    /// Answer: the whole text.
    Transcript = "transcript",
    /// Streaming answer: begins.
    TranscriptStart = "transcript-start",
    /// Streaming answer: more text.
    TranscriptChunk = "transcript-chunk",
    /// Streaming answer: ends.
    TranscriptStop = "transcript-stop",
    /// Request: speak this text.
    Synthesize = "synthesize",
    /// Streaming request: begins.
    SynthesizeStart = "synthesize-start",
    /// Streaming request: more text.
    SynthesizeChunk = "synthesize-chunk",
    /// Streaming request: ends.
    SynthesizeStop = "synthesize-stop",
    /// Answer: all audio of a streaming request was sent.
    SynthesizeStopped = "synthesize-stopped",
    /// Audio begins.
    AudioStart = "audio-start",
    /// More audio.
    AudioChunk = "audio-chunk",
    /// Audio ends.
    AudioStop = "audio-stop",
    /// Somebody began to speak.
    VoiceStarted = "voice-started",
    /// Somebody stopped speaking.
    VoiceStopped = "voice-stopped",
    /// Request: what can you do?
    Describe = "describe",
    /// Answer to [`Describe`].
    Info = "info",
    /// Request: use this program for the rest of the connection.
    SelectProgram = "select-program",
    /// Something failed.
    Error = "error",
    /// Are you there?
    Ping = "ping",
    /// Answer to [`Ping`].
    Pong = "pong",
}

impl Message {
    /// Reads an event.
    ///
    /// # Errors
    /// An unknown type, or a field that is missing or of another type.
    pub fn from_event(mut event: Event) -> Result<Self, Unreadable> {
        let payload = std::mem::take(&mut event.payload);
        let mut message = Self::read_fields(event)?;
        if let Self::AudioChunk(chunk) = &mut message {
            chunk.audio = payload;
        }
        Ok(message)
    }

    /// Writes an event; its payload is the audio of a chunk.
    pub fn into_event(mut self) -> Event {
        let payload = match &mut self {
            Self::AudioChunk(chunk) => std::mem::take(&mut chunk.audio),
            _ => Vec::new(),
        };
        let data = match self.write_fields() {
            Value::Object(data) => data,
            _ => Map::new(),
        };
        Event { kind: self.kind().into(), data, payload }
    }
}

/// `transcribe`, followed by `audio-start`, `audio-chunk`s and `audio-stop`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Transcribe {
    /// Model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Language of the audio; none asks for identification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Our servers read `languages` here: the list that identification is restricted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

impl Transcribe {
    /// Asks for identification among `languages`.
    pub fn among<S: AsRef<str>>(languages: impl IntoIterator<Item = S>) -> Self {
        let languages: Vec<Value> = languages.into_iter().map(|l| l.as_ref().into()).collect();
        let context = Map::from_iter([("languages".to_owned(), Value::Array(languages))]);
        Self { context: Some(context), ..Self::default() }
    }

    /// The languages that identification is restricted to; empty: no restriction.
    pub fn languages(&self) -> Vec<String> {
        let listed = self.context.as_ref().and_then(|c| c.get("languages")).and_then(Value::as_array);
        listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// `transcript`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Transcript {
    /// What was said.
    pub text: String,
    /// In which language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Context for the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// `transcript-start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TranscriptStart {
    /// Context for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// Language of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// `transcript-chunk`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TranscriptChunk {
    /// Text to append to the earlier chunks, as it stands.
    pub text: String,
}

/// Which voice speaks: by name, else by language.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Voice {
    /// Name from [`Info`]; overrides the language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Language from [`Info`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Speaker of a voice that has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
}

/// `synthesize`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Synthesize {
    /// What to say.
    pub text: String,
    /// Who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// `text` or `ssml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_format: Option<String>,
    /// Context for the next request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// `synthesize-start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SynthesizeStart {
    /// Who speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// `text` or `ssml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_format: Option<String>,
    /// Context for the next request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// `synthesize-chunk`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SynthesizeChunk {
    /// More text.
    pub text: String,
}

/// Shape of raw audio: little-endian signed PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFormat {
    /// Hertz.
    pub rate: u32,
    /// Bytes a sample.
    pub width: u16,
    /// 1 is mono.
    pub channels: u16,
}

impl AudioFormat {
    /// 16 kHz, 16 bit, mono: what the telephone side speaks.
    pub const SLIN16: Self = Self { rate: 16_000, width: 2, channels: 1 };
}

/// `audio-start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioStart {
    /// Shape of the chunks.
    #[serde(flatten)]
    pub format: AudioFormat,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
}

/// `audio-chunk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioChunk {
    /// Shape of `audio`.
    #[serde(flatten)]
    pub format: AudioFormat,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// Raw samples, the event's payload.
    #[serde(skip)]
    pub audio: Vec<u8>,
}

/// `select-program`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectProgram {
    /// A program's name from [`Info`].
    pub name: String,
}

/// `error`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Error {
    /// For people.
    pub text: String,
    /// For programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Declares messages whose only field is optional, or that have none.
macro_rules! small_messages {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty)? })*) => {
        $($(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)?
        })*
    };
}

small_messages! {
    /// `transcript-stop`.
    TranscriptStop {}
    /// `synthesize-stop`.
    SynthesizeStop {}
    /// `synthesize-stopped`.
    SynthesizeStopped {}
    /// `describe`.
    Describe {}
    /// `audio-stop`.
    AudioStop {
        /// Milliseconds.
        timestamp: i64
    }
    /// `voice-started`.
    VoiceStarted {
        /// Milliseconds.
        timestamp: i64
    }
    /// `voice-stopped`.
    VoiceStopped {
        /// Milliseconds.
        timestamp: i64
    }
    /// `ping`.
    Ping {
        /// Comes back in the [`Pong`].
        text: String
    }
    /// `pong`.
    Pong {
        /// The text of the [`Ping`].
        text: String
    }
}
