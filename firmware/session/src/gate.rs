use std::time::Duration;

use audio_path::{Frame, Timestamp};

/// How long after playback its echo may still arrive: jitter buffers on both ways, and the room.
pub const ECHO_TAIL: Duration = Duration::from_millis(300);
/// An echo comes back at least this much quieter than it was played; a speaker phone without cancellation is the worst.
const ECHO_RETURN_LOSS_DB: f32 = 6.0;
/// Near-end talk is believed when it is louder than the loudest possible echo by this much …
const NEAR_END_MARGIN_DB: f32 = 6.0;
/// … for this many frames in a row: a knock on the handset is shorter.
const NEAR_END_FRAMES: u32 = 3;
/// Between the loud syllables of near-end talk are softer ones, which belong to it.
const NEAR_END_HANGOVER: Duration = Duration::from_millis(400);
/// The ceiling is never below this, so that line noise over a soft tone is not taken for talk.
const QUIETEST_CEILING_DBFS: f32 = -45.0;

/// What to do with a captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nothing plays: listen.
    Open,
    /// Louder than any echo could be, though not yet for long enough: keep the frame, decide with the next ones.
    Perhaps,
    /// May be the echo of what is played: do not listen.
    Closed,
}

/// Keeps what is played into a leg from being heard as speech of its caller.
#[derive(Debug)]
pub(crate) struct EchoGate {
    playing: bool,
    tail_until: Timestamp,
    loudest_dbfs: f32,
    loud_run: u32,
    near_end_until: Timestamp,
}

impl EchoGate {
    pub(crate) fn new() -> Self {
        Self {
            playing: false,
            tail_until: Timestamp::default(),
            loudest_dbfs: f32::MIN,
            loud_run: 0,
            near_end_until: Timestamp::default(),
        }
    }

    /// Playback was handed to the leg.
    pub(crate) fn playback_begins(&mut self) {
        self.playing = true;
    }

    /// A frame was handed to the leg; `render` is what an echo would be made of.
    pub(crate) fn rendered(&mut self, render: &Frame) {
        self.loudest_dbfs = self.loudest_dbfs.max(render.dbfs());
    }

    /// Another's voice of this level goes to the leg at `at`, as it is.
    pub(crate) fn overheard(&mut self, at: Timestamp, dbfs: f32) {
        if dbfs > QUIETEST_CEILING_DBFS {
            self.loudest_dbfs = self.loudest_dbfs.max(dbfs);
            self.tail_until = self.tail_until.max(at + ECHO_TAIL);
        }
    }

    /// The last frame of playback was written to the leg.
    pub(crate) fn playback_ends(&mut self, now: Timestamp) {
        self.playing = false;
        self.tail_until = self.tail_until.max(now + ECHO_TAIL);
    }

    /// Judges a frame that arrived at `at`.
    pub(crate) fn judge(&mut self, at: Timestamp, captured: &Frame) -> Gate {
        if !self.playing && at >= self.tail_until {
            self.loudest_dbfs = f32::MIN;
            self.loud_run = 0;
            return Gate::Open;
        }
        let ceiling =
            (self.loudest_dbfs - ECHO_RETURN_LOSS_DB + NEAR_END_MARGIN_DB).max(QUIETEST_CEILING_DBFS);
        if captured.dbfs() > ceiling {
            self.loud_run += 1;
            if self.loud_run >= NEAR_END_FRAMES {
                self.near_end_until = at + NEAR_END_HANGOVER;
            }
        } else {
            self.loud_run = 0;
        }
        match (at < self.near_end_until, self.loud_run) {
            (true, _) => Gate::Open,
            (false, 0) => Gate::Closed,
            (false, _) => Gate::Perhaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(amplitude: i16) -> Frame {
        Frame([amplitude; audio_path::SAMPLES_PER_FRAME])
    }

    fn at(frame: u32) -> Timestamp {
        Timestamp::default() + Duration::from_millis(20) * frame
    }

    #[test]
    fn echo_is_gated_until_its_tail_is_over() {
        let mut gate = EchoGate::new();
        assert_eq!(gate.judge(at(0), &level(3000)), Gate::Open);
        gate.playback_begins();
        gate.rendered(&level(6000));
        assert_eq!(gate.judge(at(1), &level(3000)), Gate::Closed);
        gate.playback_ends(at(2));
        assert_eq!(gate.judge(at(16), &level(3000)), Gate::Closed);
        assert_eq!(gate.judge(at(17), &level(3000)), Gate::Open);
    }

    #[test]
    fn talk_louder_than_the_echo_passes_with_its_soft_syllables() {
        let mut gate = EchoGate::new();
        gate.playback_begins();
        gate.rendered(&level(2000));
        let loud = [1, 2, 3].map(|n| gate.judge(at(n), &level(9000)));
        assert_eq!(loud, [Gate::Perhaps, Gate::Perhaps, Gate::Open]);
        assert_eq!(gate.judge(at(4), &level(500)), Gate::Open);
        assert_eq!(gate.judge(at(22), &level(500)), Gate::Open);
        assert_eq!(gate.judge(at(23), &level(500)), Gate::Closed);
    }

    #[test]
    fn others_voices_come_back_too() {
        let mut gate = EchoGate::new();
        gate.overheard(at(1), level(4000).dbfs());
        gate.overheard(at(2), level(20).dbfs());
        assert_eq!(gate.judge(at(15), &level(1500)), Gate::Closed);
        assert_eq!(gate.judge(at(16), &level(1500)), Gate::Open, "silence is no voice");
    }

    #[test]
    fn a_knock_does_not_open_the_gate() {
        let mut gate = EchoGate::new();
        gate.playback_begins();
        gate.rendered(&level(2000));
        for n in 0..30 {
            let frame = if n % 3 == 2 { level(10) } else { level(20_000) };
            assert_ne!(gate.judge(at(n), &frame), Gate::Open);
        }
    }
}
