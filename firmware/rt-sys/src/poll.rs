//! Waiting on many descriptors at once: epoll, level-triggered.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// The most events one [`Poll::wait`] reports; the rest come with the next call.
pub const BATCH: usize = 256;

/// A set of descriptors to wait on, each known by a token of the caller's.
#[derive(Debug)]
pub struct Poll(OwnedFd);

/// What [`Poll::wait`] found.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The token given when the descriptor was added.
    pub token: u64,
    /// There is something to read, or the other side is gone (a read then tells).
    pub readable: bool,
    /// The descriptor is broken: no one is on the other side.
    pub broken: bool,
}

/// Room for the events of one wait, made once.
pub struct Batch {
    events: [epoll::Event; BATCH],
    filled: usize,
}

impl Default for Batch {
    fn default() -> Self {
        let none = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Self { events: [none; BATCH], filled: 0 }
    }
}

impl Batch {
    /// What the last wait found.
    pub fn iter(&self) -> impl Iterator<Item = Ready> + '_ {
        self.events[..self.filled].iter().map(|&epoll::Event { flags, data }| Ready {
            token: data.u64(),
            readable: flags.contains(EventFlags::IN),
            broken: flags.intersects(EventFlags::HUP | EventFlags::ERR),
        })
    }
}

impl Poll {
    /// An empty set.
    ///
    /// # Errors
    /// Those of `epoll_create1(2)`.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Waits for `fd` to be readable from now on.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn add_reader(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, EventData::new_u64(token), EventFlags::IN)?)
    }

    /// Waits no longer for `fd`.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }

    /// Blocks until something is ready, and fills `batch` with up to [`BATCH`] of it; with nothing where a
    /// signal interrupted the wait.
    ///
    /// # Errors
    /// Those of `epoll_wait(2)`, except `EINTR`.
    pub fn wait(&self, batch: &mut Batch) -> io::Result<()> {
        batch.filled = 0;
        match epoll::wait(&self.0, &mut batch.events[..], None) {
            Ok(filled) => batch.filled = filled,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
