use std::sync::Arc;

use audio_path::{Captured, Consumer, Frame, LegId, SegmentId};
use serde_json::Value;
use session::room::Pace;
use session::{Action, Discards, FrameCounts, Language, Seat, UtteranceId};

use super::mouth::Mouth;
use super::{Door, Entrance};
use crate::clients::{Answer, Outside, TranslateJob};
use crate::leg::{Lane, Listening};
use crate::media::{LegShared, Queue};
use crate::report;

/// A leg in a room: its engines, and the ways to its phone.
pub(super) struct Chair<'a> {
    captured: Consumer<Captured>,
    shared: Arc<LegShared>,
    /// The ways to his phone, and who was heard on each last; `None` for what nobody said.
    lanes: Vec<(Option<LegId>, Lane)>,
    language: Language,
    /// Whether his engines were told that they will be needed.
    is_warm: bool,
    listening: Listening,
    mouth: Mouth<'a>,
}

impl<'a> Chair<'a> {
    /// Takes a leg in. What its engines answer is told at the door.
    pub(super) fn new(outside: &'a Outside, leg: LegId, entrance: Entrance, seat: Seat, door: &Door) -> Self {
        let mouth = Mouth::new(outside, leg, seat, entrance.voice.clone(), door);
        let Entrance { ends, language, .. } = entrance;
        let lanes = ends.playable.into_iter().enumerate();
        Self {
            captured: ends.captured,
            shared: ends.shared,
            lanes: lanes.map(|(number, ring)| (None, Lane::new(number, ring))).collect(),
            language,
            is_warm: false,
            listening: Listening::new(outside, &mouth.exchanges, &mouth.answers),
            mouth,
        }
    }

    /// Whether hearing, translation and speech have an engine that answers, as far as is known.
    pub(super) fn is_served(&self) -> [bool; 3] {
        let [translation, speech] = self.mouth.is_served();
        [self.listening.is_served(), translation, speech]
    }

    /// Carries out what his speech needs of engines. Gives what is answered in an engine's place.
    pub(super) fn act(&mut self, action: Action) -> Option<Answer> {
        match action {
            Action::OpenAsr { utterance, languages } => self.listening.begin(utterance, languages),
            Action::SendAudio { utterance, frame } => return self.listening.hear(utterance, frame),
            Action::FinishAsr { utterance } => return self.listening.finish(utterance),
            Action::CancelAsr { utterance } => self.listening.over(utterance),
            Action::Translate { segment, text, context, source, target } => {
                self.mouth.translate(segment, TranslateJob { text, context, source, target });
            }
            Action::Speak { segment, text, language } => {
                self.warm();
                return self.mouth.speak(segment, text, language);
            }
            Action::Play { .. } | Action::PlayCue { .. } | Action::Discard { .. } | Action::Emit(_) => {}
        }
        None
    }

    /// He speaks another language from now on.
    pub(super) fn speaks(&mut self, language: Language) {
        self.language = language;
    }

    /// An utterance is over.
    pub(super) fn recognised(&mut self, utterance: UtteranceId) {
        self.listening.over(utterance);
    }

    /// What became of what he said, for who reads reports.
    pub(super) fn report(&self, frames: FrameCounts, discards: Discards) -> Value {
        let mut report = report::listening(frames, discards);
        if let Some(emotion) = self.listening.emotion() {
            report["emotion"] = report::emotion(emotion);
        }
        report
    }

    /// What he said is not to be spoken any more.
    pub(super) fn cancel(&self, segment: SegmentId) {
        self.mouth.cancel(segment);
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
        let is_his = |of: Option<LegId>, lane: &Lane| of == talker && lane.load() != (0, 0);
        let lanes = self.lanes.iter_mut();
        let Some((of, lane)) = lanes.min_by_key(|(of, lane)| (!is_his(*of, lane), lane.load())) else {
            return;
        };
        *of = talker;
        lane.expect(segment);
        lane.add(segment, samples);
        if is_complete {
            lane.complete(segment);
        }
        lane.play(segment, pace);
    }

    pub(super) fn add(&mut self, segment: SegmentId, samples: &[i16]) {
        for (_, lane) in &mut self.lanes {
            lane.add(segment, samples);
        }
    }

    pub(super) fn complete(&mut self, segment: SegmentId) {
        self.lanes.iter_mut().for_each(|(_, lane)| lane.complete(segment));
    }

    pub(super) fn discard(&mut self, segment: SegmentId) {
        self.lanes.iter_mut().for_each(|(_, lane)| lane.discard(segment, &self.shared));
    }

    /// The oldest frame from his phone that was not taken.
    pub(super) fn take_captured(&mut self) -> Option<Captured> {
        let captured = self.captured.pop()?;
        self.shared.queues.took();
        Some(captured)
    }

    /// Tells what waits in each of his queues.
    pub(super) fn tell_queues(&self) {
        let of_lanes = |depth: fn(&Lane) -> usize| self.lanes.iter().map(|(_, lane)| depth(lane)).sum();
        let queues = &self.shared.queues;
        queues.tell(Queue::Asr, self.listening.waiting());
        queues.tell(Queue::Mt, self.mouth.under_way());
        queues.tell(Queue::Tts, of_lanes(Lane::incomplete));
        queues.tell(Queue::Playback, of_lanes(Lane::waiting));
    }

    /// Hands speech to the phone; tells `rendered` of each frame.
    pub(super) fn top_up(&mut self, mut rendered: impl FnMut(&Frame)) {
        for (_, lane) in &mut self.lanes {
            lane.top_up(&self.shared, |_, frame| rendered(frame));
        }
    }

    pub(super) fn is_playing(&self) -> bool {
        self.lanes.iter().any(|(_, lane)| lane.is_playing())
    }

    /// Connects the engines that hear and translate him, as something is about to be translated.
    fn warm(&mut self) {
        if !std::mem::replace(&mut self.is_warm, true) {
            self.listening.warm([self.language; 2]);
            self.mouth.warm();
        }
    }
}
