use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

/// The monotonic clock now, in nanoseconds since boot.
pub fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// What the wall clock is ahead of the monotonic one, in nanoseconds. It changes when the wall clock is set, and by no
/// more than reading both takes otherwise; it says nothing of what the time is.
pub fn wall_clock_offset_nanos() -> i64 {
    let wall = clock_gettime(ClockId::Realtime);
    let nanos = wall.tv_sec.saturating_mul(1_000_000_000).saturating_add(wall.tv_nsec);
    nanos.saturating_sub(monotonic_nanos() as i64)
}

/// Sleeps until `nanos` on the monotonic clock; at once, or early for a signal, where that is past.
pub fn sleep_until(nanos: u64) {
    // The only failure is an early return for a signal, which the caller's loop bears.
    let _woken_early = clock_nanosleep_absolute(ClockId::Monotonic, &timespec(nanos));
}

/// A periodic timer on absolute monotonic time: a late reader never shifts the ticks that follow.
#[derive(Debug)]
pub struct Ticker {
    fd: OwnedFd,
    next_nanos: u64,
    period_nanos: u64,
}

impl Ticker {
    /// A ticker whose first tick is due one `period` from now.
    ///
    /// # Errors
    /// Those of `timerfd_create(2)` and `timerfd_settime(2)`.
    pub fn new(period: Duration) -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let period_nanos = period.as_nanos() as u64;
        let next_nanos = monotonic_nanos() + period_nanos;
        let spec = Itimerspec { it_interval: timespec(period_nanos), it_value: timespec(next_nanos) };
        timerfd_settime(&fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(Self { fd, next_nanos, period_nanos })
    }

    /// When the next tick is due (nanoseconds, monotonic).
    pub fn next_due(&self) -> u64 {
        self.next_nanos
    }

    /// Takes the ticks that fell due: how many, and when the last of them was due (nanoseconds, monotonic).
    /// `None` where none is.
    pub fn take(&mut self) -> Option<(u64, u64)> {
        let mut count = [0; 8];
        match rustix::io::read(&self.fd, &mut count) {
            Ok(8) => {
                let count = u64::from_ne_bytes(count);
                let due = self.next_nanos + (count - 1) * self.period_nanos;
                self.next_nanos = due + self.period_nanos;
                Some((count, due))
            }
            _ => None,
        }
    }
}

impl AsFd for Ticker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn timespec(nanos: u64) -> Timespec {
    Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_sets_keeps_its_distance() {
        let before = wall_clock_offset_nanos();
        std::thread::sleep(Duration::from_millis(20));
        assert!(wall_clock_offset_nanos().abs_diff(before) < 1_000_000_000);
    }

    #[test]
    fn missed_ticks_are_counted_and_do_not_shift_the_grid() {
        let mut ticker = Ticker::new(Duration::from_millis(2)).unwrap();
        assert_eq!(ticker.take(), None, "nothing is due at once");
        std::thread::sleep(Duration::from_millis(9));
        let (count, due) = ticker.take().expect("ticks fell due");
        assert!(count >= 4, "{count} ticks in 9 ms");
        std::thread::sleep(Duration::from_millis(3));
        let (more, later) = ticker.take().expect("and again");
        assert_eq!(later - due, more * 2_000_000, "due times stay on the grid");
    }
}
