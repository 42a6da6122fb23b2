//! A room of several legs on a simulated clock: the real session core, phones and engines that follow scripts and a
//! seed. What must hold at any time is checked at each step.

mod engines;
mod phone;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use audio_path::{Captured, Frame, LegId, SegmentId, Timestamp};
use session::room::{HOUSE, Order, Original, Pace, Remembered, Room, Rules};
use session::{Event, Input, Text, UtteranceId};

pub use super::Sound;
use super::{Behaviour, FRAME, Happening, START};
pub use engines::{Requests, Translation};
use phone::add;
pub use phone::{Caller, Heard, Phone};

/// How much softer a voice under its translation is, in halvings.
const DUCKED_HALVINGS: i32 = 2;

/// A room and whoever calls.
pub struct RoomSimulation {
    /// The room under test.
    pub room: Room,
    /// Whoever called so far.
    pub phones: BTreeMap<LegId, Phone>,
    /// Who takes part in translations, as was told last.
    pub translated: BTreeSet<LegId>,
    /// Who entered wrong PINs.
    pub refused: BTreeSet<LegId>,
    /// What is to be remembered of whom.
    pub remembered: BTreeMap<LegId, Remembered>,
    /// All events so far, with their times and legs.
    pub events: Vec<(Duration, LegId, Event)>,
    /// What was asked of engines.
    pub requests: Requests,
    /// Frames that recognisers received while their speaker was silent: nothing but echo.
    pub echo_recognised: u64,
    behaviour: Behaviour,
    random: fastrand::Rng,
    clock: Duration,
    frame: u64,
    callers: VecDeque<Caller>,
    future: BTreeMap<(Duration, u64), (LegId, Happening)>,
    happenings: u64,
    /// Which speech an utterance is of, and its first word.
    hearing: HashMap<(LegId, UtteranceId), Option<(usize, usize)>>,
    /// Words of a speech that were heard in finished utterances.
    words_heard: HashMap<(LegId, usize), usize>,
    texts: HashMap<SegmentId, String>,
    /// Segments that were played or forgotten.
    over: HashMap<SegmentId, &'static str>,
}

impl RoomSimulation {
    /// An empty room that these will call.
    pub fn new(rules: Rules, mut callers: Vec<Caller>, behaviour: Behaviour, seed: u64) -> Self {
        callers.sort_by_key(|caller| caller.joins);
        Self {
            room: Room::new(rules),
            phones: BTreeMap::new(),
            translated: BTreeSet::new(),
            refused: BTreeSet::new(),
            remembered: BTreeMap::new(),
            events: Vec::new(),
            requests: Requests::default(),
            echo_recognised: 0,
            behaviour,
            random: fastrand::Rng::with_seed(seed),
            clock: START,
            frame: 0,
            callers: callers.into(),
            future: BTreeMap::new(),
            happenings: 0,
            hearing: HashMap::new(),
            words_heard: HashMap::new(),
            texts: HashMap::new(),
            over: HashMap::new(),
        }
    }

    /// Somebody else serves these callers from now on, who know nothing but what was to be remembered of them.
    #[must_use]
    pub fn succeeded(self, rules: Rules, callers: Vec<Caller>) -> Self {
        Self { remembered: self.remembered, ..Self::new(rules, callers, self.behaviour, 1) }
    }

    /// From now on the engines behave like this.
    pub fn set_behaviour(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
    }

    /// Lets time pass until `end`, counted from the start.
    pub fn run(&mut self, end: Duration) {
        while self.clock < START + end {
            let next = START + FRAME * (self.frame as u32 + 1);
            self.engines_until(next);
            self.clock = next;
            self.frame += 1;
            self.come_and_go();
            self.exchange_frames();
        }
    }

    /// The current time as the room sees it.
    pub fn now(&self) -> Timestamp {
        Timestamp::default() + self.clock
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.clock.saturating_sub(START)
    }

    /// Whoever called on this leg.
    pub fn phone(&self, leg: LegId) -> &Phone {
        &self.phones[&leg]
    }

    /// What the house says is nobody's.
    fn is_forgotten(&self, leg: LegId) -> bool {
        leg != HOUSE && self.phone(leg).is_forgotten
    }

    /// Has the house say something in English; whether it is said.
    pub fn say(&mut self, text: &str) -> bool {
        let text = Text { words: text, language: "en".parse().expect("a language"), is_voiced: false };
        let mut is_said = false;
        self.change(|room, now| is_said = room.say(now, text).is_ok());
        is_said
    }

    /// Tells the room something and carries out what it wants.
    pub fn tell(&mut self, leg: LegId, input: Input<'_>) {
        self.change(|room, now| room.handle(now, leg, input));
    }

    /// Does something with the room and carries out what it wants.
    pub fn change(&mut self, change: impl FnOnce(&mut Room, Timestamp)) {
        let now = self.now();
        change(&mut self.room, now);
        while let Some(order) = self.room.poll() {
            self.carry_out(order);
        }
        let deadline = self.room.next_deadline();
        assert!(deadline.is_none_or(|d| d > self.now()), "a deadline in the past makes the caller spin");
    }

    /// Somebody else calls now.
    pub fn call(&mut self, caller: Caller) {
        self.callers.push_front(Caller { joins: self.elapsed(), ..caller });
    }

    /// A caller presses keys, one after the other.
    pub fn press(&mut self, leg: u32, keys: &str) {
        for key in keys.chars() {
            self.change(|room, now| room.key(now, LegId(leg), key));
        }
    }

    /// A caller hangs up.
    pub fn hang_up(&mut self, leg: LegId) {
        if let Some(phone) = self.phones.get_mut(&leg).filter(|phone| !phone.is_gone) {
            phone.is_gone = true;
            self.change(|room, now| room.leave(now, leg));
        }
    }

    /// Runs what is due before `until`, in order: answers of engines and the room's own deadlines.
    fn engines_until(&mut self, until: Duration) {
        loop {
            let happening = self.future.first_key_value().map(|(&(at, _), _)| at);
            let deadline = self.room.next_deadline().map(|d| d.since(Timestamp::default()));
            let Some(at) = happening.into_iter().chain(deadline).min().filter(|&at| at < until) else {
                return;
            };
            self.clock = self.clock.max(at);
            match self.future.first_entry().filter(|entry| entry.key().0 <= at) {
                Some(entry) => {
                    let (leg, happening) = entry.remove();
                    self.tell(leg, happening.input());
                }
                None => self.change(Room::tick),
            }
        }
    }

    fn come_and_go(&mut self) {
        let at = self.elapsed();
        while self.callers.front().is_some_and(|caller| caller.joins <= at)
            && let Some(caller) = self.callers.pop_front()
        {
            let (leg, language) = (caller.leg, caller.language.parse().expect("a language"));
            self.phones.insert(leg, Phone::new(caller));
            match self.remembered.get(&leg).copied() {
                Some(known) => self.change(|room, now| room.rejoin(now, leg, language, known)),
                None => self.change(|room, now| room.join(now, leg, language)),
            }
        }
        let leaving = self.phones.values().filter(|phone| !phone.is_gone && phone.caller.leaves <= at);
        let leaving: Vec<LegId> = leaving.map(|phone| phone.caller.leg).collect();
        for leg in leaving {
            self.hang_up(leg);
        }
    }

    /// 20 ms of everybody.
    fn exchange_frames(&mut self) {
        let at = self.elapsed();
        let present = self.phones.iter_mut().filter(|(_, phone)| !phone.is_gone);
        let voices: BTreeMap<LegId, Frame> = present.map(|(leg, phone)| (*leg, phone.say(at))).collect();
        for leg in voices.keys().copied() {
            let Some(phone) = self.phones.get_mut(&leg) else { continue };
            let (speech, began, ended) = phone.play_frame(at);
            let loudspeaker = Self::loudspeaker(phone, speech.as_ref(), &voices);
            let frame = phone.send(&voices[&leg], &loudspeaker);
            if let Some(speech) = speech {
                self.room.rendered(leg, &speech);
            }
            for segment in began {
                self.tell(leg, Input::PlaybackStarted { segment });
            }
            for segment in ended {
                self.tell(leg, Input::PlaybackEnded { segment });
            }
            let captured = Captured { number: self.frame, at: self.now(), frame };
            self.tell(leg, Input::Captured(&captured));
            self.count_frames(leg);
        }
    }

    /// What a phone plays: speech, and the voices of others as they are told to be heard.
    fn loudspeaker(phone: &Phone, speech: Option<&Frame>, voices: &BTreeMap<LegId, Frame>) -> Frame {
        let mut sum = speech.copied().unwrap_or(Frame::SILENCE);
        for (talker, original) in phone.originals.last().into_iter().flat_map(|(_, originals)| originals) {
            let halvings = match original {
                Original::Plain => 0,
                Original::Ducked { louder_db } => (DUCKED_HALVINGS - i32::from(*louder_db) / 6).max(0) as u32,
            };
            if let Some(voice) = voices.get(talker) {
                add(&mut sum, voice, halvings);
            }
        }
        sum
    }

    /// Every frame that was sent is counted.
    fn count_frames(&self, leg: LegId) {
        let (Some(counts), Some(undecided)) = (self.room.frames(leg), self.room.frames_undecided(leg)) else {
            panic!("leg {} has no counts", leg.0)
        };
        let explained = counts.recognised
            + counts.silent
            + counts.gated
            + counts.unannounced
            + counts.unwanted
            + counts.unrecognised
            + counts.refused
            + undecided as u64;
        assert_eq!((counts.captured, explained), (self.phone(leg).sent, self.phone(leg).sent), "{counts:?}");
        assert_eq!(counts.recognised, self.requests.frames(leg));
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Do { leg, action } => self.act(leg, action),
            Order::Play { leg, segment, listeners } => {
                let (frames, sound) = self.sound(segment);
                let talker = (listeners.iter().any(|(listener, _)| *listener != leg)).then_some(leg);
                let hears_himself =
                    listeners.len() > 1 && listeners.iter().any(|(listener, _)| *listener == leg);
                assert!(!hears_himself && !self.is_forgotten(leg), "{sound:?} by {leg:?}: {listeners:?}");
                self.play(talker, segment, frames, &sound, &listeners);
            }
            Order::PlayCue { segment, cue, listeners } => {
                let listeners: Vec<_> = listeners.into_iter().map(|leg| (leg, Pace::Usual)).collect();
                self.play(None, segment, 6, &Sound::Cue(cue), &listeners);
            }
            Order::Discard { segment, .. } => {
                self.over.insert(segment, "discarded");
                self.phones.values_mut().for_each(|phone| phone.discard(segment));
            }
            Order::Hear { listener, originals } => self.hear(listener, originals),
            Order::Speaks { leg, language } => {
                self.phones.get_mut(&leg).expect("somebody").language = language;
            }
            Order::Translates { leg, yes } => {
                let is_new = if yes { self.translated.insert(leg) } else { self.translated.remove(&leg) };
                assert!(is_new, "it is told twice");
            }
            Order::Forget { leg } => {
                let phone = self.phones.get_mut(&leg).expect("somebody");
                assert!(phone.is_gone && !std::mem::replace(&mut phone.is_forgotten, true));
            }
            Order::Remember { leg, known } => {
                let before = self.remembered.insert(leg, known);
                assert_ne!(before.unwrap_or_default(), known, "it is told twice");
            }
            Order::Refused { leg } => assert!(self.refused.insert(leg), "it is told twice"),
            Order::Dismiss { leg } => self.phones.get_mut(&leg).expect("somebody").is_dismissed = true,
        }
    }

    fn play(
        &mut self,
        talker: Option<LegId>,
        segment: SegmentId,
        frames: u32,
        sound: &Sound,
        listeners: &[(LegId, Pace)],
    ) {
        assert!(!listeners.is_empty(), "{sound:?} is played to nobody");
        let before = self.over.insert(segment, "played");
        assert_eq!(before, None, "{sound:?} is played twice, or after it was discarded");
        for (listener, pace) in listeners {
            let phone = self.phones.get_mut(listener).expect("somebody");
            assert!(!phone.is_gone, "{sound:?} is played to somebody who is gone");
            phone.play(talker, segment, frames, *pace, sound.clone());
        }
    }

    fn hear(&mut self, listener: LegId, originals: Vec<(LegId, Original)>) {
        for (talker, _) in &originals {
            assert!(*talker != listener && !self.phone(*talker).is_gone, "{} hears {}", listener.0, talker.0);
        }
        let at = self.elapsed();
        self.phones.get_mut(&listener).expect("somebody").originals.push((at, originals));
    }
}
