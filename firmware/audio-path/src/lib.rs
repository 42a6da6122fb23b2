//! The pure parts of the media path: frames, reframing, mixing, playout, and the messages between the media
//! thread and the rest of the daemon. Nothing here does I/O, reads a clock or allocates after `new()`.

mod event;
mod frame;
mod time;

pub use event::{DropReason, LegId, MediaEvent, MediaEventKind, SegmentId};
pub use frame::{Captured, Epoch, FRAME_BYTES, FRAME_MS, Frame, Playable, SAMPLE_RATE, SAMPLES_PER_FRAME};
pub use time::Timestamp;
