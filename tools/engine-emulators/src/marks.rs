//! Words that are numbers in the lowest bits of audio: what is heard then depends on nothing but the audio that arrived.

/// Before each number.
const MAGIC: u64 = 0x9e37_79b9;
/// Samples that a mark takes.
pub const MARK_SAMPLES: usize = 48;

/// Hides `number` in the first [`MARK_SAMPLES`] of `samples`, inaudibly: it is heard as the word [`word`].
pub fn mark(samples: &mut [i16], number: u16) {
    let bits = MAGIC << 16 | u64::from(number);
    for (at, sample) in samples.iter_mut().take(MARK_SAMPLES).enumerate() {
        *sample = (*sample & !1) | (bits >> (MARK_SAMPLES - 1 - at) & 1) as i16;
    }
}

/// The word that a number is heard as.
pub fn word(number: u16) -> String {
    format!("n{number}")
}

/// Finds marks in samples as they come.
#[derive(Debug, Default)]
pub(crate) struct Reader(u64);

impl Reader {
    /// The number that is complete with this sample.
    pub(crate) fn push(&mut self, sample: i16) -> Option<u16> {
        self.0 = self.0 << 1 | u64::from(sample & 1 == 1);
        let found = self.0 >> 16 & 0xffff_ffff == MAGIC;
        found.then_some(self.0 as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_wherever_the_audio_begins() {
        let mut samples: Vec<i16> = (0..320).map(|at| (at * 37 % 1_000) as i16 - 500).collect();
        let plain = samples.clone();
        mark(&mut samples[11..], 40_007);
        mark(&mut samples[200..], 0);
        assert!(samples.iter().zip(plain).all(|(marked, plain)| marked.abs_diff(plain) <= 1));
        let mut reader = Reader::default();
        let found: Vec<_> = samples.iter().filter_map(|sample| reader.push(*sample)).collect();
        assert_eq!(found, [40_007, 0]);
    }
}
