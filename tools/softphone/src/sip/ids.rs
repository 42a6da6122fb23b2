//! Unguessable tokens: tags, branches, Call-IDs, client nonces.

use sha2::{Digest, Sha256};

/// Makes tokens from a secret seed and a counter, so that a test with a fixed seed repeats itself exactly.
#[derive(Debug, Clone)]
pub struct IdSource {
    seed: [u8; 16],
    counter: u64,
}

impl IdSource {
    /// A source that is the same in every run.
    pub fn with_seed(seed: [u8; 16]) -> Self {
        Self { seed, counter: 0 }
    }

    /// A source seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn from_os() -> std::io::Result<Self> {
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self::with_seed(seed))
    }

    /// The next token: 16 hexadecimal digits.
    pub fn token(&mut self) -> String {
        let hash = self.next_hash();
        hex(&hash[..8])
    }

    /// The next random number.
    pub fn number(&mut self) -> u32 {
        let hash = self.next_hash();
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    /// A Via branch: the cookie of RFC 3261 and a token.
    pub fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }

    fn next_hash(&mut self) -> [u8; 32] {
        self.counter += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        hash.finalize().into()
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_a_seed_repeats_them() {
        let mut a = IdSource::with_seed([7; 16]);
        let mut b = IdSource::with_seed([7; 16]);
        let first = a.token();
        assert_eq!(first, b.token());
        assert_ne!(first, a.token());
        assert_eq!(first.len(), 16);
        assert!(a.branch().starts_with("z9hG4bK"));
    }
}
