use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{Captured, Frame, Timestamp};

use crate::Manner;
use crate::gate::{EchoGate, Gate};
use crate::voice::{Voice, VoiceActivity};

/// Frames kept from before speech is noticed, so that no first syllable is lost: 300 ms, and the three frames that
/// the notice takes.
const PRE_ROLL_FRAMES: usize = 18;
/// A phone that suppresses silence sends nothing at all when its user pauses: without frames for this long, speech
/// is over.
const NO_FRAMES: Duration = Duration::from_secs(1);

/// What became of the frames of a leg; `captured` is the sum of the others and of the few still in the pre-roll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    /// Frames that arrived.
    pub captured: u64,
    /// Frames sent to the recogniser.
    pub recognised: u64,
    /// Frames in which nobody spoke.
    pub silent: u64,
    /// Frames not listened to since they could be the echo of playback.
    pub gated: u64,
    /// Frames that arrived before the announcement was over.
    pub unannounced: u64,
    /// Frames that nobody needed translated.
    pub unwanted: u64,
    /// Frames of speech whose recogniser had failed.
    pub unrecognised: u64,
    /// Frames that the caller of the session did not fetch in time.
    pub refused: u64,
}

/// What a frame means for the utterance.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// Nothing.
    Nothing,
    /// It is over, without another frame.
    Stopped,
    /// An utterance begins with these frames.
    Began(Vec<Frame>),
    /// It goes on with this one.
    GoesOn(Frame),
    /// It ends with this one.
    Ended(Frame),
}

/// Listens to a leg: echo gate, voice activity, pre-roll.
pub(crate) struct Ear {
    pub(crate) gate: EchoGate,
    pub(crate) counts: FrameCounts,
    /// Whether what is played may come back.
    has_echo: bool,
    voice: VoiceActivity,
    pre_roll: VecDeque<Frame>,
    /// Frames at the end of the pre-roll that are near-end talk only if the gate decides so.
    undecided: usize,
    last_frame: Timestamp,
}

impl Ear {
    pub(crate) fn new(manner: Manner) -> Self {
        Self {
            has_echo: manner == Manner::Consecutive,
            gate: EchoGate::new(),
            counts: FrameCounts::default(),
            voice: VoiceActivity::new(),
            pre_roll: VecDeque::with_capacity(PRE_ROLL_FRAMES + 1),
            undecided: 0,
            last_frame: Timestamp::default(),
        }
    }

    pub(crate) fn speaking(&self) -> bool {
        self.voice.speaking()
    }

    pub(crate) fn last_voiced(&self) -> Timestamp {
        self.voice.last_voiced()
    }

    /// How long nobody has spoken, as far as can be told.
    pub(crate) fn pause(&self, now: Timestamp) -> Duration {
        now.since(self.voice.last_voiced())
    }

    /// Whether the newest frame was voice, rather than a pause within speech.
    pub(crate) fn voiced(&self) -> bool {
        self.voice.voiced()
    }

    /// Frames that wait for a decision.
    pub(crate) fn in_pre_roll(&self) -> usize {
        self.pre_roll.len()
    }

    /// When speech ends for want of frames.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.speaking().then(|| self.last_frame + NO_FRAMES)
    }

    /// Ends speech whose frames stopped coming.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Heard {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Heard::Nothing;
        }
        while self.voice.speaking() {
            self.voice.skip(now);
        }
        Heard::Stopped
    }

    /// Takes a frame that is not to be listened to: the caller was not told yet.
    pub(crate) fn ignore(&mut self) {
        self.counts.captured += 1;
        self.counts.unannounced += 1;
    }

    /// Takes a frame that nobody needs translated.
    pub(crate) fn pass(&mut self) {
        self.counts.captured += 1;
        self.counts.unwanted += 1;
    }

    /// Takes a frame.
    pub(crate) fn hear(&mut self, captured: &Captured) -> Heard {
        self.counts.captured += 1;
        self.last_frame = captured.at;
        let gate = if self.has_echo { self.gate.judge(captured.at, &captured.frame) } else { Gate::Open };
        match gate {
            Gate::Open => {
                self.undecided = 0;
                self.listen(captured)
            }
            Gate::Perhaps => {
                self.undecided += 1;
                self.keep(&captured.frame);
                self.deafen(captured.at)
            }
            Gate::Closed => {
                self.forget_pre_roll();
                self.counts.gated += 1;
                self.deafen(captured.at)
            }
        }
    }

    fn listen(&mut self, captured: &Captured) -> Heard {
        match self.voice.hear(captured.at, &captured.frame) {
            Voice::Silent => {
                self.keep(&captured.frame);
                Heard::Nothing
            }
            Voice::Started => {
                self.keep(&captured.frame);
                Heard::Began(self.pre_roll.drain(..).collect())
            }
            Voice::Speaking => {
                // Talk over playback that was undecided a moment ago comes first.
                if self.pre_roll.is_empty() {
                    return Heard::GoesOn(captured.frame);
                }
                self.keep(&captured.frame);
                Heard::Began(self.pre_roll.drain(..).collect())
            }
            Voice::Ended => {
                self.forget_pre_roll();
                Heard::Ended(captured.frame)
            }
        }
    }

    fn deafen(&mut self, at: Timestamp) -> Heard {
        if self.voice.skip(at) == Voice::Ended { Heard::Stopped } else { Heard::Nothing }
    }

    fn keep(&mut self, frame: &Frame) {
        self.pre_roll.push_back(*frame);
        if self.pre_roll.len() > PRE_ROLL_FRAMES {
            self.pre_roll.pop_front();
            self.counts.silent += 1;
        }
    }

    fn forget_pre_roll(&mut self) {
        let undecided = self.undecided.min(self.pre_roll.len());
        self.counts.gated += undecided as u64;
        self.counts.silent += (self.pre_roll.len() - undecided) as u64;
        self.pre_roll.clear();
        self.undecided = 0;
    }
}
