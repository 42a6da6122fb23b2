//! What the unavoidable system calls of one frame cost on this machine: the floor under any gateway of this shape.

use std::time::Duration;

use anyhow::Result;
use audio_path::FRAME_BYTES;
use rt_sys::fifo;
use rt_sys::poll::{Batch, Poll};
use serde::Serialize;

const ROUNDS: u32 = 100_000;

/// Microseconds a frame, measured in a tight loop with warm caches and without a switch of threads.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Floor {
    /// One `epoll_wait` that finds a pipe ready, one `read`, one `write`.
    pub(crate) direct_us: f64,
    /// One `read`, one `write`: the wait is shared by all legs of a tick.
    pub(crate) playout_us: f64,
}

pub(crate) fn measure() -> Result<Floor> {
    let pipe = rustix::pipe::pipe()?;
    let poll = Poll::new()?;
    poll.add_reader(&pipe.0, 0)?;
    let mut batch = Batch::default();
    let mut bytes = [0; FRAME_BYTES];
    let mut rounds = |wait: bool| -> Result<Duration> {
        let start = on_cpu()?;
        for _ in 0..ROUNDS {
            fifo::write(&pipe.1, &bytes);
            if wait {
                poll.wait(&mut batch)?;
            }
            fifo::read(&pipe.0, &mut bytes);
        }
        Ok(on_cpu()?.saturating_sub(start))
    };
    rounds(true)?;
    let per_frame = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    Ok(Floor { direct_us: per_frame(rounds(true)?), playout_us: per_frame(rounds(false)?) })
}

fn on_cpu() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
