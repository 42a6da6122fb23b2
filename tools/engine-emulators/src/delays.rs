//! How long a service takes to answer.

use std::time::Duration;

/// One service's time to its first answer.
#[derive(Clone, Copy, Debug)]
pub enum Delay {
    /// Always the same.
    Fixed(Duration),
    /// Drawn from a log-normal distribution with this median and 99th percentile.
    Drawn {
        /// Half of the answers are faster.
        median: Duration,
        /// 99 of 100 answers are faster.
        p99: Duration,
    },
    /// Drawn from delays that were measured, each as likely as the others.
    Recorded(&'static [Duration]),
}

impl Delay {
    /// The delays of a recording, which is kept as long as the process: milliseconds, one a line. `None` where there is
    /// none, or what is no time.
    pub fn recorded(text: &str) -> Option<Self> {
        let delay = |line: &str| {
            let seconds = line.parse::<f64>().ok()? / 1_000.0;
            Duration::try_from_secs_f64(seconds).ok()
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let delays = lines.map(delay).collect::<Option<Vec<_>>>()?;
        (!delays.is_empty()).then(|| Self::Recorded(delays.leak()))
    }

    /// The next delay.
    pub fn draw(self, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(delay) => delay,
            Self::Drawn { median, p99 } => {
                // The 99th percentile of the standard normal distribution.
                let sigma = (p99.as_secs_f64() / median.as_secs_f64()).ln() / 2.326_347_874;
                median.mul_f64((sigma * standard_normal(random)).exp())
            }
            Self::Recorded(delays) => random.choice(delays).copied().unwrap_or_default(),
        }
    }
}

/// How long each stage takes.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// From audio, or the request to finish an utterance, to the text that is made of it.
    pub asr: Delay,
    /// From a request to its translation.
    pub mt: Delay,
    /// From a request to the first byte of its speech.
    pub tts: Delay,
}

impl Delays {
    /// Answers as fast as they are there.
    pub const NONE: Self = Self {
        asr: Delay::Fixed(Duration::ZERO),
        mt: Delay::Fixed(Duration::ZERO),
        tts: Delay::Fixed(Duration::ZERO),
    };
}

/// Box and Muller's method.
fn standard_normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_delays_are_drawn_by_the_seed_as_often_as_they_were_measured() {
        let delay = Delay::recorded("150\n150\n 90.5 \n\n2000\n").unwrap();
        let drawn = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..8_000).map(|_| delay.draw(&mut random)).collect::<Vec<_>>()
        };
        let count = |micros: u128| drawn(7).iter().filter(|it| it.as_micros() == micros).count();
        let counts = [150_000, 90_500, 2_000_000].map(count);
        assert_eq!(counts.iter().sum::<usize>(), 8_000);
        assert!(counts[0].abs_diff(4_000) < 200 && counts[1].abs_diff(2_000) < 200, "{counts:?}");
        assert!(drawn(7) == drawn(7) && drawn(7) != drawn(8));
        for text in ["", "\n", "fast", "-3", "150\nNaN", "inf"] {
            assert!(Delay::recorded(text).is_none(), "{text}");
        }
    }

    #[test]
    fn drawn_delays_have_the_median_and_tail_they_are_asked_for() {
        let (median, p99) = (Duration::from_millis(100), Duration::from_millis(350));
        let delay = Delay::Drawn { median, p99 };
        let mut random = fastrand::Rng::with_seed(7);
        let mut drawn: Vec<Duration> = (0..20_000).map(|_| delay.draw(&mut random)).collect();
        drawn.sort_unstable();
        let near = |a: Duration, b: Duration| (a.as_secs_f64() / b.as_secs_f64() - 1.0).abs() < 0.05;
        assert!(
            near(drawn[10_000], median) && near(drawn[19_800], p99),
            "{:?} {:?}",
            drawn[10_000],
            drawn[19_800]
        );
    }
}
