//! From captured frames to committed clauses: what the interpreter does with the recogniser.

use std::time::Duration;

use audio_path::{FRAME_MS, Frame, Timestamp};

use crate::ear::Heard;
use crate::segment::{MT_DEADLINE, Segment, Stage, Stamps};
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
    }

    fn send(&mut self, now: Timestamp, frame: &Frame) {
        if !self.has_room() {
            self.ear.counts.refused += 1;
            return;
        }
        let spoken = self.ear.last_voiced();
        let Some(utterance) = self.open_utterance() else {
            self.ear.counts.silent += 1;
            return;
        };
        utterance.frames += 1;
        utterance.spoken = spoken;
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
        // Before the language is known the direction is not: the clauses wait for the whole text.
        let mut clauses = Vec::new();
        if language.is_some() {
            clauses.extend(std::iter::from_fn(|| utterance.transcript.next_clause()));
        }
        self.emit(Event::Partial { utterance: id, text, language });
        for clause in clauses {
            self.commit(now, id, clause, language);
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
        if let Some(rest) = rest {
            self.commit(now, id, rest, language);
        }
    }

    /// What was certain before the failure is still worth saying; the error tone tells that it is not all.
    pub(crate) fn recognition_failed(&mut self, now: Timestamp, id: UtteranceId, reason: &str) {
        let Some(utterance) = self.turns.utterance(id).filter(|u| u.is_heard()) else {
            self.discards.late_answers += 1;
            return;
        };
        let is_open = utterance.hearing == Hearing::Open;
        utterance.hearing = if is_open { Hearing::Broken } else { Hearing::Closed };
        let (known, language) = (utterance.transcript.text().to_owned(), utterance.language);
        let rest = utterance.transcript.finish(&known);
        if let Some(rest) = rest {
            self.commit(now, id, rest, language);
        }
        self.push_failed(now, id);
        self.actions.push_back(Action::CancelAsr { utterance: id });
        self.error(Component::Asr, format!("an utterance was not understood: {reason}"));
    }

    /// Gives a clause to the translator: from here on it is never taken back.
    fn commit(&mut self, now: Timestamp, id: UtteranceId, text: String, language: Option<Language>) {
        let (source_lang, target_lang) = self.languages().direction(language);
        let segment = self.new_segment();
        let stage = Stage::Translating { deadline: now + MT_DEADLINE };
        let stamps = Stamps { text: now, ..Stamps::default() };
        if let Some(utterance) = self.turns.utterance(id) {
            let source = text.clone();
            let entry =
                Segment { id: segment, source, source_lang, target_lang, stage, stamps, cut_short: false };
            utterance.segments.push_back(entry);
            self.actions.push_back(Action::Translate {
                segment,
                text,
                source: source_lang,
                target: target_lang,
            });
        }
    }

    /// Puts the error tone where the rest of the utterance would be heard.
    fn push_failed(&mut self, now: Timestamp, id: UtteranceId) {
        let (source_lang, target_lang) = self.languages().direction(None);
        let segment = self.new_segment();
        if let Some(utterance) = self.turns.utterance(id) {
            utterance.segments.push_back(Segment {
                id: segment,
                source: String::new(),
                source_lang,
                target_lang,
                stage: Stage::Failed { since: now },
                stamps: Stamps::default(),
                cut_short: false,
            });
        }
    }
}
