use crate::{FRAME_BYTES, Frame, SAMPLES_PER_FRAME};

/// Cuts a byte stream into frames, however the writer chopped it. Holds at most one partial frame.
#[derive(Clone, Debug)]
pub struct Reframer {
    partial: [u8; FRAME_BYTES],
    filled: usize,
}

impl Default for Reframer {
    fn default() -> Self {
        Self { partial: [0; FRAME_BYTES], filled: 0 }
    }
}

impl Reframer {
    /// The next whole frame of the stream, whose bytes are taken off the front of `bytes`; `None` when those are used
    /// up, after what they hold of the frame to come was kept.
    pub fn next_frame(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        if self.filled == 0
            && let Some((frame, rest)) = bytes.split_first_chunk()
        {
            *bytes = rest;
            return Some(Frame::from_wire(frame));
        }
        let (head, rest) = bytes.split_at(bytes.len().min(FRAME_BYTES - self.filled));
        self.partial[self.filled..self.filled + head.len()].copy_from_slice(head);
        self.filled += head.len();
        *bytes = rest;
        if self.filled < FRAME_BYTES {
            return None;
        }
        self.filled = 0;
        Some(Frame::from_wire(&self.partial))
    }

    /// Bytes that wait for the rest of their frame.
    pub fn pending_bytes(&self) -> usize {
        self.filled
    }

    /// Forgets a partial frame, as after the writer was replaced by another.
    pub fn clear(&mut self) {
        self.filled = 0;
    }
}

/// Puts samples together to frames.
#[derive(Clone, Debug)]
pub struct SampleFramer {
    frame: Frame,
    filled: usize,
}

impl Default for SampleFramer {
    fn default() -> Self {
        Self { frame: Frame::SILENCE, filled: 0 }
    }
}

impl SampleFramer {
    /// Takes two samples; the frame, where they complete one.
    pub fn push(&mut self, pair: [i16; 2]) -> Option<Frame> {
        self.frame.0[self.filled..self.filled + 2].copy_from_slice(&pair);
        self.filled = (self.filled + 2) % SAMPLES_PER_FRAME;
        (self.filled == 0).then_some(self.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_chopping_gives_the_same_frames(bytes in prop::collection::vec(any::<u8>(), 0..6000),
                                              cuts in prop::collection::vec(1usize..1500, 1..200)) {
            let mut reframer = Reframer::default();
            let mut seen = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (mut now, later) = rest.split_at((*cut).min(rest.len()));
                while let Some(frame) = reframer.next_frame(&mut now) {
                    seen.extend_from_slice(&frame.to_wire());
                }
                rest = later;
            }
            prop_assert_eq!(&seen[..], &bytes[..bytes.len() / FRAME_BYTES * FRAME_BYTES]);
            prop_assert_eq!(reframer.pending_bytes(), bytes.len() % FRAME_BYTES);
        }
    }

    /// A million random splits, the sizes that trip reframers among them, bit-exact.
    #[test]
    fn a_million_odd_writes_are_bit_exact() {
        let mut random = 0x9e37_79b9_u32;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            random
        };
        let (mut reframer, mut sent, mut received) = (Reframer::default(), 0u32, 0u32);
        let mut buffer = Vec::with_capacity(4096);
        for _ in 0..1_000_000 {
            let size = match next() % 6 {
                0 => 1,
                1 => 639,
                2 => 641,
                _ => 1 + next() as usize % 700,
            };
            buffer.clear();
            for _ in 0..size {
                buffer.push((sent.wrapping_mul(2_654_435_761) >> 24) as u8);
                sent = sent.wrapping_add(1);
            }
            let mut rest = &buffer[..];
            while let Some(frame) = reframer.next_frame(&mut rest) {
                for byte in frame.to_wire() {
                    assert_eq!(byte, (received.wrapping_mul(2_654_435_761) >> 24) as u8, "byte {received}");
                    received = received.wrapping_add(1);
                }
            }
        }
        assert_eq!(sent.wrapping_sub(received) as usize, reframer.pending_bytes());
    }
}
