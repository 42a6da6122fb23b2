//! Ctrl-C as a flag: long steps ask for it and return an error, so that every owner of a child or a file cleans up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Turns SIGINT, SIGTERM and SIGHUP into the flag. Call it once, at the start of `main`.
///
/// # Errors
/// When another handler is installed already.
pub fn install() -> Result<()> {
    ctrlc::set_handler(request).context("cannot catch Ctrl-C")
}

/// Stops as Ctrl-C does.
pub fn request() {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// True once the user has asked to stop.
pub fn requested() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// # Errors
/// Once the user has asked to stop.
pub fn check() -> Result<()> {
    if requested() {
        bail!("interrupted");
    }
    Ok(())
}

/// Sleeps, but wakes within 50 ms of a Ctrl-C.
///
/// # Errors
/// Once the user has asked to stop.
pub fn sleep(duration: Duration) -> Result<()> {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        check()?;
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
    check()
}
