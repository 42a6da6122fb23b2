//! From captured frames to committed clauses: what the interpreter does with the recogniser.

use std::time::Duration;

use audio_path::{FRAME_MS, Frame, Timestamp};

use crate::ear::Heard;
use crate::segment::{Segment, Stage};
use crate::turns::{Hearing, Utterance};
use crate::{Action, Component, Event, Interpreter, Language, UtteranceId};

/// How long the whole text may take after the end of speech: a recogniser on a busy Pi needs some seconds.
const ASR_DEADLINE: Duration = Duration::from_secs(10);
/// Recognisers work on windows of 30 s: speech without a pause is cut before.
const LONGEST_UTTERANCE_FRAMES: u32 = 25_000 / FRAME_MS;

impl Interpreter {
    pub(crate) fn heard(&mut self, now: Timestamp, heard: Heard) {
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
        if !self.has_room() {
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
            self.actions.push_back(Action::SendAudio { utterance: id, frame: Box::new(*frame) });
        }
        if is_full {
            self.finish(now);
        }
    }

    /// The utterance that the newest frame belongs to. Speech that outlived its utterance begins another with the
    /// next voice, not with the pause that may be its end.
    fn open_utterance(&mut self) -> Option<&mut Utterance> {
        if self.turns.open().is_none() && self.ear.voiced() {
            self.begin();
        }
        self.turns.open()
    }

    fn begin(&mut self) {
        let utterance = self.new_utterance();
        self.turns.push(Utterance::new(utterance));
        self.actions.push_back(Action::OpenAsr { utterance, languages: self.languages().both() });
        self.emit(Event::SpeechStarted { utterance });
    }

    fn finish(&mut self, now: Timestamp) {
        let Some(open) = self.turns.open() else { return };
        open.decided = Some(now);
        let utterance = open.id;
        if open.hearing == Hearing::Broken {
            open.hearing = Hearing::Closed;
        } else {
            open.hearing = Hearing::Finishing { deadline: now + ASR_DEADLINE };
            self.actions.push_back(Action::FinishAsr { utterance });
        }
        self.emit(Event::SpeechEnded { utterance });
        self.settle(now, utterance);
        self.expect_answer(now);
    }

    pub(crate) fn partial(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        delta: &str,
        language: Option<Language>,
    ) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard()) else {
            self.discards.late_answers += 1;
            return;
        };
        if !utterance.transcript.push(delta) {
            self.discards.late_answers += 1;
            return;
        }
        utterance.language = language.or(utterance.language);
        let (text, language) = (utterance.transcript.text().to_owned(), utterance.language);
        self.emit(Event::Partial { utterance: id, text, language });
        self.commit_clauses(now, id);
    }

    pub(crate) fn interim(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: &str,
        heard: Duration,
        language: Option<Language>,
    ) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard()) else {
            self.discards.late_answers += 1;
            return;
        };
        utterance.transcript.guess(text);
        utterance.heard = heard;
        utterance.language = language.or(utterance.language);
        self.commit_clauses(now, id);
        self.foresee(now);
    }

    fn commit_clauses(&mut self, now: Timestamp, id: UtteranceId) {
        let Some(utterance) = self.turns.utterance(id) else { return };
        // Before the language is known the direction is not: the clauses wait for the whole text.
        let Some(language) = utterance.language else { return };
        let clauses: Vec<String> = std::iter::from_fn(|| utterance.transcript.next_clause()).collect();
        for clause in clauses {
            self.commit(now, id, clause, Some(language));
        }
    }

    pub(crate) fn final_text(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        text: &str,
        language: Option<Language>,
    ) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard()) else {
            self.discards.late_answers += 1;
            return;
        };
        utterance.hearing = Hearing::Closed;
        let language = language.or(utterance.language);
        let rest = utterance.transcript.finish(text);
        let (source, _) = self.languages().direction(language);
        self.emit(Event::Final { utterance: id, text: text.trim().to_owned(), language: source });
        self.commit_rest(now, id, rest, language);
    }

    /// Nothing else of the utterance is to come.
    fn commit_rest(
        &mut self,
        now: Timestamp,
        id: UtteranceId,
        rest: Option<String>,
        language: Option<Language>,
    ) {
        match rest {
            Some(rest) => self.commit(now, id, rest, language),
            None => self.retract_guess(id),
        }
    }

    /// What was known before the failure is still worth saying; the error tone tells that it is not all.
    pub(crate) fn recognition_failed(&mut self, now: Timestamp, id: UtteranceId, reason: &str) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard()) else {
            self.discards.late_answers += 1;
            return;
        };
        let is_open = utterance.hearing == Hearing::Open;
        utterance.hearing = if is_open { Hearing::Broken } else { Hearing::Closed };
        utterance.settled = false;
        let (rest, language) = (utterance.transcript.open(), utterance.language);
        utterance.transcript.commit(rest.as_deref().unwrap_or_default());
        self.commit_rest(now, id, rest, language);
        self.push_failed(now, id);
        self.actions.push_back(Action::CancelAsr { utterance: id });
        self.error(Component::Asr, format!("an utterance was not understood: {reason}"));
    }

    /// Puts the error tone where the rest of the utterance would be heard.
    fn push_failed(&mut self, now: Timestamp, id: UtteranceId) {
        let (source_lang, target_lang) = self.languages().direction(None);
        let segment = self.new_segment();
        if let Some(utterance) = self.turns.utterance(id) {
            let stage = Stage::Failed { since: now };
            utterance.segments.push_back(Segment::new(
                segment,
                String::new(),
                [source_lang, target_lang],
                stage,
            ));
        }
    }
}
