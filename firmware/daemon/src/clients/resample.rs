use audio_path::SAMPLE_RATE;
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// Rates that engines speak at.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Turns an engine's raw audio into 16 kHz mono, piece by piece.
pub(super) struct Converter {
    channels: usize,
    /// Bytes that wait for the rest of their sample frame.
    split: Vec<u8>,
    rate: Option<RateConverter>,
}

impl Converter {
    /// A converter from `format`.
    pub(super) fn new(format: AudioFormat) -> Result<Self, Failure> {
        let AudioFormat { rate, width, channels } = format;
        if !RATES.contains(&rate) || width != 2 || !(1..=2).contains(&channels) {
            let shape = format!("{rate} Hz, {width} bytes, {channels} channels");
            return Err(Failure::new(
                FailureKind::Protocol,
                format!("speech of {shape} cannot be used: 16 bit, mono or stereo, 8 to 48 kHz"),
            ));
        }
        let converter = (rate != SAMPLE_RATE).then(|| RateConverter::new(rate, SAMPLE_RATE)).transpose()?;
        Ok(Self { channels: usize::from(channels), split: Vec::new(), rate: converter })
    }

    /// Takes raw little-endian samples, split anyhow; gives those that are ready.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<i16>, Failure> {
        self.split.extend_from_slice(bytes);
        let frame = 2 * self.channels;
        let whole = self.split.len() / frame * frame;
        let channels = i32::try_from(self.channels).unwrap_or(1);
        let mono = self.split[..whole].chunks_exact(frame).map(|samples| {
            let sum: i32 = samples.chunks_exact(2).map(|s| i32::from(i16::from_le_bytes([s[0], s[1]]))).sum();
            (sum / channels) as i16
        });
        let mono: Vec<i16> = mono.collect();
        self.split.drain(..whole);
        match &mut self.rate {
            Some(rate) => rate.push(&mono),
            None => Ok(mono),
        }
    }

    /// The samples that waited for more.
    pub(super) fn finish(&mut self) -> Result<Vec<i16>, Failure> {
        self.rate.as_mut().map_or(Ok(Vec::new()), RateConverter::finish)
    }
}

/// Turns samples of one rate into another, piece by piece.
pub(super) struct RateConverter {
    resampler: Async<f32>,
    waiting: Vec<f32>,
    /// Samples of the resampler's delay that are still to be cut off.
    delay: usize,
    /// Exact ratio of samples out to samples in, to end where the input ends.
    taken: usize,
    given: usize,
    ratio: f64,
}

impl RateConverter {
    /// A converter from `rate` to `target`.
    pub(super) fn new(rate: u32, target: u32) -> Result<Self, Failure> {
        let parameters = SincInterpolationParameters {
            sinc_len: 64,
            f_cutoff: Some(0.92),
            oversampling_factor: 128,
            interpolation: SincInterpolationType::Linear,
            window: WindowFunction::Blackman2,
        };
        let ratio = f64::from(target) / f64::from(rate);
        let chunk = (rate / 100) as usize;
        let resampler =
            Async::new_sinc(ratio, 1.0, &parameters, chunk, 1, FixedAsync::Input).map_err(|error| {
                Failure::new(FailureKind::Protocol, format!("no conversion from {rate} Hz: {error}"))
            })?;
        let delay = resampler.output_delay();
        Ok(Self { resampler, waiting: Vec::new(), delay, taken: 0, given: 0, ratio })
    }

    /// Gives those that are ready.
    pub(super) fn push(&mut self, samples: &[i16]) -> Result<Vec<i16>, Failure> {
        self.taken += samples.len();
        self.waiting.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
        let mut out = Vec::new();
        while self.waiting.len() >= self.resampler.input_frames_next() {
            let chunk: Vec<f32> = self.waiting.drain(..self.resampler.input_frames_next()).collect();
            self.convert(&chunk, None, &mut out)?;
        }
        Ok(out)
    }

    /// The samples that waited for more.
    pub(super) fn finish(&mut self) -> Result<Vec<i16>, Failure> {
        let mut out = Vec::new();
        let due = (self.taken as f64 * self.ratio).round() as usize;
        let rest = std::mem::take(&mut self.waiting);
        self.convert(&rest, Some(rest.len()), &mut out)?;
        while self.given < due {
            self.convert(&[], Some(0), &mut out)?;
        }
        out.truncate(out.len().saturating_sub(self.given - due));
        Ok(out)
    }

    fn convert(&mut self, chunk: &[f32], partial: Option<usize>, out: &mut Vec<i16>) -> Result<(), Failure> {
        let broken = |error: &dyn std::fmt::Display| {
            Failure::new(FailureKind::Protocol, format!("speech could not be resampled: {error}"))
        };
        let input = InterleavedSlice::new(chunk, 1, chunk.len()).map_err(|error| broken(&error))?;
        let indexing = partial.map(|frames| Indexing { partial_len: Some(frames), ..Indexing::default() });
        let converted = self.resampler.process(&input, indexing.as_ref()).map_err(|error| broken(&error))?;
        let samples = converted.take_data();
        let cut = self.delay.min(samples.len());
        self.delay -= cut;
        self.given += samples.len() - cut;
        out.extend(samples[cut..].iter().map(|s| (s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One second of a 440 Hz tone, converted in pieces of odd sizes.
    fn tone(rate: u32, channels: u16) -> Vec<i16> {
        let samples = (0..rate)
            .map(|n| ((n as f32 * 440.0 * std::f32::consts::TAU / rate as f32).sin() * 8_000.0) as i16);
        let bytes: Vec<u8> =
            samples.flat_map(|s| std::iter::repeat_n(s.to_le_bytes(), channels.into())).flatten().collect();
        let mut converter = Converter::new(AudioFormat { rate, width: 2, channels }).unwrap();
        let mut out = Vec::new();
        for piece in bytes.chunks(1_237) {
            out.extend(converter.push(piece).unwrap());
        }
        out.extend(converter.finish().unwrap());
        out
    }

    #[test]
    fn any_rate_becomes_16_khz_without_change_of_length_or_level() {
        for (rate, channels) in
            [(16_000, 1), (16_000, 2), (8_000, 1), (22_050, 1), (24_000, 1), (44_100, 2), (48_000, 1)]
        {
            let out = tone(rate, channels);
            assert_eq!(out.len(), 16_000, "{rate} Hz");
            // Away from the ends the tone is what it would be at 16 kHz, within two samples of delay.
            let off = |quarters: i32| {
                let ideal = |n: i32| {
                    ((n as f32 + quarters as f32 / 4.0) * 440.0 * std::f32::consts::TAU / 16_000.0).sin()
                        * 8_000.0
                };
                (500..15_500).map(|n| (f32::from(out[n as usize]) - ideal(n)).abs()).fold(0.0, f32::max)
            };
            let worst = (-8..=8).map(off).fold(f32::MAX, f32::min);
            assert!(worst < 250.0, "{rate} Hz: off by {worst}");
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        for (rate, width, channels) in
            [(0, 2, 1), (4_000, 2, 1), (96_000, 2, 1), (16_000, 4, 1), (16_000, 2, 0), (16_000, 2, 6)]
        {
            assert!(Converter::new(AudioFormat { rate, width, channels }).is_err());
        }
    }
}
