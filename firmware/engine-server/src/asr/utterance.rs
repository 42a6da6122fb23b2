//! One utterance: when to make a pass over which audio, and what to say of it. No I/O and no clock: the samples are
//! the time.

use std::collections::VecDeque;
use std::sync::Arc;

use super::agreement::Agreement;
use super::queue::{Request, Urgency};
use super::voice::{RATE, Scorer, Voice};
use super::whisper::{Heard, Language};

/// This much silence, and the final pass is made in advance.
const PAUSE: usize = RATE * 176 / 1000;
/// Speech goes on: a pass each time this much audio has come.
const STEP: usize = RATE;
/// A refused partial is asked for again after this much audio.
const RETRY: usize = RATE / 4;
/// From here on a segment ends at the next pause, so that the next pass stays short …
const LONG: usize = 18 * RATE;
/// … and here it ends at its quietest place.
const LONGEST: usize = 26 * RATE;
/// Closed segments that wait for their passes before no more audio should be taken.
const BACKLOG: usize = 2;
/// A language is settled by this share of the probability, or by this much speech.
const SURE: f32 = 0.8;
const ENOUGH_TO_TELL: usize = 4 * RATE;

/// What the utterance wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a pass; there is none under way.
    Ask(Request, Urgency),
    /// The pass under way now matters this much.
    SetUrgency(Urgency),
    /// The pass under way is of no use any more.
    Abandon,
    /// Send this text behind what was sent.
    Say(String),
    /// Everything was said; the utterance is over.
    Finish,
}

/// Speech that is heard in one piece.
#[derive(Default)]
struct Segment {
    audio: Vec<f32>,
    voice: Voice,
    agreement: Agreement,
    /// Audio that the last pass heard, in samples, and what it heard.
    heard: Option<(usize, String)>,
    /// Audio when a pass was last asked for.
    asked_at: usize,
}

impl Segment {
    /// Whether a pass over the first `length` samples heard all there is to hear.
    fn is_covered_by(&self, length: usize) -> bool {
        self.voice.end().is_none_or(|end| end <= length)
    }
}

/// See the module. Mutate with [`Utterance::push`], [`Utterance::stop`] and [`Utterance::heard`], then drain
/// [`Utterance::next_action`].
pub struct Utterance {
    scorer: Scorer,
    /// In order; the last takes the audio, the first is heard.
    segments: VecDeque<Segment>,
    language: Option<Language>,
    likely_language: Option<String>,
    /// Length of the audio of the pass under way, and how much it matters.
    under_way: Option<(usize, Urgency)>,
    said: String,
    is_stopped: bool,
    is_finished: bool,
    actions: VecDeque<Action>,
}

impl Utterance {
    /// Listens for `language`.
    pub fn new(language: Language) -> Self {
        Self {
            scorer: Scorer::default(),
            segments: VecDeque::from([Segment::default()]),
            language: Some(language),
            likely_language: None,
            under_way: None,
            said: String::new(),
            is_stopped: false,
            is_finished: false,
            actions: VecDeque::new(),
        }
    }

    /// Adds samples, 16 kHz.
    pub fn push(&mut self, samples: &[i16]) {
        for piece in samples.chunks(RATE) {
            let scores = self.scorer.push(piece);
            let Some(segment) = self.segments.back_mut() else { return };
            segment.audio.extend(piece.iter().map(|&sample| f32::from(sample) / 32_768.0));
            segment.voice.extend(&scores);
            self.cut_when_long();
        }
    }

    /// No more samples come.
    pub fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Whether [`Utterance::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What the pass under way has heard; none when it was aborted.
    pub fn heard(&mut self, heard: Option<Heard>) {
        let Some((length, _)) = self.under_way.take() else { return };
        let (Some(heard), Some(segment)) = (heard, self.segments.front_mut()) else { return };
        if heard.confidence >= SURE || length >= ENOUGH_TO_TELL {
            self.language = Some(Language::Known(heard.language.clone()));
        }
        self.likely_language = Some(heard.language);
        let delta = segment.agreement.partial(&heard.text);
        segment.heard = Some((length, heard.text));
        self.say(&delta);
    }

    /// A partial was refused: nobody had time.
    pub fn refused(&mut self) {
        self.under_way = None;
        if let Some(segment) = self.segments.front_mut() {
            segment.asked_at = (segment.audio.len() + RETRY).saturating_sub(STEP);
        }
    }

    /// Everything said so far.
    pub fn text(&self) -> &str {
        &self.said
    }

    /// The language as far as it is known.
    pub fn language(&self) -> Option<&str> {
        match &self.language {
            Some(Language::Known(language)) => Some(language),
            _ => self.likely_language.as_deref(),
        }
    }

    /// Whether so much waits to be heard that the source should be held back.
    pub fn is_behind(&self) -> bool {
        self.segments.len() > BACKLOG
    }

    /// What to do next; none until something changes.
    pub fn next_action(&mut self) -> Option<Action> {
        if self.actions.is_empty() && !self.is_finished {
            self.decide();
        }
        self.actions.pop_front()
    }

    fn decide(&mut self) {
        while let Some(segment) = self.segments.front() {
            let is_closed = self.segments.len() > 1 || self.is_stopped;
            if !is_closed {
                return self.listen_on();
            }
            let text = match &segment.heard {
                _ if segment.voice.end().is_none() => String::new(),
                Some((length, text)) if segment.is_covered_by(*length) => text.clone(),
                _ => return self.want_final(),
            };
            self.finish_segment(&text);
        }
        self.is_finished = true;
        self.actions.push_back(Action::Finish);
    }

    /// Speech goes on, or is just pausing.
    fn listen_on(&mut self) {
        let Some(segment) = self.segments.front() else { return };
        if let Some((length, urgency)) = self.under_way {
            if urgency == Urgency::Speculative && !segment.is_covered_by(length) {
                self.set_urgency(Urgency::Partial);
            }
            return;
        }
        let Some(voice_end) = segment.voice.end() else { return };
        let is_heard = segment.heard.as_ref().is_some_and(|(length, _)| voice_end <= *length);
        if !is_heard && segment.voice.silence() >= PAUSE {
            self.ask(Urgency::Speculative);
        } else if !is_heard && segment.audio.len() >= segment.asked_at + STEP {
            self.ask(Urgency::Partial);
        }
    }

    /// The first segment is closed and not heard to its end.
    fn want_final(&mut self) {
        let Some(segment) = self.segments.front() else { return };
        match self.under_way {
            Some((length, urgency)) if segment.is_covered_by(length) => {
                if urgency != Urgency::Final {
                    self.set_urgency(Urgency::Final);
                }
            }
            Some(_) => {
                self.under_way = None;
                self.actions.push_back(Action::Abandon);
                self.ask(Urgency::Final);
            }
            None => self.ask(Urgency::Final),
        }
    }

    fn ask(&mut self, urgency: Urgency) {
        let (Some(segment), Some(language)) = (self.segments.front_mut(), &self.language) else { return };
        segment.asked_at = segment.audio.len();
        let audio: Arc<[f32]> = segment.audio.as_slice().into();
        self.under_way = Some((audio.len(), urgency));
        self.actions.push_back(Action::Ask(Request { audio, language: language.clone() }, urgency));
    }

    fn set_urgency(&mut self, urgency: Urgency) {
        if let Some((_, now)) = &mut self.under_way {
            *now = urgency;
            self.actions.push_back(Action::SetUrgency(urgency));
        }
    }

    fn finish_segment(&mut self, text: &str) {
        let Some(mut segment) = self.segments.pop_front() else { return };
        if self.under_way.take().is_some() {
            self.actions.push_back(Action::Abandon);
        }
        let delta = segment.agreement.finish(text);
        self.say(&delta);
    }

    fn say(&mut self, delta: &str) {
        if delta.is_empty() {
            return;
        }
        // A segment's first words know nothing of the segment before.
        let is_glued = self.said.ends_with(char::is_alphanumeric) && delta.starts_with(char::is_alphanumeric);
        let begins_segment = !self.said.is_empty() && !delta.starts_with(' ');
        let separator =
            if is_glued || (begins_segment && delta.starts_with(char::is_alphanumeric)) { " " } else { "" };
        let delta = format!("{separator}{delta}");
        self.said.push_str(&delta);
        self.actions.push_back(Action::Say(delta));
    }

    fn cut_when_long(&mut self) {
        let Some(segment) = self.segments.back_mut() else { return };
        let is_at_pause = segment.audio.len() >= LONG && segment.voice.silence() >= PAUSE;
        if !is_at_pause && segment.audio.len() < LONGEST {
            return;
        }
        let next = if is_at_pause {
            Segment::default()
        } else {
            let (at, voice) = segment.voice.split_at_quietest(8 * RATE);
            let audio = segment.audio.split_off(at.min(segment.audio.len()));
            Segment { audio, voice, ..Segment::default() }
        };
        if segment.voice.end().is_none() {
            // Silence alone needs no pass.
            *segment = next;
            return;
        }
        self.segments.push_back(next);
    }
}
