//! Which utterance of a line a text belongs to: told by the audio that it answers, since not every request to finish is
//! answered.

use std::collections::VecDeque;
use std::time::Duration;

use engines::Failure;
use engines::asr::Heard;
use session::{END_OF_SPEECH, Language};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Events of one turn that wait for its task …
pub(super) const MOST_EVENTS: usize = 64;
/// … of which so many places are for those that must not be lost.
const KEPT_FREE: usize = 32;
/// The vendors round their times.
const SEAM: Duration = Duration::from_millis(10);

/// What an utterance's task is told.
#[derive(Debug, PartialEq)]
pub(super) enum TurnEvent {
    /// Text that is not taken back, and how much of the turn's audio it answers.
    Certain {
        text: String,
        language: Option<Language>,
        heard: Duration,
    },
    /// What is taken to follow that, made of so much of the turn's audio.
    Interim {
        text: String,
        language: Option<Language>,
        heard: Duration,
    },
    /// All of its speech is answered; a vendor need not answer the silence after it.
    Spoken,
    Finished,
    Failed(Failure),
}

/// The utterances whose text is not complete, oldest first.
#[derive(Debug, Default)]
pub(super) struct Turns {
    open: VecDeque<Turn>,
    /// All audio up to here is answered.
    answered: Duration,
}

#[derive(Debug)]
struct Turn {
    events: mpsc::Sender<TurnEvent>,
    /// What had been sent when it began …
    began: Duration,
    /// … and when its end was asked for.
    ended: Option<Duration>,
    /// Words were guessed that are not certain yet.
    guessed: bool,
}

impl Turns {
    /// A turn begins with the audio after `at`.
    pub(super) fn begin(&mut self, events: mpsc::Sender<TurnEvent>, at: Duration) {
        self.open.push_back(Turn { events, began: at, ended: None, guessed: false });
    }

    /// Whether the last turn goes on.
    pub(super) fn is_going_on(&self) -> bool {
        self.open.back().is_some_and(|turn| turn.ended.is_none())
    }

    /// Whether nobody waits for a text.
    pub(super) fn is_idle(&self) -> bool {
        self.open.iter().all(|turn| turn.events.is_closed())
    }

    /// The turn's audio ends at `at`, and its text was asked for.
    pub(super) fn end(&mut self, at: Duration) {
        let Some(turn) = self.open.back_mut() else { return };
        turn.ended = Some(at);
        self.tell_spoken();
    }

    /// All audio is answered.
    pub(super) fn complete(&mut self) {
        while !self.open.is_empty() {
            self.finish();
        }
    }

    /// None of them is answered any more.
    pub(super) fn fail(&mut self, failure: &Failure) {
        for turn in self.open.drain(..) {
            // Who is no longer wanted does not listen; who has no place for it sees that nothing more comes.
            let _unwanted = turn.events.try_send(TurnEvent::Failed(failure.clone()));
        }
    }

    /// Takes what the recogniser says.
    pub(super) fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Segment { text, language, until, .. } => self.certain(text, language, until),
            Heard::Interim { text, language, until } => self.guess(text, language, until),
            // To an earlier request, where the first turn's was not made yet.
            Heard::Finished if self.open.front().is_none_or(|turn| turn.ended.is_none()) => {}
            Heard::Finished => self.finish(),
            Heard::Warning(warning) => log::info!("the recogniser warns: {warning}"),
            Heard::TurnEnded => {}
        }
    }

    fn certain(&mut self, text: String, language: Option<String>, until: Duration) {
        self.answered = self.answered.max(until);
        let is_past = |turn: &Turn| turn.ended.is_some_and(|end| until > end + SEAM);
        while self.open.front().is_some_and(is_past) {
            self.finish();
        }
        let Some(turn) = self.open.front_mut() else { return };
        turn.guessed = false;
        let heard = until.saturating_sub(turn.began);
        self.tell(TurnEvent::Certain { text, language: language.and_then(|code| code.parse().ok()), heard });
        self.tell_spoken();
    }

    fn guess(&mut self, text: String, language: Option<String>, until: Duration) {
        let Some(turn) = self.open.iter_mut().rfind(|turn| turn.began < until) else { return };
        turn.guessed = true;
        if turn.events.capacity() > KEPT_FREE {
            let heard = until.saturating_sub(turn.began);
            let language = language.and_then(|code| code.parse().ok());
            let _unwanted = turn.events.try_send(TurnEvent::Interim { text, language, heard });
        }
    }

    /// Tells the first turn if only the silence that ended it is still unanswered.
    fn tell_spoken(&mut self) {
        let Some(turn) = self.open.front().filter(|turn| !turn.guessed) else { return };
        if turn.ended.is_some_and(|end| end <= self.answered + END_OF_SPEECH) {
            self.tell(TurnEvent::Spoken);
        }
    }

    fn finish(&mut self) {
        let Some(turn) = self.open.pop_front() else { return };
        // Who is no longer wanted does not listen; who has no place for it sees that nothing more comes, and fails.
        let _unwanted = turn.events.try_send(TurnEvent::Finished);
    }

    /// Tells the first turn. Where it has no place for that it fails, and its audio is sent again.
    fn tell(&mut self, event: TurnEvent) {
        let Some(turn) = self.open.front() else { return };
        if let Err(TrySendError::Full(_)) = turn.events.try_send(event) {
            log::info!("an utterance does not keep up with its recogniser, and begins anew");
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn segment(text: &str, until: u64) -> Heard {
        Heard::Segment { text: text.into(), words: Vec::new(), language: None, until: MS(until) }
    }

    fn interim(text: &str, until: u64) -> Heard {
        Heard::Interim { text: text.into(), language: None, until: MS(until) }
    }

    fn begin(turns: &mut Turns, at: u64) -> mpsc::Receiver<TurnEvent> {
        let (sender, events) = mpsc::channel(MOST_EVENTS);
        turns.begin(sender, MS(at));
        events
    }

    fn told(events: &mut mpsc::Receiver<TurnEvent>) -> Vec<String> {
        std::iter::from_fn(|| events.try_recv().ok())
            .map(|event| match event {
                TurnEvent::Certain { text, heard, .. } => format!("{text} {}", heard.as_millis()),
                TurnEvent::Interim { text, heard, .. } => format!("{text}? {}", heard.as_millis()),
                event => format!("{event:?}"),
            })
            .collect()
    }

    #[test]
    fn each_gets_its_own_text_though_a_request_was_not_answered() {
        let mut turns = Turns::default();
        let mut first = begin(&mut turns, 0);
        turns.take(segment("one", 1_800));
        turns.end(MS(2_000));
        let mut second = begin(&mut turns, 2_000);
        turns.take(interim("two", 3_000));
        turns.take(segment("two", 3_500));
        // The provider's core takes it for the answer to the first request.
        turns.take(Heard::Finished);
        turns.end(MS(3_700));
        turns.take(segment("", 3_700));
        turns.take(Heard::Finished);
        assert_eq!(told(&mut first), ["one 1800", "Spoken", "Finished"]);
        assert_eq!(told(&mut second), ["two? 1000", "two 1500", "Spoken", " 1700", "Spoken", "Finished"]);
    }

    #[test]
    fn a_late_answer_to_who_has_gone_is_nobody_elses() {
        let mut turns = Turns::default();
        drop(begin(&mut turns, 0));
        turns.end(MS(2_000));
        let mut second = begin(&mut turns, 2_000);
        turns.take(segment("one", 2_000));
        turns.take(Heard::Finished);
        turns.take(segment("two", 2_900));
        assert_eq!(told(&mut second), ["two 900"]);
    }

    #[test]
    fn speech_without_an_answer_is_waited_for() {
        let mut turns = Turns::default();
        let mut events = begin(&mut turns, 0);
        turns.take(segment("one", 1_000));
        turns.end(MS(2_000));
        assert_eq!(told(&mut events), ["one 1000"]);
        turns.take(interim("two", 1_600));
        turns.take(segment("two", 1_700));
        assert_eq!(told(&mut events), ["two? 1600", "two 1700", "Spoken"]);
        turns.take(interim("three", 1_900));
        turns.end(MS(2_000));
        assert_eq!(told(&mut events), ["three? 1900"], "a guess is no answer");
    }

    #[test]
    fn guesses_leave_room_for_what_is_certain() {
        let mut turns = Turns::default();
        let mut events = begin(&mut turns, 0);
        (1..=MOST_EVENTS as u64).for_each(|ms| turns.take(interim("guess", ms)));
        turns.take(segment("text", 100));
        assert_eq!(told(&mut events).last().map(String::as_str), Some("text 100"));
    }

    #[test]
    fn text_without_a_place_fails_its_turn() {
        let mut turns = Turns::default();
        let mut events = begin(&mut turns, 0);
        (1..=MOST_EVENTS as u64 + 1).for_each(|ms| turns.take(segment("text", ms)));
        assert_eq!(told(&mut events).len(), MOST_EVENTS);
        assert!(events.is_closed(), "it is told that nothing more comes");
        let mut events = begin(&mut turns, 100);
        (101..101 + MOST_EVENTS as u64).for_each(|ms| turns.take(segment("text", ms)));
        turns.complete();
        assert!(!told(&mut events).contains(&"Finished".to_owned()));
        assert!(events.is_closed());
    }
}
