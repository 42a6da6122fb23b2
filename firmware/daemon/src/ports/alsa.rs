//! The ALSA port: a handset or a speakerphone at the box itself.
//!
//! A sound card has a clock of its own and no descriptor that fits into the media thread's wait, so it has a real-time
//! thread of its own, which looks at the card every 10 ms. Frames pass between the two by ring, at the media thread's
//! tick; what the clocks differ by is resampled away here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};
use audio_path::drift::{Control, Resampler};
use audio_path::{Consumer, DropReason, Frame, Producer, SAMPLE_RATE, SAMPLES_PER_FRAME, prefaulted_ring};
use rt_sys::{monotonic_nanos, sched, sleep_until};

use super::{Arrived, Written};

/// Nothing was recorded, or there is no room, now.
const AGAIN: i32 = rustix::io::Errno::AGAIN.raw_os_error();
/// Between two looks at the card.
const TURN: Duration = Duration::from_millis(10);
/// What the card may hold: 200 ms, of which 40 are used.
const CARD_SAMPLES: i64 = 3_200;
/// What is kept ahead in the card.
const AHEAD_SAMPLES: i64 = 640;
/// Samples that are read at once, and how often at one look: twice what a card records meanwhile, so that it is caught up
/// with, and one without a clock is held back.
const READ_SAMPLES: usize = SAMPLES_PER_FRAME / 2;
const READS: usize = 2;
/// Frames that may wait between the threads.
const RING_FRAMES: usize = 8;
/// Captured frames that may wait without delay being given up.
const FRAMES_AT_REST: usize = 3;
/// Below the media thread, which must not wait for a sound card's driver.
const PRIORITY: u8 = 60;

/// The media thread's side of a sound card.
pub struct AlsaPort {
    captured: Consumer<Frame>,
    playing: Producer<Frame>,
    shared: Arc<Shared>,
    due: bool,
    told: bool,
}

/// What both threads see.
#[derive(Debug, Default)]
struct Shared {
    /// The card is gone.
    gone: AtomicBool,
    /// Nobody needs the card any more.
    over: AtomicBool,
    /// Frames' worth of samples that the card or its driver lost, or that found no room.
    overruns: AtomicU64,
}

impl std::fmt::Debug for AlsaPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlsaPort").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl AlsaPort {
    /// Opens the device both ways and starts its thread. May wait for the driver: not to be called from a task.
    ///
    /// # Errors
    /// Those of ALSA and of the thread.
    pub fn open(device: &str) -> Result<Self, String> {
        // The library would print what failed; the error says it as well.
        let _printed_to = alsa::Output::local_error_handler();
        let open =
            |direction| pcm(device, direction).map_err(|error| format!("{device}: {direction:?}: {error}"));
        let (microphone, speaker) = (open(Direction::Capture)?, open(Direction::Playback)?);
        let (captured_in, captured) = prefaulted_ring(RING_FRAMES, &Frame::SILENCE);
        let (playing, playing_out) = prefaulted_ring(RING_FRAMES, &Frame::SILENCE);
        let shared = Arc::new(Shared::default());
        let card = Card {
            microphone: Microphone::new(microphone, captured_in),
            speaker: Speaker::new(speaker, playing_out),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name("alsa".into());
        thread.spawn(move || card.serve()).map_err(|error| error.to_string())?;
        Ok(Self { captured, playing, shared, due: false, told: false })
    }

    /// 20 ms went by.
    pub fn tick(&mut self) {
        self.due = true;
    }

    /// What this tick brings.
    pub fn due(&mut self) -> Option<Arrived> {
        if self.shared.gone.load(Ordering::Acquire) {
            return (!std::mem::replace(&mut self.told, true)).then_some(Arrived::Gone);
        }
        match self.shared.overruns.swap(0, Ordering::Relaxed) {
            0 => {}
            frames => return Some(Arrived::Dropped(DropReason::Overrun, frames)),
        }
        if self.captured.len() > FRAMES_AT_REST {
            self.captured.pop();
            return Some(Arrived::Dropped(DropReason::Skipped, 1));
        }
        let due = std::mem::replace(&mut self.due, false);
        due.then(|| self.captured.pop()).flatten().map(Arrived::Frame)
    }

    /// Hands a frame over.
    pub fn write(&mut self, frame: &Frame) -> Written {
        match (self.shared.gone.load(Ordering::Acquire), self.playing.push(*frame)) {
            (true, _) => Written::Down,
            (false, Ok(())) => Written::Whole,
            (false, Err(_)) => Written::Full,
        }
    }
}

/// The card's thread closes it.
impl Drop for AlsaPort {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
    }
}

fn pcm(device: &str, direction: Direction) -> alsa::Result<PCM> {
    let pcm = PCM::new(device, direction, true)?;
    {
        let hardware = HwParams::any(&pcm)?;
        hardware.set_access(Access::RWInterleaved)?;
        hardware.set_format(Format::S16LE)?;
        hardware.set_channels(1)?;
        hardware.set_rate(SAMPLE_RATE, ValueOr::Nearest)?;
        hardware.set_period_size_near(SAMPLES_PER_FRAME as i64 / 2, ValueOr::Nearest)?;
        hardware.set_buffer_size_near(CARD_SAMPLES)?;
        pcm.hw_params(&hardware)?;
    }
    pcm.prepare()?;
    Ok(pcm)
}

struct Card {
    microphone: Microphone,
    speaker: Speaker,
    shared: Arc<Shared>,
}

impl Card {
    fn serve(mut self) {
        if let Err(error) = sched::set_fifo(PRIORITY) {
            log::warn!("the sound card's thread runs without real-time priority: {error}");
        }
        let mut turn = monotonic_nanos();
        while !self.shared.over.load(Ordering::Acquire) {
            if let Err(error) = self.look() {
                log::warn!("the sound card is gone: {error}");
                break;
            }
            turn =
                (turn + TURN.as_nanos() as u64).max(monotonic_nanos().saturating_sub(TURN.as_nanos() as u64));
            sleep_until(turn);
        }
        self.shared.gone.store(true, Ordering::Release);
    }

    fn look(&mut self) -> alsa::Result<()> {
        let lost = self.microphone.look()? + self.speaker.look()?;
        self.shared.overruns.fetch_add(lost, Ordering::Relaxed);
        Ok(())
    }
}

struct Microphone {
    pcm: PCM,
    ring: Producer<Frame>,
    resampler: Resampler,
    control: Control,
    frame: Frame,
    filled: usize,
    /// When the stream began, in real time, and samples given since.
    began: Option<u64>,
    given: u64,
}

impl Microphone {
    fn new(pcm: PCM, ring: Producer<Frame>) -> Self {
        Self {
            pcm,
            ring,
            resampler: Resampler::default(),
            control: Control::default(),
            frame: Frame::SILENCE,
            filled: 0,
            began: None,
            given: 0,
        }
    }

    /// Takes what was recorded; how many frames were lost.
    fn look(&mut self) -> alsa::Result<u64> {
        let mut lost = 0;
        for _ in 0..READS {
            let mut samples = [0; READ_SAMPLES];
            let read = self.pcm.io_i16()?.readi(&mut samples);
            match read {
                Ok(read) => lost += self.take(&samples[..read]),
                Err(error) if error.errno() == AGAIN => break,
                Err(error) => {
                    // An overrun is mended; whatever cannot be is the end of the card.
                    self.pcm.try_recover(error, true)?;
                    self.began = None;
                    lost += 1;
                }
            }
        }
        Ok(lost)
    }

    /// How many frames found no room.
    fn take(&mut self, samples: &[i16]) -> u64 {
        let mut lost = 0;
        for sample in samples {
            let (frame, filled, ring) = (&mut self.frame, &mut self.filled, &mut self.ring);
            let given = &mut self.given;
            self.resampler.push(*sample, |sample| {
                frame.0[*filled] = sample;
                *filled = (*filled + 1) % SAMPLES_PER_FRAME;
                *given += 1;
                if *filled == 0 {
                    lost += u64::from(ring.push(*frame).is_err());
                }
            });
        }
        if !samples.is_empty() {
            self.keep_time(monotonic_nanos());
        }
        lost
    }

    fn keep_time(&mut self, now: u64) {
        let Some(began) = self.began else {
            (self.began, self.given) = (Some(now), 0);
            return;
        };
        let seconds = Duration::from_nanos(now.saturating_sub(began)).as_secs_f64();
        let surplus = self.given as f64 - seconds * f64::from(SAMPLE_RATE);
        if surplus.abs() > f64::from(SAMPLE_RATE) / 5.0 {
            // No drift: the card stopped, or has no clock.
            self.began = None;
            return;
        }
        self.resampler.set_excess(self.control.excess(surplus, TURN.as_secs_f64()));
    }
}

struct Speaker {
    pcm: PCM,
    ring: Consumer<Frame>,
    resampler: Resampler,
    control: Control,
    /// A frame as the card is given it.
    samples: [i16; SAMPLES_PER_FRAME + 8],
    filled: usize,
}

impl Speaker {
    fn new(pcm: PCM, ring: Consumer<Frame>) -> Self {
        Self {
            pcm,
            ring,
            resampler: Resampler::default(),
            control: Control::default(),
            samples: [0; SAMPLES_PER_FRAME + 8],
            filled: 0,
        }
    }

    /// Gives the card what there is to play; how many frames it had no room for.
    fn look(&mut self) -> alsa::Result<u64> {
        let mut lost = 0;
        while let Some(frame) = self.ring.pop() {
            for sample in &frame.0 {
                let (samples, filled) = (&mut self.samples, &mut self.filled);
                self.resampler.push(*sample, |sample| {
                    if let Some(slot) = samples.get_mut(*filled) {
                        *slot = sample;
                        *filled += 1;
                    }
                });
            }
            let filled = std::mem::take(&mut self.filled);
            lost += self.play(filled)?;
        }
        Ok(lost)
    }

    fn play(&mut self, filled: usize) -> alsa::Result<u64> {
        if self.pcm.state() == alsa::pcm::State::Prepared {
            // What is ahead bridges the time until the next frame.
            let _room = self.pcm.io_i16()?.writei(&[0; AHEAD_SAMPLES as usize]);
        }
        match self.pcm.io_i16()?.writei(&self.samples[..filled]) {
            Ok(written) => {
                let waiting = self.pcm.delay().unwrap_or(AHEAD_SAMPLES);
                // A device without a clock says 0.
                if waiting < filled as i64 {
                    return Ok(u64::from(written < filled));
                }
                let surplus = (waiting - AHEAD_SAMPLES - SAMPLES_PER_FRAME as i64) as f64;
                self.resampler.set_excess(self.control.excess(surplus, 0.02));
                Ok(u64::from(written < filled))
            }
            Err(error) if error.errno() == AGAIN => Ok(1),
            Err(error) => self.pcm.try_recover(error, true).map(|()| 1),
        }
    }
}
