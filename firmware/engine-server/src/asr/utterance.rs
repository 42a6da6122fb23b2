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
/// After this much speech its language is asked for, so that the final pass need not.
const EARLY: usize = RATE / 2;
/// A language is settled by this share of the probability, or by this much speech.
const SURE: f32 = 0.9;
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

/// A pass that was asked for.
#[derive(Clone, Copy)]
struct UnderWay {
    /// Audio in samples.
    length: usize,
    urgency: Urgency,
    identifies_only: bool,
}

/// See the module. Mutate with [`Utterance::push`], [`Utterance::stop`] and [`Utterance::heard`], then drain
/// [`Utterance::next_action`].
pub struct Utterance {
    scorer: Scorer,
    /// In order; the last takes the audio, the first is heard.
    segments: VecDeque<Segment>,
    language: Language,
    likely_language: Option<String>,
    under_way: Option<UnderWay>,
    was_identified: bool,
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
            language,
            likely_language: None,
            under_way: None,
            was_identified: false,
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
            self.take(piece, &scores);
        }
    }

    fn take(&mut self, samples: &[i16], scores: &[f32]) {
        let Some(segment) = self.segments.back_mut() else { return };
        segment.audio.extend(samples.iter().map(|&sample| f32::from(sample) / 32_768.0));
        segment.voice.extend(scores);
        self.cut_when_long();
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
        let Some(UnderWay { length, identifies_only, .. }) = self.under_way.take() else { return };
        let is_closed = self.segments.len() > 1 || self.is_stopped;
        let (Some(heard), Some(segment)) = (heard, self.segments.front_mut()) else { return };
        if heard.confidence >= SURE || length >= ENOUGH_TO_TELL {
            self.language = Language::Known(heard.language.clone());
        }
        self.likely_language = Some(heard.language);
        if identifies_only {
            return;
        }
        // What a final pass has heard is said as a whole.
        let is_final = is_closed && segment.is_covered_by(length);
        let delta = if is_final { String::new() } else { segment.agreement.partial(&heard.text) };
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
            Language::Known(language) => Some(language),
            Language::Among(_) => self.likely_language.as_deref(),
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
        if let Some(UnderWay { length, urgency, identifies_only }) = self.under_way {
            match urgency {
                _ if identifies_only || segment.is_covered_by(length) => {}
                Urgency::Partial if segment.voice.silence() >= PAUSE => {
                    self.abandon();
                    self.ask(Urgency::Speculative);
                }
                Urgency::Speculative => self.set_urgency(Urgency::Partial),
                Urgency::Partial | Urgency::Final => {}
            }
            return;
        }
        let (Some(voice_start), Some(voice_end)) = (segment.voice.start(), segment.voice.end()) else {
            return;
        };
        let is_heard = segment.heard.as_ref().is_some_and(|(length, _)| voice_end <= *length);
        if !is_heard && segment.voice.silence() >= PAUSE {
            self.ask(Urgency::Speculative);
        } else if !self.was_identified && self.is_unsettled() && segment.audio.len() >= voice_start + EARLY {
            self.identify();
        } else if !is_heard && segment.audio.len() >= segment.asked_at + STEP {
            self.ask(Urgency::Partial);
        }
    }

    /// The first segment is closed and not heard to its end.
    fn want_final(&mut self) {
        let Some(segment) = self.segments.front() else { return };
        match self.under_way {
            Some(pass) if pass.identifies_only || segment.is_covered_by(pass.length) => {
                if pass.urgency != Urgency::Final {
                    self.set_urgency(Urgency::Final);
                }
            }
            Some(_) => {
                self.abandon();
                self.ask(Urgency::Final);
            }
            None => self.ask(Urgency::Final),
        }
    }

    fn is_unsettled(&self) -> bool {
        matches!(&self.language, Language::Among(_))
    }

    /// The pass that is waited for anyway becomes shorter by this one.
    fn identify(&mut self) {
        self.was_identified = true;
        self.start_pass(Urgency::Partial, true);
    }

    fn ask(&mut self, urgency: Urgency) {
        if let Some(segment) = self.segments.front_mut() {
            segment.asked_at = segment.audio.len();
        }
        self.start_pass(urgency, false);
    }

    fn start_pass(&mut self, urgency: Urgency, identifies_only: bool) {
        let Some(segment) = self.segments.front() else { return };
        let audio: Arc<[f32]> = segment.audio.as_slice().into();
        self.under_way = Some(UnderWay { length: audio.len(), urgency, identifies_only });
        let request = Request { audio, language: self.language.clone(), identifies_only };
        self.actions.push_back(Action::Ask(request, urgency));
    }

    fn abandon(&mut self) {
        if self.under_way.take().is_some() {
            self.actions.push_back(Action::Abandon);
        }
    }

    fn set_urgency(&mut self, urgency: Urgency) {
        if let Some(pass) = &mut self.under_way {
            pass.urgency = urgency;
            self.actions.push_back(Action::SetUrgency(urgency));
        }
    }

    fn finish_segment(&mut self, text: &str) {
        let Some(mut segment) = self.segments.pop_front() else { return };
        self.abandon();
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

#[cfg(test)]
mod tests {
    use super::super::voice::FRAME;
    use super::*;

    /// An utterance whose caller speaks or is silent, and whose passes hear what the test says.
    struct Caller(Utterance);

    impl Caller {
        fn new() -> Self {
            Self(Utterance::new(Language::Known("en".into())))
        }

        fn of_unknown_language() -> Self {
            Self(Utterance::new(Language::Among(vec!["en".into(), "es".into()])))
        }

        /// Tenths of a second.
        fn speaks(&mut self, tenths: usize) -> Vec<Action> {
            self.sends(tenths, 0.9)
        }

        fn pauses(&mut self, tenths: usize) -> Vec<Action> {
            self.sends(tenths, 0.0)
        }

        fn sends(&mut self, tenths: usize, score: f32) -> Vec<Action> {
            let mut actions = Vec::new();
            for _ in 0..tenths * RATE / 10 / FRAME {
                self.0.take(&[0; FRAME], &[score]);
                actions.extend(self.actions());
            }
            actions
        }

        fn stops(&mut self) -> Vec<Action> {
            self.0.stop();
            self.actions()
        }

        fn hears(&mut self, text: &str) -> Vec<Action> {
            self.0.heard(Some(Heard { text: text.into(), language: "en".into(), confidence: 0.9 }));
            self.actions()
        }

        fn actions(&mut self) -> Vec<Action> {
            std::iter::from_fn(|| self.0.next_action()).collect()
        }
    }

    fn asked(actions: &[Action]) -> Vec<Urgency> {
        let urgency = |action: &Action| match action {
            Action::Ask(_, urgency) => Some(*urgency),
            _ => None,
        };
        actions.iter().filter_map(urgency).collect()
    }

    #[test]
    fn answer_is_ready_before_the_end_is_known() {
        let mut caller = Caller::new();
        assert_eq!(asked(&caller.speaks(11)), [Urgency::Partial]);
        assert_eq!(caller.hears("good"), []);
        let paused = caller.pauses(3);
        assert_eq!(asked(&paused), [Urgency::Speculative]);
        assert_eq!(caller.hears("Good morning."), []);
        assert_eq!(caller.stops(), [Action::Say("Good morning.".into()), Action::Finish]);
        assert_eq!((caller.0.text(), caller.0.language()), ("Good morning.", Some("en")));
    }

    #[test]
    fn language_is_known_before_the_final_pass() {
        let mut caller = Caller::of_unknown_language();
        let spoken = caller.speaks(7);
        let [Action::Ask(early, Urgency::Partial)] = spoken.as_slice() else { panic!("{spoken:?}") };
        assert!(early.identifies_only);
        assert_eq!(caller.pauses(3), [], "it is waited for");
        let then = caller.hears("");
        let [Action::Ask(request, Urgency::Speculative)] = then.as_slice() else { panic!("{then:?}") };
        assert_eq!((&request.language, request.identifies_only), (&Language::Known("en".into()), false));
        caller.hears("Yes.");
        assert_eq!(caller.stops(), [Action::Say("Yes.".into()), Action::Finish]);
    }

    #[test]
    fn pass_under_way_at_the_end_is_promoted() {
        let mut caller = Caller::new();
        caller.speaks(8);
        assert_eq!(asked(&caller.pauses(3)), [Urgency::Speculative]);
        assert_eq!(caller.stops(), [Action::SetUrgency(Urgency::Final)]);
        assert_eq!(caller.hears("Yes."), [Action::Say("Yes.".into()), Action::Finish]);
    }

    #[test]
    fn pause_does_not_wait_for_a_partial() {
        let mut caller = Caller::new();
        assert_eq!(asked(&caller.speaks(12)), [Urgency::Partial]);
        let paused = caller.pauses(2);
        assert_eq!(paused[0], Action::Abandon);
        assert_eq!(asked(&paused), [Urgency::Speculative]);
    }

    #[test]
    fn speech_after_a_pause_is_heard_too() {
        let mut caller = Caller::new();
        caller.speaks(8);
        caller.pauses(3);
        assert_eq!(caller.speaks(2), [Action::SetUrgency(Urgency::Partial)]);
        caller.hears("The train");
        let end = caller.stops();
        assert_eq!(asked(&end), [Urgency::Final]);
        let said = caller.hears("The train leaves.");
        assert_eq!(said, [Action::Say("The train leaves.".into()), Action::Finish]);
    }

    #[test]
    fn silence_needs_no_pass() {
        let mut caller = Caller::new();
        assert_eq!(caller.pauses(600), []);
        assert_eq!(caller.stops(), [Action::Finish]);
    }

    #[test]
    fn refused_partial_is_asked_for_again() {
        let mut caller = Caller::new();
        caller.speaks(11);
        caller.0.refused();
        assert_eq!(asked(&caller.speaks(4)), [Urgency::Partial]);
    }

    #[test]
    fn long_speech_is_cut_and_nothing_is_lost() {
        let mut caller = Caller::new();
        let (mut heard, mut pieces) = (0, 0);
        let mut actions = caller.speaks(700);
        actions.extend(caller.stops());
        while let Some(at) =
            actions.iter().rposition(|action| matches!(action, Action::Ask(_, Urgency::Final)))
        {
            let Action::Ask(request, _) = &actions[at] else { unreachable!() };
            assert!(request.audio.len() <= LONGEST + RATE);
            heard += request.audio.len();
            pieces += 1;
            actions = caller.hears(&format!("Piece {pieces}."));
        }
        assert_eq!(heard, 700 * RATE / 10);
        assert_eq!(actions.last(), Some(&Action::Finish));
        assert_eq!(caller.0.text(), "Piece 1. Piece 2. Piece 3.");
    }
}
