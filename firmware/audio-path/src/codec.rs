//! The codecs of telephony that fit both ways through stock Asterisk: 64 kbit/s, one byte for two samples of ours.

use audio_codec::{Decoder as _, Encoder as _, pcma, pcmu};

use crate::rate::{Doubler, Halver};
use crate::{Frame, SAMPLES_PER_FRAME, g722};

/// Bytes of 20 ms in each of the codecs, and ticks of their RTP clock.
pub const CODED_BYTES: usize = SAMPLES_PER_FRAME / 2;

/// What audio looks like in RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// G.711 μ-law, 8 kHz.
    Ulaw,
    /// G.711 A-law, 8 kHz.
    Alaw,
    /// G.722, 16 kHz.
    G722,
}

impl Codec {
    /// Its static payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Ulaw => 0,
            Self::Alaw => 8,
            Self::G722 => 9,
        }
    }

    /// The codec of a static payload type.
    pub fn of_payload_type(payload_type: u8) -> Option<Self> {
        [Self::Ulaw, Self::Alaw, Self::G722].into_iter().find(|codec| codec.payload_type() == payload_type)
    }
}

/// Frames to bytes. Keeps its filters and predictors from one frame to the next.
pub enum Encoder {
    /// G.711 μ-law.
    Ulaw(Halver, pcmu::PcmuEncoder),
    /// G.711 A-law.
    Alaw(Halver, pcma::PcmaEncoder),
    /// G.722.
    G722(Box<g722::Encoder>),
}

impl Encoder {
    /// An encoder in its initial state.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Ulaw => Self::Ulaw(Halver::default(), pcmu::PcmuEncoder::new()),
            Codec::Alaw => Self::Alaw(Halver::default(), pcma::PcmaEncoder::new()),
            Codec::G722 => Self::G722(Box::default()),
        }
    }

    /// Its bytes.
    pub fn encode(&mut self, frame: &Frame) -> [u8; CODED_BYTES] {
        let mut bytes = [0; CODED_BYTES];
        let pairs = || frame.0.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
        let narrow = |halver: &mut Halver| {
            let mut samples = [0; CODED_BYTES];
            samples.iter_mut().zip(pairs()).for_each(|(sample, pair)| *sample = halver.halve(pair));
            samples
        };
        // G.711 has a byte a sample, so there is always room, which is its only demand.
        let _fits = match self {
            Self::Ulaw(halver, law) => law.encode_into(&narrow(halver), &mut bytes),
            Self::Alaw(halver, law) => law.encode_into(&narrow(halver), &mut bytes),
            Self::G722(encoder) => {
                bytes.iter_mut().zip(pairs()).for_each(|(byte, pair)| *byte = encoder.encode(pair));
                Ok(CODED_BYTES)
            }
        };
        bytes
    }
}

/// Bytes to samples. Keeps its filters and predictors from one packet to the next.
pub enum Decoder {
    /// G.711 μ-law.
    Ulaw(Doubler, pcmu::PcmuDecoder),
    /// G.711 A-law.
    Alaw(Doubler, pcma::PcmaDecoder),
    /// G.722.
    G722(Box<g722::Decoder>),
}

impl Decoder {
    /// A decoder in its initial state.
    pub fn new(codec: Codec) -> Self {
        match codec {
            Codec::Ulaw => Self::Ulaw(Doubler::default(), pcmu::PcmuDecoder::new()),
            Codec::Alaw => Self::Alaw(Doubler::default(), pcma::PcmaDecoder::new()),
            Codec::G722 => Self::G722(Box::default()),
        }
    }

    /// Back to the initial state: another stream begins.
    pub fn reset(&mut self) {
        match self {
            Self::Ulaw(doubler, _) | Self::Alaw(doubler, _) => *doubler = Doubler::default(),
            Self::G722(decoder) => **decoder = g722::Decoder::default(),
        }
    }

    /// The two samples of a byte.
    pub fn decode(&mut self, byte: u8) -> [i16; 2] {
        let mut sample = [0];
        // As above.
        let _fits = match self {
            Self::Ulaw(_, law) => law.decode_into(&[byte], &mut sample),
            Self::Alaw(_, law) => law.decode_into(&[byte], &mut sample),
            Self::G722(decoder) => return decoder.decode(byte),
        };
        match self {
            Self::Ulaw(doubler, _) | Self::Alaw(doubler, _) => doubler.double(sample[0]),
            Self::G722(_) => [0; 2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_comes_back_from_each() {
        let signal: Vec<i16> = (0..32_000)
            .map(|n| {
                let t = f64::from(n) / 16_000.0;
                (6_000.0 * (t * 2_000.0).sin() + 3_000.0 * (t * 9_100.0).sin()) as i16
            })
            .collect();
        for (codec, delay) in [(Codec::Ulaw, 46), (Codec::Alaw, 46), (Codec::G722, 22)] {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            let heard: Vec<i16> = signal
                .chunks_exact(SAMPLES_PER_FRAME)
                .flat_map(|samples| encoder.encode(&Frame(samples.try_into().unwrap())))
                .flat_map(|byte| decoder.decode(byte))
                .collect();
            assert_eq!(heard.len(), signal.len());
            let (mut error, mut power) = (0.0, 0.0);
            for (sent, heard) in signal[1_000..30_000].iter().zip(&heard[1_000 + delay..]) {
                error += (f64::from(*sent) - f64::from(*heard)).powi(2);
                power += f64::from(*sent).powi(2);
            }
            assert!(power / error > 100.0, "{codec:?}: {:.1} dB", 10.0 * (power / error).log10());
        }
    }

    #[test]
    fn payload_types_name_codecs() {
        for codec in [Codec::Ulaw, Codec::Alaw, Codec::G722] {
            assert_eq!(Codec::of_payload_type(codec.payload_type()), Some(codec));
        }
        assert_eq!(Codec::of_payload_type(118), None);
    }
}
