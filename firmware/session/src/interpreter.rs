mod keys;

use std::time::Duration;

use audio_path::{SegmentId, Timestamp};

use crate::announcement::Announcement;
use crate::ear::FrameCounts;
use crate::keys::{Key, Wishes};
use crate::outage::Outage;
use crate::outbox::{Discards, Outbox};
use crate::phrases::Phrase;
use crate::room::Pace;
use crate::room::Remembered;
use crate::talker::{Talker, Told, Tongue};
use crate::telling::{MOST_TEXTS, Telling, Text, Unsaid};
use crate::track::{Floor, HURRY_FROM, Track};
use crate::turns::{Kind, Turns};
use crate::{Action, Event, Input, Language, LanguagePair};

/// Pause after which a speaker who left nothing open is spoken to: between two sentences of his it is shorter.
const TURN_PAUSE: Duration = Duration::from_millis(400);
/// Actions that may wait to be fetched. Beyond these the speaker's own wait, and then his audio is lost, counted.
const MOST_ACTIONS: usize = 1_024;

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
    manner: Manner,
    announcement: Announcement,
    talker: Talker,
    track: Track,
    out: Outbox,
    pub(crate) outage: Outage,
    offers_own_voices: bool,
    is_recorded: bool,
    wishes: Wishes,
    /// What was heard last in translation.
    last_heard: Option<(String, Language)>,
    was_told: bool,
}

impl Interpreter {
    /// A room for a phone that is not connected yet.
    pub fn new(languages: LanguagePair, manner: Manner) -> Self {
        let tongue = Tongue::EitherOf(languages);
        Self {
            languages,
            manner,
            announcement: Announcement::NotDue,
            talker: Talker::new(tongue, manner),
            track: Track::new(tongue),
            out: Outbox::default(),
            outage: Outage::default(),
            offers_own_voices: false,
            is_recorded: false,
            wishes: Wishes::default(),
            last_heard: None,
            was_told: false,
        }
    }

    /// With the announcement, both speakers are offered their own voices: keys 3 and 5 are their answers.
    #[must_use]
    pub fn offering_own_voices(self) -> Self {
        Self { offers_own_voices: true, ..self }
    }

    /// With the announcement, both speakers are told that they are recorded.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    /// Somebody else served the room before, who had this remembered. Its speakers are not told again that a machine
    /// translates, unless they are recorded, or offered their own voices.
    #[must_use]
    pub fn knowing(mut self, known: Remembered) -> Self {
        self.was_told = known.is_told;
        self.wishes = known.wishes.within_bounds();
        if let Some(language) = known.language.filter(|known| self.languages.both().contains(known)) {
            self.talker.tongue = Tongue::One(language);
        }
        self
    }

    /// What is to be remembered of whoever holds the phone, for as long as the call lasts.
    pub fn remembered(&self) -> Remembered {
        let language = match self.talker.tongue {
            Tongue::One(language) => Some(language),
            Tongue::EitherOf(_) => None,
        };
        Remembered { is_told: self.is_announced(), wishes: self.wishes, language, ..Remembered::default() }
    }

    /// Takes what happened at `now`; `now` never goes back.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>) {
        let (talker, turns, out) = (&mut self.talker, &mut self.track.turns, &mut self.out);
        match input {
            Input::Connected if self.announcement == Announcement::NotDue => self.connected(now),
            Input::Captured(_) if !self.announcement.is_over() => talker.ear.ignore(),
            Input::Captured(_) if self.wishes.is_off => talker.ear.pass(),
            Input::Captured(captured) => talker.hear(now, captured),
            Input::Rendered(frame) => talker.ear.gate.rendered(frame),
            Input::Partial { utterance, delta, language } => talker.partial(utterance, delta, language),
            Input::Interim { utterance, text, heard, language } => {
                talker.interim(now, utterance, text, heard, language);
            }
            Input::Final { utterance, text, language } => talker.final_text(utterance, text, language),
            Input::RecognitionFailed { utterance, reason } => talker.recognition_failed(utterance, reason),
            Input::Translated { segment, text } => turns.translated(now, segment, text, out),
            Input::TranslationFailed { segment, reason } => {
                turns.translation_failed(now, segment, reason, out);
            }
            Input::SpeechReady { segment } => turns.speech_ready(now, segment, out),
            Input::SpeechFailed { segment, reason } => turns.speech_failed(now, segment, reason, out),
            Input::PlaybackStarted { segment } => self.playback_started(now, segment),
            Input::PlaybackEnded { segment } => self.playback_ended(now, segment),
            Input::Served { component, served } => self.outage.served(now, component, served),
            Input::Connected | Input::Tick => {}
        }
        self.listen(now);
        self.meet_deadlines(now);
        self.take_turns(now);
    }

    /// The next thing to do; `None` when everything is done until the next input or deadline.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.out.actions.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Tick`] at the latest, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let again = self.announcement.deadline();
        let track = self.track.deadline(self.is_speaking());
        let notice = self.outage.deadline().filter(|_| self.is_connected());
        [again, notice, track, self.talker.deadline()].into_iter().flatten().min()
    }

    /// What became of the captured frames so far.
    pub fn frames(&self) -> FrameCounts {
        self.talker.ear.counts
    }

    /// Captured frames that are kept until it is known whether they belong to speech.
    pub fn frames_undecided(&self) -> usize {
        self.talker.ear.in_pre_roll()
    }

    /// What could not be used so far.
    pub fn discards(&self) -> Discards {
        let late_answers = self.out.discards.late_answers + self.talker.late_answers;
        Discards { late_answers, ..self.out.discards }
    }

    /// Whether what the phone says may be passed on to others than the room's engines: its callers were told all that
    /// there is to tell.
    pub fn may_be_overheard(&self) -> bool {
        self.is_announced()
    }

    /// Has a text said, in both languages of the room. Gives them.
    ///
    /// # Errors
    /// Where nobody is there yet, or too much waits to be said already.
    pub fn say(&mut self, now: Timestamp, text: Text<'_>) -> Result<Telling, Unsaid> {
        if !self.is_connected() {
            return Err(Unsaid::NobodyThere);
        }
        if self.track.turns.texts() >= MOST_TEXTS {
            return Err(Unsaid::TooMany);
        }
        let (id, targets) = (self.talker.new_utterance(), self.languages.both());
        self.track.expect_answer(now);
        let voiced = self.track.turns.say(now, id, text, &targets, &mut self.out);
        Ok(Telling { languages: targets.to_vec(), voiced })
    }

    /// Whether the segment is what somebody in the room said.
    pub fn is_speech(&self, segment: SegmentId) -> bool {
        self.track.turns.is_speech(segment)
    }

    /// The languages of the room.
    pub fn languages(&self) -> &LanguagePair {
        &self.languages
    }

    /// Takes what the speaker has to tell.
    fn listen(&mut self, now: Timestamp) {
        while self.out.actions.len() < MOST_ACTIONS
            && let Some(told) = self.talker.told.pop_front()
        {
            match told {
                Told::Act(action) => self.out.act(action),
                Told::Said(said) => self.track.take(now, said, &mut self.out),
            }
        }
    }

    fn connected(&mut self, now: Timestamp) {
        if self.was_told && !self.is_recorded && !self.offers_own_voices {
            self.announced(now, true);
        } else {
            self.announce(now);
        }
    }

    fn announce(&mut self, now: Timestamp) {
        self.announcement.begin();
        let id = self.talker.new_utterance();
        let mut texts = Vec::new();
        for (place, language) in self.languages.both().into_iter().enumerate() {
            let recorded = self.is_recorded.then_some(Phrase::Recorded);
            let offer = self.offers_own_voices.then_some(Phrase::OwnVoiceOffer);
            let phrases = [Some(Phrase::Machine), recorded, offer, Some(Phrase::PressStar)];
            let phrases: Vec<Phrase> = phrases.into_iter().flatten().collect();
            let (text, spoken_in) = Phrase::sentences(&phrases, language);
            texts.push((text.replace("{key}", &Key::of_own_voice(place).to_string()), spoken_in));
        }
        self.track.tell(now, Kind::Announcement, id, texts, &mut self.out);
    }

    pub(crate) fn is_announced(&self) -> bool {
        self.announcement.is_over()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.announcement != Announcement::NotDue
    }

    /// Whether somebody speaks who is not to be talked over.
    pub(crate) fn holds(&self, now: Timestamp) -> bool {
        let pauses = self.talker.is_settled() && self.talker.ear.pause(now) >= TURN_PAUSE;
        self.manner == Manner::Consecutive && self.is_speaking() && !pauses
    }

    fn is_speaking(&self) -> bool {
        self.talker.ear.speaking() && !self.wishes.is_off
    }

    fn floor(&self, now: Timestamp) -> Floor {
        let keeps_up = self.manner == Manner::Consecutive || self.track.turns.behind(now) <= HURRY_FROM;
        let pace = match self.manner {
            _ if self.wishes.is_slow && keeps_up => Pace::Slow,
            Manner::Consecutive => Pace::Usual,
            Manner::Simultaneous => Pace::Hurried,
        };
        Floor { speaking: self.is_speaking(), holds: self.holds(now), pace }
    }

    fn meet_deadlines(&mut self, now: Timestamp) {
        self.talker.tick(now);
        self.listen(now);
        if self.announcement.is_due_again(now) {
            self.announce(now);
        }
        if self.track.tick(now, &mut self.out) {
            self.talker.ear.gate.playback_ends(now);
        }
    }

    /// Plays whatever comes next, unless something is played already.
    fn take_turns(&mut self, now: Timestamp) {
        self.heed_outage(now);
        let mut floor = self.floor(now);
        loop {
            let (holds, outage) = (floor.holds, &mut self.outage);
            let notice = || outage.next_notice(now, holds);
            let Some(heard) = self.track.advance(now, floor, notice, &mut self.out) else { break };
            self.announced(now, heard);
            floor = self.floor(now);
        }
        if self.track.is_playing() {
            self.talker.ear.gate.playback_begins();
        }
    }

    fn announced(&mut self, now: Timestamp, heard: bool) {
        if heard {
            self.announcement = Announcement::Over;
            self.out.emit(Event::Listening);
            if self.is_recorded {
                self.out.emit(Event::ToldOfRecording);
            }
        } else {
            self.announcement.fail(now);
        }
    }

    fn playback_started(&mut self, now: Timestamp, id: SegmentId) {
        let (talker, manner) = (&self.talker, self.manner);
        let spoken = |turns: &Turns| {
            let (delivery, segment) = turns.playing()?;
            Some(match manner {
                Manner::Consecutive => talker.spoken(delivery.id).unwrap_or(delivery.spoken),
                Manner::Simultaneous => segment.stamps.spoken,
            })
        };
        if !self.track.playback_started(now, id, spoken, &mut self.out) {
            return self.out.late();
        }
        if let Some((delivery, segment)) = self.track.turns.playing()
            && delivery.kind == Kind::Speech
        {
            self.last_heard = Some((segment.translation.clone(), segment.target_lang));
        }
    }

    fn playback_ended(&mut self, now: Timestamp, id: SegmentId) {
        if self.track.playback_ended(now, id, &mut self.out) {
            self.talker.ear.gate.playback_ends(now);
        } else {
            self.out.late();
        }
    }
}
