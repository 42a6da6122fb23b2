//! Speech synthesis.

pub mod pico;
