use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use audio_path::{Gain, LegId, Level, MediaEvent, MediaEventKind, SegmentId};
use serde_json::Value;
use session::room::{HOUSE, Order, Original, Pace, Room, Rules};
use session::{Action, Input, Voices};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::chair::Chair;
use super::mouth::Mouth;
use super::sounds::Sounds;
use super::{Door, Entrance, Happening, Kind};
use crate::clients::{Answer, TranslateJob};
use crate::hub::{Hub, Words, now};
use crate::leg::{Outlook, pause, samples};
use crate::report::Report;
use crate::tally::LegTally;
use crate::tap::{Joined, RoomName, RoomTap};

/// How much softer an original is while its translation is heard, dB.
const DUCKED_BY_DB: f32 = 6.0;
/// No original is made louder than this, dB.
const LOUDEST_DB: f32 = 12.0;

/// The shell around one [`Room`]: carries its orders out, brings their results back.
pub(super) struct RoomTask<'a> {
    hub: &'a Hub,
    kind: Kind,
    room: Room,
    chairs: BTreeMap<LegId, Chair<'a>>,
    /// By whom the house speaks, once it did.
    house: Option<Mouth<'a>>,
    sounds: Sounds,
    /// Who has which of the engines' voices.
    voices: Voices<LegId>,
    door: Door,
    tap: RoomTap,
    tally: LegTally,
    outlook: Outlook,
}

/// Serves the room `key` until nobody is in it.
pub(super) async fn serve(
    hub: Arc<Hub>,
    key: String,
    kind: Kind,
    door: Door,
    mut happenings: mpsc::Receiver<(LegId, Happening)>,
) {
    let mut task = RoomTask::new(&hub, key.clone(), kind, door);
    loop {
        let pause = task.pause();
        tokio::select! {
            Some((leg, happening)) = happenings.recv() => task.happened(leg, happening),
            () = sleep(pause) => task.room.tick(now()),
        }
        task.carry_out();
        task.top_up();
        task.look_at_engines();
        if task.room.is_empty() && hub.rooms.close(&key, &happenings) {
            return;
        }
    }
}

impl<'a> RoomTask<'a> {
    fn new(hub: &'a Hub, key: String, kind: Kind, door: Door) -> Self {
        let of = if kind.is_call { "call" } else { "conference" };
        let tap = hub.open_room(RoomName { key, dialled: kind.dialled.clone(), kind: of });
        let rules = Rules {
            mode: kind.several.mode,
            manner: kind.several.manner,
            ends_with_the_first_to_leave: kind.is_call,
            languages: hub.config.spoken(&hub.directory()),
            pin: kind.pin.clone(),
            is_recorded: hub.recorder.is_on(),
            hides_originals: kind.several.original_db.is_none(),
        };
        Self {
            hub,
            kind,
            room: Room::new(rules),
            chairs: BTreeMap::new(),
            house: None,
            sounds: Sounds::default(),
            voices: Voices::default(),
            door,
            tap,
            tally: LegTally::default(),
            outlook: Outlook::default(),
        }
    }

    /// How long there is nothing to do unless something happens.
    fn pause(&self) -> Duration {
        let deadline = self.room.next_deadline().map(|deadline| deadline.since(now()));
        pause(deadline, self.chairs.values().any(Chair::is_playing))
    }

    fn happened(&mut self, leg: LegId, happening: Happening) {
        match happening {
            Happening::Entered(entrance) => self.enter(leg, *entrance),
            Happening::Captured => self.drain_captured(leg),
            Happening::Media(event) => self.played(event),
            Happening::Answered(answer) => self.answered(leg, answer),
            Happening::Key(key) => self.room.key(now(), leg, key),
            Happening::Say(words) => self.say(words),
            Happening::Left(told) => self.leave(leg, told),
        }
    }

    fn enter(&mut self, leg: LegId, entrance: Entrance) {
        let (seat, language) = (self.voices.seat(leg), entrance.language);
        let known = self.hub.memory.recall(&entrance.id);
        self.tap.joined(now(), Joined { leg, id: entrance.id.clone(), language: Some(language) });
        let chair = Chair::new(&self.hub.outside, leg, entrance, seat, &self.door);
        self.chairs.insert(leg, chair);
        self.room.rejoin(now(), leg, language, known);
    }

    fn drain_captured(&mut self, leg: LegId) {
        while let Some(captured) = self.chairs.get_mut(&leg).and_then(Chair::take_captured) {
            if self.room.may_be_overheard(leg) {
                self.tap.said(leg, &captured);
            }
            self.room.handle(now(), leg, Input::Captured(&captured));
        }
    }

    fn played(&mut self, event: MediaEvent) {
        let input = match event.kind {
            MediaEventKind::SegmentStarted(segment) => Input::PlaybackStarted { segment },
            MediaEventKind::SegmentEnded(segment) => Input::PlaybackEnded { segment },
            MediaEventKind::PortDown | MediaEventKind::Key(_) => return,
        };
        self.room.handle(now(), event.leg, input);
    }

    fn answered(&mut self, leg: LegId, answer: Answer) {
        let (now, room) = (now(), &mut self.room);
        match answer {
            Answer::Partial { utterance, delta, language } => {
                room.handle(now, leg, Input::Partial { utterance, delta: &delta, language });
            }
            Answer::Interim { utterance, text, heard, language } => {
                room.handle(now, leg, Input::Interim { utterance, text: &text, heard, language });
            }
            Answer::Final { utterance, text, language } => {
                self.chairs.get_mut(&leg).into_iter().for_each(|chair| chair.recognised(utterance));
                room.handle(now, leg, Input::Final { utterance, text: &text, language });
            }
            Answer::NotRecognised { utterance, reason } => {
                self.chairs.get_mut(&leg).into_iter().for_each(|chair| chair.recognised(utterance));
                room.handle(now, leg, Input::RecognitionFailed { utterance, reason: &reason });
            }
            Answer::Translated { segment, text } => {
                room.handle(now, leg, Input::Translated { segment, text: &text });
            }
            Answer::NotTranslated { segment, reason } => {
                room.handle(now, leg, Input::TranslationFailed { segment, reason: &reason });
            }
            Answer::Speech { segment, samples } => self.spoken(leg, segment, &samples),
            Answer::SpeechComplete { segment } => self.complete(segment),
            Answer::NotSpoken { segment, reason } => {
                self.complete(segment);
                self.room.handle(now, leg, Input::SpeechFailed { segment, reason: &reason });
            }
            Answer::Felt(felt) => self.hub.tell(&Report::felt(leg, &felt)),
            // Rooms of several offer no own voices.
            Answer::VoiceMade { .. } => {}
        }
    }

    fn say(&mut self, words: Words) {
        if let Some((segment, sound)) = words.say(|text| self.room.say(now(), text)) {
            self.sounds.expect(segment);
            self.spoken(HOUSE, segment, &sound);
            self.complete(segment);
        }
    }

    fn spoken(&mut self, leg: LegId, segment: SegmentId, samples: &[i16]) {
        let Some((listeners, is_first)) = self.sounds.add(segment, samples) else { return };
        if !listeners.is_empty() {
            self.tell_spoken(leg, segment, samples);
        }
        for listener in listeners {
            self.chairs.get_mut(&listener).into_iter().for_each(|chair| chair.add(segment, samples));
        }
        if is_first {
            self.room.handle(now(), leg, Input::SpeechReady { segment });
        }
    }

    /// Tells who listens in of a translation that is heard.
    fn tell_spoken(&self, leg: LegId, segment: SegmentId, samples: &[i16]) {
        if let Some([_, language]) = self.tally.languages(segment) {
            self.tap.spoken(now(), leg, segment, language, samples);
        }
    }

    fn complete(&mut self, segment: SegmentId) {
        for listener in self.sounds.complete(segment) {
            self.chairs.get_mut(&listener).into_iter().for_each(|chair| chair.complete(segment));
        }
    }

    fn carry_out(&mut self) {
        while let Some(order) = self.room.poll() {
            match order {
                Order::Do { leg, action: Action::Emit(event) } => {
                    self.tap.happened(now(), leg, &event);
                    self.hub.tell_session(leg, &mut self.tally, &event);
                }
                Order::Do { leg, action } => self.act(leg, action),
                Order::Play { leg, segment, listeners } => {
                    let legs: Vec<LegId> = listeners.iter().map(|(leg, _)| *leg).collect();
                    let (samples, is_complete) = self.sounds.play(segment, &legs);
                    self.tell_spoken(leg, segment, &samples);
                    self.play(Some(leg), segment, &listeners, &samples, is_complete);
                }
                Order::PlayCue { segment, cue, listeners } => {
                    let notice = self.hub.outside.notices.get(cue);
                    let sound = notice.as_deref().unwrap_or_else(|| samples(cue));
                    let listeners: Vec<_> = listeners.into_iter().map(|leg| (leg, Pace::Usual)).collect();
                    self.play(None, segment, &listeners, sound, true);
                }
                Order::Discard { leg, segment } => {
                    self.sounds.forget(segment);
                    self.tap.cut(now(), segment);
                    self.chairs.get(&leg).into_iter().for_each(|chair| chair.cancel(segment));
                    self.house.iter().filter(|_| leg == HOUSE).for_each(|house| house.cancel(segment));
                    self.chairs.values_mut().for_each(|chair| chair.discard(segment));
                }
                Order::Hear { listener, originals } => self.hear(listener, &originals),
                Order::Speaks { leg, language } => {
                    self.tap.speaks(now(), leg, language);
                    self.chairs.get_mut(&leg).into_iter().for_each(|chair| chair.speaks(language));
                }
                Order::Translates { leg, yes } => self.hub.translates(leg, yes),
                Order::Forget { leg } => drop(self.chairs.remove(&leg)),
                Order::Remember { leg, known } => self.hub.remember(leg, known),
                Order::Refused { leg } => self.hub.refuse_at_the_door(leg),
                Order::Dismiss { leg } => self.hub.dismiss(leg),
            }
        }
    }

    fn act(&mut self, leg: LegId, action: Action) {
        if let Action::Speak { segment, .. } = action {
            self.sounds.expect(segment);
        }
        let instead = match self.chairs.get_mut(&leg) {
            Some(chair) => chair.act(action),
            None if leg == HOUSE => self.act_for_house(action),
            None => return,
        };
        if let Some(answer) = instead {
            // In an engine's place, in a later turn of the loop; if not even that has room, the session's deadline
            // does the same.
            let _deadline_takes_over = self.door.try_send((leg, Happening::Answered(answer)));
        }
    }

    fn act_for_house(&mut self, action: Action) -> Option<Answer> {
        let Self { hub, voices, door, .. } = self;
        let new = || Mouth::new(&hub.outside, HOUSE, voices.seat(HOUSE), None, door);
        let house = self.house.get_or_insert_with(new);
        match action {
            Action::Translate { segment, text, context, source, target } => {
                house.translate(segment, TranslateJob { text, context, source, target });
                None
            }
            Action::Speak { segment, text, language } => house.speak(segment, text, language),
            _ => None,
        }
    }

    fn play(
        &mut self,
        talker: Option<LegId>,
        segment: SegmentId,
        listeners: &[(LegId, Pace)],
        samples: &[i16],
        is_complete: bool,
    ) {
        for (listener, pace) in listeners {
            if let Some(chair) = self.chairs.get_mut(listener) {
                chair.play(talker, segment, *pace, samples, is_complete);
            }
        }
    }

    fn hear(&mut self, listener: LegId, originals: &[(LegId, Original)]) {
        let voices: Vec<_> = originals.iter().map(|(leg, original)| (*leg, self.gain(*original))).collect();
        if let Err(refused) = self.hub.media.hear(listener, &voices) {
            log::error!("leg {}: {refused}", listener.0);
        }
    }

    fn gain(&self, original: Original) -> Gain {
        let level = |below: f32| {
            let loudness = self.kind.several.original_db.map(f32::from);
            loudness.map_or(Level::MUTED, |db| Level::from_db((db - below).min(LOUDEST_DB)))
        };
        match original {
            Original::Plain => Gain::steady(Level::UNITY),
            Original::Ducked { louder_db } => {
                let louder = f32::from(louder_db);
                Gain { plain: level(-louder), ducked: level(DUCKED_BY_DB - louder) }
            }
        }
    }

    fn top_up(&mut self) {
        for (leg, chair) in &mut self.chairs {
            chair.top_up(|frame| self.room.rendered(*leg, frame));
            chair.tell_queues();
        }
    }

    /// Tells the session where a stage was lost, or is there again.
    fn look_at_engines(&mut self) {
        let Some((leg, chair)) = self.chairs.first_key_value() else { return };
        let leg = *leg;
        for (component, served) in self.outlook.look(now(), leg, || chair.is_served()) {
            self.room.handle(now(), leg, Input::Served { component, served });
        }
        self.carry_out();
    }

    /// A leg is gone; what became of its speech so far is told to whoever lists it.
    fn leave(&mut self, leg: LegId, told: oneshot::Sender<Value>) {
        self.room.leave(now(), leg);
        self.tap.left(now(), leg);
        if let (Some(chair), Some(frames)) = (self.chairs.get(&leg), self.room.frames(leg)) {
            let _nobody_asks_any_more = told.send(chair.report(frames, self.room.discards()));
        }
    }
}
