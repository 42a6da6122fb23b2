use std::path::{Path, PathBuf};

use hound::{WavReader, WavWriter};

use super::tracks::SPEC;

/// Samples that are read of each file at once.
const BLOCK: usize = 16_000;

/// Adds files of equal length up.
pub(super) fn mix(tracks: &[PathBuf], to: &Path) -> Result<(), String> {
    let here = |path: &Path, error: hound::Error| format!("{}: {error}", path.display());
    let mut readers = Vec::new();
    for path in tracks {
        readers.push(WavReader::open(path).map_err(|error| here(path, error))?.into_samples::<i16>());
    }
    let mut mixed = WavWriter::create(to, SPEC).map_err(|error| here(to, error))?;
    loop {
        let mut block = Vec::<i32>::with_capacity(BLOCK);
        for (reader, path) in readers.iter_mut().zip(tracks) {
            for place in 0..BLOCK {
                let Some(sample) = reader.next() else { break };
                let sample = i32::from(sample.map_err(|error| here(path, error))?);
                match block.get_mut(place) {
                    Some(sum) => *sum += sample,
                    None => block.push(sample),
                }
            }
        }
        if block.is_empty() {
            return mixed.finalize().map_err(|error| here(to, error));
        }
        for sum in block {
            let sample = sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            mixed.write_sample(sample).map_err(|error| here(to, error))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voices_add_up_and_are_cut_at_full_scale() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, samples) in [("a", [1, 30_000, 0]), ("b", [2, 30_000, 5])] {
            let mut wav = WavWriter::create(path(name), SPEC).unwrap();
            for sample in samples {
                wav.write_sample::<i16>(sample).unwrap();
            }
            wav.finalize().unwrap();
        }
        mix(&[path("a"), path("b")], &path("mixed")).unwrap();
        let mixed = WavReader::open(path("mixed")).unwrap().into_samples::<i16>().map(Result::unwrap);
        assert_eq!(mixed.collect::<Vec<_>>(), [3, i16::MAX, 5]);
    }
}
