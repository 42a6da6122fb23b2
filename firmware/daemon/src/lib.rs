//! The real-time daemon between Asterisk's pipes and the engines.

pub mod media;
pub mod ports;
