//! What the unavoidable system calls of one frame cost on this machine: the floor under any gateway of this shape.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Result, anyhow};
use audio_path::FRAME_BYTES;
use rt_sys::fifo::{self, Transfer};
use rt_sys::poll::{Batch, Poll};
use serde::Serialize;

const ROUNDS: u32 = 50_000;
/// As many frames as two legs send in 20 s, spaced as those of 50 legs.
const WOKEN_ROUNDS: u32 = 2_000;
const SPACING: Duration = Duration::from_micros(400);
/// As long as the daemon lets frames gather that it returns at once.
const GATHER: Duration = Duration::from_micros(800);

/// Microseconds of CPU time a frame.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "they are the keys of the JSON report, which name their unit")]
pub(crate) struct Floor {
    /// One `epoll_wait` that finds a pipe ready, one `read`, one `write`: in a tight loop, with warm caches, nobody
    /// asleep at either end.
    pub(crate) calls_us: f64,
    /// The same in a thread that sleeps between frames, and whose write wakes another sleeper: what a gateway pays
    /// that is woken for each frame.
    pub(crate) woken_us: f64,
    /// As `woken_us`, but asleep for 0.8 ms a time, passing on what has gathered meanwhile (two frames, on average):
    /// what answering within half a millisecond costs at 50 legs.
    pub(crate) gathered_us: f64,
}

pub(crate) fn measure() -> Result<Floor> {
    Ok(Floor { calls_us: calls()?, woken_us: woken(None)?, gathered_us: woken(Some(GATHER))? })
}

fn calls() -> Result<f64> {
    let pipe = rustix::pipe::pipe()?;
    let poll = Poll::new()?;
    poll.add_reader(&pipe.0, 0)?;
    let mut batch = Batch::default();
    let mut bytes = [0; FRAME_BYTES];
    let start = on_cpu()?;
    for _ in 0..ROUNDS {
        fifo::write(&pipe.1, &bytes);
        poll.wait(&mut batch)?;
        fifo::read(&pipe.0, &mut bytes);
    }
    micros(start, ROUNDS)
}

/// One thread writes frames, a second passes them on, a third reads them.
fn woken(gather: Option<Duration>) -> Result<f64> {
    let (inward, outward) = (rustix::pipe::pipe()?, rustix::pipe::pipe()?);
    std::thread::scope(|scope| {
        let (reader, writer) = (&inward.0, outward.1);
        let gateway = scope.spawn(move || pass_on(reader, &writer, gather));
        let phone = scope.spawn(|| while fifo::read(&outward.0, &mut [0; FRAME_BYTES]) != Transfer::Gone {});
        for _ in 0..WOKEN_ROUNDS {
            fifo::write(&inward.1, &[0; FRAME_BYTES]);
            std::thread::sleep(SPACING);
        }
        drop(inward.1);
        phone.join().map_err(|_| anyhow!("the phone's thread panicked"))?;
        gateway.join().map_err(|_| anyhow!("the gateway's thread panicked"))?
    })
}

fn pass_on(reader: &OwnedFd, writer: &OwnedFd, gather: Option<Duration>) -> Result<f64> {
    let poll = Poll::new()?;
    poll.add_reader(reader, 0)?;
    let mut batch = Batch::default();
    let mut bytes = [0; FRAME_BYTES];
    let start = on_cpu()?;
    loop {
        gather.into_iter().for_each(std::thread::sleep);
        poll.wait(&mut batch)?;
        // One read a frame, as frames of different legs need.
        for _ in 0..(fifo::waiting(reader)? / FRAME_BYTES).max(1) {
            if fifo::read(reader, &mut bytes) == Transfer::Gone {
                return micros(start, WOKEN_ROUNDS);
            }
            fifo::write(writer, &bytes);
        }
    }
}

fn micros(start: Duration, rounds: u32) -> Result<f64> {
    Ok(on_cpu()?.saturating_sub(start).as_secs_f64() * 1e6 / f64::from(rounds))
}

fn on_cpu() -> Result<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}
