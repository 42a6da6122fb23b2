//! The card and its thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use audio_path::{Consumer, Frame, Producer, SAMPLE_RATE, SAMPLES_PER_FRAME};
use rt_sys::{monotonic_nanos, sched, sleep_until};
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::Shared;
use super::microphone::Microphone;
use super::speaker::Speaker;

/// Between two looks at the card.
pub(super) const TURN: Duration = Duration::from_millis(10);
/// What the card may hold: 200 ms, of which 40 are used.
const CARD_SAMPLES: i64 = 3_200;
/// A card that records nothing for so long after it was started does not run.
const RUNS_WITHIN: Duration = Duration::from_millis(500);
/// Below the media thread, which must not wait for a sound card's driver.
const PRIORITY: u8 = 60;

/// Why a card cannot be served any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Alsa(#[from] alsa::Error),
    #[error("its clock stands still")]
    Still,
    #[error("it is not at 16 kHz in mono by itself; write plughw: for hw: ({0})")]
    Unlike(alsa::Error),
}

pub(super) struct Card {
    microphone: Microphone,
    speaker: Speaker,
    shared: Arc<Shared>,
}

impl Card {
    pub(super) fn open(
        device: &str,
        captured: Producer<Frame>,
        playing: Consumer<Frame>,
        shared: Arc<Shared>,
    ) -> Result<Self, String> {
        // The library would print what failed; the error says it as well.
        let _printed_to = alsa::Output::local_error_handler();
        let open =
            |direction| pcm(device, direction).map_err(|fault| format!("{device}: {direction:?}: {fault}"));
        let (microphone, speaker) = (open(Direction::Capture)?, open(Direction::Playback)?);
        start(&microphone).map_err(|fault| format!("{device}: {fault}"))?;
        let (microphone, speaker) = (Microphone::new(microphone, captured), Speaker::new(speaker, playing));
        Ok(Self { microphone, speaker, shared })
    }

    pub(super) fn serve(mut self, gone: oneshot::Sender<String>) {
        if let Err(error) = sched::set_fifo(PRIORITY) {
            log::warn!("the sound card's thread runs without real-time priority: {error}");
        }
        let mut turn = monotonic_nanos();
        while !self.shared.over.load(Ordering::Acquire) {
            if let Err(fault) = self.look() {
                self.shared.gone.store(true, Ordering::Release);
                // It is closed before anybody opens it again.
                drop(self);
                // Whose leg is over does not ask.
                let _asked = gone.send(fault.to_string());
                return;
            }
            turn =
                (turn + TURN.as_nanos() as u64).max(monotonic_nanos().saturating_sub(TURN.as_nanos() as u64));
            sleep_until(turn);
        }
    }

    fn look(&mut self) -> Result<(), Fault> {
        let lost = self.microphone.look(self.shared.attached.load(Ordering::Acquire))?;
        self.shared.overruns.fetch_add(lost, Ordering::Relaxed);
        let unplayed = self.speaker.look()?;
        self.shared.unplayed.fetch_add(unplayed, Ordering::Relaxed);
        Ok(())
    }
}

fn pcm(device: &str, direction: Direction) -> Result<PCM, Fault> {
    let pcm = PCM::new(device, direction, true)?;
    {
        let hardware = HwParams::any(&pcm)?;
        hardware.set_access(Access::RWInterleaved)?;
        hardware.set_format(Format::S16LE)?;
        hardware.set_channels(1).map_err(Fault::Unlike)?;
        hardware.set_rate(SAMPLE_RATE, ValueOr::Nearest).map_err(Fault::Unlike)?;
        hardware.set_period_size_near(SAMPLES_PER_FRAME as i64 / 2, ValueOr::Nearest)?;
        hardware.set_buffer_size_near(CARD_SAMPLES)?;
        pcm.hw_params(&hardware)?;
    }
    pcm.prepare()?;
    Ok(pcm)
}

/// Starts to record, and waits until something is recorded.
fn start(microphone: &PCM) -> Result<(), Fault> {
    microphone.start()?;
    let started = Instant::now();
    while microphone.avail_update()? == 0 {
        if started.elapsed() > RUNS_WITHIN {
            return Err(Fault::Still);
        }
        sleep(TURN);
    }
    Ok(())
}

/// Whether nothing was recorded, or there is no room, now.
pub(super) fn is_not_now(error: &alsa::Error) -> bool {
    error.errno() == Errno::AGAIN.raw_os_error()
}

/// Whether the card was put to sleep with the machine.
pub(super) fn is_asleep(error: &alsa::Error) -> bool {
    error.errno() == Errno::STRPIPE.raw_os_error()
}

/// Brings a stream back that ran over, ran dry or was put to sleep; whatever else happened is the end of the card. One
/// that sleeps on is asked again at the next turn, since the library's own recovery would wait for it.
pub(super) fn mend(pcm: &PCM, error: alsa::Error) -> alsa::Result<()> {
    if is_asleep(&error) {
        return match pcm.resume() {
            Err(error) if !is_not_now(&error) => pcm.prepare(),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    if error.errno() == Errno::PIPE.raw_os_error() { pcm.prepare() } else { Err(error) }
}
