//! What is played, on the card's clock.

use alsa::pcm::{PCM, State};
use audio_path::drift::{Control, Resampler};
use audio_path::{Consumer, Frame, SAMPLES_PER_FRAME};

use super::card::{Fault, is_asleep, is_not_now, mend};

/// What is kept ahead in the card.
const AHEAD_SAMPLES: usize = 640;
/// Frames in a row that find no room after which the clock stands still: a second.
const STILL_FRAMES: u32 = 50;

pub(super) struct Speaker {
    pcm: PCM,
    ring: Consumer<Frame>,
    resampler: Resampler,
    control: Control,
    /// A frame as the card is given it.
    samples: [i16; SAMPLES_PER_FRAME + 8],
    filled: usize,
    /// Frames since one found room.
    refused: u32,
}

impl Speaker {
    pub(super) fn new(pcm: PCM, ring: Consumer<Frame>) -> Self {
        Self {
            pcm,
            ring,
            resampler: Resampler::default(),
            control: Control::default(),
            samples: [0; SAMPLES_PER_FRAME + 8],
            filled: 0,
            refused: 0,
        }
    }

    /// Gives the card what there is to play; how many frames it had no room for.
    pub(super) fn look(&mut self) -> Result<u64, Fault> {
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
            lost += u64::from(!self.play(filled)?);
        }
        Ok(lost)
    }

    /// Whether all of it found room.
    fn play(&mut self, filled: usize) -> Result<bool, Fault> {
        let mut written = self.write(filled);
        if let Err(error) = written.as_ref()
            && !is_not_now(error)
        {
            mend(&self.pcm, *error)?;
            written = self.write(filled);
        }
        match written {
            Ok(written) => {
                self.refused = 0;
                self.keep_ahead(filled);
                return Ok(written == filled);
            }
            Err(error) if !is_not_now(&error) && !is_asleep(&error) => return Err(error.into()),
            Err(_) => self.refused += 1,
        }
        if self.refused < STILL_FRAMES { Ok(false) } else { Err(Fault::Still) }
    }

    fn write(&self, filled: usize) -> alsa::Result<usize> {
        let card = self.pcm.io_i16()?;
        if self.pcm.state() == State::Prepared {
            // What is ahead bridges the time until the next frame.
            card.writei(&[0; AHEAD_SAMPLES])?;
        }
        card.writei(&self.samples[..filled])
    }

    fn keep_ahead(&mut self, filled: usize) {
        let waiting = self.pcm.delay().unwrap_or(0);
        // A device without a clock says 0.
        if waiting >= filled as i64 {
            let surplus = (waiting - (AHEAD_SAMPLES + SAMPLES_PER_FRAME) as i64) as f64;
            self.resampler.set_excess(self.control.excess(surplus, 0.02));
        }
    }
}
