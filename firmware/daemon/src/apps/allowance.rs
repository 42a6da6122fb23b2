//! How often something may be done.

use std::time::Duration;

use audio_path::Timestamp;

/// Some at once, and one more each time so much time has passed.
#[derive(Debug)]
pub(super) struct Allowance {
    most: u32,
    every: Duration,
    left: u32,
    /// When the next one comes back, where some are gone.
    next: Timestamp,
}

impl Allowance {
    /// `most` at once, and one more `every` so often.
    pub(super) fn new(most: u32, every: Duration) -> Self {
        Self { most, every, left: most, next: Timestamp::default() }
    }

    /// Whether one is left.
    fn is_left(&mut self, now: Timestamp) -> bool {
        while self.left < self.most && self.next <= now {
            self.left += 1;
            self.next = self.next + self.every;
        }
        self.left > 0
    }

    /// Takes one, where one is left.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        if !self.is_left(now) {
            return false;
        }
        if self.left == self.most {
            self.next = now + self.every;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_comes_back_one_by_one_and_no_more_than_at_first() {
        let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
        let mut some = Allowance::new(3, Duration::from_millis(100));
        let mut taken = |ms: u64, tries: u32| (0..tries).filter(|_| some.take(at(ms))).count();
        assert_eq!(taken(1_000, 9), 3);
        assert_eq!(taken(1_099, 9), 0);
        assert_eq!(taken(1_200, 9), 2);
        assert_eq!(taken(90_000, 9), 3);
    }
}
