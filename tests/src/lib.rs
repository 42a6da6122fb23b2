//! Tests across the whole box, rung by rung.

pub mod bad_network;
pub mod bit_exact_caller;
pub mod callers;
pub mod daemon;
pub mod fake_phone;
pub mod interpreted;
pub mod network;
pub mod simulation;
pub mod voice;
pub mod watch;
pub mod wav;
