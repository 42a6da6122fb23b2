//! Counting, and the last line.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

use say::say;

/// What a rung gave.
pub(super) struct Outcome {
    name: String,
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) ignored: u32,
    pub(super) seconds: f32,
    /// The tests among the passed ones that passed at their second attempt.
    repeated: Vec<String>,
}

/// The counts of one `test result:` line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Outcome {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), passed: 0, failed: 0, ignored: 0, seconds: 0.0, repeated: Vec::new() }
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

    /// These tests failed, and passed when they were run once more.
    pub(super) fn repeated(&mut self, tests: impl Iterator<Item = String>) {
        let before = self.repeated.len();
        self.repeated.extend(tests);
        let count = (self.repeated.len() - before) as u32;
        self.passed += count;
        self.failed -= count;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, passed, failed, ignored, seconds, .. } = self;
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
        for test in self.0.iter().flat_map(|outcome| &outcome.repeated) {
            say!("{test} passed only when it was run once more, alone.");
        }
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

/// Reads `test a::b ... FAILED`.
pub(super) fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// Whether a test program begins here: `running 12 tests`.
pub(super) fn begins(line: &str) -> bool {
    line.strip_prefix("running ").is_some_and(|rest| rest.ends_with(" test") || rest.ends_with(" tests"))
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

    #[test]
    fn failures_and_beginnings_are_read_from_cargo_test() {
        assert_eq!(failed_test("test calls::one ... FAILED"), Some("calls::one"));
        assert_eq!(failed_test("test calls::one ... ok"), None);
        assert!(begins("running 1 test") && begins("running 14 tests"));
        assert!(!begins("     Running calls/main.rs (target/release/deps/calls-1)"));
    }

    #[test]
    fn what_passes_at_its_second_attempt_has_passed_and_is_named() {
        let mut outcome = Outcome::new("calls");
        outcome.add(Counts { passed: 3, failed: 2, ignored: 0 });
        outcome.repeated(["calls::one".to_owned()].into_iter());
        assert_eq!((outcome.passed, outcome.failed), (4, 1));
        assert_eq!(outcome.repeated, ["calls::one"]);
    }
}
