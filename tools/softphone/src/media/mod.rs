//! Speech on its way: codecs, RTP, playout, the script of a call and the thread that keeps time.

pub use audio_path::{g722, rtp};

pub mod codec;
pub mod dtmf;
pub mod jitter;
pub mod script;
pub mod session;
pub mod stream;
pub mod ticker;
pub mod turn;
