//! Silence that an interpreter makes while it waits for the speaker, and that nobody needs to hear afterwards.

/// Louder than this is speech; 16 bit.
const QUIET: u16 = 150;

/// Cuts silence off the beginning of speech, and shortens pauses in it.
#[derive(Debug)]
pub(super) struct Pauses {
    longest: usize,
    /// Samples of silence since the last speech; none before the first.
    silent: Option<usize>,
}

impl Pauses {
    /// Leaves pauses of up to `longest` samples.
    pub(super) fn new(longest: usize) -> Self {
        Self { longest, silent: None }
    }

    /// What is to be heard of the next little-endian samples.
    pub(super) fn cut(&mut self, samples: &[u8]) -> Vec<u8> {
        let (pairs, _) = samples.as_chunks::<2>();
        pairs.iter().copied().filter(|pair| self.is_heard(i16::from_le_bytes(*pair))).flatten().collect()
    }

    fn is_heard(&mut self, sample: i16) -> bool {
        if sample.unsigned_abs() > QUIET {
            self.silent = Some(0);
            return true;
        }
        match &mut self.silent {
            Some(silent) if *silent < self.longest => {
                *silent += 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn waiting_is_not_heard_and_pauses_are_short() {
        let mut pauses = Pauses::new(3);
        assert!(pauses.cut(&bytes(&[0, 20, -20])).is_empty());
        assert_eq!(pauses.cut(&bytes(&[0, 900, 0, -900, 0])), bytes(&[900, 0, -900, 0]));
        assert_eq!(pauses.cut(&bytes(&[0, 0, 0, 0, i16::MIN])), bytes(&[0, 0, i16::MIN]));
    }
}
