//! Tests across the whole box, rung by rung.

pub mod simulation;
pub mod voice;
