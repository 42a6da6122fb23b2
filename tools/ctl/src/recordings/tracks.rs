use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};

/// Samples in a millisecond.
const PER_MS: u64 = 16;
/// Frames arrive unevenly: what comes later than this was preceded by silence …
const LATE: u64 = 60 * PER_MS;
/// … and what comes this much too early, as a phone's clock is faster, is left out in part.
const EARLY: u64 = 400 * PER_MS;

/// 16 kHz mono.
pub(super) const SPEC: WavSpec =
    WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample: 16, sample_format: SampleFormat::Int };

/// WAV files that begin at the same time.
pub(super) struct Tracks {
    directory: PathBuf,
    tracks: BTreeMap<String, Track>,
}

struct Track {
    wav: WavWriter<BufWriter<File>>,
    /// Samples so far.
    end: u64,
}

impl Track {
    fn create(path: &Path) -> hound::Result<Self> {
        Ok(Self { wav: WavWriter::create(path, SPEC)?, end: 0 })
    }

    /// Lasts until `to`, with silence.
    fn pad(&mut self, to: u64) -> hound::Result<()> {
        for _ in self.end..to {
            self.wav.write_sample(0_i16)?;
        }
        self.end = self.end.max(to);
        Ok(())
    }

    fn add(&mut self, samples: &[i16]) -> hound::Result<()> {
        self.end += samples.len() as u64;
        samples.iter().try_for_each(|sample| self.wav.write_sample(*sample))
    }
}

impl Tracks {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), tracks: BTreeMap::new() }
    }

    /// What was said into a phone: a frame that arrived at `at_ms`.
    pub(super) fn said(&mut self, name: &str, at_ms: u32, samples: &[i16]) -> Result<(), String> {
        let at = u64::from(at_ms) * PER_MS;
        self.change(name, |track| {
            if track.end > at + EARLY {
                return Ok(());
            }
            if at > track.end + LATE {
                track.pad(at)?;
            }
            track.add(samples)
        })
    }

    /// A piece of speech that is heard from `at_ms` on, or after what is heard then.
    pub(super) fn spoken(&mut self, name: &str, at_ms: u32, samples: &[i16]) -> Result<(), String> {
        let at = u64::from(at_ms) * PER_MS;
        self.change(name, |track| {
            if at > track.end + LATE {
                track.pad(at)?;
            }
            track.add(samples)
        })
    }

    /// Where a track ends so far, in samples.
    pub(super) fn end(&self, name: &str) -> u64 {
        self.tracks.get(name).map_or(0, |track| track.end)
    }

    fn change(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Track) -> hound::Result<()>,
    ) -> Result<(), String> {
        let path = self.path(name);
        let here = |error: hound::Error| format!("{}: {error}", path.display());
        if !self.tracks.contains_key(name) {
            self.tracks.insert(name.to_owned(), Track::create(&path).map_err(here)?);
        }
        self.tracks.get_mut(name).map_or(Ok(()), change).map_err(here)
    }

    /// Makes all equally long. Gives their files.
    pub(super) fn finish(mut self) -> Result<Vec<PathBuf>, String> {
        let end = self.tracks.values().map(|track| track.end).max().unwrap_or_default();
        let mut paths = Vec::new();
        for (name, mut track) in std::mem::take(&mut self.tracks) {
            let path = self.path(&name);
            let done = track.pad(end).and_then(|()| track.wav.finalize());
            done.map_err(|error| format!("{}: {error}", path.display()))?;
            paths.push(path);
        }
        Ok(paths)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.wav"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: [i16; 320] = [7; 320];

    fn samples(path: &Path) -> Vec<i16> {
        hound::WavReader::open(path).unwrap().into_samples().map(Result::unwrap).collect()
    }

    #[test]
    fn uneven_arrival_leaves_no_gap_and_silence_does() {
        let directory = tempfile::tempdir().unwrap();
        let mut tracks = Tracks::new(directory.path());
        for at in [0, 41, 42, 60, 200] {
            tracks.said("leg-1", at, &FRAME).unwrap();
        }
        tracks.spoken("leg-2", 1_000, &FRAME).unwrap();
        tracks.spoken("leg-2", 1_000, &FRAME).unwrap();
        let paths = tracks.finish().unwrap();
        let [first, second] = [0, 1].map(|place| samples(&paths[place]));
        assert_eq!((first.len(), second.len()), (1_040 * 16, 1_040 * 16), "they end together");
        let voiced =
            |samples: &[i16], from: usize, to: usize| samples[from * 16..to * 16].iter().all(|s| *s == 7);
        assert!(voiced(&first, 0, 80) && first[80 * 16] == 0 && voiced(&first, 200, 220));
        assert!(second[999 * 16] == 0 && voiced(&second, 1_000, 1_040));
    }

    #[test]
    fn a_fast_clock_does_not_run_away() {
        let directory = tempfile::tempdir().unwrap();
        let mut tracks = Tracks::new(directory.path());
        (0..1_000).for_each(|number| tracks.said("leg-1", number * 10, &FRAME).unwrap());
        let length = samples(&tracks.finish().unwrap()[0]).len() as u64;
        assert!((10_000 * PER_MS..10_500 * PER_MS).contains(&length), "{length}");
    }
}
