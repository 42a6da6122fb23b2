use crate::{Frame, SAMPLES_PER_FRAME};

/// Ticks until an original is all ducked after speech began: 40 ms.
const ATTACK_TICKS: i32 = 2;
/// Ticks until it is as loud as before after speech ended: 240 ms.
const RELEASE_TICKS: i32 = 12;
/// The depth of a whole ducking: one a tick of release.
const DEEPEST: i32 = RELEASE_TICKS;

/// A factor of amplitude, 0 (muted) to almost 4 (12 dB), in steps of 1/16384.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(u16);

impl Level {
    /// Not heard.
    pub const MUTED: Self = Self(0);
    /// 0 dB: bit-exact.
    pub const UNITY: Self = Self(1 << Self::BITS);

    const BITS: u32 = 14;

    /// The factor of `db`, at most 12.04 dB; below −90 dB it is [`Level::MUTED`].
    pub fn from_db(db: f32) -> Self {
        Self((10f32.powf(db / 20.0) * f32::from(Self::UNITY.0)).round() as u16)
    }

    fn between(self, other: Self, part: i32, whole: i32) -> Self {
        Self((i32::from(self.0) + (i32::from(other.0) - i32::from(self.0)) * part / whole) as u16)
    }

    /// A product with any sample fits: 2¹⁵ · (2¹⁶ − 1) < 2³¹.
    fn of(self, sample: i16) -> i32 {
        (i32::from(sample) * i32::from(self.0)) >> Self::BITS
    }
}

/// How loud a leg hears the original voice of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gain {
    /// While nothing else plays.
    pub plain: Level,
    /// While speech plays to the listener.
    pub ducked: Level,
}

impl Gain {
    /// As loud, whatever plays.
    pub const fn steady(level: Level) -> Self {
        Self { plain: level, ducked: level }
    }
}

/// How far the originals that one leg hears are turned down for the speech that plays to it.
#[derive(Clone, Debug, Default)]
pub struct Ducking(i32);

impl Ducking {
    /// One tick goes by, with or without speech.
    pub fn tick(&mut self, speech: bool) {
        let step = if speech { DEEPEST / ATTACK_TICKS } else { -DEEPEST / RELEASE_TICKS };
        self.0 = (self.0 + step).clamp(0, DEEPEST);
    }

    /// How loud an original is to be at the end of this tick.
    pub fn level(&self, gain: Gain) -> Level {
        gain.plain.between(gain.ducked, self.0, DEEPEST)
    }
}

/// The sum of what one leg hears in a tick.
#[derive(Clone, Debug)]
pub struct Mix([i32; SAMPLES_PER_FRAME]);

impl Default for Mix {
    fn default() -> Self {
        Self([0; SAMPLES_PER_FRAME])
    }
}

impl Mix {
    /// Adds `frame` as it is.
    pub fn add(&mut self, frame: &Frame) {
        for (sum, sample) in self.0.iter_mut().zip(frame.0) {
            *sum += i32::from(sample);
        }
    }

    /// Adds `frame` while its level goes evenly from `from`, that of the sample before, to `to`, that of its last.
    pub fn fade(&mut self, frame: &Frame, from: Level, to: Level) {
        if from != to {
            for ((sum, sample), step) in self.0.iter_mut().zip(frame.0).zip(1..) {
                *sum += from.between(to, step, SAMPLES_PER_FRAME as i32).of(sample);
            }
        } else if to == Level::UNITY {
            self.add(frame);
        } else if to != Level::MUTED {
            for (sum, sample) in self.0.iter_mut().zip(frame.0) {
                *sum += to.of(sample);
            }
        }
    }

    /// The sum as a frame; what is louder than full scale is cut to it.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame::SILENCE;
        for (sample, sum) in frame.0.iter_mut().zip(self.0) {
            *sample = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame() -> impl Strategy<Value = Frame> {
        prop::collection::vec(any::<i16>(), SAMPLES_PER_FRAME)
            .prop_map(|samples| Frame(samples.try_into().expect("as many as asked for")))
    }

    fn level() -> impl Strategy<Value = Level> {
        prop_oneof![Just(Level::MUTED), Just(Level::UNITY), any::<u16>().prop_map(Level)]
    }

    /// One frame of full scale after another, as they come through a gain while speech plays or not.
    fn envelope(gain: Gain, speech: impl IntoIterator<Item = bool>) -> Vec<i16> {
        let (mut ducking, mut level) = (Ducking::default(), gain.plain);
        let mut heard = Vec::new();
        for speech in speech {
            ducking.tick(speech);
            let (mut mix, target) = (Mix::default(), ducking.level(gain));
            mix.fade(&Frame([16_384; SAMPLES_PER_FRAME]), level, target);
            level = target;
            heard.extend(mix.frame().0);
        }
        heard
    }

    proptest! {
        #[test]
        fn a_mix_is_the_exact_sum_cut_to_full_scale(parts in prop::collection::vec((frame(), level(), level()), 0..18)) {
            let mut mix = Mix::default();
            for (frame, from, to) in &parts {
                mix.fade(frame, *from, *to);
            }
            let mixed = mix.frame();
            for at in 0..SAMPLES_PER_FRAME {
                let sum: i64 = parts.iter().map(|(frame, from, to)| {
                    let (from, to) = (i64::from(from.0), i64::from(to.0));
                    let level = from + (to - from) * (at as i64 + 1) / 320;
                    (i64::from(frame.0[at]) * level) >> 14
                }).sum();
                prop_assert_eq!(i64::from(mixed.0[at]), sum.clamp(-32_768, 32_767));
            }
        }

        #[test]
        fn unity_is_bit_exact_and_muted_is_silent(frame in frame()) {
            let mut mix = Mix::default();
            mix.fade(&frame, Level::UNITY, Level::UNITY);
            mix.fade(&frame, Level::MUTED, Level::MUTED);
            prop_assert_eq!(mix.frame(), frame);
        }

        #[test]
        fn ducking_never_jumps(speech in prop::collection::vec(any::<bool>(), 1..200), plain in level(), ducked in level()) {
            let (plain, ducked) = (plain.min(Level(32_767)), ducked.min(Level(32_767)));
            let heard = envelope(Gain { plain, ducked }, speech);
            // Full scale over the 640 samples of the attack, and what rounding adds.
            prop_assert!(heard.windows(2).all(|pair| i32::from(pair[0]).abs_diff(i32::from(pair[1])) <= 32_768 / 640 + 2));
        }
    }

    #[test]
    fn an_original_is_ducked_within_40_ms_and_back_240_ms_after_the_speech() {
        let gain = Gain { plain: Level::UNITY, ducked: Level(1_638) };
        let speech = (0..30).map(|tick| (5..10).contains(&tick));
        let heard = envelope(gain, speech);
        let of_tick = |tick: usize| &heard[tick * 320..][..320];
        assert!(of_tick(4).iter().all(|&sample| sample == 16_384));
        assert_eq!((heard[5 * 320], heard[7 * 320 - 1]), (16_384 - 23, 1_638));
        assert!((7..10).all(|tick| of_tick(tick).iter().all(|&sample| sample == 1_638)));
        assert!(heard[10 * 320..22 * 320].is_sorted());
        assert_eq!(heard[16 * 320 - 1], 1_638 + (16_384 - 1_638) / 2, "half-way up after 120 ms");
        assert!((22..30).all(|tick| of_tick(tick).iter().all(|&sample| sample == 16_384)));
    }

    #[test]
    fn a_steady_gain_is_never_ducked() {
        assert!(envelope(Gain::steady(Level::UNITY), [true; 5]).iter().all(|&sample| sample == 16_384));
        assert!(envelope(Gain::steady(Level::MUTED), [false; 5]).iter().all(|&sample| sample == 0));
    }

    #[test]
    fn levels_of_decibels() {
        assert_eq!(Level::from_db(0.0), Level::UNITY);
        assert_eq!(Level::from_db(-20.0), Level(1_638));
        assert_eq!(Level::from_db(f32::NEG_INFINITY), Level::MUTED);
        assert_eq!(Level::from_db(f32::NAN), Level::MUTED);
        assert_eq!(Level::from_db(40.0), Level(u16::MAX));
    }
}
