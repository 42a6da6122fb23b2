use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::outbox::Outbox;
use crate::room::Pace;
use crate::segment::{PLAYBACK_DEADLINE, Segment, Stage, TTS_DEADLINE};
use crate::talker::{Said, Tongue};
use crate::turns::{Delivery, Kind, Turn, Turns};
use crate::{Action, Component, Cue, Event, Language, UtteranceId};

/// Silence after the end of speech that a caller takes for a dead line; then the wait cue is heard.
const WAIT_CUE_AFTER: Duration = Duration::from_secs(1);
/// From one wait cue to the next.
const WAIT_CUE_EVERY: Duration = Duration::from_millis(2_500);
/// A cue lasts a fraction of a second; without an answer for this long it is not being played …
const CUE_DEADLINE: Duration = Duration::from_secs(3);
/// … and a spoken notice not after this long.
const NOTICE_DEADLINE: Duration = Duration::from_secs(15);
/// A translation that is this far behind is played faster.
pub(crate) const HURRY_FROM: Duration = Duration::from_secs(1);
/// One that is this far behind is not to say "well".
const TERSE_FROM: Duration = Duration::from_secs(4);

/// What the speaker of a [`Track`] does just now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Floor {
    pub(crate) speaking: bool,
    /// He is not to be talked over.
    pub(crate) holds: bool,
    /// How fast he is interpreted, hurried where that is late: who is heard out first is always behind.
    pub(crate) pace: Pace,
}

/// What is heard of one speaker in one language: clauses, cues and notices, one at a time.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) turns: Turns,
    cue: Option<(SegmentId, Timestamp)>,
    wait_cue_at: Option<Timestamp>,
    tone_due: bool,
}

impl Track {
    pub(crate) fn new(target: Tongue) -> Self {
        Self { turns: Turns::new(target), cue: None, wait_cue_at: None, tone_due: false }
    }

    pub(crate) fn is_playing(&self) -> bool {
        self.cue.is_some() || self.turns.is_playing()
    }

    /// Whether nothing is played, nor will be.
    pub(crate) fn is_silent(&self) -> bool {
        !self.is_playing() && !self.tone_due && self.turns.queue.is_empty()
    }

    /// Whether the segment is one of these.
    pub(crate) fn has(&self, id: SegmentId) -> bool {
        self.turns.queue.iter().flat_map(|delivery| &delivery.segments).any(|segment| segment.id == id)
    }

    /// Takes what the speaker says.
    pub(crate) fn take(&mut self, now: Timestamp, said: Said, out: &mut Outbox) {
        if matches!(said, Said::Ended { .. }) {
            self.expect_answer(now);
        }
        self.turns.take(now, said, out);
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn overdue_at(&self) -> Option<Timestamp> {
        let playing = self.cue.map(|(_, deadline)| deadline);
        [playing, self.turns.deadline()].into_iter().flatten().min()
    }

    /// When [`tick`](Self::tick) or [`advance`](Self::advance) has something to do, while its speaker is `speaking`.
    pub(crate) fn deadline(&self, speaking: bool) -> Option<Timestamp> {
        let holds = speaking && !self.is_playing();
        let hold = if holds { self.turns.hold_ends() } else { None };
        let cue = if self.may_cue(speaking) { self.wait_cue_at } else { None };
        [hold, cue, self.overdue_at()].into_iter().flatten().min()
    }

    /// Gives up what is overdue. Answers whether something that was played is.
    pub(crate) fn tick(&mut self, now: Timestamp, out: &mut Outbox) -> bool {
        let mut overdue: Vec<SegmentId> = Vec::new();
        overdue.extend(self.cue.take_if(|(_, deadline)| *deadline <= now).map(|(segment, _)| segment));
        for segment in self.turns.overdue(now) {
            overdue.extend(self.turns.segment_overdue(now, segment, out).then_some(segment));
        }
        for segment in &overdue {
            out.act(Action::Discard { segment: *segment });
            let message = "the phone did not take the audio to its end".to_owned();
            out.error(Component::Playback, message);
        }
        self.turns.shed(out);
        !overdue.is_empty()
    }

    /// Plays what comes next, unless something is played already; first the notice that `notice` gives, if it does.
    /// Where an announcement is over answers whether any of it was heard.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        floor: Floor,
        mut notice: impl FnMut() -> Option<Cue>,
        out: &mut Outbox,
    ) -> Option<bool> {
        while !self.is_playing() {
            if let Some(notice) = notice() {
                // It says what the tone would.
                self.tone_due = false;
                self.play_cue(now, notice, out);
            } else if std::mem::take(&mut self.tone_due) {
                self.play_cue(now, Cue::Error, out);
            } else {
                match self.turns.next(now, floor.holds) {
                    Turn::Play(segment) if self.is_filler(now, floor, segment) => {
                        self.drop_filler(segment, out);
                    }
                    Turn::Play(segment) => self.play(now, floor, segment, out),
                    Turn::Tone => self.tone_due = true,
                    Turn::Announced(heard) => {
                        self.tone_due |= !heard;
                        return Some(heard);
                    }
                    Turn::Wait => {
                        self.cue_while_waiting(now, floor, out);
                        break;
                    }
                }
            }
        }
        None
    }

    /// Tells that a segment began to be heard, whose time counts from what `spoken` makes of it. `false` where it is
    /// none of these.
    pub(crate) fn playback_started(
        &self,
        now: Timestamp,
        id: SegmentId,
        spoken: impl FnOnce(&Turns) -> Option<Timestamp>,
        out: &mut Outbox,
    ) -> bool {
        if self.cue_is(id) {
            return true;
        }
        let is_it = self.turns.playing().is_some_and(|(_, segment)| segment.id == id);
        if is_it && let Some(spoken) = spoken(&self.turns) {
            self.turns.playback_started(now, spoken, out);
        }
        is_it
    }

    /// A segment or cue was heard to its end. `false` where it is none of these.
    pub(crate) fn playback_ended(&mut self, now: Timestamp, id: SegmentId, out: &mut Outbox) -> bool {
        if self.cue.take_if(|(cue, _)| *cue == id).is_some() {
            return true;
        }
        if self.turns.playing().is_none_or(|(_, segment)| segment.id != id) {
            return false;
        }
        // The end of what was played is missing.
        self.tone_due |= self.turns.played().is_some_and(|segment| segment.cut_short);
        self.expect_answer(now);
        out.emit(Event::PlaybackEnded { segment: id });
        true
    }

    /// The error tone would tell nothing new.
    pub(crate) fn spare_tone(&mut self) {
        self.tone_due = false;
    }

    /// Has these texts spoken, one after the other.
    pub(crate) fn tell(
        &mut self,
        now: Timestamp,
        kind: Kind,
        id: UtteranceId,
        texts: impl IntoIterator<Item = (String, Language)>,
        out: &mut Outbox,
    ) {
        let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
        let segments = texts.into_iter().map(|(text, language)| {
            let segment = out.new_segment();
            out.act(Action::Speak { segment, text: text.clone(), language });
            Segment::new(segment, id, text, [language; 2], stage)
        });
        let segments: VecDeque<Segment> = segments.collect();
        self.turns.push(Delivery::told(kind, id, segments));
    }

    /// What a caller is told for a key is over. Answers whether some of it was being played.
    pub(crate) fn hush(&mut self, out: &mut Outbox) -> bool {
        self.forget(Kind::Reply, out)
    }

    /// What is of this kind is over. Answers whether some of it was being played.
    pub(crate) fn forget(&mut self, kind: Kind, out: &mut Outbox) -> bool {
        let is_playing =
            self.cue.is_none() && self.turns.playing().is_some_and(|(delivery, _)| delivery.kind == kind);
        if is_playing {
            self.stop(out);
        }
        for segment in self.turns.forget(kind) {
            out.act(Action::Discard { segment });
        }
        is_playing
    }

    /// Nobody is left to hear what is played.
    pub(crate) fn stop(&mut self, out: &mut Outbox) {
        let cue = self.cue.take().map(|(cue, _)| cue);
        if let Some(segment) = cue.or_else(|| self.turns.played().map(|segment| segment.id)) {
            out.act(Action::Discard { segment });
        }
    }

    /// Somebody stopped and is owed a translation.
    pub(crate) fn expect_answer(&mut self, now: Timestamp) {
        self.wait_cue_at = Some(now + WAIT_CUE_AFTER);
    }

    fn cue_is(&self, segment: SegmentId) -> bool {
        self.cue.is_some_and(|(id, _)| id == segment)
    }

    fn may_cue(&self, speaking: bool) -> bool {
        !self.is_playing() && !speaking && self.turns.owes_speech()
    }

    fn cue_while_waiting(&mut self, now: Timestamp, floor: Floor, out: &mut Outbox) {
        if self.may_cue(floor.speaking) && self.wait_cue_at.is_some_and(|at| at <= now) {
            self.wait_cue_at = Some(now + WAIT_CUE_EVERY);
            self.play_cue(now, Cue::Wait, out);
        }
    }

    fn play(&mut self, now: Timestamp, floor: Floor, id: SegmentId, out: &mut Outbox) {
        let is_in_time = floor.pace == Pace::Hurried && self.turns.behind(now) <= HURRY_FROM;
        let pace = if is_in_time { Pace::Usual } else { floor.pace };
        if let Some(segment) = self.turns.segment(id) {
            segment.stage = Stage::Playing { deadline: now + PLAYBACK_DEADLINE };
            out.act(Action::Play { segment: id, pace });
        }
    }

    fn is_filler(&mut self, now: Timestamp, floor: Floor, id: SegmentId) -> bool {
        let is_late = floor.pace == Pace::Hurried && self.turns.behind(now) > TERSE_FROM;
        is_late
            && self.turns.segment(id).is_some_and(|segment| segment.source_lang.is_filler(&segment.source))
    }

    fn drop_filler(&mut self, id: SegmentId, out: &mut Outbox) {
        out.discards.fillers += 1;
        self.turns.skip(id);
        out.act(Action::Discard { segment: id });
    }

    pub(crate) fn play_cue(&mut self, now: Timestamp, cue: Cue, out: &mut Outbox) {
        let segment = out.new_segment();
        let limit = if cue.is_spoken() { NOTICE_DEADLINE } else { CUE_DEADLINE };
        self.cue = Some((segment, now + limit));
        out.act(Action::PlayCue { segment, cue });
        out.emit(Event::CuePlayed { cue });
    }
}
