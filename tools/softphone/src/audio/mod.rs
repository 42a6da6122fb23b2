//! Speech on this machine: files, levels, microphone and speaker.

pub mod device;
pub mod level;
pub mod wav;
