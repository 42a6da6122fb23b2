use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Wakes another thread's poll loop: an eventfd.
#[derive(Debug)]
pub struct Wake(OwnedFd);

impl Wake {
    /// A wake-up that was not given yet.
    ///
    /// # Errors
    /// Those of `eventfd(2)`.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Another handle to the same wake-up.
    ///
    /// # Errors
    /// Those of `fcntl(F_DUPFD_CLOEXEC)`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Makes the descriptor readable. Never blocks: a counter at its limit is awake already.
    pub fn notify(&self) {
        // The only failure is EAGAIN, at a counter of 2⁶⁴−2: the reader is awake then.
        let _awake_already = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes the wake-ups given so far.
    pub fn clear(&self) {
        let mut count = [0; 8];
        // EAGAIN says that there was none to take.
        let _nothing_to_take = rustix::io::read(&self.0, &mut count);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Wake {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// The tokio side of a [`Wake`].
#[derive(Debug)]
pub struct WakeListener(AsyncFd<Wake>);

impl WakeListener {
    /// Listens for `wake`. Must be called within a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// Those of the reactor.
    pub fn new(wake: Wake) -> io::Result<Self> {
        // SAFETY: `Wake` owns its descriptor, gives the same one each time and closes it only when dropped.
        Ok(Self(unsafe { AsyncFd::register_with_interest(wake, Interest::READABLE) }?))
    }

    /// Resolves once the wake-up was given since the last time, and takes it.
    ///
    /// # Errors
    /// Those of the reactor, which ends with the runtime.
    pub async fn woken(&self) -> io::Result<()> {
        let mut ready = self.0.readable().await?;
        ready.clear_ready();
        self.0.get_ref().clear();
        Ok(())
    }
}
