//! Raw samples as they arrive: 16 bit, little-endian, mono, cut anywhere.

use crate::{Failure, FailureKind};

/// Longest speech of one request, bytes: five minutes at 24 kHz. What is longer never ends.
pub const SPEECH_AT_MOST: usize = 5 * 60 * 24_000 * 2;

/// Puts samples together again that were cut in two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcm {
    half: Option<u8>,
    bytes: usize,
}

impl Pcm {
    /// The whole samples that `bytes` completes, as bytes.
    ///
    /// # Errors
    /// After [`SPEECH_AT_MOST`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        self.bytes += bytes.len();
        if self.bytes > SPEECH_AT_MOST {
            return Err(Failure::new(FailureKind::Protocol, "the speech has no end"));
        }
        let mut whole: Vec<u8> = self.half.take().into_iter().chain(bytes.iter().copied()).collect();
        if !whole.len().is_multiple_of(2) {
            self.half = whole.pop();
        }
        Ok(whole)
    }

    /// Whether anything came.
    pub fn is_silent(&self) -> bool {
        self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn samples_survive_any_cut(pieces: Vec<Vec<u8>>) {
            let mut pcm = Pcm::default();
            let mut whole = Vec::new();
            for piece in &pieces {
                let samples = pcm.push(piece).unwrap();
                prop_assert!(samples.len().is_multiple_of(2));
                whole.extend(samples);
            }
            let mut sent = pieces.concat();
            sent.truncate(sent.len() / 2 * 2);
            prop_assert_eq!(whole, sent);
        }
    }

    #[test]
    fn speech_ends() {
        let mut pcm = Pcm::default();
        let piece = vec![0; 1 << 20];
        let took = std::iter::repeat_with(|| pcm.push(&piece)).take_while(Result::is_ok).count();
        assert_eq!(took, SPEECH_AT_MOST >> 20);
    }
}
