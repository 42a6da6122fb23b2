//! The daemon's system calls: scheduling, memory locking, pipes, sockets, timers, polling, news of links, and the counting
//! allocator.
//!
//! Thin, safe and free of policy: what is called when is decided by the daemon. Nothing here allocates after
//! construction, except where a function says so.

pub mod alloc;
pub mod fifo;
mod links;
pub mod poll;
pub mod sched;
pub mod socket;
mod tick;
mod wake;

pub use links::LinkNews;
pub use tick::{Ticker, monotonic_nanos, sleep_until, wall_clock_offset_nanos};
pub use wake::{Wake, WakeListener};
