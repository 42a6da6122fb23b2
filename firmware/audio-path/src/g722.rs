//! ITU-T G.722 at 64 kbit/s: two sub-bands, each an adaptive differential code, six bits for the low and two for the
//! high one. Written after the Recommendation, whose block names the functions carry, because the crate that has this
//! codec starts from another state than the Recommendation and so differs from every desk phone.

/// Quadrature mirror filter (Recommendation table 11), one half; the other is its mirror.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the low band (table 14).
const Q6: [i32; 30] = [
    0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121,
    1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Codes of the low band's intervals for a negative and a positive difference.
const ILN: [u8; 31] = [
    0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8,
    7, 6, 5, 4,
];
const ILP: [u8; 31] = [
    0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37,
    36, 35, 34, 33, 32,
];
/// Steps of the low band's logarithmic scale factor, by the upper four bits of the code.
const WL: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Steps of the high band's, by its code.
const WH: [i32; 4] = [798, -214, 798, -214];
/// Mantissas of the scale factor.
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
/// Output values of the inverse quantisers: two bits, four bits, six bits.
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// Predictor and scale factor of one band.
#[derive(Debug, Clone)]
struct Band {
    /// Predicted signal, and the part of it from the zeros.
    s: i32,
    sz: i32,
    /// Reconstructed signal, one sample ago.
    r: i32,
    /// Partially reconstructed signal, one and two samples ago.
    p: [i32; 2],
    /// Poles.
    a: [i32; 2],
    /// Differences, latest first, and their zeros.
    d: [i32; 6],
    b: [i32; 6],
    /// Logarithmic and linear scale factor.
    nb: i32,
    det: i32,
}

impl Band {
    fn new(det: i32) -> Self {
        Self { s: 0, sz: 0, r: 0, p: [0; 2], a: [0; 2], d: [0; 6], b: [0; 6], nb: 0, det }
    }

    /// Difference of a quantiser's output value.
    fn inverse_quantise(&self, value: i32) -> i32 {
        (self.det * value) >> 15
    }

    /// LOGSCL, SCALEL, LOGSCH, SCALEH: adapts the scale factor.
    fn scale(&mut self, step: i32, limit: i32, shift: i32) {
        self.nb = (((self.nb * 127) >> 7) + step).clamp(0, limit);
        let mantissa = ILB[((self.nb >> 6) & 31) as usize];
        let shift = shift - (self.nb >> 11);
        self.det = (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2;
    }

    /// Block 4: adapts the predictor to the difference `d` and predicts the next sample.
    fn predict(&mut self, d: i32) {
        let p = saturate(self.sz + d);
        let r = saturate(self.s + d);
        let a = self.adapt_poles(p);
        self.adapt_zeros(d);
        self.a = a;
        self.d.rotate_right(1);
        self.d[0] = d;
        self.p = [p, self.p[0]];

        // FILTEP, FILTEZ, PREDIC
        let sp = saturate(((a[0] * saturate(2 * r)) >> 15) + ((a[1] * saturate(2 * self.r)) >> 15));
        self.r = r;
        let zeros = self.b.iter().zip(self.d);
        self.sz = zeros.rev().fold(0, |sz, (b, d)| saturate(sz + ((b * saturate(2 * d)) >> 15)));
        self.s = saturate(sp + self.sz);
    }

    /// UPPOL2, UPPOL1
    fn adapt_poles(&self, p: i32) -> [i32; 2] {
        let same = |other: i32| (p < 0) == (other < 0);
        let scaled = saturate(self.a[0] * 4);
        let toward = if same(self.p[0]) { (-scaled).min(32_767) } else { scaled };
        let second = (toward >> 7) + if same(self.p[1]) { 128 } else { -128 } + ((self.a[1] * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let first = saturate(if same(self.p[0]) { 192 } else { -192 } + ((self.a[0] * 32_640) >> 15));
        let limit = 15_360 - second;
        [first.clamp(-limit, limit), second]
    }

    /// UPZERO
    fn adapt_zeros(&mut self, d: i32) {
        let step = if d == 0 { 0 } else { 128 };
        for (b, old) in self.b.iter_mut().zip(self.d) {
            let toward = if (old < 0) == (d < 0) { step } else { -step };
            *b = saturate(toward + ((*b * 32_640) >> 15));
        }
    }

    fn adapt_low(&mut self, code: u8) {
        let upper = usize::from(code >> 2);
        let d = self.inverse_quantise(QM4[upper]);
        self.scale(WL[upper], 18_432, 8);
        self.predict(d);
    }

    fn adapt_high(&mut self, code: u8) {
        let d = self.inverse_quantise(QM2[usize::from(code)]);
        self.scale(WH[usize::from(code)], 22_528, 10);
        self.predict(d);
    }
}

/// The last 24 samples of a mirror filter, newest last.
#[derive(Debug, Clone, Default)]
struct Mirror([i32; 24]);

impl Mirror {
    /// Takes two samples; gives the sums over the even and the odd places.
    fn filter(&mut self, first: i32, second: i32) -> (i32, i32) {
        self.0.copy_within(2.., 0);
        (self.0[22], self.0[23]) = (first, second);
        let even = self.0.iter().step_by(2).zip(QMF).map(|(x, c)| x * c).sum();
        let odd = self.0.iter().skip(1).step_by(2).zip(QMF.iter().rev()).map(|(x, c)| x * c).sum();
        (even, odd)
    }
}

/// 16 kHz samples to one byte for each two.
#[derive(Debug, Clone)]
pub struct Encoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(32), high: Band::new(8) }
    }
}

impl Encoder {
    /// Encodes two samples.
    pub fn encode(&mut self, pair: [i16; 2]) -> u8 {
        let (even, odd) = self.mirror.filter(pair[0].into(), pair[1].into());
        let low = self.quantise_low((odd + even) >> 14);
        let high = self.quantise_high((odd - even) >> 14);
        self.low.adapt_low(low);
        self.high.adapt_high(high);
        high << 6 | low
    }

    /// QUANTL
    fn quantise_low(&self, x: i32) -> u8 {
        let e = saturate(x - self.low.s);
        let magnitude = if e < 0 { -(e + 1) } else { e };
        let above = |level: &i32| magnitude >= (level * self.low.det) >> 12;
        let interval = 1 + Q6[1..].iter().take_while(|level| above(level)).count();
        if e < 0 { ILN[interval] } else { ILP[interval] }
    }

    /// QUANTH
    fn quantise_high(&self, x: i32) -> u8 {
        let e = saturate(x - self.high.s);
        let magnitude = if e < 0 { -(e + 1) } else { e };
        let large = magnitude >= (564 * self.high.det) >> 12;
        match (e < 0, large) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

/// Bytes to two samples each.
#[derive(Debug, Clone)]
pub struct Decoder {
    mirror: Mirror,
    low: Band,
    high: Band,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { mirror: Mirror::default(), low: Band::new(32), high: Band::new(8) }
    }
}

impl Decoder {
    /// Decodes one byte.
    pub fn decode(&mut self, byte: u8) -> [i16; 2] {
        let (low, high) = (byte & 0x3f, byte >> 6);
        let limit = |value: i32| value.clamp(-16_384, 16_383);
        let rl = limit(self.low.s + self.low.inverse_quantise(QM6[usize::from(low)]));
        let rh = limit(self.high.s + self.high.inverse_quantise(QM2[usize::from(high)]));
        self.low.adapt_low(low);
        self.high.adapt_high(high);
        let (even, odd) = self.mirror.filter(rl + rh, rl - rh);
        [saturate(odd >> 11) as i16, saturate(even >> 11) as i16]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// Noise at full scale, at a quarter, silence, and soft noise, a quarter of a second each, by turns.
    fn signal() -> Vec<i16> {
        let mut state = 0x2545_f491_u32;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as i16
        };
        let scaled = |n: usize, noise: i16| match (n / 4000) % 4 {
            0 => noise,
            1 => noise / 4,
            2 => 0,
            _ => noise / 64,
        };
        (0..32_000).map(|n| scaled(n, noise())).collect()
    }

    fn sha256(bytes: &[u8]) -> String {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let (high, low) = digest.split_at(16);
        [high, low].map(|half| format!("{:032x}", u128::from_be_bytes(half.try_into().unwrap()))).concat()
    }

    /// The sums are those of two other implementations of the Recommendation, `FFmpeg`'s and `SpanDSP`'s, for this signal;
    /// where the decoder's output exceeds 16 bits `SpanDSP` wraps and `FFmpeg` saturates, as the Recommendation says.
    #[test]
    fn encodes_and_decodes_as_others_do() {
        let mut encoder = Encoder::default();
        let code: Vec<u8> = signal().chunks_exact(2).map(|pair| encoder.encode([pair[0], pair[1]])).collect();
        assert_eq!(sha256(&code), "01be48680239a76468286160156e3ba06f49be8fe35c5484010ffa32f0c13edd");

        let mut decoder = Decoder::default();
        let samples = code.iter().flat_map(|byte| decoder.decode(*byte)).flat_map(i16::to_le_bytes);
        assert_eq!(
            sha256(&samples.collect::<Vec<_>>()),
            "ef959271c907978a3465c968d0ecf0b9dc5f903175f924bad8f70c1a5b9fd2b5"
        );
    }

    #[test]
    fn no_code_overflows() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for n in 0..200_000_u32 {
            decoder.decode((n.wrapping_mul(2_654_435_761) >> 13) as u8);
            encoder.encode([if n % 7 < 3 { i16::MIN } else { i16::MAX }; 2]);
        }
    }
}
