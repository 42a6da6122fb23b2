use std::collections::HashMap;
use std::sync::Arc;

use audio_path::{LegId, SegmentId};
use engines::Failure;
use session::{Language, Seat};
use tokio::sync::mpsc;

use super::{Door, Happening};
use crate::clients::{Answer, Exchanges, Outside, SpeakJob, Speaker, TranslateJob, Translator};

/// Answers of engines that may wait to be passed on.
const MOST_ANSWERS: usize = 256;

/// The engines that translate and speak what somebody says; what they answer is told at the room's door.
pub(super) struct Mouth<'a> {
    outside: &'a Outside,
    seat: Seat,
    /// The voice that is wanted for what he says.
    voice: Option<Arc<str>>,
    pub(super) answers: mpsc::Sender<Answer>,
    pub(super) exchanges: Exchanges,
    translator: Translator,
    /// One for each language that he is translated into: they speak at the same time.
    speakers: HashMap<Language, Speaker>,
}

impl<'a> Mouth<'a> {
    pub(super) fn new(
        outside: &'a Outside,
        leg: LegId,
        seat: Seat,
        voice: Option<Arc<str>>,
        door: &Door,
    ) -> Self {
        let (answers, heard) = mpsc::channel(MOST_ANSWERS);
        tokio::spawn(pass_on(leg, heard, door.clone()));
        let Outside { transport, asr, mt, translations, .. } = outside;
        let exchanges = Exchanges::new(asr, transport);
        let translator = Translator::new(mt, transport, translations, &exchanges, answers.clone());
        Self { outside, seat, voice, answers, exchanges, translator, speakers: HashMap::new() }
    }

    /// Whether translation and speech have an engine that answers, as far as is known.
    pub(super) fn is_served(&self) -> [bool; 2] {
        [self.translator.is_served(), self.speakers.values().all(Speaker::is_served)]
    }

    /// Texts that the translator has.
    pub(super) fn under_way(&self) -> usize {
        self.translator.under_way()
    }

    /// Connects before the first text.
    pub(super) fn warm(&self) {
        tokio::spawn(self.translator.clone().warm());
    }

    pub(super) fn translate(&mut self, segment: SegmentId, job: TranslateJob) {
        // It connects while the translation is made.
        let (seat, voice) = (self.seat, self.voice.clone());
        self.speaker(job.target).warm(job.target, seat, voice);
        self.translator.translate(segment, job);
    }

    /// Gives what is answered in an engine's place.
    pub(super) fn speak(&mut self, segment: SegmentId, text: String, language: Language) -> Option<Answer> {
        let job =
            SpeakJob { segment, text, language, seat: self.seat, voice: self.voice.clone(), own_voice: None };
        let refused = |failure: Failure| Answer::NotSpoken { segment, reason: failure.to_string() };
        self.speaker(language).speak(job).err().map(refused)
    }

    /// What he said is not to be spoken any more.
    pub(super) fn cancel(&self, segment: SegmentId) {
        self.speakers.values().for_each(|speaker| speaker.cancel(segment));
    }

    fn speaker(&mut self, language: Language) -> &Speaker {
        let Self { outside, exchanges, answers, .. } = self;
        let new = || Speaker::new(&outside.tts, &outside.transport, exchanges, answers.clone());
        self.speakers.entry(language).or_insert_with(new)
    }
}

async fn pass_on(leg: LegId, mut answers: mpsc::Receiver<Answer>, door: Door) {
    while let Some(answer) = answers.recv().await {
        if door.send((leg, Happening::Answered(answer))).await.is_err() {
            return;
        }
    }
}
