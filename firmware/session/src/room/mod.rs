//! Rooms of several legs, each with one language: calls of two and conferences. What somebody says is recognised once,
//! translated once for each language that somebody else hears, and spoken once for each; who shares a language hears
//! the voice itself. Translations of people who talk at once are heard at once, as their voices would be.
//!
//! Called as an [`Interpreter`](crate::Interpreter) is: [`Room::join`], [`Room::rejoin`], [`Room::leave`], [`Room::handle`],
//! [`Room::rendered`] and [`Room::key`] tell what happened, [`Room::say`] has a text said, [`Room::poll`] what is to be done, and
//! [`Room::next_deadline`] when to call [`Room::tick`].

mod arrange;
mod company;
mod door;
mod echoes;
mod house;
mod interpretation;
mod keys;
mod member;
mod memory;
mod order;

use std::collections::VecDeque;

use audio_path::{Captured, Frame, LegId, SegmentId, Timestamp};

use crate::outbox::{Discards, Outbox};
use crate::talker::Told;
use crate::{Action, Component, Cue, FrameCounts, Input, Language, UtteranceId};
pub use house::HOUSE;
use interpretation::Interpretation;
use member::Member;
pub use memory::Remembered;
pub use order::{Mode, Order, Original, Pace, Pin, Rules};

/// A room of several legs.
pub struct Room {
    rules: Rules,
    members: Vec<Member>,
    interpretations: Vec<Interpretation>,
    /// Who came first, though he may have left.
    founder: Option<LegId>,
    /// The number of what the house said last.
    last_of_house: UtteranceId,
    /// Who was told of last as translated, or hearing translations.
    translated: Vec<LegId>,
    /// Whether each stage has no engine that answers.
    lost: [bool; Component::ALL.len()],
    out: Outbox,
    orders: VecDeque<Order>,
    /// When time alone has something to do.
    due: Option<Timestamp>,
}

/// Orders that may wait to be fetched. Beyond these what speakers say waits, and then their audio is lost, counted.
const MOST_ORDERS: usize = 1_024;

impl Room {
    /// A room that nobody has come to yet.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            members: Vec::new(),
            interpretations: Vec::new(),
            founder: None,
            last_of_house: UtteranceId(0),
            translated: Vec::new(),
            lost: Default::default(),
            out: Outbox::default(),
            orders: VecDeque::new(),
            due: None,
        }
    }

    /// A leg whose caller speaks `language` came in.
    pub fn join(&mut self, now: Timestamp, leg: LegId, language: Language) {
        self.rejoin(now, leg, language, Remembered::default());
    }

    /// A leg is gone. What its caller said is still translated for the others.
    pub fn leave(&mut self, now: Timestamp, leg: LegId) {
        let present = self.members.iter_mut().find(|member| member.leg == leg && !member.is_gone);
        let Some(member) = present else { return };
        let was_in = member.is_present();
        member.is_gone = true;
        member.talker.break_off(now);
        for of in &mut self.interpretations {
            of.lose_listener(leg, &mut self.out);
            collect(&mut self.out, of.talker, &[], &mut self.orders);
        }
        if was_in {
            self.tell_company(Cue::Left);
        }
        self.arrange(now);
        self.go_on(now);
    }

    /// Takes what happened on a leg at `now`, which never goes back. Answers of engines are told of any leg.
    pub fn handle(&mut self, now: Timestamp, leg: LegId, input: Input<'_>) {
        match input {
            Input::Captured(captured) => return self.captured(now, leg, captured),
            Input::Translated { segment, text } => {
                self.on_segment(segment, |track, out| track.turns.translated(now, segment, text, out));
            }
            Input::TranslationFailed { segment, reason } => {
                self.on_segment(segment, |track, out| {
                    track.turns.translation_failed(now, segment, reason, out);
                });
            }
            Input::SpeechReady { segment } => {
                self.on_segment(segment, |track, out| track.turns.speech_ready(now, segment, out));
            }
            Input::SpeechFailed { segment, reason } => {
                self.on_segment(segment, |track, out| track.turns.speech_failed(now, segment, reason, out));
            }
            Input::PlaybackStarted { segment } => self.playback_started(now, leg, segment),
            Input::PlaybackEnded { segment } => self.playback_ended(now, leg, segment),
            Input::Served { component, served } => self.served(now, component, served),
            Input::Tick => {}
            _ => self.of_a_talker(now, leg, input),
        }
        self.go_on(now);
    }

    /// A frame was handed to a leg's phone, which may return it.
    pub fn rendered(&mut self, leg: LegId, frame: &Frame) {
        if let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) {
            member.talker.ear.gate.rendered(frame);
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Timestamp) {
        self.go_on(now);
    }

    /// The next thing to do; `None` when everything is done until the next input or deadline.
    pub fn poll(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// When to call [`tick`](Self::tick) at the latest, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let members = self.members.iter().filter_map(Member::deadline);
        let heard = self.interpretations.iter().filter_map(|of| of.deadline(self.is_speaking(of.talker)));
        members.chain(heard).min()
    }

    /// Whether nobody is here any more, and nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether what a leg says may be passed on to others than the room and its engines: its caller is in the room, not
    /// muted, and was told all that there is to tell.
    pub fn may_be_overheard(&self, leg: LegId) -> bool {
        self.member(leg).is_some_and(Member::may_be_overheard)
    }

    /// What became of a leg's captured frames so far.
    pub fn frames(&self, leg: LegId) -> Option<FrameCounts> {
        self.member(leg).map(|member| member.talker.ear.counts)
    }

    /// Captured frames of a leg that are kept until it is known whether they belong to speech.
    pub fn frames_undecided(&self, leg: LegId) -> Option<usize> {
        self.member(leg).map(|member| member.talker.ear.in_pre_roll())
    }

    /// What could not be used so far.
    pub fn discards(&self) -> Discards {
        let late: u64 = self.members.iter().map(|member| member.talker.late_answers).sum();
        Discards { late_answers: self.out.discards.late_answers + late, ..self.out.discards }
    }

    fn member(&self, leg: LegId) -> Option<&Member> {
        self.members.iter().find(|member| member.leg == leg)
    }

    fn is_speaking(&self, leg: LegId) -> bool {
        self.member(leg).is_some_and(|member| member.talker.ear.speaking())
    }

    /// A frame of somebody's voice, which others are only concerned by where something begins or ends with it.
    fn captured(&mut self, now: Timestamp, leg: LegId, captured: &Captured) {
        let Some(place) = self.members.iter().position(|member| member.leg == leg) else {
            return self.out.late();
        };
        self.members[place].capture(now, captured);
        self.mind_voice(leg, captured);
        let is_due = self.due.is_some_and(|due| due <= now);
        if self.listen(now, place) || is_due {
            self.go_on(now);
        }
    }

    fn of_a_talker(&mut self, now: Timestamp, leg: LegId, input: Input<'_>) {
        let Some(member) = self.members.iter_mut().find(|member| member.leg == leg) else {
            return self.out.late();
        };
        let talker = &mut member.talker;
        match input {
            Input::Partial { utterance, delta, language } => talker.partial(utterance, delta, language),
            Input::Interim { utterance, text, heard, language } => {
                talker.interim(now, utterance, text, heard, language);
            }
            Input::Final { utterance, text, language } => talker.final_text(utterance, text, language),
            Input::RecognitionFailed { utterance, reason } => talker.recognition_failed(utterance, reason),
            _ => {}
        }
    }

    /// Lets time pass for everything, and sees what may be heard next.
    fn go_on(&mut self, now: Timestamp) {
        for place in 0..self.members.len() {
            self.members[place].talker.tick(now);
            self.listen(now, place);
        }
        self.advance_members(now);
        self.advance_interpretations(now);
        self.mind_echoes(now);
        self.forget_the_gone();
        self.mind_memory();
        self.due = self.next_deadline();
    }

    /// Passes on what a member has to tell. Answers whether he said anything.
    fn listen(&mut self, now: Timestamp, place: usize) -> bool {
        let leg = self.members[place].leg;
        let mut says = false;
        while self.orders.len() < MOST_ORDERS
            && let Some(told) = self.members[place].talker.told.pop_front()
        {
            match told {
                Told::Act(action) => self.orders.push_back(Order::Do { leg, action }),
                Told::Said(said) => {
                    says = true;
                    for heard in self.interpretations.iter_mut().filter(|heard| heard.talker == leg) {
                        heard.track.take(now, said.clone(), &mut self.out);
                        collect(&mut self.out, leg, &[], &mut self.orders);
                    }
                }
            }
        }
        says
    }
}

/// Makes orders of what a track wants done, on behalf of `leg` and to be heard by `listeners`. Gives what begins to be
/// played.
fn collect(
    out: &mut Outbox,
    leg: LegId,
    listeners: &[(LegId, Pace)],
    orders: &mut VecDeque<Order>,
) -> Option<SegmentId> {
    let mut begins = None;
    for action in out.actions.drain(..) {
        orders.push_back(match action {
            Action::Play { segment, pace: of_all } => {
                begins = Some(segment);
                let at_pace = |&(leg, pace)| match pace {
                    Pace::Usual => (leg, of_all),
                    pace => (leg, pace),
                };
                Order::Play { leg, segment, listeners: listeners.iter().map(at_pace).collect() }
            }
            Action::PlayCue { segment, cue } => {
                begins = Some(segment);
                Order::PlayCue { segment, cue, listeners: listeners.iter().map(|(leg, _)| *leg).collect() }
            }
            Action::Discard { segment } => Order::Discard { leg, segment },
            action => Order::Do { leg, action },
        });
    }
    begins
}
