//! What a room's leg does with frames: lanes of speech to it, the voices of other legs, and its own to them.

use audio_path::{
    Captured, Consumer, DropReason, Ducking, Epoch, Frame, Gain, LegCounters, LegId, Level, MediaEventKind,
    Mix, Playable, Played, Playout, Producer, Relay,
};

use super::leg::LegShared;

/// The most lanes of speech that play to a leg at once.
pub const MAX_LANES: usize = 4;
/// The most legs whose voices a leg hears.
pub const MAX_ORIGINALS: usize = 15;

/// What each slot's leg says in this tick; meaningful where somebody hears it.
pub(super) type Voices = [Option<Frame>];

/// What begins and ends with the frames of one tick.
pub(super) type Marks = heapless::Vec<MediaEventKind, { 2 * MAX_LANES }>;

/// A room's leg, beside its port.
pub(super) struct Room {
    pub(super) captured: Producer<Captured>,
    lanes: heapless::Vec<Lane, MAX_LANES>,
    /// Whose voices the leg hears.
    pub(super) originals: heapless::Vec<Original, MAX_ORIGINALS>,
    ducking: Ducking,
    relay: Relay,
    heard: bool,
}

/// One stream of segments to the leg.
struct Lane {
    playable: Consumer<Playable>,
    playout: Playout,
    epoch: Epoch,
}

/// Another leg whose voice this one hears.
pub(super) struct Original {
    pub(super) leg: LegId,
    pub(super) slot: usize,
    gain: Gain,
    /// How loud its last sample was; `None` before its first tick.
    level: Option<Level>,
}

impl Room {
    pub(super) fn new(
        captured: Producer<Captured>,
        lanes: impl IntoIterator<Item = Consumer<Playable>>,
    ) -> Self {
        let lane = |playable| Lane { playable, playout: Playout::default(), epoch: Epoch::default() };
        Self {
            captured,
            lanes: lanes.into_iter().map(lane).collect(),
            originals: heapless::Vec::new(),
            ducking: Ducking::default(),
            relay: Relay::default(),
            heard: false,
        }
    }

    /// Passes a captured frame on: to the session, and to the legs that hear this one. `false` where the session's ring
    /// is full.
    pub(super) fn capture(&mut self, captured: &Captured, counters: &LegCounters) -> bool {
        if self.heard && self.relay.push(&captured.frame) {
            counters.count_dropped(DropReason::OriginalAhead, 1);
        }
        self.captured.push(*captured).is_ok()
    }

    /// What this leg says in this tick to those that hear it.
    pub(super) fn voice(&mut self, counters: &LegCounters) -> Option<Frame> {
        let relayed = self.relay.tick();
        counters.count_dropped(DropReason::OriginalAhead, u64::from(relayed.dropped));
        relayed.frame
    }

    /// Whether anyone hears this leg from now on.
    pub(super) fn set_heard(&mut self, heard: bool) {
        if !heard {
            self.relay.clear();
        }
        self.heard = heard;
    }

    /// Hears the leg in `slot` from now on; one that was heard before goes on as loud as it was.
    pub(super) fn hear(&mut self, before: &[Original], leg: LegId, slot: usize, gain: Gain) {
        let level = before.iter().find(|original| original.leg == leg).and_then(|original| original.level);
        // The handle lets no longer list pass.
        let _fits = self.originals.push(Original { leg, slot, gain, level });
    }

    /// The leg's frame of this tick, and the segments that begin and end with it.
    pub(super) fn play(&mut self, shared: &LegShared, voices: &Voices) -> (Frame, Marks) {
        let (mut mix, mut marks, mut speech) = (Mix::default(), Marks::new(), false);
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(played) = lane.next(shared.epoch(number), &shared.counters) {
                speech = true;
                mix.add(&played.frame);
                mark(&played, &mut marks);
            }
        }
        self.ducking.tick(speech);
        for original in &mut self.originals {
            let level = self.ducking.level(original.gain);
            let before = original.level.replace(level).unwrap_or(level);
            if let Some(voice) = voices.get(original.slot).and_then(Option::as_ref) {
                mix.fade(voice, before, level);
            }
        }
        (mix.frame(), marks)
    }
}

impl Lane {
    /// What it plays in this tick; `None` between segments.
    fn next(&mut self, epoch: Epoch, counters: &LegCounters) -> Option<Played> {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.playout.reset();
        }
        let mut next = self.playable.pop();
        while next.as_ref().is_some_and(|playable| playable.epoch < epoch) {
            counters.count_dropped(DropReason::Flushed, 1);
            next = self.playable.pop();
        }
        let played = self.playout.next(next.as_ref());
        if played.concealed {
            counters.count_concealed();
        }
        (next.is_some() || played.concealed).then_some(played)
    }
}

fn mark(played: &Played, marks: &mut Marks) {
    let ended = played.ended.map(MediaEventKind::SegmentEnded);
    let started = played.started.map(MediaEventKind::SegmentStarted);
    // A segment that another replaced ended before that one started; one that ends here started first.
    let order = if played.started == played.ended { [started, ended] } else { [ended, started] };
    marks.extend(order.into_iter().flatten());
}
