//! The WAV file that comes as it is spoken.

use super::super::pcm::Pcm;
use super::{RATE, unreadable};
use crate::Failure;

/// The server writes 44 bytes; others write more before the samples.
const HEADER_AT_MOST: usize = 512;

/// Reads the body of the answer to [`super::speak`], cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Audio {
    header: Vec<u8>,
    begun: bool,
    pcm: Pcm,
}

impl Audio {
    /// The whole samples at [`RATE`] that `bytes` completes, as bytes.
    ///
    /// # Errors
    /// When it is not a WAV file of such samples, or has no end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.begun {
            return self.pcm.push(bytes);
        }
        let room = HEADER_AT_MOST - self.header.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        self.header.extend(head);
        match samples_begin(&self.header)? {
            Some(begin) => {
                self.begun = true;
                let mut samples = std::mem::take(&mut self.header).split_off(begin);
                samples.extend(rest);
                self.pcm.push(&samples)
            }
            None if self.header.len() < HEADER_AT_MOST => Ok(Vec::new()),
            None => Err(unreadable("no samples in the WAV file")),
        }
    }
}

/// Where the samples of a WAV file begin; None when `header` does not reach there.
fn samples_begin(header: &[u8]) -> Result<Option<usize>, Failure> {
    let mut known = b"RIFF\0\0\0\0WAVE".iter().zip(header).enumerate();
    if known.any(|(at, (wanted, byte))| !(4..8).contains(&at) && wanted != byte) {
        return Err(unreadable("not a WAV file"));
    }
    let mut at = 12;
    let mut format = None;
    while let Some(chunk) = header.get(at..at + 8) {
        let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
        let begin = at + 8;
        match &chunk[..4] {
            b"data" if format == Some(true) => return Ok(Some(begin)),
            b"data" => return Err(unreadable("not 24 kHz, 16 bit, mono")),
            b"fmt " => format = header.get(begin..begin + 16).map(is_ours),
            _ => {}
        }
        at = begin.saturating_add(size.next_multiple_of(2)).min(HEADER_AT_MOST);
    }
    Ok(None)
}

/// Whether a `fmt ` chunk says 24 kHz, 16 bit, mono, uncompressed.
fn is_ours(format: &[u8]) -> bool {
    format[..4] == [1, 0, 1, 0] && format[4..8] == RATE.to_le_bytes() && format[14..16] == [16, 0]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::FailureKind;

    /// As Python's `wave` writes it for no samples, and then samples.
    fn answer(samples: &[u8]) -> Vec<u8> {
        let header: &[u8] =
            b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\xc0\x5d\0\0\x80\xbb\0\0\x02\0\x10\0data\0\0\0\0";
        [header, samples].concat()
    }

    #[test]
    fn other_samples_are_refused() {
        let mut eight = answer(b"ab");
        eight[24..28].copy_from_slice(&8000_u32.to_le_bytes());
        for wrong in [eight, b"OggS".to_vec(), [b"RIFF1234WAVE".as_slice(), &[0; 600]].concat()] {
            assert_eq!(Audio::default().push(&wrong).unwrap_err().kind, FailureKind::Protocol);
        }
    }

    #[test]
    fn chunks_before_the_samples_are_passed_over() {
        let mut bytes = answer(b"abcd");
        bytes.splice(36..36, *b"LIST\x03\0\0\0xyz\0");
        assert_eq!(Audio::default().push(&bytes).unwrap(), b"abcd");
    }

    proptest! {
        #[test]
        fn samples_survive_any_cut(samples: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let bytes = answer(&samples);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut audio = Audio::default();
            let mut heard = Vec::new();
            for cut in cuts.windows(2) {
                heard.extend(audio.push(&bytes[cut[0]..cut[1]]).unwrap());
            }
            prop_assert_eq!(heard, &samples[..samples.len() / 2 * 2]);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..700), at in 0..44_usize, byte: u8) {
            drop(Audio::default().push(&bytes));
            drop(Audio::default().push(&[b"RIFF1234WAVEfmt ", bytes.as_slice()].concat()));
            let mut changed = answer(&bytes);
            changed[at] = byte;
            drop(Audio::default().push(&changed));
        }
    }
}
