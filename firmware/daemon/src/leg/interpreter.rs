use std::sync::Arc;

use audio_path::{Captured, Consumer, LegId, MediaEvent, MediaEventKind, SegmentId};
use engines::Failure;
use session::room::Pace;
use session::{Action, Event, Input, Interpreter, Language, Voices};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::lane::Lane;
use super::listening::Listening;
use super::outlook::{Outlook, pause};
use super::own_voices::OwnVoices;
use super::{Line, Listed, sounds};
use crate::clients::{Answer, Exchanges, Outside, SpeakJob, Speaker, TranslateJob, Translator};
use crate::config::Room;
use crate::hub::{Hub, Inbox, Outlet, Wish, Words, now};
use crate::media::{Full, LegEnds, LegShared, Queue};
use crate::ports::Port;
use crate::report::{self, Report};
use crate::tally::LegTally;
use crate::tap::{Joined, RoomName, RoomTap};

/// Answers of engines that may wait for the leg's task.
const MOST_ANSWERS: usize = 256;

/// The shell around one [`Interpreter`]: carries its actions out, brings their results back.
struct InterpreterLeg<'a> {
    hub: &'a Hub,
    id: LegId,
    captured: Consumer<Captured>,
    shared: Arc<LegShared>,
    lane: Lane,
    room: Interpreter,
    listening: Listening,
    translator: Translator,
    speaker: Speaker,
    voices: Voices<Language>,
    own_voices: Option<OwnVoices>,
    answers: mpsc::Sender<Answer>,
    tap: RoomTap,
    tally: LegTally,
    outlook: Outlook,
}

/// Serves an interpreter room's leg until `down` is notified.
pub(super) async fn serve(
    hub: &Arc<Hub>,
    line: &Line,
    room: &Room,
    interpreter: Interpreter,
    port: Port,
    down: &Notify,
) -> Result<(), Full> {
    let ends = hub.media.attach_room(port, 1)?;
    let leg_id = ends.id;
    let (inbox, outlet) = Inbox::new();
    let mut listed = Listed::enter(hub, leg_id, line, room, &ends.shared, &inbox);
    let (answers_in, answers) = mpsc::channel(MOST_ANSWERS);
    let languages = *interpreter.languages();
    let tap = tap(hub, line, room, leg_id);
    let mut leg = InterpreterLeg::new(hub, ends, interpreter, tap, &answers_in);
    leg.own_voices = OwnVoices::new(hub, room, (leg_id, &line.id), languages, &answers_in);
    tokio::select! {
        () = down.notified() => {}
        () = line.keep(hub, leg_id, &inbox) => {}
        () = leg.run(&inbox, outlet, answers) => {}
    }
    listed.session = report::listening(leg.room.frames(), leg.room.discards());
    if let Some(emotion) = leg.listening.emotion() {
        listed.session["emotion"] = report::emotion(emotion);
    }
    Ok(())
}

impl<'a> InterpreterLeg<'a> {
    fn new(
        hub: &'a Hub,
        ends: LegEnds,
        room: Interpreter,
        tap: RoomTap,
        answers: &mpsc::Sender<Answer>,
    ) -> Self {
        let Outside { transport, asr, mt, tts, translations, .. } = &hub.outside;
        let LegEnds { id, captured, mut playable, shared } = ends;
        let mut voices = Voices::default();
        // In the order of the configuration, so that they are the same in every call.
        for language in room.languages().both() {
            voices.seat(language);
        }
        let exchanges = Exchanges::new(asr, transport);
        let listening = Listening::new(&hub.outside, &exchanges, answers);
        let translator = Translator::new(mt, transport, translations, &exchanges, answers.clone());
        listening.warm(room.languages().both());
        tokio::spawn(translator.clone().warm());
        Self {
            hub,
            id,
            captured,
            shared,
            lane: Lane::new(0, playable.swap_remove(0)),
            room,
            listening,
            translator,
            speaker: Speaker::new(tts, transport, &exchanges, answers.clone()),
            voices,
            own_voices: None,
            answers: answers.clone(),
            tap,
            tally: LegTally::default(),
            outlook: Outlook::default(),
        }
    }

    async fn run(&mut self, inbox: &Inbox, mut outlet: Outlet, mut answers: mpsc::Receiver<Answer>) {
        let mut wishes = inbox.wishes.subscribe();
        self.tell(Input::Connected);
        loop {
            let deadline = self.room.next_deadline().map(|deadline| deadline.since(now()));
            tokio::select! {
                Ok(wish) = wishes.recv() => self.wish(wish),
                () = inbox.captured.notified() => self.drain_captured(),
                Some(event) = outlet.playback.recv() => self.played(event),
                Some(words) = outlet.words.recv() => self.say(words),
                Some(answer) = answers.recv() => self.answered(answer),
                () = sleep(pause(deadline, self.lane.is_playing())) => self.tell(Input::Tick),
            }
            self.top_up();
            self.tell_queues();
            self.look_at_engines();
        }
    }

    fn tell_queues(&self) {
        self.shared.queues.tell(Queue::Asr, self.listening.waiting());
        self.shared.queues.tell(Queue::Mt, self.translator.under_way());
        self.shared.queues.tell(Queue::Tts, self.lane.incomplete());
        self.shared.queues.tell(Queue::Playback, self.lane.waiting());
    }

    /// Tells the session where a stage was lost, or is there again.
    fn look_at_engines(&mut self) {
        let Self { listening, translator, speaker, .. } = self;
        let served = || [listening.is_served(), translator.is_served(), speaker.is_served()];
        for (component, served) in self.outlook.look(now(), self.id, served) {
            self.tell(Input::Served { component, served });
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.room.handle(now(), input);
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.room.poll_action() {
            self.carry_out(action);
        }
    }

    fn drain_captured(&mut self) {
        while let Some(captured) = self.captured.pop() {
            self.shared.queues.took();
            if self.room.may_be_overheard() {
                self.tap.said(self.id, &captured);
            }
            self.tell(Input::Captured(&captured));
        }
    }

    fn played(&mut self, event: MediaEvent) {
        let input = match event.kind {
            MediaEventKind::SegmentStarted(segment) => Input::PlaybackStarted { segment },
            MediaEventKind::SegmentEnded(segment) => Input::PlaybackEnded { segment },
            MediaEventKind::PortDown | MediaEventKind::Key(_) => return,
        };
        self.tell(input);
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Partial { utterance, delta, language } => {
                self.tell(Input::Partial { utterance, delta: &delta, language });
            }
            Answer::Interim { utterance, text, heard, language } => {
                self.tell(Input::Interim { utterance, text: &text, heard, language });
            }
            Answer::Final { utterance, text, language } => {
                self.listening.over(utterance);
                self.tell(Input::Final { utterance, text: &text, language });
            }
            Answer::NotRecognised { utterance, reason } => {
                self.listening.over(utterance);
                self.tell(Input::RecognitionFailed { utterance, reason: &reason });
            }
            Answer::Translated { segment, text } => self.tell(Input::Translated { segment, text: &text }),
            Answer::NotTranslated { segment, reason } => {
                self.tell(Input::TranslationFailed { segment, reason: &reason });
            }
            Answer::Speech { segment, samples } => {
                if self.lane.add(segment, &samples) {
                    self.tell(Input::SpeechReady { segment });
                }
            }
            Answer::VoiceMade { language, made } => {
                if let Some(own) = &mut self.own_voices {
                    own.made(language, made);
                }
            }
            Answer::SpeechComplete { segment } => self.lane.complete(segment),
            Answer::NotSpoken { segment, reason } => {
                self.lane.complete(segment);
                self.tell(Input::SpeechFailed { segment, reason: &reason });
            }
            Answer::Felt(felt) => self.hub.tell(&Report::felt(self.id, &felt)),
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::OpenAsr { utterance, languages } => self.listening.begin(utterance, languages),
            Action::SendAudio { utterance, frame } => {
                if let Some(own) = &mut self.own_voices {
                    own.hear(utterance, &frame);
                }
                let instead = self.listening.hear(utterance, frame);
                self.answer_instead(instead);
            }
            Action::FinishAsr { utterance } => {
                let instead = self.listening.finish(utterance);
                self.answer_instead(instead);
            }
            Action::CancelAsr { utterance } => self.listening.over(utterance),
            Action::Translate { segment, text, context, source, target } => {
                self.translator.translate(segment, TranslateJob { text, context, source, target });
            }
            Action::Speak { segment, text, language } => self.speak(segment, text, language),
            Action::Play { segment, pace } => self.lane.play(segment, pace),
            Action::PlayCue { segment, cue } => {
                self.lane.expect(segment);
                let notice = self.hub.outside.notices.get(cue);
                self.lane.add(segment, notice.as_deref().unwrap_or_else(|| sounds::samples(cue)));
                self.lane.complete(segment);
                self.lane.play(segment, Pace::Usual);
            }
            Action::Discard { segment } => {
                self.speaker.cancel(segment);
                self.lane.discard(segment, &self.shared);
                self.tap.cut(now(), segment);
            }
            Action::Emit(event) => {
                self.notice(&event);
                self.tap.happened(now(), self.id, &event);
                if event == Event::Listening {
                    self.hub.translates(self.id, self.room.translates());
                    self.hub.remember(self.id, self.room.remembered());
                }
                self.hub.tell_session(self.id, &mut self.tally, &event);
            }
        }
    }

    fn say(&mut self, words: Words) {
        let voiced = words.say(|text| self.room.say(now(), text));
        self.act();
        if let Some((segment, sound)) = voiced {
            self.lane.expect(segment);
            self.lane.add(segment, &sound);
            self.lane.complete(segment);
            self.tell(Input::SpeechReady { segment });
        }
    }

    fn wish(&mut self, wish: Wish) {
        if let Some(own) = &mut self.own_voices {
            own.wish(wish);
        }
        if let Wish::Key(key) = wish {
            self.room.key(now(), key);
            self.act();
            self.hub.translates(self.id, self.room.translates());
            self.hub.remember(self.id, self.room.remembered());
        }
    }

    /// What of the room's events matters to its speakers' own voices.
    fn notice(&mut self, event: &Event) {
        let Some(own) = &mut self.own_voices else { return };
        match event {
            Event::Listening => own.asked(),
            Event::Final { utterance, language, .. } => own.said(*utterance, *language),
            _ => {}
        }
    }

    fn speak(&mut self, segment: SegmentId, text: String, language: Language) {
        let speaker = self.room.languages().other(language);
        // Nobody's own voice says what he did not say.
        let own_voices = self.own_voices.as_ref().filter(|_| self.room.is_speech(segment));
        let own_voice = own_voices.and_then(|own| own.of_speaker(speaker));
        let job =
            SpeakJob { segment, text, language, seat: self.voices.seat(speaker), voice: None, own_voice };
        self.lane.expect(segment);
        let refused = |failure: Failure| Answer::NotSpoken { segment, reason: failure.to_string() };
        let instead = self.speaker.speak(job).err().map(refused);
        self.answer_instead(instead);
    }

    /// In an engine's place, in a later turn of the loop; if not even that has room, the session's deadline does the
    /// same.
    fn answer_instead(&self, answer: Option<Answer>) {
        if let Some(answer) = answer {
            let _deadline_takes_over = self.answers.try_send(answer);
        }
    }

    fn top_up(&mut self) {
        let Self { id, lane, shared, room, tap, tally, .. } = self;
        lane.top_up(shared, |segment, frame| {
            if let Some([_, language]) = tally.languages(segment) {
                tap.spoken(now(), *id, segment, language, &frame.0);
            }
            room.handle(now(), Input::Rendered(frame));
        });
        self.act();
    }
}

/// Where it is told what happens in a room that has one leg.
fn tap(hub: &Hub, line: &Line, room: &Room, leg: LegId) -> RoomTap {
    let name = RoomName { key: line.id.clone(), dialled: room.extension.clone(), kind: room.kind.name() };
    let tap = hub.open_room(name);
    tap.joined(now(), Joined { leg, id: line.id.clone(), language: None });
    tap
}
