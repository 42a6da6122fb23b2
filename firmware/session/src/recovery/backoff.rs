use std::time::Duration;

use audio_path::Timestamp;

use super::Failure;

/// Retries of one request, after its first attempt.
const RETRIES: u32 = 3;
/// The longest wait before the first retry; the next ones double it.
const FIRST: Duration = Duration::from_millis(250);

/// When one request is made again. Waits are drawn, so that many callers do not come back together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    retries: u32,
}

impl Backoff {
    /// A request that was not made again yet.
    pub const fn new() -> Self {
        Self { retries: 0 }
    }

    /// When to try again after `failure`; `None`: give up. `draw` is uniform over all its values.
    ///
    /// What would begin after `deadline` is given up now, so that the fallback need not wait for it.
    pub fn next(
        &mut self,
        now: Timestamp,
        failure: Failure,
        deadline: Timestamp,
        draw: u32,
    ) -> Option<Timestamp> {
        if self.retries >= RETRIES {
            return None;
        }
        let most = FIRST * 2_u32.pow(self.retries);
        let wait = match failure {
            Failure::Passing | Failure::Silent => part(most, draw),
            Failure::RateLimited { retry_after } => retry_after.unwrap_or(most / 2) + part(most / 2, draw),
            Failure::Fatal | Failure::Refused => return None,
        };
        let at = now + wait;
        if at > deadline {
            return None;
        }
        self.retries += 1;
        Some(at)
    }
}

/// The drawn part of `whole`: from nothing to all of it.
fn part(whole: Duration, draw: u32) -> Duration {
    let nanos = whole.as_nanos() * u128::from(draw) / u128::from(u32::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(5_000_000_000);
    const FAR: Timestamp = Timestamp::from_nanos(u64::MAX);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn waits(failure: Failure, draw: u32) -> Vec<Duration> {
        let mut backoff = Backoff::new();
        let next = || backoff.next(NOW, failure, FAR, draw);
        std::iter::from_fn(next).map(|at| at.since(NOW)).collect()
    }

    #[test]
    fn three_retries_double_and_are_drawn_from_nothing_to_the_whole() {
        assert_eq!(waits(Failure::Passing, u32::MAX), [ms(250), ms(500), ms(1000)]);
        assert_eq!(waits(Failure::Passing, 0), [ms(0); 3]);
    }

    #[test]
    fn after_a_rate_limit_half_of_the_wait_is_certain() {
        let limited = Failure::RateLimited { retry_after: None };
        assert_eq!(waits(limited, 0), [ms(125), ms(250), ms(500)]);
        assert_eq!(waits(limited, u32::MAX), [ms(250), ms(500), ms(1000)]);
    }

    #[test]
    fn what_only_a_person_mends_is_not_tried_again() {
        assert!(waits(Failure::Fatal, 7).is_empty());
        assert!(waits(Failure::Refused, 7).is_empty());
    }

    #[test]
    fn a_long_retry_after_is_given_up_at_once() {
        let mut backoff = Backoff::new();
        let limited = |secs| Failure::RateLimited { retry_after: Some(Duration::from_secs(secs)) };
        assert_eq!(backoff.next(NOW, limited(7), NOW + ms(2000), 0), None);
        assert_eq!(backoff.next(NOW, limited(1), NOW + ms(2000), 0), Some(NOW + ms(1000)));
        assert_eq!(backoff.next(NOW, limited(u64::MAX), NOW + ms(2000), 9), None);
    }

    proptest! {
        #[test]
        fn never_before_retry_after_and_never_past_the_deadline(
            after in proptest::option::of(0_u64..5_000),
            allowed in 0_u64..5_000,
            draws in proptest::collection::vec(any::<u32>(), 6),
        ) {
            let failure = Failure::RateLimited { retry_after: after.map(ms) };
            let (mut backoff, deadline) = (Backoff::new(), NOW + ms(allowed));
            let times: Vec<_> =
                draws.iter().filter_map(|&draw| backoff.next(NOW, failure, deadline, draw)).collect();
            prop_assert!(times.len() <= 3);
            for at in times {
                prop_assert!(at <= deadline && at.since(NOW) >= after.map_or(ms(0), ms));
            }
        }
    }
}
