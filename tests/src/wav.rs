//! Recordings: 16-bit mono WAV.

use std::path::Path;
use std::time::Duration;

/// Samples that [`Wav::loudness_of`] makes one of.
const EACH: usize = 4;

/// Samples and their rate.
#[derive(Clone, Debug)]
pub struct Wav {
    /// Mono, signed 16 bit.
    pub samples: Vec<i16>,
    /// Samples a second.
    pub rate: u32,
}

impl Wav {
    /// Reads a file; of several channels the first.
    ///
    /// # Panics
    /// Where it is not a 16-bit WAV.
    pub fn read(path: &Path) -> Self {
        let mut reader =
            hound::WavReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let spec = reader.spec();
        let samples: Result<Vec<i16>, _> = reader.samples().step_by(spec.channels.into()).collect();
        Self { samples: samples.expect("16-bit samples"), rate: spec.sample_rate }
    }

    /// Writes a file.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, path: &Path) {
        let (bits_per_sample, sample_format) = (16, hound::SampleFormat::Int);
        let spec = hound::WavSpec { channels: 1, sample_rate: self.rate, bits_per_sample, sample_format };
        let mut writer = hound::WavWriter::create(path, spec).expect("a file");
        self.samples.iter().for_each(|sample| writer.write_sample(*sample).expect("a file"));
        writer.finalize().expect("a file");
    }

    /// The same with silence before and after.
    #[must_use]
    pub fn padded(&self, before: Duration, after: Duration) -> Self {
        let silence = |time: Duration| vec![0; (time.as_secs_f64() * f64::from(self.rate)) as usize];
        Self { samples: [silence(before), self.samples.clone(), silence(after)].concat(), rate: self.rate }
    }

    /// The same at a higher rate, or the same one: by a windowed sinc, since images of the speech above the old band
    /// mislead recognition.
    #[must_use]
    pub fn at(&self, rate: u32) -> Self {
        let length = self.samples.len() as u64 * u64::from(rate) / u64::from(self.rate);
        let step = f64::from(self.rate) / f64::from(rate);
        Self { samples: (0..length).map(|index| self.between(index as f64 * step)).collect(), rate }
    }

    /// The signal at a position between samples.
    fn between(&self, position: f64) -> i16 {
        const REACH: f64 = 16.0;
        let first = (position - REACH).ceil().max(0.0) as usize;
        let last = ((position + REACH) as usize).min(self.samples.len() - 1);
        let weighed = (first..=last).map(|index| {
            let distance = position - index as f64;
            let angle = std::f64::consts::PI * distance;
            let sinc = if distance == 0.0 { 1.0 } else { angle.sin() / angle };
            f64::from(self.samples[index]) * sinc * (0.5 + 0.5 * (angle / REACH).cos())
        });
        weighed.sum::<f64>().round() as i16
    }

    /// What comes after `time`.
    #[must_use]
    pub fn after(&self, time: Duration) -> Self {
        let skipped = ((time.as_secs_f64() * f64::from(self.rate)) as usize).min(self.samples.len());
        Self { samples: self.samples[skipped..].to_vec(), rate: self.rate }
    }

    /// What comes before `time`.
    #[must_use]
    pub fn until(&self, time: Duration) -> Self {
        let taken = ((time.as_secs_f64() * f64::from(self.rate)) as usize).min(self.samples.len());
        Self { samples: self.samples[..taken].to_vec(), rate: self.rate }
    }

    /// How much softer than itself `other`, of the same rate, is heard in this, dB, and how alike the two are there, 0
    /// to 1: of the 400 ms that are most alike, as a call may lose a frame in between.
    pub fn loudness_of(&self, other: &Self) -> (f64, f64) {
        let (all, other) = (self.thinned(), other.thinned());
        let parts = other.chunks_exact((other.len() / 2).min(4 * self.rate as usize / 10 / EACH));
        let found = parts.filter(|part| energy(part) > 0.0).flat_map(|part| {
            all.windows(part.len()).map(move |place| {
                let (common, of_part) = (dot(place, part), energy(part));
                let softer = -20.0 * f64::from(common / of_part).log10();
                (softer, f64::from(common / (of_part * energy(place)).sqrt().max(1.0)))
            })
        });
        found.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((f64::INFINITY, 0.0))
    }

    /// At a quarter of the rate, which is enough to recognise a voice by.
    fn thinned(&self) -> Vec<f32> {
        self.samples.chunks_exact(EACH).map(|some| some.iter().map(|s| f32::from(*s)).sum()).collect()
    }
}

fn energy(samples: &[f32]) -> f32 {
    dot(samples, samples)
}

fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}
