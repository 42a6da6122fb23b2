//! Counting, and the last line.

use std::fmt;
use std::process::ExitCode;

use say::say;

/// What a rung gave.
pub(super) struct Outcome {
    name: String,
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) ignored: u32,
    pub(super) seconds: f32,
}

/// The counts of one `test result:` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Outcome {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), passed: 0, failed: 0, ignored: 0, seconds: 0.0 }
    }

    /// A step that passes or fails as a whole counts as one test.
    pub(super) fn count(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    pub(super) fn add(&mut self, counts: Counts) {
        self.passed += counts.passed;
        self.failed += counts.failed;
        self.ignored += counts.ignored;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, passed, failed, ignored, seconds } = self;
        write!(f, "{name:<10} {passed:>5} passed {failed:>4} failed {ignored:>4} ignored {seconds:>8.1} s")
    }
}

/// All rungs.
#[derive(Default)]
pub(super) struct Report(Vec<Outcome>);

impl Report {
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.0.push(outcome);
    }

    /// Prints the table and, alone on the last line, the sum. A run without a single test has failed.
    pub(super) fn print(&self) -> ExitCode {
        say!();
        for outcome in &self.0 {
            say!("{outcome}");
        }
        let passed: u32 = self.0.iter().map(|outcome| outcome.passed).sum();
        let failed: u32 = self.0.iter().map(|outcome| outcome.failed).sum();
        let ignored: u32 = self.0.iter().map(|outcome| outcome.ignored).sum();
        if ignored > 0 {
            say!("{ignored} not run: they change the network, and have none of their own without root.");
        }
        if passed + failed == 0 {
            say!("No test has that name; `cargo xtask test --help` names the rungs.");
        }
        say!("{passed} passed, {failed} failed");
        if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
pub(super) fn parse_result(line: &str) -> Option<Counts> {
    let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |word: &str| {
        let part = counts.split(';').find_map(|part| part.trim().strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_cargo_test() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.1s";
        assert_eq!(parse_result(line), Some(Counts { passed: 3, failed: 2, ignored: 1 }));
        assert_eq!(parse_result("test a ... ok"), None);
        assert_eq!(parse_result("test result: nonsense"), None);
    }
}
