//! Recordings: any WAV in, 16 kHz mono out.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// Sample rate of the recordings this phone writes.
pub const RECORDING_RATE: u32 = 16_000;
const MAX_SECONDS: u32 = 3600;

/// Mono samples and their rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// Samples.
    pub samples: Vec<i16>,
    /// Samples per second.
    pub sample_rate: u32,
}

impl Clip {
    /// Reads a WAV of any rate and number of channels, 8 to 32 bits or float, and mixes it to mono.
    ///
    /// # Errors
    /// One line naming the file when it cannot be read, is empty or longer than an hour.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let reader = WavReader::open(path).with_context(|| {
            format!("cannot play {name}: is it a WAV file? (convert: ffmpeg -i IN OUT.wav)")
        })?;
        let WavSpec { channels, sample_rate, .. } = reader.spec();
        if channels == 0 || sample_rate == 0 || reader.duration() == 0 {
            bail!("cannot play {name}: it holds no audio");
        }
        if reader.duration() / sample_rate >= MAX_SECONDS {
            bail!("cannot play {name}: it is longer than an hour; cut it");
        }
        let interleaved =
            read_samples(reader).with_context(|| format!("cannot play {name}: it is damaged"))?;
        let mono = interleaved.chunks(usize::from(channels));
        let samples = mono.map(|frame| to_i16(frame.iter().sum::<f32>() / f32::from(channels))).collect();
        Ok(Self { samples, sample_rate })
    }

    /// The clip at another rate; unchanged, bit by bit, when the rate is the same.
    ///
    /// # Errors
    /// When the rates cannot be converted.
    pub fn at_rate(self, sample_rate: u32) -> Result<Self> {
        if self.sample_rate == sample_rate {
            return Ok(self);
        }
        let input: Vec<f32> = self.samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
        let (from, to) = (self.sample_rate as usize, sample_rate as usize);
        let mut resampler = Fft::<f32>::new(from, to, 1024, 1, FixedSync::Input)
            .with_context(|| format!("cannot convert {from} Hz to {to} Hz"))?;
        let adapter = InterleavedSlice::new(&input, 1, input.len())?;
        let output = resampler.process_all(&adapter, input.len(), None)?;
        let samples = output.take_data().into_iter().map(to_i16).collect();
        Ok(Self { samples, sample_rate })
    }

    /// Writes a 16-bit mono WAV.
    ///
    /// # Errors
    /// One line naming the file when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let spec = WavSpec {
            channels: 1,
            sample_rate: self.sample_rate,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let context = || format!("cannot write the recording {}", path.display());
        let mut writer = WavWriter::create(path, spec).with_context(context)?;
        for sample in &self.samples {
            writer.write_sample(*sample).with_context(context)?;
        }
        writer.finalize().with_context(context)
    }
}

/// Samples as numbers from −1 to 1. 16-bit samples survive the way there and back unchanged.
fn read_samples(reader: WavReader<std::io::BufReader<std::fs::File>>) -> Result<Vec<f32>> {
    let WavSpec { sample_format, bits_per_sample, .. } = reader.spec();
    let samples: Result<Vec<f32>, hound::Error> = match sample_format {
        SampleFormat::Float => reader.into_samples::<f32>().collect(),
        SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(bits_per_sample) - 1);
            reader.into_samples::<i32>().map(|sample| sample.map(|s| s as f32 / full)).collect()
        }
    };
    Ok(samples?)
}

fn to_i16(sample: f32) -> i16 {
    // The cast saturates, and takes NaN to 0.
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, samples: u32) -> Vec<i16> {
        let step = std::f64::consts::TAU * hz / f64::from(rate);
        (0..samples).map(|n| (8000.0 * (f64::from(n) * step).sin()) as i16).collect()
    }

    #[test]
    fn sixteen_bits_survive_a_file_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let samples: Vec<i16> = (i16::MIN..=i16::MAX).step_by(7).collect();
        let clip = Clip { samples, sample_rate: 16_000 };
        clip.write(&path).unwrap();
        assert_eq!(Clip::read(&path).unwrap().at_rate(16_000).unwrap(), clip);
    }

    #[test]
    fn stereo_float_at_44100_becomes_mono_at_16000() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.wav");
        let spec = WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 32,
            sample_format: SampleFormat::Float,
        };
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for sample in tone(44_100, 500.0, 44_100) {
            writer.write_sample(f32::from(sample) / 32_768.0).unwrap();
            writer.write_sample(f32::from(sample) / 32_768.0).unwrap();
        }
        writer.finalize().unwrap();
        let clip = Clip::read(&path).unwrap().at_rate(16_000).unwrap();
        assert_eq!((clip.samples.len(), clip.sample_rate), (16_000, 16_000));
        let correlation = crate::audio::level::correlation(
            &clip.samples[500..15_500],
            &tone(16_000, 500.0, 16_000)[500..15_500],
        );
        // The filter's delay is no whole number of samples: what is left of it costs less than a thousandth.
        assert!(correlation > 0.999, "{correlation}");
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.wav");
        std::fs::write(&path, b"RIFF....WAVEjunk").unwrap();
        let error = Clip::read(&path).unwrap_err().to_string();
        assert!(error.contains("c.wav") && error.contains("is it a WAV file"), "{error}");
        let missing = Clip::read(&dir.path().join("d.wav")).unwrap_err().to_string();
        assert!(missing.contains("d.wav"));
    }
}
