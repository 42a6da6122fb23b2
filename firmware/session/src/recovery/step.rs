use audio_path::Timestamp;

use super::Failure;

/// How far recovery goes, as `recoveries_total` counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The request, or the line that broke, is made again.
    Soft,
    /// All that is known of the engine is forgotten, and it is asked anew, beside the calls.
    Hard,
    /// Another engine serves.
    Failover,
    /// A part of the daemon that died is started anew.
    Reset,
}

impl Tier {
    /// All, mildest first.
    pub const ALL: [Self; 4] = [Self::Soft, Self::Hard, Self::Failover, Self::Reset];

    /// The tier as metrics spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Soft => "soft",
            Self::Hard => "hard",
            Self::Failover => "failover",
            Self::Reset => "reset",
        }
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum Step {
    /// Make the same request again at this moment.
    Retry { at: Timestamp },
    /// Let the chain choose another engine, which serves while this one is mended.
    FailOver,
}

/// A failure, and what decides about the next step besides it.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What it means.
    pub failure: Failure,
    /// When the request is of no more use.
    pub deadline: Timestamp,
    /// Whether another engine of the chain could serve.
    pub spare: bool,
    /// Drawn uniformly from all its values.
    pub draw: u32,
}

/// How often each tier was taken, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCounts {
    outcomes: [[u64; 2]; Tier::ALL.len()],
}

impl RecoveryCounts {
    /// Recoveries by `tier` that ended with or without success.
    pub const fn get(&self, tier: Tier, success: bool) -> u64 {
        self.outcomes[tier as usize][success as usize]
    }

    /// Adds what was counted elsewhere.
    pub fn include(&mut self, others: Self) {
        let all = self.outcomes.as_flattened_mut().iter_mut();
        all.zip(others.outcomes.as_flattened()).for_each(|(count, other)| *count += other);
    }

    /// One more recovery by `tier` has ended.
    pub fn add(&mut self, tier: Tier, success: bool) {
        self.outcomes[tier as usize][usize::from(success)] += 1;
    }
}
