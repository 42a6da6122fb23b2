//! The media thread and how the rest of the daemon talks to it.
//!
//! [`start`] gives a [`Media`], from which legs are attached and detached by anyone, and the one [`MediaEvents`],
//! whose owner waits for news, takes events and so also drops what the media thread is done with.

mod hearing;
mod leg;
mod queues;
mod room;
mod status;
mod thread;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use audio_path::{
    Captured, Consumer, Epoch, FRAME_MS, Frame, Gain, LegId, MediaEvent, Playable, Producer, SegmentId,
    Timestamp, prefaulted_ring, ring,
};
use rt_sys::poll::Poll;
use rt_sys::{Ticker, Wake, WakeListener, alloc, sched};

pub use leg::LegShared;
pub use queues::{Queue, Queues};
pub use room::{MAX_LANES, MAX_ORIGINALS};
pub use status::{Grants, Lateness, MediaStatus};

use crate::ports::{Port, READ_BYTES};
use hearing::{Hearing, Wanted};
use leg::{Duty, MediaLeg};
use room::Room;
use status::Counters;
use thread::{Command, MediaThread, Outbox, Retired};

/// The most legs that are served at once.
pub const MAX_LEGS: usize = 256;
/// Captured frames that may wait for the session: 1.28 s.
const CAPTURED_FRAMES: usize = 64;
/// Frames that may wait for playback in a leg's first lane: 2.56 s.
const PLAYABLE_FRAMES: usize = 128;
/// The same in each other lane: 1.28 s.
const MORE_PLAYABLE_FRAMES: usize = 64;

/// How the media thread is to run.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// `SCHED_FIFO` priority, 1–99.
    pub priority: u8,
    /// The CPU to keep to; any where `None`.
    pub cpu: Option<usize>,
}

/// How an echo leg returns what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Through playout, at the next tick.
    AtTick,
    /// At once, paced by the writer.
    Direct,
}

/// The session's ends of a leg.
pub struct LegEnds {
    /// Names the leg.
    pub id: LegId,
    /// Frames from the caller.
    pub captured: Consumer<Captured>,
    /// Frames to the caller, one ring a lane: what the lanes play is heard at once. Segments are unique in the leg,
    /// whichever lane plays them.
    pub playable: Vec<Producer<Playable>>,
    /// Counters and the playback epochs.
    pub shared: Arc<LegShared>,
}

/// The handle to the media thread; clones share it.
#[derive(Clone)]
pub struct Media(Arc<Inner>);

struct Inner {
    commands: Mutex<Producer<Command>>,
    wake: Wake,
    next_leg: AtomicU32,
    attached: Arc<AtomicUsize>,
    grants: Grants,
    counters: Arc<Counters>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the media thread has to say, for its one listener.
pub struct MediaEvents {
    events: Consumer<MediaEvent>,
    retired: Consumer<Retired>,
    wake: WakeListener,
    counters: Arc<Counters>,
    attached: Arc<AtomicUsize>,
}

/// The media thread cannot take another leg.
#[derive(Debug, thiserror::Error)]
#[error("{MAX_LEGS} legs are in use, which is the most; the call is refused")]
pub struct Full;

/// A leg cannot hear such a list of voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// It would hear itself.
    #[error("a leg does not hear itself")]
    Itself,
    /// A voice would be heard twice.
    #[error("a leg is listed twice")]
    Twice,
    /// There are too many.
    #[error("a leg hears {MAX_ORIGINALS} others at most")]
    TooMany,
}

/// Starts the media thread. Must be called within a tokio runtime.
///
/// Where real-time scheduling or locked memory is refused it runs on without, and [`MediaStatus`] says so.
///
/// # Errors
/// Those of the descriptors and the thread it makes.
pub fn start(config: &MediaConfig) -> io::Result<(Media, MediaEvents)> {
    let (command_in, command_out) = ring(MAX_LEGS);
    let (event_in, event_out) = ring(8 * MAX_LEGS);
    // Each leg can bring itself, a port, two descriptors, and a list of voices each time who it hears changes.
    let (retired_in, retired_out) = ring(8 * MAX_LEGS);
    let (wake, session_wake) = (Wake::new()?, Wake::new()?);
    let counters = Arc::new(Counters::default());
    let outbox = Outbox {
        events: event_in,
        retired: retired_in,
        session: session_wake.try_clone()?,
        counters: Arc::clone(&counters),
        news: false,
    };
    let thread_wake = wake.try_clone()?;
    let (report, granted) = mpsc::channel();
    let config = config.clone();
    let handle = std::thread::Builder::new().name("media".into()).spawn(move || {
        serve(&config, thread_wake, command_out, outbox, &report);
    })?;
    let grants = granted.recv().map_err(|_| io::Error::other("the media thread ended as it started"))??;
    let attached = Arc::new(AtomicUsize::new(0));
    let events_counters = Arc::clone(&counters);
    let inner = Inner {
        commands: Mutex::new(command_in),
        wake,
        next_leg: AtomicU32::new(1),
        attached: Arc::clone(&attached),
        grants,
        counters,
        thread: Mutex::new(Some(handle)),
    };
    let events = MediaEvents {
        events: event_out,
        retired: retired_out,
        wake: WakeListener::new(session_wake)?,
        counters: events_counters,
        attached,
    };
    Ok((Media(Arc::new(inner)), events))
}

fn serve(
    config: &MediaConfig,
    wake: Wake,
    commands: Consumer<Command>,
    outbox: Outbox,
    report: &mpsc::Sender<io::Result<Grants>>,
) {
    let grants = claim_real_time(config);
    let made = Poll::new().and_then(|poll| {
        let ticker = Ticker::new(Duration::from_millis(u64::from(FRAME_MS)))?;
        let legs = (0..MAX_LEGS).map(|_| None).collect();
        let thread = MediaThread {
            poll,
            ticker,
            wake,
            commands,
            legs,
            slots: 0,
            hearing: Hearing::new(),
            outbox,
            gather_nanos: 0,
            buffer: [0; READ_BYTES],
        };
        thread.prepare()?;
        Ok(thread)
    });
    let mut thread = match made {
        Ok(thread) => thread,
        Err(error) => {
            // The starter waits for this report, so it is there to take it.
            let _starter_gone = report.send(Err(error));
            return;
        }
    };
    let _starter_gone = report.send(Ok(grants));
    sched::prefault_stack();
    alloc::forbid_in_this_thread();
    thread.run();
    alloc::allow_in_this_thread();
}

fn claim_real_time(config: &MediaConfig) -> Grants {
    let mut refused = Vec::new();
    let mut note =
        |what: &str, advice: &str, error: &io::Error| refused.push(format!("{what}: {error}; {advice}"));
    if let Err(error) = sched::set_fifo(config.priority) {
        note("real-time priority", "raise RLIMIT_RTPRIO (LimitRTPRIO= in the unit)", &error);
    }
    if let Some(Err(error)) = config.cpu.map(sched::pin_to) {
        note("CPU pinning", "name a CPU that this machine has in [media] cpu", &error);
    }
    let locked = match sched::lock_memory() {
        Ok(()) => true,
        Err(error) => {
            note("locked memory", "raise RLIMIT_MEMLOCK (LimitMEMLOCK= in the unit)", &error);
            false
        }
    };
    let (policy, priority) = sched::current();
    Grants { policy, priority, locked, refused }
}

impl Media {
    /// Attaches a leg whose audio goes to the session, which speaks to it in `lanes` at once.
    ///
    /// # Errors
    /// [`Full`].
    ///
    /// # Panics
    /// Where `lanes` is 0 or above [`MAX_LANES`].
    pub fn attach_room(&self, port: Port, lanes: usize) -> Result<LegEnds, Full> {
        assert!((1..=MAX_LANES).contains(&lanes), "{lanes} lanes");
        let silence = Frame::SILENCE;
        let origin = Timestamp::default();
        let filler = Captured { number: 0, at: origin, frame: silence };
        let (captured_in, captured) = prefaulted_ring(CAPTURED_FRAMES, &filler);
        let filler = Playable { epoch: Epoch(0), segment: SegmentId(0), last: false, frame: silence };
        let room_of = |lane| if lane == 0 { PLAYABLE_FRAMES } else { MORE_PLAYABLE_FRAMES };
        let (playable, playable_out): (Vec<_>, Vec<_>) =
            (0..lanes).map(|lane| prefaulted_ring(room_of(lane), &filler)).unzip();
        let (id, shared) = self.attach(port, Duty::Room(Room::new(captured_in, playable_out)))?;
        Ok(LegEnds { id, captured, playable, shared })
    }

    /// From the next tick on `listener` hears the voices of these legs as they speak, in place of those it heard before,
    /// each at its gain. While any lane plays to it they are ducked. Legs that are not attached to a room are left
    /// out, and one that is detached later is heard no more.
    ///
    /// # Errors
    /// [`Unheard`]; it then hears what it did before.
    pub fn hear(&self, listener: LegId, originals: &[(LegId, Gain)]) -> Result<(), Unheard> {
        let wanted = Wanted::from_slice(originals).map_err(|_| Unheard::TooMany)?;
        if wanted.iter().any(|(leg, _)| *leg == listener) {
            return Err(Unheard::Itself);
        }
        let legs: HashSet<LegId> = wanted.iter().map(|(leg, _)| *leg).collect();
        if legs.len() < wanted.len() {
            return Err(Unheard::Twice);
        }
        self.send(Command::Hear(listener, Box::new(wanted)));
        Ok(())
    }

    /// Attaches a leg that hears itself.
    ///
    /// # Errors
    /// [`Full`].
    pub fn attach_echo(&self, port: Port, echo: Echo) -> Result<(LegId, Arc<LegShared>), Full> {
        self.attach(
            port,
            if echo == Echo::Direct { Duty::EchoDirect } else { Duty::Echo(heapless::Deque::new()) },
        )
    }

    /// Gives a leg a newly opened port after [`audio_path::MediaEventKind::PortDown`].
    pub fn replace_port(&self, leg: LegId, port: Port) {
        self.send(Command::Replace(leg, port));
    }

    /// Ends a leg. Its descriptors are closed shortly after.
    pub fn detach(&self, leg: LegId) {
        self.send(Command::Detach(leg));
    }

    /// What the media thread says of itself now.
    pub fn status(&self) -> MediaStatus {
        MediaStatus::read(&self.0.grants, &self.0.counters)
    }

    /// Ends the media thread, and with it all legs.
    pub fn stop(&self) {
        self.send(Command::Stop);
        let handle = self.0.thread.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(Err(_)) = handle.map(JoinHandle::join) {
            log::error!("the media thread panicked");
        }
    }

    fn attach(&self, port: Port, duty: Duty) -> Result<(LegId, Arc<LegShared>), Full> {
        let admit = |legs| (legs < MAX_LEGS).then_some(legs + 1);
        self.0.attached.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).map_err(|_| Full)?;
        let id = LegId(self.0.next_leg.fetch_add(1, Ordering::Relaxed));
        let shared = Arc::new(LegShared::default());
        self.send(Command::Attach(Box::new(MediaLeg::new(id, port, Arc::clone(&shared), duty))));
        Ok((id, shared))
    }

    fn send(&self, command: Command) {
        let mut commands = self.0.commands.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut command = Some(command);
        while let Some(Err(refused)) = command.take().map(|command| commands.push(command)) {
            if self.0.counters.over.load(Ordering::Acquire) {
                return;
            }
            // Full means that the media thread has hundreds of commands to go through: it gets there within a tick.
            command = Some(refused);
            self.0.wake.notify();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.0.wake.notify();
    }
}

impl MediaEvents {
    /// Waits until frames were captured, an event happened or something is to be dropped.
    ///
    /// # Errors
    /// Those of the reactor, which ends with the runtime; and where the media thread has ended.
    pub async fn wait(&mut self) -> io::Result<()> {
        self.wake.woken().await?;
        if self.counters.over.load(Ordering::Acquire) {
            return Err(io::Error::other("the media thread has ended"));
        }
        Ok(())
    }

    /// The next event, oldest first. Drops what the media thread is done with on the way.
    pub fn next_event(&mut self) -> Option<MediaEvent> {
        while let Some(retired) = self.retired.pop() {
            match retired {
                Retired::Leg(leg) => {
                    self.attached.fetch_sub(1, Ordering::AcqRel);
                    log::debug!("leg {} retired", leg.id.0);
                }
                Retired::Port(port) => drop(port),
                Retired::Wanted(wanted) => drop(wanted),
                Retired::Descriptor(descriptor) => drop(descriptor),
            }
        }
        self.events.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn that_the_media_thread_has_ended_is_told_and_what_it_is_sent_then_holds_nobody_up() {
        let (media, mut events) = start(&MediaConfig { priority: 1, cpu: None }).unwrap();
        media.stop();
        assert!(events.wait().await.is_err());
        // More than wait for it at most.
        (0..=MAX_LEGS as u32).for_each(|leg| media.detach(LegId(leg)));
    }
}
