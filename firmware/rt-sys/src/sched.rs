//! Real-time scheduling and locked memory, and what of it the kernel granted.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The calling thread's scheduling class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_FIFO`: runs until it waits.
    Fifo,
    /// `SCHED_RR`.
    RoundRobin,
    /// Anything without a real-time guarantee.
    Other,
}

impl Policy {
    /// The kernel's name of the class.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fifo => "SCHED_FIFO",
            Self::RoundRobin => "SCHED_RR",
            Self::Other => "SCHED_OTHER",
        }
    }
}

/// Puts the calling thread into `SCHED_FIFO` at `priority` (1–99).
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE` or a sufficient `RLIMIT_RTPRIO`; `EINVAL` for a priority out of range.
pub fn set_fifo(priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: i32::from(priority) };
    // SAFETY: the pointer is to a live, initialised value, which the kernel only reads; 0 is the calling thread.
    let answer = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const parameters)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The calling thread's class and priority, as the kernel reports them.
pub fn current() -> (Policy, u8) {
    let mut parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the call takes no pointer.
    let policy = unsafe { libc::sched_getscheduler(0) } & !libc::SCHED_RESET_ON_FORK;
    // SAFETY: the pointer is to a live value that the kernel fills in; 0 is the calling thread.
    unsafe { libc::sched_getparam(0, &raw mut parameters) };
    let policy = match policy {
        libc::SCHED_FIFO => Policy::Fifo,
        libc::SCHED_RR => Policy::RoundRobin,
        _ => Policy::Other,
    };
    (policy, parameters.sched_priority.clamp(0, 99) as u8)
}

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// `EINVAL` where the machine has no such CPU.
pub fn pin_to(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// Locks all of the process's memory, present and future, so that no page fault waits for a disk.
///
/// Pages are locked as they are first touched, so that stacks of other threads do not cost their full size.
///
/// # Errors
/// `ENOMEM` or `EPERM` where `RLIMIT_MEMLOCK` is too small.
pub fn lock_memory() -> io::Result<()> {
    Ok(mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)?)
}

/// Touches 64 KiB of the calling thread's stack, so that the hot path meets no first-touch fault there.
#[inline(never)]
#[expect(clippy::large_stack_arrays, reason = "touching that much stack is the purpose")]
pub fn prefault_stack() {
    let mut stack = [0u8; 64 * 1024];
    std::hint::black_box(&mut stack);
}
