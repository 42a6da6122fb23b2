use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets to each doubling: values are told apart to 1/16, about 6 %.
const PER_DOUBLING: usize = 16;
/// Enough for any `u32`.
const BUCKETS: usize = PER_DOUBLING * 30;

/// Counts of values by size, exact below 16 and to 6 % above; one writer, any number of readers, fixed memory.
#[derive(Debug)]
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    most: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], most: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts `value`.
    pub fn record(&self, value: u32) {
        self.counts[bucket(value)].fetch_add(1, Ordering::Relaxed);
        self.most.fetch_max(u64::from(value), Ordering::Relaxed);
    }

    /// The greatest value counted, 0 before the first.
    pub fn max(&self) -> u32 {
        self.most.load(Ordering::Relaxed) as u32
    }

    /// The value that the share `quantile` (0–1) of all values does not exceed, 0 before the first.
    pub fn quantile(&self, quantile: f64) -> u32 {
        let total: u64 = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let rank = (quantile.clamp(0.0, 1.0) * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count.load(Ordering::Relaxed);
            if seen >= rank {
                return upper_bound(index).min(self.max());
            }
        }
        0
    }
}

fn bucket(value: u32) -> usize {
    let value = value as usize;
    if value < PER_DOUBLING {
        return value;
    }
    let doublings = value.ilog2() as usize - PER_DOUBLING.ilog2() as usize;
    (doublings + 1) * PER_DOUBLING + (value >> doublings) - PER_DOUBLING
}

fn upper_bound(index: usize) -> u32 {
    if index < PER_DOUBLING {
        return index as u32;
    }
    let (doublings, part) = (index / PER_DOUBLING - 1, index % PER_DOUBLING + PER_DOUBLING);
    ((((part + 1) as u64) << doublings) - 1).min(u64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_value_lies_in_its_bucket_to_six_percent(value: u32) {
            let bound = upper_bound(bucket(value));
            prop_assert!(bound >= value);
            prop_assert!(f64::from(bound) <= f64::from(value) * 1.0626 + 1.0);
        }
    }

    #[test]
    fn quantiles_of_a_known_set() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value));
        assert_eq!(histogram.max(), 1000);
        assert!((500..=531).contains(&histogram.quantile(0.5)));
        assert!((990..=1000).contains(&histogram.quantile(0.99)));
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
