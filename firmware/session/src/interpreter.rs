use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::ear::{Ear, FrameCounts};
use crate::language::{announcement, own_voice_offer};
use crate::outage::Outage;
use crate::segment::{PLAYBACK_DEADLINE, Segment, Stage, TTS_DEADLINE};
use crate::turns::{Hearing, Turn, Turns, Utterance};
use crate::{Action, Component, Cue, Event, Input, Language, LanguagePair, UtteranceId};

/// Silence after the end of speech that a caller takes for a dead line; then the wait cue is heard.
const WAIT_CUE_AFTER: Duration = Duration::from_secs(1);
/// From one wait cue to the next.
const WAIT_CUE_EVERY: Duration = Duration::from_millis(2_500);
/// A cue lasts a fraction of a second; without an answer for this long it is not being played …
const CUE_DEADLINE: Duration = Duration::from_secs(3);
/// … and a spoken notice not after this long.
const NOTICE_DEADLINE: Duration = Duration::from_secs(15);
/// Where no announcement could be spoken nothing may be listened to: it is tried again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);
/// Pause after which a speaker who left nothing open is spoken to: between two sentences of his it is shorter.
const TURN_PAUSE: Duration = Duration::from_millis(400);
/// A translation that is this far behind is played faster.
const HURRY_FROM: Duration = Duration::from_secs(1);
/// One that is this far behind is not to say "well".
const TERSE_FROM: Duration = Duration::from_secs(4);
/// Actions that may wait to be fetched. The contract is to fetch them all; who does not loses audio frames, counted.
const MOST_ACTIONS: usize = 1_024;

/// What the session could not use; for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards {
    /// Answers of engines or of playback that came too late, twice, endlessly or for nothing that was asked.
    pub late_answers: u64,
    /// Clauses that were dropped since too many waited.
    pub segments: u64,
    /// Clauses of nothing but filler words that were dropped since the translation was far behind.
    pub fillers: u64,
    /// Clauses that were translated beforehand for nothing: the speaker went on differently.
    pub guesses: u64,
}

/// Whether the caller was told that a machine translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announcement {
    Unspoken,
    Speaking,
    FailedUntil(Timestamp),
    Spoken,
}

/// How an interpreter works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Whoever speaks is heard out first, and not listened to while his translation plays, as a telephone's
    /// loudspeaker would return it.
    #[default]
    Consecutive,
    /// The translation is heard while he goes on. For lines without an echo: headsets, handsets.
    Simultaneous,
}

/// An interpreter room: one phone, two languages. See the [crate's documentation](crate) for how to call it.
pub struct Interpreter {
    languages: LanguagePair,
    pub(crate) manner: Manner,
    announcement: Announcement,
    pub(crate) ear: Ear,
    pub(crate) turns: Turns,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) discards: Discards,
    cue: Option<(SegmentId, Timestamp)>,
    wait_cue_at: Option<Timestamp>,
    tone_due: bool,
    pub(crate) outage: Outage,
    next_segment: u32,
    next_utterance: u32,
    /// The last sentences, each in its language.
    pub(crate) said: VecDeque<(Language, String)>,
    offers_own_voices: bool,
}

impl Interpreter {
    /// A room for a phone that is not connected yet.
    pub fn new(languages: LanguagePair, manner: Manner) -> Self {
        Self {
            languages,
            manner,
            announcement: Announcement::Unspoken,
            ear: Ear::new(manner),
            turns: Turns::default(),
            actions: VecDeque::new(),
            discards: Discards::default(),
            cue: None,
            wait_cue_at: None,
            tone_due: false,
            outage: Outage::default(),
            next_segment: 0,
            next_utterance: 0,
            said: VecDeque::new(),
            offers_own_voices: false,
        }
    }

    /// With the announcement, both speakers are offered their own voices: keys 1 and 2 are their answers.
    #[must_use]
    pub fn offering_own_voices(self) -> Self {
        Self { offers_own_voices: true, ..self }
    }

    /// Takes what happened at `now`; `now` never goes back.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        match input {
            Input::Connected if self.announcement == Announcement::Unspoken => self.announce(now),
            Input::Captured(_) if self.announcement != Announcement::Spoken => self.ear.ignore(),
            Input::Captured(captured) => {
                let heard = self.ear.hear(captured);
                self.heard(now, heard);
            }
            Input::Rendered(frame) => self.ear.gate.rendered(frame),
            Input::Partial { utterance, delta, language } => self.partial(now, utterance, delta, language),
            Input::Interim { utterance, text, heard, language } => {
                self.interim(now, utterance, text, heard, language);
            }
            Input::Final { utterance, text, language } => self.final_text(now, utterance, text, language),
            Input::RecognitionFailed { utterance, reason } => self.recognition_failed(now, utterance, reason),
            Input::Translated { segment, text } => self.translated(now, segment, text),
            Input::TranslationFailed { segment, reason } => self.translation_failed(now, segment, reason),
            Input::SpeechReady { segment } => self.speech_ready(now, segment),
            Input::SpeechFailed { segment, reason } => self.speech_failed(now, segment, reason),
            Input::PlaybackStarted { segment } => self.playback_started(now, segment),
            Input::PlaybackEnded { segment } => self.playback_ended(now, segment),
            Input::Served { component, served } => self.outage.served(now, component, served),
            Input::Connected | Input::Tick => {}
        }
        self.meet_deadlines(now);
        self.take_turns(now);
    }

    /// The next thing to do; `None` when everything is done until the next input or deadline.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] at the latest, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let again = match self.announcement {
            Announcement::FailedUntil(at) => Some(at),
            _ => None,
        };
        let hold = if self.ear.speaking() && !self.is_playing() { self.turns.hold_ends() } else { None };
        let cue = if self.may_cue() { self.wait_cue_at } else { None };
        let playing = self.cue.map(|(_, deadline)| deadline);
        let notice = self.outage.deadline().filter(|_| self.is_connected());
        let deadlines = [again, hold, cue, playing, notice, self.ear.deadline(), self.turns.deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// What became of the captured frames so far.
    pub fn frames(&self) -> FrameCounts {
        self.ear.counts
    }

    /// Captured frames that are kept until it is known whether they belong to speech.
    pub fn frames_undecided(&self) -> usize {
        self.ear.in_pre_roll()
    }

    /// What could not be used so far.
    pub fn discards(&self) -> Discards {
        self.discards
    }

    /// How far the translation is behind what was said: the age of the oldest clause that is not heard yet.
    pub(crate) fn behind(&self, now: Timestamp) -> Duration {
        self.turns.oldest_unheard().map_or(Duration::ZERO, |committed| now.since(committed))
    }

    /// The languages of the room.
    pub fn languages(&self) -> &LanguagePair {
        &self.languages
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.actions.push_back(Action::Emit(event));
    }

    pub(crate) fn error(&mut self, component: Component, message: String) {
        self.emit(Event::Error { component, message });
    }

    pub(crate) fn has_room(&self) -> bool {
        self.actions.len() < MOST_ACTIONS
    }

    pub(crate) fn new_utterance(&mut self) -> UtteranceId {
        self.next_utterance += 1;
        UtteranceId(self.next_utterance)
    }

    pub(crate) fn new_segment(&mut self) -> SegmentId {
        self.next_segment += 1;
        SegmentId(self.next_segment)
    }

    /// Somebody stopped speaking and is owed a translation.
    pub(crate) fn expect_answer(&mut self, now: Timestamp) {
        self.wait_cue_at = Some(now + WAIT_CUE_AFTER);
    }

    /// The cue that is being played ended, if `segment` is it.
    pub(crate) fn cue_ended(&mut self, segment: SegmentId) -> bool {
        self.cue.take_if(|(id, _)| *id == segment).is_some()
    }

    pub(crate) fn cue_is(&self, segment: SegmentId) -> bool {
        self.cue.is_some_and(|(id, _)| id == segment)
    }

    /// The end of what was played is missing.
    pub(crate) fn owe_tone(&mut self) {
        self.tone_due = true;
    }

    fn announce(&mut self, now: Timestamp) {
        self.announcement = Announcement::Speaking;
        let id = self.new_utterance();
        let mut utterance = Utterance::new(id);
        utterance.announcement = true;
        utterance.hearing = Hearing::Closed;
        for (place, language) in self.languages.both().into_iter().enumerate() {
            let (text, spoken_in) = announcement(language);
            let offer = self.offers_own_voices.then(|| own_voice_offer(spoken_in, place + 1));
            let text = [text, offer.as_deref().unwrap_or_default()].join(" ").trim_end().to_owned();
            let segment = self.new_segment();
            let stage = Stage::Synthesising { deadline: now + TTS_DEADLINE };
            utterance.segments.push_back(Segment::new(segment, text.clone(), [spoken_in; 2], stage));
            self.actions.push_back(Action::Speak { segment, text, language: spoken_in });
        }
        self.turns.push(utterance);
    }

    fn is_playing(&self) -> bool {
        self.cue.is_some() || self.turns.is_playing()
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.announcement == Announcement::Spoken
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.announcement != Announcement::Unspoken
    }

    /// Whether somebody speaks who is not to be talked over.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        let pauses = self.turns.is_settled() && self.ear.pause(now) >= TURN_PAUSE;
        self.manner == Manner::Consecutive && self.ear.speaking() && !pauses
    }

    fn may_cue(&self) -> bool {
        !self.is_playing() && !self.ear.speaking() && self.turns.owes_speech()
    }

    fn meet_deadlines(&mut self, now: Timestamp) {
        let heard = self.ear.tick(now);
        self.heard(now, heard);
        if matches!(self.announcement, Announcement::FailedUntil(at) if at <= now) {
            self.announce(now);
        }
        if let Some((segment, _)) = self.cue.take_if(|(_, deadline)| *deadline <= now) {
            self.playback_failed(now, segment);
        }
        let (utterances, segments) = self.turns.overdue(now);
        for utterance in utterances {
            self.recognition_failed(now, utterance, "no answer in time");
        }
        for segment in segments {
            self.segment_overdue(now, segment);
        }
        while let Some(dropped) = self.turns.overflow() {
            self.discards.segments += 1;
            self.actions.push_back(Action::Discard { segment: dropped.id });
            self.error(
                Component::Playback,
                format!("too much waits to be spoken; dropped: {}", dropped.source),
            );
        }
    }

    /// Plays whatever comes next, unless something is played already.
    fn take_turns(&mut self, now: Timestamp) {
        self.heed_outage(now);
        while !self.is_playing() {
            if let Some(notice) = self.next_notice(now) {
                // It says what the tone would.
                self.tone_due = false;
                self.play_cue(now, notice);
                return;
            }
            if self.tone_due {
                self.tone_due = false;
                self.play_cue(now, Cue::Error);
                return;
            }
            match self.turns.next(now, self.holds(now)) {
                Turn::Play(segment) if self.is_filler(now, segment) => self.drop_filler(segment),
                Turn::Play(segment) => self.play(now, segment),
                Turn::Tone => self.tone_due = true,
                Turn::Announced(heard) => self.announced(now, heard),
                Turn::Wait => return self.cue_while_waiting(now),
            }
        }
    }

    fn announced(&mut self, now: Timestamp, heard: bool) {
        if heard {
            self.announcement = Announcement::Spoken;
            self.emit(Event::Listening);
        } else {
            self.announcement = Announcement::FailedUntil(now + ANNOUNCE_AGAIN);
            self.tone_due = true;
        }
    }

    fn cue_while_waiting(&mut self, now: Timestamp) {
        if self.may_cue() && self.wait_cue_at.is_some_and(|at| at <= now) {
            self.wait_cue_at = Some(now + WAIT_CUE_EVERY);
            self.play_cue(now, Cue::Wait);
        }
    }

    fn play(&mut self, now: Timestamp, id: SegmentId) {
        // Who is heard out first is always behind: that is no reason to hurry.
        let late = self.manner == Manner::Simultaneous && self.behind(now) > HURRY_FROM;
        if let Some(segment) = self.turns.segment(id) {
            segment.stage = Stage::Playing { deadline: now + PLAYBACK_DEADLINE };
            self.ear.gate.playback_begins();
            self.actions.push_back(Action::Play { segment: id, hurried: late });
        }
    }

    fn is_filler(&mut self, now: Timestamp, id: SegmentId) -> bool {
        let is_late = self.manner == Manner::Simultaneous && self.behind(now) > TERSE_FROM;
        is_late
            && self.turns.segment(id).is_some_and(|segment| segment.source_lang.is_filler(&segment.source))
    }

    fn drop_filler(&mut self, id: SegmentId) {
        self.discards.fillers += 1;
        self.turns.skip(id);
        self.actions.push_back(Action::Discard { segment: id });
    }

    fn play_cue(&mut self, now: Timestamp, cue: Cue) {
        let segment = self.new_segment();
        let limit = if cue.is_spoken() { NOTICE_DEADLINE } else { CUE_DEADLINE };
        self.cue = Some((segment, now + limit));
        self.ear.gate.playback_begins();
        self.actions.push_back(Action::PlayCue { segment, cue });
        self.emit(Event::CuePlayed { cue });
    }
}
