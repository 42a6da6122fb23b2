use std::collections::VecDeque;
use std::time::Duration;

use audio_path::{Captured, FRAME_MS, Frame, Timestamp};

use crate::ear::{Ear, Heard};
use crate::transcript::Transcript;
use crate::{Action, Component, Event, Language, LanguagePair, Manner, UtteranceId};

/// How long the whole text may take after the end of speech: a recogniser on a busy Pi needs some seconds.
const ASR_DEADLINE: Duration = Duration::from_secs(10);
/// Recognisers work on windows of 30 s: speech without a pause is cut before.
const LONGEST_UTTERANCE_FRAMES: u32 = 25_000 / FRAME_MS;
/// The end of an utterance's voice that a text may leave out: the detector is late by as much, and no word is shorter.
const UNHEARD_AT_MOST: Duration = Duration::from_millis(200);
/// Things told that may wait to be fetched. The contract is to fetch them all; who does not loses audio, counted.
const MOST_TOLD: usize = 1_024;

/// What a speaker may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    One(Language),
    EitherOf(LanguagePair),
}

impl Tongue {
    /// What a recogniser is to expect.
    fn expected(self) -> [Language; 2] {
        match self {
            Self::One(language) => [language; 2],
            Self::EitherOf(pair) => pair.both(),
        }
    }

    /// The language of speech that a recogniser took for `heard`.
    pub(crate) fn spoken(self, heard: Option<Language>) -> Language {
        match self {
            Self::One(language) => language,
            Self::EitherOf(pair) => pair.direction(heard).0,
        }
    }

    /// What speech in `language` is translated into for listeners of this tongue.
    pub(crate) fn other_than(self, language: Language) -> Language {
        match self {
            Self::One(own) => own,
            Self::EitherOf(pair) => pair.other(language),
        }
    }

    /// As [`spoken`](Self::spoken), where that is known.
    pub(crate) fn known(self, heard: Option<Language>) -> Option<Language> {
        match self {
            Self::One(language) => Some(language),
            Self::EitherOf(_) => heard,
        }
    }
}

/// Part of what somebody says.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    pub(crate) utterance: UtteranceId,
    pub(crate) text: String,
    pub(crate) language: Language,
    /// What was said before it in its language.
    pub(crate) context: String,
    /// The last voice before it was taken for a clause.
    pub(crate) spoken: Timestamp,
}

/// What is told of somebody's speech, in its order.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// He begins to speak.
    Began(UtteranceId),
    /// He will likely have said this; whatever was likely before is not any more.
    Likely(Clause),
    /// What was likely is not any more.
    Unlikely(UtteranceId),
    /// He said this; it is not taken back.
    Committed(Clause),
    /// Something else that he said was not understood.
    NotUnderstood(UtteranceId, Language),
    /// He stopped, his last voice having been at `spoken`.
    Ended { utterance: UtteranceId, spoken: Timestamp },
    /// There is no more of it to come.
    Over(UtteranceId),
}

/// What a [`Talker`] has to tell.
pub(crate) enum Told {
    /// To be carried out.
    Act(Action),
    /// To be translated.
    Said(Said),
}

/// How far the hearing of an utterance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    /// Its audio is still coming.
    Open,
    /// Its audio is still coming, but its recogniser gave up.
    Broken,
    /// The recogniser owes its whole text until the deadline.
    Finishing { deadline: Timestamp },
}

/// What somebody says between pauses.
#[derive(Debug)]
pub(crate) struct Utterance {
    pub(crate) id: UtteranceId,
    /// What its speaker spoke when it began.
    pub(crate) tongue: Tongue,
    pub(crate) hearing: Hearing,
    pub(crate) transcript: Transcript,
    pub(crate) language: Option<Language>,
    frames: u32,
    /// Frames up to the last voiced one.
    voiced: u32,
    /// How much of its audio the newest text was made of.
    heard: Duration,
    /// The clause that is taken for likely, and how many were.
    pub(crate) likely: Option<(Language, String)>,
    pub(crate) guesses: u32,
    /// All that was said so far is committed, and its speaker pauses.
    pub(crate) settled: bool,
    /// When its last voiced frame arrived.
    pub(crate) spoken: Timestamp,
}

impl Utterance {
    fn new(id: UtteranceId, tongue: Tongue) -> Self {
        Self {
            id,
            tongue,
            hearing: Hearing::Open,
            transcript: Transcript::default(),
            language: None,
            frames: 0,
            voiced: 0,
            heard: Duration::ZERO,
            likely: None,
            guesses: 0,
            settled: false,
            spoken: Timestamp::default(),
        }
    }

    /// Whether its audio is still coming.
    fn is_open(&self) -> bool {
        matches!(self.hearing, Hearing::Open | Hearing::Broken)
    }

    /// Whether its recogniser still works on it.
    pub(crate) fn is_heard(&self) -> bool {
        self.hearing != Hearing::Broken
    }

    /// Whether its newest text was made of all its voice.
    pub(crate) fn is_covered(&self) -> bool {
        self.heard + UNHEARD_AT_MOST >= Duration::from_millis(u64::from(self.voiced * FRAME_MS))
    }
}

/// One speaker: his frames become utterances, and what a recogniser makes of these becomes clauses.
pub(crate) struct Talker {
    pub(crate) tongue: Tongue,
    pub(crate) ear: Ear,
    utterances: VecDeque<Utterance>,
    pub(crate) told: VecDeque<Told>,
    /// Answers of recognisers that came too late, twice, endlessly or for nothing that was asked.
    pub(crate) late_answers: u64,
    /// The last sentences, each in its language.
    pub(crate) said: VecDeque<(Language, String)>,
    last_utterance: u32,
}

impl Talker {
    pub(crate) fn new(tongue: Tongue, manner: Manner) -> Self {
        Self {
            tongue,
            ear: Ear::new(manner),
            utterances: VecDeque::new(),
            told: VecDeque::new(),
            late_answers: 0,
            said: VecDeque::new(),
            last_utterance: 0,
        }
    }

    /// A frame arrived from his phone.
    pub(crate) fn hear(&mut self, now: Timestamp, captured: &Captured) {
        let heard = self.ear.hear(captured);
        self.heard(now, heard);
    }

    /// Time passed.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        let heard = self.ear.tick(now);
        self.heard(now, heard);
        let late = |u: &Utterance| matches!(u.hearing, Hearing::Finishing { deadline } if deadline <= now);
        while let Some(id) = self.utterances.iter().find(|u| late(u)).map(|u| u.id) {
            self.recognition_failed(id, "no answer in time");
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let finishing = self.utterances.iter().filter_map(|u| match u.hearing {
            Hearing::Finishing { deadline } => Some(deadline),
            Hearing::Open | Hearing::Broken => None,
        });
        finishing.chain(self.ear.deadline()).min()
    }

    /// Whether he pauses and nothing of what he said so far is open.
    pub(crate) fn is_settled(&self) -> bool {
        self.utterances.back().is_some_and(|utterance| utterance.is_open() && utterance.settled)
    }

    pub(crate) fn utterance(&mut self, id: UtteranceId) -> Option<&mut Utterance> {
        self.utterances.iter_mut().find(|u| u.id == id)
    }

    /// When the last voice of an utterance arrived that is not over.
    pub(crate) fn spoken(&self, id: UtteranceId) -> Option<Timestamp> {
        self.utterances.iter().find(|u| u.id == id).map(|u| u.spoken)
    }

    /// The utterance whose audio is coming.
    pub(crate) fn open(&mut self) -> Option<&mut Utterance> {
        self.utterances.iter_mut().rfind(|u| u.is_open())
    }

    /// The number of something else that is to be heard in its turn.
    pub(crate) fn new_utterance(&mut self) -> UtteranceId {
        self.last_utterance += 1;
        UtteranceId(self.last_utterance)
    }

    /// The number given last.
    pub(crate) fn last_utterance(&self) -> UtteranceId {
        UtteranceId(self.last_utterance)
    }

    pub(crate) fn say(&mut self, said: Said) {
        self.told.push_back(Told::Said(said));
    }

    fn act(&mut self, action: Action) {
        self.told.push_back(Told::Act(action));
    }

    fn emit(&mut self, event: Event) {
        self.act(Action::Emit(event));
    }

    fn heard(&mut self, now: Timestamp, heard: Heard) {
        match heard {
            Heard::Nothing => {}
            Heard::Began(frames) => frames.iter().for_each(|frame| self.send(now, frame)),
            Heard::GoesOn(frame) => self.send(now, &frame),
            Heard::Ended(frame) => {
                self.send(now, &frame);
                self.finish(now);
            }
            Heard::Stopped => self.finish(now),
        }
        self.foresee(now);
    }

    fn send(&mut self, now: Timestamp, frame: &Frame) {
        if self.told.len() >= MOST_TOLD {
            self.ear.counts.refused += 1;
            return;
        }
        let (spoken, voiced) = (self.ear.last_voiced(), self.ear.voiced());
        let Some(utterance) = self.open_utterance() else {
            self.ear.counts.silent += 1;
            return;
        };
        utterance.frames += 1;
        utterance.spoken = spoken;
        if voiced {
            utterance.voiced = utterance.frames;
            utterance.settled = false;
        }
        let (id, is_full) = (utterance.id, utterance.frames >= LONGEST_UTTERANCE_FRAMES);
        if utterance.hearing == Hearing::Broken {
            self.ear.counts.unrecognised += 1;
        } else {
            self.ear.counts.recognised += 1;
            self.act(Action::SendAudio { utterance: id, frame: Box::new(*frame) });
        }
        if is_full {
            self.finish(now);
        }
    }

    /// The utterance that the newest frame belongs to. Speech that outlived its utterance begins another with the
    /// next voice, not with the pause that may be its end.
    fn open_utterance(&mut self) -> Option<&mut Utterance> {
        if self.open().is_none() && self.ear.voiced() {
            self.begin();
        }
        self.open()
    }

    fn begin(&mut self) {
        let utterance = self.new_utterance();
        self.utterances.push_back(Utterance::new(utterance, self.tongue));
        self.say(Said::Began(utterance));
        self.act(Action::OpenAsr { utterance, languages: self.tongue.expected() });
        self.emit(Event::SpeechStarted { utterance });
    }

    fn finish(&mut self, now: Timestamp) {
        let Some(open) = self.open() else { return };
        let (utterance, spoken, is_broken) = (open.id, open.spoken, open.hearing == Hearing::Broken);
        if is_broken {
            self.forget(utterance);
        } else {
            open.hearing = Hearing::Finishing { deadline: now + ASR_DEADLINE };
            self.act(Action::FinishAsr { utterance });
        }
        self.emit(Event::SpeechEnded { utterance });
        self.say(Said::Ended { utterance, spoken });
        if is_broken {
            self.say(Said::Over(utterance));
        }
        self.settle(utterance);
    }

    /// Nobody listens to him any more. Gives what a recogniser still works on.
    pub(crate) fn fall_silent(&mut self) -> Vec<UtteranceId> {
        self.utterances.drain(..).filter(Utterance::is_heard).map(|utterance| utterance.id).collect()
    }

    /// Nothing follows what he said so far: his phone is gone, he is mute, or speaks another language from now on.
    pub(crate) fn break_off(&mut self, now: Timestamp) {
        self.finish(now);
    }

    /// Whether all that he said is known.
    pub(crate) fn is_done(&self) -> bool {
        self.utterances.is_empty() && self.told.is_empty()
    }

    fn forget(&mut self, id: UtteranceId) {
        self.utterances.retain(|utterance| utterance.id != id);
    }

    /// The recogniser is certain of more text.
    pub(crate) fn partial(&mut self, id: UtteranceId, delta: &str, language: Option<Language>) {
        let Some(utterance) = self.utterances.iter_mut().find(|u| u.id == id && u.is_heard()) else {
            self.late_answers += 1;
            return;
        };
        if !utterance.transcript.push(delta) {
            self.late_answers += 1;
            return;
        }
        utterance.language = language.or(utterance.language);
        let (text, language) = (utterance.transcript.text().to_owned(), utterance.language);
        self.emit(Event::Partial { utterance: id, text, language });
        self.commit_clauses(id);
    }

    /// What the recogniser takes to follow.
    pub(crate) fn interim(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: &str,
        heard: Duration,
        language: Option<Language>,
    ) {
        let Some(utterance) = self.utterances.iter_mut().find(|u| u.id == id && u.is_heard()) else {
            self.late_answers += 1;
            return;
        };
        utterance.transcript.guess(text);
        utterance.heard = heard;
        utterance.language = language.or(utterance.language);
        self.commit_clauses(id);
        self.foresee(now);
    }

    fn commit_clauses(&mut self, id: UtteranceId) {
        let Some(utterance) = self.utterance(id) else { return };
        let tongue = utterance.tongue;
        // Before the language is known the direction is not: the clauses wait for the whole text.
        let Some(language) = tongue.known(utterance.language) else { return };
        let clauses: Vec<String> = std::iter::from_fn(|| utterance.transcript.next_clause()).collect();
        for clause in clauses {
            self.commit(id, clause, Some(language));
        }
    }

    /// The recogniser's whole text.
    pub(crate) fn final_text(&mut self, id: UtteranceId, text: &str, language: Option<Language>) {
        let Some(utterance) = self.utterances.iter_mut().find(|u| u.id == id && u.is_heard()) else {
            self.late_answers += 1;
            return;
        };
        let language = language.or(utterance.language);
        let (rest, source) = (utterance.transcript.finish(text), utterance.tongue.spoken(language));
        self.emit(Event::Final { utterance: id, text: text.trim().to_owned(), language: source });
        self.commit_rest(id, rest, language);
        self.forget(id);
        self.say(Said::Over(id));
    }

    /// Nothing else of the utterance is to come.
    fn commit_rest(&mut self, id: UtteranceId, rest: Option<String>, language: Option<Language>) {
        match rest {
            Some(rest) => self.commit(id, rest, language),
            None => self.not_likely(id),
        }
    }

    /// The recogniser gave up. What was known before is still worth saying; the error tone tells that it is not all.
    pub(crate) fn recognition_failed(&mut self, id: UtteranceId, reason: &str) {
        let Some(utterance) = self.utterances.iter_mut().find(|u| u.id == id && u.is_heard()) else {
            self.late_answers += 1;
            return;
        };
        let is_open = utterance.hearing == Hearing::Open;
        utterance.hearing = Hearing::Broken;
        utterance.settled = false;
        let (rest, language) = (utterance.transcript.open(), utterance.language);
        let source = utterance.tongue.spoken(None);
        utterance.transcript.commit(rest.as_deref().unwrap_or_default());
        self.commit_rest(id, rest, language);
        self.say(Said::NotUnderstood(id, source));
        self.act(Action::CancelAsr { utterance: id });
        let message = format!("an utterance was not understood: {reason}");
        self.emit(Event::Error { component: Component::Asr, message });
        if !is_open {
            self.forget(id);
            self.say(Said::Over(id));
        }
    }
}
