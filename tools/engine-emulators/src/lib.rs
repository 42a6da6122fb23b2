//! Servers that speak the protocols of paid speech and translation services, for tests, measurements and the demo.
//!
//! They are strict: what the vendor refuses is refused in the vendor's words, and counted in a [`Tally`]. They are
//! faithful as far as the vendors' own clients work against them. What they say is heard, translated and spoken by the
//! engines on the device ([`Voices::device`]), or scripted ([`Voices::scripted`]); when they say it follows [`Delays`],
//! and what goes wrong follows a [`Script`] of [`Fault`]s; what goes wrong on the way to them, the [`Weather`] of a [`Relay`].
//!
//! No word of this reaches a vendor: every server listens on loopback.

pub mod deepgram;
pub mod deepl;
pub mod deepl_voice;
mod delays;
pub mod elevenlabs;
mod http;
pub mod hume;
mod interpreting;
mod language;
pub mod loopback;
pub mod marks;
pub mod openai_speech;
pub mod openai_translations;
mod relay;
mod script;
mod serve;
mod tally;
mod voices;
pub mod xtts;

pub use delays::{Delay, Delays};
pub use relay::{Began, Relay, Weather};
pub use script::{Fault, Script};
pub use serve::{Emulator, OpenConnection, World};
pub use tally::{Counts, Tally};
pub use voices::{Line, Speech, Voices};
