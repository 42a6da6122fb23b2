//! Standard output of all programs here, where `println!` would panic.
//!
//! Whoever reads no further, as `head` does, has seen what he wanted: the program ends quietly. Where there is no room for
//! what is printed, it ends with a message. A program that has to clean up says so with [`when_lost`].

use std::fmt::Arguments;
use std::io::{Error, ErrorKind, Write as _, stderr, stdout};
use std::process::exit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where nothing more can be printed.
const NO_ROOM: i32 = 1;

static LOST: AtomicBool = AtomicBool::new(false);
static INSTEAD: OnceLock<fn()> = OnceLock::new();

/// `println!` that does not panic.
#[macro_export]
macro_rules! say {
    () => { $crate::write(format_args!("\n")) };
    ($($arg:tt)*) => { $crate::write(format_args!("{}\n", format_args!($($arg)*))) };
}

/// What happens, instead of the end of the program, when standard output is closed or full. The first word counts.
pub fn when_lost(act: fn()) {
    INSTEAD.get_or_init(|| act);
}

/// Whether something could not be printed.
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes, and shows it at once.
pub fn write(text: Arguments<'_>) {
    let mut out = stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        drop(out);
        lost(&error);
    }
}

fn lost(error: &Error) {
    let is_closed = error.kind() == ErrorKind::BrokenPipe;
    if !LOST.swap(true, Ordering::Relaxed) && !is_closed {
        let _nobody_can_be_told = writeln!(stderr(), "standard output takes no more: {error}");
    }
    match INSTEAD.get() {
        Some(act) => act(),
        None => exit(if is_closed { 0 } else { NO_ROOM }),
    }
}
