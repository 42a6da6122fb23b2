//! Set-up, demo, test and bench: cargo xtask.

fn main() {}
