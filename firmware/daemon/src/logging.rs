use std::backtrace::Backtrace;
use std::io::Write as _;

use log::Level;

/// Sets up logging to standard error: levels as `<N>` where systemd reads it, in words and with times elsewhere.
/// `RUST_LOG` chooses what is logged; without it, everything from `info` up.
pub(crate) fn start() {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"));
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.format(|buffer, record| {
            let priority = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            writeln!(buffer, "<{priority}>{}", record.args())
        });
    }
    // A second logger can only mean that a test set up its own.
    let _set_up_already = builder.try_init();
}

/// Has faults of ours told in a line each, in place of the library's words: these quote what was at hand, and what is said
/// in a call is nobody's above debug.
pub(crate) fn tell_faults() {
    std::panic::set_hook(Box::new(|fault| {
        // The media thread may: it has ended.
        rt_sys::alloc::allow_in_this_thread();
        let (file, line) = fault.location().map_or(("?", 0), |place| (place.file(), place.line()));
        let version = env!("CARGO_PKG_VERSION");
        log::error!("a fault in dragomand {version} at {file}:{line}; report it with this line");
        log::debug!("{fault}\n{}", Backtrace::capture());
    }));
}

/// Tells systemd, where it started us.
pub(crate) fn notify_systemd(state: &[(&str, &str)]) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    if let Err(error) = systemd::daemon::notify(state.iter()) {
        log::warn!("systemd was not told {state:?}: {error}");
    }
}
