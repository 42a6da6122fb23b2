//! What speech looks like on the wire.

use std::collections::VecDeque;
use std::str::FromStr;

use audio_codec::{Decoder as _, Encoder as _, pcma, pcmu};
use serde::Serialize;

use super::g722;

/// A codec of this phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// Uncompressed 16-bit samples at 16 kHz: loses nothing.
    L16,
    /// G.722 at 64 kbit/s: wideband, what desk phones speak.
    G722,
    /// G.711 μ-law: 8 kHz.
    Pcmu,
    /// G.711 A-law: 8 kHz.
    Pcma,
}

impl Codec {
    /// All codecs, best first.
    pub const ALL: [Self; 4] = [Self::L16, Self::G722, Self::Pcmu, Self::Pcma];

    /// Samples per second of the audio.
    pub fn sample_rate(self) -> u32 {
        match self {
            Self::L16 | Self::G722 => 16_000,
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Ticks per second of the RTP timestamp; for G.722 it is 8000 by an old mistake that RFC 3551 keeps.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::L16 => 16_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Name in an `rtpmap`.
    pub fn encoding_name(self) -> &'static str {
        match self {
            Self::L16 => "L16",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The payload type to offer: static where RFC 3551 has one.
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::L16 => 118,
        }
    }

    /// Samples in 20 ms.
    pub fn frame_samples(self) -> usize {
        self.sample_rate() as usize / 50
    }

    /// The codec of an `rtpmap`.
    pub fn from_rtpmap(name: &str, clock_rate: u32, channels: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec.encoding_name().eq_ignore_ascii_case(name)
                && codec.clock_rate() == clock_rate
                && channels == 1
        })
    }

    /// The codec of a static payload type that came without an `rtpmap`.
    pub fn from_static_type(payload_type: u8) -> Option<Self> {
        [Self::Pcmu, Self::Pcma, Self::G722].into_iter().find(|codec| codec.payload_type() == payload_type)
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.encoding_name(), self.sample_rate())
    }
}

impl FromStr for Codec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "l16" | "slin16" => Ok(Self::L16),
            "g722" => Ok(Self::G722),
            "pcmu" | "ulaw" => Ok(Self::Pcmu),
            "pcma" | "alaw" => Ok(Self::Pcma),
            _ => Err(format!("unknown codec {text}: choose l16, g722, pcmu or pcma")),
        }
    }
}

/// Samples to payload bytes.
pub enum Encoder {
    /// Network byte order.
    L16,
    /// Keeps its predictors between frames.
    G722(Box<g722::Encoder>),
    /// Stateless.
    Pcmu(pcmu::PcmuEncoder),
    /// Stateless.
    Pcma(pcma::PcmaEncoder),
}

impl Encoder {
    /// An encoder in its initial state.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::L16 => Self::L16,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Pcmu => Self::Pcmu(pcmu::PcmuEncoder::new()),
            Codec::Pcma => Self::Pcma(pcma::PcmaEncoder::new()),
        }
    }

    /// Encodes a whole frame (an even number of samples); replaces what is in `payload`.
    pub fn encode(&mut self, samples: &[i16], payload: &mut Vec<u8>) {
        payload.clear();
        let written = match self {
            Self::L16 => {
                payload.extend(samples.iter().flat_map(|sample| sample.to_be_bytes()));
                return;
            }
            Self::G722(encoder) => {
                payload.extend(samples.chunks_exact(2).map(|pair| encoder.encode([pair[0], pair[1]])));
                return;
            }
            Self::Pcmu(encoder) => {
                payload.resize(samples.len(), 0);
                encoder.encode_into(samples, payload)
            }
            Self::Pcma(encoder) => {
                payload.resize(samples.len(), 0);
                encoder.encode_into(samples, payload)
            }
        };
        // G.711 has one byte a sample, so the buffer is never too small, which is the only error.
        payload.truncate(written.unwrap_or(0));
    }
}

/// Payload bytes to samples.
pub enum Decoder {
    /// Network byte order.
    L16,
    /// Keeps its predictors between frames.
    G722(Box<g722::Decoder>),
    /// Stateless.
    Pcmu(pcmu::PcmuDecoder),
    /// Stateless.
    Pcma(pcma::PcmaDecoder),
}

impl Decoder {
    /// A decoder in its initial state.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::L16 => Self::L16,
            Codec::G722 => Self::G722(Box::default()),
            Codec::Pcmu => Self::Pcmu(pcmu::PcmuDecoder::new()),
            Codec::Pcma => Self::Pcma(pcma::PcmaDecoder::new()),
        }
    }

    /// Decodes a payload of any length and appends the samples. An odd last byte of L16 is dropped.
    pub fn decode(&mut self, payload: &[u8], samples: &mut VecDeque<i16>) {
        let mut pcm = vec![0; payload.len()];
        let written = match self {
            Self::L16 => {
                samples.extend(payload.chunks_exact(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])));
                return;
            }
            Self::G722(decoder) => {
                samples.extend(payload.iter().flat_map(|byte| decoder.decode(*byte)));
                return;
            }
            Self::Pcmu(decoder) => decoder.decode_into(payload, &mut pcm),
            Self::Pcma(decoder) => decoder.decode_into(payload, &mut pcm),
        };
        // As above.
        samples.extend(&pcm[..written.unwrap_or(0)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tones with a slow envelope: speech-like enough for a codec.
    fn signal(rate: u32, seconds: u32) -> Vec<i16> {
        let step = std::f64::consts::TAU / f64::from(rate);
        (0..rate * seconds)
            .map(|n| {
                let t = f64::from(n) * step;
                let envelope = 0.5 + 0.5 * (t * 2.0).sin();
                (envelope * (9000.0 * (t * 440.0).sin() + 4000.0 * (t * 1310.0).sin())) as i16
            })
            .collect()
    }

    fn round_trip(codec: Codec, samples: &[i16]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let (mut payload, mut heard) = (Vec::new(), VecDeque::new());
        for frame in samples.chunks(codec.frame_samples()) {
            encoder.encode(frame, &mut payload);
            decoder.decode(&payload, &mut heard);
        }
        heard.into()
    }

    #[test]
    fn l16_is_exact_and_big_endian() {
        let samples = signal(16_000, 1);
        assert_eq!(round_trip(Codec::L16, &samples), samples);
        let mut payload = Vec::new();
        Encoder::new(Codec::L16).encode(&[0x0102, -2], &mut payload);
        assert_eq!(payload, [1, 2, 0xff, 0xfe]);
    }

    #[test]
    fn g722_returns_the_signal_22_samples_later() {
        let samples = signal(16_000, 2);
        let heard = round_trip(Codec::G722, &samples);
        assert_eq!(heard.len(), samples.len());
        let correlation = crate::audio::level::correlation(&samples[..30_000], &heard[22..30_022]);
        assert!(correlation > 0.999, "{correlation}");
    }

    #[test]
    fn g711_returns_the_signal() {
        let samples = signal(8_000, 2);
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let heard = round_trip(codec, &samples);
            let correlation = crate::audio::level::correlation(&samples, &heard);
            assert!(correlation > 0.999, "{codec}: {correlation}");
        }
    }

    #[test]
    fn g711_known_codes() {
        let mut payload = Vec::new();
        Encoder::new(Codec::Pcmu).encode(&[0, 32_635, -32_635], &mut payload);
        assert_eq!(payload, [0xff, 0x80, 0x00]);
        Encoder::new(Codec::Pcma).encode(&[0, 32_767, -32_768], &mut payload);
        assert_eq!(payload, [0xd5, 0xaa, 0x2a]);
    }

    #[test]
    fn any_payload_is_decoded_without_a_panic() {
        for codec in Codec::ALL {
            let mut samples = VecDeque::new();
            let mut decoder = Decoder::new(codec);
            for length in 0..700 {
                decoder.decode(&vec![(length * 37) as u8; length], &mut samples);
            }
        }
    }
}
