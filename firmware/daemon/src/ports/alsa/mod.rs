//! The ALSA port: a handset or a speakerphone at the box itself.
//!
//! A sound card has a clock of its own and no descriptor that fits into the media thread's wait, so it has a real-time
//! thread of its own, which looks at the card every 10 ms. Frames pass between the two by ring, at the media thread's
//! tick; what the clocks differ by is resampled away here.

mod card;
mod microphone;
mod speaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use audio_path::{Consumer, DropReason, Frame, Producer, prefaulted_ring};
use tokio::sync::oneshot;

use super::{Arrived, Written};
use card::Card;

/// Frames that may wait between the threads.
const RING_FRAMES: usize = 8;
/// Captured frames that may wait without delay being given up.
const FRAMES_AT_REST: usize = 3;

/// The media thread's side of a sound card.
pub struct AlsaPort {
    captured: Consumer<Frame>,
    playing: Producer<Frame>,
    shared: Arc<Shared>,
    due: bool,
    told: bool,
}

/// What both threads see.
#[derive(Debug, Default)]
struct Shared {
    /// The media thread has the port: what was recorded before is nobody's.
    attached: AtomicBool,
    /// The card is gone.
    gone: AtomicBool,
    /// Nobody needs the card any more.
    over: AtomicBool,
    /// Frames' worth of samples that the card or its driver lost, or that found no room.
    overruns: AtomicU64,
    /// Frames that the card had no room for.
    unplayed: AtomicU64,
}

impl std::fmt::Debug for AlsaPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlsaPort").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl AlsaPort {
    /// Opens the device both ways and starts its thread, which says to `gone` why the card is not there any more. May
    /// wait for the driver: not to be called from a task.
    ///
    /// # Errors
    /// Those of ALSA and of the thread, and where the card's clock does not run.
    pub fn open(device: &str, gone: oneshot::Sender<String>) -> Result<Self, String> {
        let (captured_in, captured) = prefaulted_ring(RING_FRAMES, &Frame::SILENCE);
        let (playing, playing_out) = prefaulted_ring(RING_FRAMES, &Frame::SILENCE);
        let shared = Arc::new(Shared::default());
        let card = Card::open(device, captured_in, playing_out, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new().name("alsa".into());
        thread.spawn(move || card.serve(gone)).map_err(|error| error.to_string())?;
        Ok(Self { captured, playing, shared, due: false, told: false })
    }

    /// 20 ms went by.
    pub fn tick(&mut self) {
        self.shared.attached.store(true, Ordering::Release);
        self.due = true;
    }

    /// What this tick brings.
    pub fn due(&mut self) -> Option<Arrived> {
        if self.shared.gone.load(Ordering::Acquire) {
            return (!std::mem::replace(&mut self.told, true)).then_some(Arrived::Gone);
        }
        let lost =
            [(&self.shared.overruns, DropReason::Overrun), (&self.shared.unplayed, DropReason::Unplayed)];
        for (frames, reason) in lost {
            match frames.swap(0, Ordering::Relaxed) {
                0 => {}
                frames => return Some(Arrived::Dropped(reason, frames)),
            }
        }
        if self.captured.len() > FRAMES_AT_REST {
            self.captured.pop();
            return Some(Arrived::Dropped(DropReason::Skipped, 1));
        }
        let due = std::mem::replace(&mut self.due, false);
        due.then(|| self.captured.pop()).flatten().map(Arrived::Frame)
    }

    /// Hands a frame over.
    pub fn write(&mut self, frame: &Frame) -> Written {
        match (self.shared.gone.load(Ordering::Acquire), self.playing.push(*frame)) {
            (true, _) => Written::Down,
            (false, Ok(())) => Written::Whole,
            (false, Err(_)) => Written::Full,
        }
    }
}

/// The card's thread closes it.
impl Drop for AlsaPort {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
    }
}
