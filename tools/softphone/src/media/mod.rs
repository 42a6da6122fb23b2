//! Speech on its way: codecs, RTP, playout, the script of a call and the thread that keeps time.

pub mod codec;
pub mod dtmf;
pub mod g722;
pub mod jitter;
pub mod rtp;
pub mod script;
pub mod session;
pub mod stream;
pub mod ticker;
pub mod turn;
