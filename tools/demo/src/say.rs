//! Standard output. Whoever closes it has seen enough: that ends the demo as Ctrl-C does.

use std::fmt::Arguments;
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use lab::interrupt;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// `println!` that does not panic.
macro_rules! say {
    ($($arg:tt)*) => { $crate::say::write(format_args!("{}\n", format_args!($($arg)*))) };
}
pub(crate) use say;

/// Writes, and shows it at once.
pub(crate) fn write(text: Arguments<'_>) {
    let mut out = stdout().lock();
    if out.write_fmt(text).and_then(|()| out.flush()).is_err() {
        CLOSED.store(true, Ordering::Relaxed);
        interrupt::request();
    }
}

/// Nobody reads any more.
pub(crate) fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
