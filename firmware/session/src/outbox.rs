use std::collections::VecDeque;

use audio_path::SegmentId;

use crate::{Action, Component, Event};

/// What could not be used; for reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards {
    /// Answers of engines or of playback that came too late, twice, endlessly or for nothing that was asked.
    pub late_answers: u64,
    /// Clauses that were dropped since too many waited.
    pub segments: u64,
    /// Clauses of nothing but filler words that were dropped since the translation was far behind.
    pub fillers: u64,
    /// Clauses that were translated beforehand for nothing: the speaker went on differently.
    pub guesses: u64,
}

/// What is to be done, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) actions: VecDeque<Action>,
    pub(crate) discards: Discards,
    last_segment: u32,
}

impl Outbox {
    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.act(Action::Emit(event));
    }

    pub(crate) fn error(&mut self, component: Component, message: String) {
        self.emit(Event::Error { component, message });
    }

    /// Nobody waited for an answer.
    pub(crate) fn late(&mut self) {
        self.discards.late_answers += 1;
    }

    pub(crate) fn new_segment(&mut self) -> SegmentId {
        self.last_segment += 1;
        SegmentId(self.last_segment)
    }
}
