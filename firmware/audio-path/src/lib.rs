//! The pure parts of the media path: frames, reframing, playout, and the messages between the media thread and
//! the rest of the daemon. Nothing here does I/O, reads a clock or allocates after `new()`.
//!
//! A frame's way through this crate: bytes from a port → [`Reframer`] → [`ArrivalLimit`] → a ring of
//! [`Captured`]; rings of [`Playable`] → [`Playout`] → [`Mix`], with what other legs' [`Relay`]s give → bytes to a port.

mod arrival;
pub mod audiosocket;
mod bridge;
pub mod codec;
mod counters;
pub mod drift;
mod event;
mod frame;
pub mod g722;
mod histogram;
pub mod jitter;
mod mix;
mod playout;
pub mod rate;
mod reframe;
mod relay;
mod ring;
pub mod rtp;
pub mod telephone_event;
mod time;

pub use arrival::ArrivalLimit;
pub use counters::LegCounters;
pub use event::{DropReason, LegId, MediaEvent, MediaEventKind, SegmentId};
pub use frame::{Captured, Epoch, FRAME_BYTES, FRAME_MS, Frame, Playable, SAMPLE_RATE, SAMPLES_PER_FRAME};
pub use histogram::Histogram;
pub use mix::{Ducking, Gain, Level, Mix};
pub use playout::{Played, Playout};
pub use reframe::{Reframer, SampleFramer};
pub use relay::{Relay, Relayed};
pub use ring::{Consumer, Producer, prefaulted_ring, ring};
pub use time::Timestamp;
