use std::collections::HashMap;

use audio_path::Frame;
use session::{Language, UtteranceId};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::clients::{Answer, AsrInput, Emotion, EmotionCounts, Exchanges, Outside, Recogniser};

/// What somebody says, on its way to those who recognise it and who measure how he speaks.
pub(crate) struct Listening {
    recogniser: Recogniser,
    emotion: Option<Emotion>,
    utterances: HashMap<UtteranceId, mpsc::Sender<AsrInput>>,
}

impl Listening {
    /// By the engines of `outside`, which answer to `answers`.
    pub(crate) fn new(outside: &Outside, exchanges: &Exchanges, answers: &mpsc::Sender<Answer>) -> Self {
        let Outside { transport, asr, emotion, .. } = outside;
        let measuring = |stage| Emotion::new(stage, transport, answers.clone());
        Self {
            recogniser: Recogniser::new(asr, transport, exchanges, answers.clone()),
            emotion: emotion.as_ref().map(measuring),
            utterances: HashMap::new(),
        }
    }

    /// Connects before the first frame.
    pub(crate) fn warm(&self, languages: [Language; 2]) {
        tokio::spawn(self.recogniser.clone().warm(languages));
    }

    /// Whether any recogniser answers, as far as is known.
    pub(crate) fn is_served(&self) -> bool {
        self.recogniser.is_served()
    }

    /// What became of the measuring, where that is wanted.
    pub(crate) fn emotion(&self) -> Option<EmotionCounts> {
        self.emotion.as_ref().map(Emotion::counts)
    }

    /// An utterance begins, in one of these languages.
    pub(crate) fn begin(&mut self, utterance: UtteranceId, languages: [Language; 2]) {
        self.utterances.insert(utterance, self.recogniser.recognise(utterance, languages));
    }

    /// Its next frame. Gives what is answered in the recogniser's place.
    pub(crate) fn hear(&mut self, utterance: UtteranceId, frame: Box<Frame>) -> Option<Answer> {
        self.emotion.iter().for_each(|emotion| emotion.hear(&frame));
        self.send(utterance, AsrInput::Audio(frame))
    }

    /// There is no more of it. Gives what is answered in the recogniser's place.
    pub(crate) fn finish(&mut self, utterance: UtteranceId) -> Option<Answer> {
        self.emotion.iter().for_each(Emotion::pause);
        self.send(utterance, AsrInput::Finish)
    }

    /// It is recognised, or nobody wants it any more.
    pub(crate) fn over(&mut self, utterance: UtteranceId) {
        self.utterances.remove(&utterance);
    }

    /// Frames that its recognisers have not taken.
    pub(crate) fn waiting(&self) -> usize {
        let waiting =
            |recognition: &mpsc::Sender<AsrInput>| recognition.max_capacity() - recognition.capacity();
        self.utterances.values().map(waiting).sum()
    }

    fn send(&mut self, utterance: UtteranceId, input: AsrInput) -> Option<Answer> {
        let recognition = self.utterances.get(&utterance)?;
        let Err(TrySendError::Full(_)) = recognition.try_send(input) else { return None };
        // Half a minute is behind: the recognition cannot be saved. Dropping its input ends it.
        self.over(utterance);
        Some(Answer::NotRecognised { utterance, reason: "the recogniser does not keep up".to_owned() })
    }
}
