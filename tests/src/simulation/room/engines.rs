//! The engines of a simulated room: they follow the scripts, the behaviour and the seed, and count what is asked.

use std::time::Duration;

use audio_path::LegId;
use session::{Action, Language, UtteranceId};

use super::super::{Behaviour, Happening};
use super::{Caller, RoomSimulation, Sound};

/// Speech is noticed late: what was said a moment ago counts.
const NOTICED_AFTER: Duration = Duration::from_millis(700);
/// Whoever spoke over playback is listened to for a moment longer, whatever his phone returns.
const ECHO_AFTER: Duration = Duration::from_millis(1_200);

/// A request to translate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Translation {
    /// Who said it.
    pub talker: LegId,
    /// What.
    pub text: String,
    /// Into which language.
    pub target: String,
}

/// What was asked of engines, in order.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// Recognitions: of whom, and how many frames.
    pub recognitions: Vec<(LegId, UtteranceId, u64)>,
    /// Translations.
    pub translations: Vec<Translation>,
    /// Texts to be spoken: on whose behalf, and in which language.
    pub speech: Vec<(LegId, String, Language)>,
    /// Recognitions that were given up.
    pub cancelled: Vec<(LegId, UtteranceId)>,
}

impl Requests {
    /// Frames that were sent to recognisers for a leg.
    pub fn frames(&self, leg: LegId) -> u64 {
        self.recognitions.iter().filter(|(of, ..)| *of == leg).map(|(.., frames)| frames).sum()
    }
}

impl RoomSimulation {
    pub(super) fn act(&mut self, leg: LegId, action: Action) {
        if let Action::Emit(event) = action {
            self.events.push((self.elapsed(), leg, event));
            return;
        }
        assert!(!self.is_forgotten(leg), "{action:?} for a leg that was forgotten");
        match action {
            Action::OpenAsr { utterance, languages } => {
                assert_eq!(languages, [self.phone(leg).language; 2]);
                self.requests.recognitions.push((leg, utterance, 0));
                let speech = self.begin(leg);
                assert!(self.hearing.insert((leg, utterance), speech).is_none(), "a number twice");
            }
            Action::SendAudio { utterance, .. } => self.recognise(leg, utterance),
            Action::FinishAsr { utterance } => self.finish(leg, utterance),
            Action::CancelAsr { utterance } => self.requests.cancelled.push((leg, utterance)),
            Action::Translate { segment, text, target, .. } => {
                let answer = Happening::Translated(segment, format!("{target}: {text}"));
                self.requests.translations.push(Translation {
                    talker: leg,
                    text,
                    target: target.to_string(),
                });
                self.answer(leg, answer, Happening::TranslationFailed(segment));
            }
            Action::Speak { segment, text, language } => {
                self.requests.speech.push((leg, text.clone(), language));
                self.texts.insert(segment, text);
                self.answer(leg, Happening::SpeechReady(segment), Happening::SpeechFailed(segment));
            }
            other => panic!("no room asks for {other:?}"),
        }
    }

    /// One answer after a while; or a failure, nothing, or the same again later.
    fn answer(&mut self, leg: LegId, answer: Happening, failure: Happening) {
        let Behaviour { fails, mute, repeats, slowest, .. } = self.behaviour;
        let delay = self.random.u64(1..=slowest.as_millis() as u64);
        let lot = self.random.u32(0..100);
        if lot < fails {
            self.later(delay, leg, failure);
        } else if lot >= fails + mute {
            if self.random.u32(0..100) < repeats {
                self.later(delay * 2, leg, answer.clone());
            }
            self.later(delay, leg, answer);
        }
    }

    fn later(&mut self, ms: u64, leg: LegId, happening: Happening) {
        self.happenings += 1;
        self.future.insert((self.clock + Duration::from_millis(ms), self.happenings), (leg, happening));
    }

    /// What a leg's caller says now, or said until `late` ago.
    fn speech_within(&self, leg: LegId, late: Duration) -> Option<usize> {
        let at = self.elapsed();
        let script = &self.phone(leg).caller.script;
        script.iter().position(|s| s.at <= at && at.saturating_sub(late) < s.at + s.lasts)
    }

    /// The recogniser streams one more word for each 400 ms of audio.
    fn recognise(&mut self, leg: LegId, utterance: UtteranceId) {
        let asked = self.requests.recognitions.iter_mut().rev();
        let (.., frames) =
            asked.into_iter().find(|(of, id, _)| (*of, *id) == (leg, utterance)).expect("open");
        *frames += 1;
        let frames = *frames as usize;
        self.echo_recognised += u64::from(self.speech_within(leg, ECHO_AFTER).is_none());
        if !self.behaviour.streams || !frames.is_multiple_of(20) {
            return;
        }
        let Some(Some((speech, first))) = self.hearing.get(&(leg, utterance)).copied() else { return };
        let Caller { script, language, .. } = &self.phone(leg).caller;
        let (word, language) =
            (script[speech].text.split_inclusive(' ').nth(first + frames / 20 - 1), *language);
        if let Some(delta) = word.map(str::to_owned) {
            self.later(0, leg, Happening::Partial(utterance, delta, language));
        }
    }

    fn finish(&mut self, leg: LegId, utterance: UtteranceId) {
        let (text, language) = self.said(leg, utterance).unwrap_or_default();
        self.answer(
            leg,
            Happening::Final(utterance, text, language),
            Happening::RecognitionFailed(utterance),
        );
    }

    /// Which speech an utterance is of that begins now, and at which of its words.
    pub(super) fn begin(&self, leg: LegId) -> Option<(usize, usize)> {
        let speech = self.speech_within(leg, NOTICED_AFTER)?;
        // Its first frames are from before it was noticed.
        let began = self.word_at(leg, speech, self.elapsed().saturating_sub(Duration::from_millis(300)));
        Some((speech, began.max(self.words_heard.get(&(leg, speech)).copied().unwrap_or(0))))
    }

    /// How many words of a speech were begun at a time.
    fn word_at(&self, leg: LegId, speech: usize, at: Duration) -> usize {
        let speech = &self.phone(leg).caller.script[speech];
        let words = speech.text.split_inclusive(' ').count();
        let part = at.saturating_sub(speech.at).as_secs_f64() / speech.lasts.as_secs_f64();
        ((part * words as f64) as usize).min(words)
    }

    /// The words of an utterance until now, and their language.
    fn said(&mut self, leg: LegId, utterance: UtteranceId) -> Option<(String, &'static str)> {
        let (speech, first) = (*self.hearing.get(&(leg, utterance))?)?;
        let end = self.word_at(leg, speech, self.elapsed() + Duration::from_millis(399)).max(first);
        let caller = &self.phone(leg).caller;
        let words = caller.script[speech].text.split_inclusive(' ').skip(first).take(end - first).collect();
        let language = caller.language;
        self.words_heard.insert((leg, speech), end);
        Some((words, language))
    }

    /// What a segment sounds like, and for how many frames.
    pub(super) fn sound(&self, segment: audio_path::SegmentId) -> (u32, Sound) {
        let text = self.texts.get(&segment).expect("played what was to be spoken").clone();
        (10 + 2 * text.len() as u32, Sound::Speech(text))
    }
}
