//! A caller with a phone in a simulated room: what he says, what he hears, and what his phone returns of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use audio_path::{Frame, LegId, SegmentId};
use session::Language;
use session::room::{Original, Pace};

use super::super::{Sound, Speech};
use crate::voice::Voice;

/// Frames until the echo of what is played comes back.
const ECHO_DELAY: usize = 5;
const VOICE_PEAK: f32 = 7_000.0;

/// Somebody who may call.
#[derive(Clone, Debug)]
pub struct Caller {
    /// His leg.
    pub leg: LegId,
    /// What he speaks.
    pub language: &'static str,
    /// What he says, timed from the start of the simulation.
    pub script: Vec<Speech>,
    /// When he calls.
    pub joins: Duration,
    /// When he hangs up.
    pub leaves: Duration,
    /// How much quieter his phone returns what it plays, in halvings; `None`: not at all.
    pub echo_halvings: Option<u32>,
    /// How late his phone begins to play what it is handed, frames.
    pub lag: u32,
}

/// Something that a caller heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// When it began.
    pub at: Duration,
    /// Who said it; `None` for what only the listener hears, and for cues.
    pub talker: Option<LegId>,
    /// What it was.
    pub sound: Sound,
    /// Frames of it that were played.
    pub frames: u32,
    /// How fast.
    pub pace: Pace,
}

#[derive(Debug)]
struct Playing {
    segment: SegmentId,
    waits: u32,
    left: u32,
    /// Which of what was heard it is, once it began.
    heard: Option<usize>,
    talker: Option<LegId>,
    pace: Pace,
    sound: Sound,
}

/// The phone of somebody who called.
pub struct Phone {
    /// Who.
    pub caller: Caller,
    /// What he speaks now.
    pub language: Language,
    /// What he heard in translation, and of cues and notices.
    pub heard: Vec<Heard>,
    /// The voices he hears, each time that changed.
    pub originals: Vec<(Duration, Vec<(LegId, Original)>)>,
    /// His phone is hung up.
    pub is_gone: bool,
    /// He was hung up on.
    pub is_dismissed: bool,
    /// His engines are not needed any more.
    pub is_forgotten: bool,
    /// Frames that he sent.
    pub sent: u64,
    lanes: BTreeMap<Option<LegId>, VecDeque<Playing>>,
    voice: Voice,
    machine: Voice,
    /// What was played last, oldest first.
    played: VecDeque<Frame>,
}

impl Phone {
    pub(super) fn new(caller: Caller) -> Self {
        Self {
            language: caller.language.parse().expect("a language"),
            caller,
            heard: Vec::new(),
            originals: Vec::new(),
            is_gone: false,
            is_dismissed: false,
            is_forgotten: false,
            sent: 0,
            lanes: BTreeMap::new(),
            voice: Voice::default(),
            machine: Voice::default(),
            played: VecDeque::new(),
        }
    }

    /// Plays a sound after what its talker said before.
    pub(super) fn play(
        &mut self,
        talker: Option<LegId>,
        segment: SegmentId,
        frames: u32,
        pace: Pace,
        sound: Sound,
    ) {
        let left = match pace {
            Pace::Usual => frames,
            Pace::Slow => frames * 5 / 4,
            Pace::Hurried => frames * 7 / 8,
        };
        let playing = Playing { segment, waits: self.caller.lag, left, heard: None, talker, pace, sound };
        self.lanes.entry(talker).or_default().push_back(playing);
    }

    pub(super) fn discard(&mut self, segment: SegmentId) {
        self.lanes.values_mut().for_each(|lane| lane.retain(|playing| playing.segment != segment));
    }

    /// Plays 20 ms of each lane. Gives the loudspeaker's frame, and what began and what ended with it.
    pub(super) fn play_frame(&mut self, at: Duration) -> (Option<Frame>, Vec<SegmentId>, Vec<SegmentId>) {
        let (mut began, mut ended, mut frame) = (Vec::new(), Vec::new(), None);
        for lane in self.lanes.values_mut() {
            let Some(playing) = lane.front_mut() else { continue };
            if playing.waits > 0 {
                playing.waits -= 1;
                continue;
            }
            let place = *playing.heard.get_or_insert_with(|| {
                began.push(playing.segment);
                self.heard.push(Heard {
                    at,
                    talker: playing.talker,
                    sound: playing.sound.clone(),
                    frames: 0,
                    pace: playing.pace,
                });
                self.heard.len() - 1
            });
            self.heard[place].frames += 1;
            playing.left -= 1;
            add(frame.get_or_insert(Frame::SILENCE), &self.machine.frame(8_000.0), 0);
            if playing.left == 0 {
                ended.push(playing.segment);
                lane.pop_front();
            }
        }
        (frame, began, ended)
    }

    /// Whether he speaks.
    pub(super) fn speaks(&self, at: Duration) -> bool {
        self.caller.script.iter().any(|s| s.at <= at && at < s.at + s.lasts)
    }

    /// His voice.
    pub(super) fn say(&mut self, at: Duration) -> Frame {
        if self.speaks(at) { self.voice.frame(VOICE_PEAK) } else { Frame::SILENCE }
    }

    /// What his phone sends while he says `voice` and it plays `loudspeaker`.
    pub(super) fn send(&mut self, voice: &Frame, loudspeaker: &Frame) -> Frame {
        self.sent += 1;
        let mut sent = *voice;
        self.played.push_back(*loudspeaker);
        if self.played.len() > ECHO_DELAY
            && let (Some(echo), Some(halvings)) = (self.played.pop_front(), self.caller.echo_halvings)
        {
            add(&mut sent, &echo, halvings);
        }
        sent
    }
}

/// Adds a frame that is so many halvings softer.
pub(super) fn add(to: &mut Frame, frame: &Frame, halvings: u32) {
    for (sample, more) in to.0.iter_mut().zip(frame.0) {
        *sample = sample.saturating_add(more >> halvings);
    }
}
