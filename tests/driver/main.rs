//! The channel driver in a real Asterisk, with the shipped configuration.
//!
//! Wants the set-up's Asterisk and the built driver: `cargo build -p chan-slinpipe --profile driver`.

mod audio;
mod daemon;
mod lifecycle;
mod phones;
mod rig;
