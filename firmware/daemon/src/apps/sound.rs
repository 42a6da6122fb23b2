//! A sound that a program sends in pieces, after it told what is said in it.

use std::sync::Arc;

use session::Language;

/// What it is, and what is there of it.
pub(super) struct Sound {
    pub(super) id: Option<u64>,
    pub(super) room: String,
    pub(super) text: String,
    pub(super) language: Language,
    /// Of the whole.
    bytes: usize,
    /// s16le.
    pieces: Vec<u8>,
}

/// How it is with a sound after another piece.
pub(super) enum Heard {
    More(Sound),
    /// 16 kHz mono.
    Whole(Sound, Arc<[i16]>),
    TooMuch(Sound),
}

impl Sound {
    pub(super) fn new(id: Option<u64>, room: String, text: String, language: Language, bytes: usize) -> Self {
        Self { id, room, text, language, bytes, pieces: Vec::new() }
    }

    pub(super) fn hear(mut self, piece: &[u8]) -> Heard {
        if piece.len() > self.bytes - self.pieces.len() {
            return Heard::TooMuch(self);
        }
        self.pieces.extend(piece);
        if self.pieces.len() < self.bytes {
            return Heard::More(self);
        }
        let samples = self.pieces.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        Heard::Whole(self, samples)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_whole_however_it_is_cut(
            samples in prop::collection::vec(any::<i16>(), 1..2_000),
            size in 1_usize..5_000,
        ) {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let mut sound = Sound::new(None, String::new(), String::new(), Language::ENGLISH, bytes.len());
            let pieces = bytes.chunks(size);
            let last = pieces.len();
            for (place, piece) in pieces.enumerate() {
                match sound.hear(piece) {
                    Heard::More(more) => sound = more,
                    Heard::Whole(_, heard) => {
                        prop_assert_eq!(place + 1, last);
                        prop_assert_eq!(&heard[..], &samples[..]);
                        return Ok(());
                    }
                    Heard::TooMuch(_) => return Err(TestCaseError::fail("too much")),
                }
            }
            prop_assert!(false, "it is not whole");
        }
    }

    #[test]
    fn more_than_was_told_is_too_much() {
        let sound = || Sound::new(None, String::new(), String::new(), Language::ENGLISH, 4);
        assert!(matches!(sound().hear(&[0; 5]), Heard::TooMuch(_)));
        let Heard::More(rest) = sound().hear(&[0; 3]) else { panic!("there is more") };
        assert!(matches!(rest.hear(&[0; 2]), Heard::TooMuch(_)));
    }
}
