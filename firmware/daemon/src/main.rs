//! The real-time daemon between Asterisk's pipes and the engines.

fn main() {}
