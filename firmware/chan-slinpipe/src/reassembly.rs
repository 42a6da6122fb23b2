//! Whole frames out of audio that arrives cut at any place.

/// Bytes of a frame: 20 ms of 16 kHz mono s16le.
pub(crate) const FRAME_BYTES: usize = 640;
/// Samples of a frame.
pub(crate) const FRAME_SAMPLES: usize = FRAME_BYTES / 2;

/// A frame's bytes.
pub(crate) type Frame = [u8; FRAME_BYTES];

/// Collects bytes until a frame is whole. Holds one frame and never allocates.
pub(crate) struct Reassembly {
    bytes: Frame,
    filled: usize,
}

impl Reassembly {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; FRAME_BYTES], filled: 0 }
    }

    /// The part of the current frame that is still to come; never empty. Asking for it forgets a frame that is whole.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.filled == FRAME_BYTES {
            self.filled = 0;
        }
        &mut self.bytes[self.filled..]
    }

    /// Tells that the first `count` bytes of [`space`](Self::space) were filled. Returns the frame if that made it whole.
    pub(crate) fn advance(&mut self, count: usize) -> Option<&mut Frame> {
        self.filled = (self.filled + count).min(FRAME_BYTES);
        (self.filled == FRAME_BYTES).then_some(&mut self.bytes)
    }

    /// Takes bytes off the front of `input` until a frame is whole or the input is used up.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Option<&Frame> {
        let space = self.space();
        let (head, rest) = input.split_at(space.len().min(input.len()));
        space[..head.len()].copy_from_slice(head);
        *input = rest;
        self.advance(head.len()).map(|frame| &*frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reassemble(chunks: &[&[u8]]) -> (Vec<u8>, usize) {
        let mut reassembly = Reassembly::new();
        let mut out = Vec::new();
        for chunk in chunks {
            let mut input = *chunk;
            while !input.is_empty() {
                if let Some(frame) = reassembly.take(&mut input) {
                    out.extend_from_slice(frame);
                }
            }
        }
        (out, reassembly.filled % FRAME_BYTES)
    }

    #[test]
    fn a_whole_frame_passes_at_once() {
        let frame: Vec<u8> = (0..FRAME_BYTES).map(|i| i as u8).collect();
        assert_eq!(reassemble(&[&frame]), (frame, 0));
    }

    #[test]
    fn other_packet_times_lose_nothing() {
        for milliseconds in [5, 10, 30, 40, 60] {
            let sent: Vec<u8> = (0..120 * 32).map(|i| (i % 251) as u8).collect();
            let chunks: Vec<&[u8]> = sent.chunks(milliseconds * 32).collect();
            assert_eq!(reassemble(&chunks), (sent.clone(), 0), "{milliseconds} ms");
        }
    }

    #[test]
    fn an_empty_read_changes_nothing() {
        let mut reassembly = Reassembly::new();
        assert!(reassembly.advance(0).is_none());
        assert_eq!(reassembly.space().len(), FRAME_BYTES);
    }

    proptest! {
        #[test]
        fn any_split_is_bit_exact(sent in prop::collection::vec(any::<u8>(), 0..8000), cuts in prop::collection::vec(1usize..1500, 1..40)) {
            let mut chunks = Vec::new();
            let mut rest = &sent[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            let (out, pending) = reassemble(&chunks);
            prop_assert_eq!(out.len() + pending, sent.len());
            prop_assert_eq!(&out[..], &sent[..out.len()]);
            prop_assert_eq!(pending, sent.len() % FRAME_BYTES);
        }
    }
}
