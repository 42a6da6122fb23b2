//! The short form of `cargo xtask soak`.

use std::time::Duration;

use soak::Soak;

#[test]
fn fifty_translated_calls_lose_nothing_in_three_minutes_and_leave_nothing() {
    let soak = Soak { legs: 50, lasts: Duration::from_secs(180), shows: false };
    let report = soak::run(&soak).expect("the box lives");
    println!("{report}");
    assert!(report.met, "{:?}", report.broken);
}
