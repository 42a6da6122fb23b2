use crate::{SegmentId, Timestamp};

/// Samples a second.
pub const SAMPLE_RATE: u32 = 16_000;
/// Milliseconds of audio in one frame.
pub const FRAME_MS: u32 = 20;
/// Samples in one frame: 20 ms at 16 kHz, mono.
pub const SAMPLES_PER_FRAME: usize = (SAMPLE_RATE * FRAME_MS / 1000) as usize;
/// Bytes of one frame on a pipe: little-endian signed 16-bit samples.
pub const FRAME_BYTES: usize = SAMPLES_PER_FRAME * 2;

/// 20 ms of SLIN16: 320 samples, 16 kHz, mono, signed 16 bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame(pub [i16; SAMPLES_PER_FRAME]);

impl Frame {
    /// 20 ms of digital silence.
    pub const SILENCE: Self = Self([0; SAMPLES_PER_FRAME]);

    /// Reads a frame from its bytes on the wire, `s16le`.
    pub fn from_wire(bytes: &[u8; FRAME_BYTES]) -> Self {
        let mut frame = Self::SILENCE;
        for (sample, pair) in frame.0.iter_mut().zip(bytes.chunks_exact(2)) {
            *sample = i16::from_le_bytes([pair[0], pair[1]]);
        }
        frame
    }

    /// The frame's bytes on the wire, `s16le`.
    pub fn to_wire(&self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&sample.to_le_bytes());
        }
        bytes
    }

    /// Mean square of the samples, 0 (silence) to 2³⁰ (full-scale square wave).
    pub fn mean_square(&self) -> u32 {
        let sum: u64 = self.0.iter().map(|&s| u64::from(i32::from(s).pow(2).unsigned_abs())).sum();
        (sum / SAMPLES_PER_FRAME as u64) as u32
    }

    /// Level in dB relative to full scale: 0 for a full-scale square wave, −96 at or below one quantum.
    pub fn dbfs(&self) -> f32 {
        let mean_square = self.mean_square().max(1);
        (10.0 * (f64::from(mean_square) / f64::from(1u32 << 30)).log10()).max(-96.0) as f32
    }
}

/// A frame that arrived from a phone.
#[derive(Clone, Copy, Debug)]
pub struct Captured {
    /// Counts the leg's frames from 0; a gap tells how many were dropped between.
    pub number: u64,
    /// When the frame's last byte was read from the port.
    pub at: Timestamp,
    /// The audio.
    pub frame: Frame,
}

/// Generation of a leg's playback: a flush raises it, and frames of an older one are discarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u32);

/// A frame on its way to a phone.
#[derive(Clone, Copy, Debug)]
pub struct Playable {
    /// The leg's playback generation when the frame was made.
    pub epoch: Epoch,
    /// What it belongs to: its first and last frames are reported as they are played.
    pub segment: SegmentId,
    /// Whether this is the segment's last frame.
    pub last: bool,
    /// The audio.
    pub frame: Frame,
}
