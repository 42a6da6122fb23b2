use std::collections::HashMap;
use std::sync::Arc;

use audio_path::{Captured, Consumer, Frame, LegId, SegmentId};
use engines::Failure;
use session::room::Pace;
use session::{Action, Language, Seat, UtteranceId};
use tokio::sync::mpsc;

use super::lane::Lane;
use super::{Door, Entrance, Happening};
use crate::clients::{
    Answer, AsrInput, Emotion, Exchanges, Outside, Recogniser, SpeakJob, Speaker, TranslateJob, Translator,
};
use crate::media::LegShared;

/// Answers of engines that may wait to be passed on.
const MOST_ANSWERS: usize = 256;

/// A leg in a room: its engines, and the ways to its phone.
pub(super) struct Chair<'a> {
    outside: &'a Outside,
    pub(super) captured: Consumer<Captured>,
    pub(super) shared: Arc<LegShared>,
    lanes: Vec<Lane>,
    seat: Seat,
    language: Language,
    /// Whether his engines were told that they will be needed.
    is_warm: bool,
    answers: mpsc::Sender<Answer>,
    exchanges: Exchanges,
    recogniser: Recogniser,
    translator: Translator,
    /// One for each language that he is translated into: they speak at the same time.
    speakers: HashMap<Language, Speaker>,
    /// How he speaks, where that is wanted.
    emotion: Option<Emotion>,
    utterances: HashMap<UtteranceId, mpsc::Sender<AsrInput>>,
}

impl<'a> Chair<'a> {
    /// Takes a leg in. What its engines answer is told at the door.
    pub(super) fn new(outside: &'a Outside, leg: LegId, entrance: Entrance, seat: Seat, door: &Door) -> Self {
        let (answers, heard) = mpsc::channel(MOST_ANSWERS);
        tokio::spawn(pass_on(leg, heard, door.clone()));
        let Outside { transport, asr, mt, emotion, translations, .. } = outside;
        let exchanges = Exchanges::new(asr, transport);
        let Entrance { ends, language } = entrance;
        let lanes = ends.playable.into_iter().enumerate().map(|(number, ring)| Lane::new(number, ring));
        Self {
            outside,
            captured: ends.captured,
            shared: ends.shared,
            lanes: lanes.collect(),
            seat,
            language,
            is_warm: false,
            recogniser: Recogniser::new(asr, transport, &exchanges, answers.clone()),
            translator: Translator::new(mt, transport, translations, &exchanges, answers.clone()),
            speakers: HashMap::new(),
            emotion: emotion.as_ref().map(|stage| Emotion::new(stage, transport, answers.clone())),
            exchanges,
            answers,
            utterances: HashMap::new(),
        }
    }

    /// Whether hearing, translation and speech have an engine that answers, as far as is known.
    pub(super) fn is_served(&self) -> [bool; 3] {
        let speech = self.speakers.values().all(Speaker::is_served);
        [self.recogniser.is_served(), self.translator.is_served(), speech]
    }

    /// Carries out what his speech needs of engines. Gives what is answered in an engine's place.
    pub(super) fn act(&mut self, action: Action) -> Option<Answer> {
        match action {
            Action::OpenAsr { utterance, languages } => {
                self.utterances.insert(utterance, self.recogniser.recognise(utterance, languages));
            }
            Action::SendAudio { utterance, frame } => {
                self.emotion.iter().for_each(|emotion| emotion.hear(&frame));
                return self.send_asr(utterance, AsrInput::Audio(frame));
            }
            Action::FinishAsr { utterance } => {
                self.emotion.iter().for_each(Emotion::pause);
                return self.send_asr(utterance, AsrInput::Finish);
            }
            Action::CancelAsr { utterance } => self.recognised(utterance),
            Action::Translate { segment, text, context, source, target } => {
                // It connects while the translation is made.
                self.speaker(target);
                self.translator.translate(segment, TranslateJob { text, context, source, target });
            }
            Action::Speak { segment, text, language } => {
                self.warm();
                let job = SpeakJob { segment, text, language, seat: self.seat, own_voice: None };
                let refused = |failure: Failure| Answer::NotSpoken { segment, reason: failure.to_string() };
                return self.speaker(language).speak(job).err().map(refused);
            }
            Action::Play { .. } | Action::PlayCue { .. } | Action::Discard { .. } | Action::Emit(_) => {}
        }
        None
    }

    /// He speaks another language from now on.
    pub(super) fn speaks(&mut self, language: Language) {
        self.language = language;
    }

    /// An utterance is over, or nobody wants it any more.
    pub(super) fn recognised(&mut self, utterance: UtteranceId) {
        self.utterances.remove(&utterance);
    }

    /// What he said is not to be spoken any more.
    pub(super) fn cancel(&self, segment: SegmentId) {
        self.speakers.values().for_each(|speaker| speaker.cancel(segment));
    }

    /// Plays a segment by `talker`; beside what others say, if there is a lane for it.
    pub(super) fn play(
        &mut self,
        talker: Option<LegId>,
        segment: SegmentId,
        pace: Pace,
        samples: &[i16],
        is_complete: bool,
    ) {
        let lanes = self.lanes.iter_mut();
        let lane = lanes.min_by_key(|lane| (!(lane.is_of(talker) && lane.is_busy()), lane.load()));
        if let Some(lane) = lane {
            lane.play(talker, segment, pace, samples, is_complete);
        }
    }

    pub(super) fn add(&mut self, segment: SegmentId, samples: &[i16]) {
        self.lanes.iter_mut().for_each(|lane| lane.add(segment, samples));
    }

    pub(super) fn complete(&mut self, segment: SegmentId) {
        self.lanes.iter_mut().for_each(|lane| lane.complete(segment));
    }

    pub(super) fn discard(&mut self, segment: SegmentId) {
        self.lanes.iter_mut().for_each(|lane| lane.discard(segment, &self.shared));
    }

    /// Hands speech to the phone; tells `rendered` of each frame.
    pub(super) fn top_up(&mut self, mut rendered: impl FnMut(&Frame)) {
        self.lanes.iter_mut().for_each(|lane| lane.top_up(&self.shared, &mut rendered));
    }

    pub(super) fn is_playing(&self) -> bool {
        self.lanes.iter().any(Lane::is_playing)
    }

    /// Connects the engines that hear and translate him, as something is about to be translated.
    fn warm(&mut self) {
        if !std::mem::replace(&mut self.is_warm, true) {
            tokio::spawn(self.recogniser.clone().warm([self.language; 2]));
            tokio::spawn(self.translator.clone().warm());
        }
    }

    fn speaker(&mut self, language: Language) -> &Speaker {
        let Self { outside, exchanges, answers, .. } = self;
        let new = || Speaker::new(&outside.tts, &outside.transport, exchanges, answers.clone());
        self.speakers.entry(language).or_insert_with(new)
    }

    fn send_asr(&mut self, utterance: UtteranceId, input: AsrInput) -> Option<Answer> {
        let recognition = self.utterances.get(&utterance)?;
        let Err(mpsc::error::TrySendError::Full(_)) = recognition.try_send(input) else { return None };
        // Half a minute is behind: the recognition cannot be saved. Dropping its input ends it.
        self.recognised(utterance);
        Some(Answer::NotRecognised { utterance, reason: "the recogniser does not keep up".to_owned() })
    }
}

async fn pass_on(leg: LegId, mut answers: mpsc::Receiver<Answer>, door: Door) {
    while let Some(answer) = answers.recv().await {
        if door.send((leg, Happening::Answered(answer))).await.is_err() {
            return;
        }
    }
}
