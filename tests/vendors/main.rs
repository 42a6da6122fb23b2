//! The vendors' own Python clients against our emulators: what they accept of each other, a real service would too.
//!
//! Needs what the set-up of `cargo xtask test` brings: the vendors' packages, and models, Apertium and Pico.

mod client;
mod deepgram;
mod deepl;
mod device;
mod elevenlabs;
mod hume;
mod openai;
mod openai_translations;
