use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use audio_path::{MediaEvent, MediaEventKind, Playable, SegmentId, Timestamp};
use session::room::Pace;
use session::{Action, Component, Event, Input, Interpreter, Language, UtteranceId, Voices};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::time::sleep;

use super::own_voices::OwnVoices;
use super::playback::{Next, Playback};
use super::{Line, Listed, sounds};
use crate::clients::{
    Answer, AsrInput, Emotion, Exchanges, Outside, Recogniser, SpeakJob, Speaker, TranslateJob, Translator,
};
use crate::config::Room;
use crate::hub::{Hub, Inbox, VoiceWish, now};
use crate::media::{Full, LegEnds};
use crate::ports::Port;
use crate::report::{self, Report};
use crate::tally::LegTally;

/// Frames handed to the phone ahead of time: a second, which bridges a stall of this side.
const FRAMES_AHEAD: usize = 50;
/// How often playback is topped up where nothing else wakes the leg.
const TOP_UP_EVERY: Duration = Duration::from_millis(200);
/// How often it is seen whether any engine answers.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Answers of engines that may wait for the leg's task.
const MOST_ANSWERS: usize = 256;

/// The shell around one [`Interpreter`]: carries its actions out, brings their results back.
struct InterpreterLeg<'a> {
    hub: &'a Hub,
    ends: LegEnds,
    room: Interpreter,
    playback: Playback,
    /// Room for frames in the ring when nothing waits in it.
    ring_capacity: usize,
    recogniser: Recogniser,
    translator: Translator,
    speaker: Speaker,
    voices: Voices<Language>,
    own_voices: Option<OwnVoices>,
    /// How the caller speaks, where that is wanted.
    emotion: Option<Emotion>,
    answers: mpsc::Sender<Answer>,
    utterances: HashMap<UtteranceId, mpsc::Sender<AsrInput>>,
    /// The segment whose frames went to the ring last.
    handed_over: Option<SegmentId>,
    tally: LegTally,
    /// Whether hearing, translation and speech have an engine that answers.
    served: [bool; 3],
    /// When that is looked at next.
    look_at: Timestamp,
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
    let (inbox, media_events) = Inbox::new();
    let mut listed = Listed::enter(hub, leg_id, &line.id, room, &ends.shared, &inbox);
    let (answers_in, answers) = mpsc::channel(MOST_ANSWERS);
    let languages = *interpreter.languages();
    let mut leg = InterpreterLeg::new(hub, ends, interpreter, &answers_in);
    leg.own_voices = OwnVoices::new(hub, room, leg_id, languages, &answers_in);
    tokio::select! {
        () = down.notified() => {}
        () = line.keep(hub, leg_id, &inbox) => {}
        () = leg.run(&inbox, media_events, answers) => {}
    }
    listed.session = report::listening(leg.room.frames(), leg.room.discards());
    if let Some(emotion) = &leg.emotion {
        listed.session["emotion"] = report::emotion(emotion.counts());
    }
    Ok(())
}

impl<'a> InterpreterLeg<'a> {
    fn new(hub: &'a Hub, ends: LegEnds, room: Interpreter, answers: &mpsc::Sender<Answer>) -> Self {
        let Outside { transport, asr, mt, tts, emotion, translations, .. } = &hub.outside;
        let mut voices = Voices::default();
        // In the order of the configuration, so that they are the same in every call.
        for language in room.languages().both() {
            voices.seat(language);
        }
        let exchanges = Exchanges::new(asr, transport);
        let recogniser = Recogniser::new(asr, transport, &exchanges, answers.clone());
        let translator = Translator::new(mt, transport, translations, &exchanges, answers.clone());
        tokio::spawn(recogniser.clone().warm(room.languages().both()));
        tokio::spawn(translator.clone().warm());
        Self {
            hub,
            ring_capacity: ends.playable[0].vacant(),
            ends,
            room,
            playback: Playback::default(),
            recogniser,
            translator,
            speaker: Speaker::new(tts, transport, &exchanges, answers.clone()),
            voices,
            own_voices: None,
            emotion: emotion.as_ref().map(|stage| Emotion::new(stage, transport, answers.clone())),
            answers: answers.clone(),
            utterances: HashMap::new(),
            handed_over: None,
            tally: LegTally::default(),
            served: [true; 3],
            look_at: Timestamp::default(),
        }
    }

    async fn run(
        &mut self,
        inbox: &Inbox,
        mut media: mpsc::Receiver<MediaEvent>,
        mut answers: mpsc::Receiver<Answer>,
    ) {
        let mut wishes = self.own_voices.as_ref().map(|_| inbox.wishes.subscribe());
        self.tell(Input::Connected);
        loop {
            let deadline = self.room.next_deadline().map(|deadline| deadline.since(now()));
            let top_up = self.playback.is_playing().then_some(TOP_UP_EVERY);
            let pause = deadline.into_iter().chain(top_up).min().unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
            tokio::select! {
                Some(wish) = next_wish(&mut wishes) => self.wish(wish),
                () = inbox.captured.notified() => self.drain_captured(),
                Some(event) = media.recv() => self.played(event),
                Some(answer) = answers.recv() => self.answered(answer),
                () = sleep(pause) => self.tell(Input::Tick),
            }
            self.top_up();
            self.look_at_engines();
        }
    }

    /// Tells the session where a stage was lost, or is there again.
    fn look_at_engines(&mut self) {
        if now() < self.look_at {
            return;
        }
        self.look_at = now() + LOOK_EVERY;
        let served = [self.recogniser.is_served(), self.translator.is_served(), self.speaker.is_served()];
        let before = std::mem::replace(&mut self.served, served);
        for (component, place) in [(Component::Asr, 0), (Component::Mt, 1), (Component::Tts, 2)] {
            if served[place] != before[place] {
                let served = served[place];
                log::warn!(
                    "leg {}: {} {}",
                    self.ends.id.0,
                    component.name(),
                    if served { "is there again" } else { "is lost: no engine answers" }
                );
                self.tell(Input::Served { component, served });
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.room.handle(now(), input);
        while let Some(action) = self.room.poll_action() {
            self.carry_out(action);
        }
    }

    fn drain_captured(&mut self) {
        while let Some(captured) = self.ends.captured.pop() {
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
                self.utterances.remove(&utterance);
                self.tell(Input::Final { utterance, text: &text, language });
            }
            Answer::NotRecognised { utterance, reason } => {
                self.utterances.remove(&utterance);
                self.tell(Input::RecognitionFailed { utterance, reason: &reason });
            }
            Answer::Translated { segment, text } => self.tell(Input::Translated { segment, text: &text }),
            Answer::NotTranslated { segment, reason } => {
                self.tell(Input::TranslationFailed { segment, reason: &reason });
            }
            Answer::Speech { segment, samples } => {
                if self.playback.add(segment, &samples) {
                    self.tell(Input::SpeechReady { segment });
                }
            }
            Answer::VoiceMade { language, made } => {
                if let Some(own) = &mut self.own_voices {
                    own.made(language, made);
                }
            }
            Answer::SpeechComplete { segment } => self.playback.complete(segment),
            Answer::NotSpoken { segment, reason } => {
                self.playback.complete(segment);
                self.tell(Input::SpeechFailed { segment, reason: &reason });
            }
            Answer::Felt(felt) => self.hub.tell(&Report::felt(self.ends.id, &felt)),
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::OpenAsr { utterance, languages } => {
                self.utterances.insert(utterance, self.recogniser.recognise(utterance, languages));
            }
            Action::SendAudio { utterance, frame } => {
                if let Some(own) = &mut self.own_voices {
                    own.hear(utterance, &frame);
                }
                self.emotion.iter().for_each(|emotion| emotion.hear(&frame));
                self.send_asr(utterance, AsrInput::Audio(frame));
            }
            Action::FinishAsr { utterance } => {
                self.emotion.iter().for_each(Emotion::pause);
                self.send_asr(utterance, AsrInput::Finish);
            }
            Action::CancelAsr { utterance } => {
                self.utterances.remove(&utterance);
            }
            Action::Translate { segment, text, context, source, target } => {
                self.translator.translate(segment, TranslateJob { text, context, source, target });
            }
            Action::Speak { segment, text, language } => self.speak(segment, text, language),
            Action::Play { segment, hurried } => {
                self.playback.play(segment, if hurried { Pace::Hurried } else { Pace::Usual });
            }
            Action::PlayCue { segment, cue } => {
                self.playback.expect(segment);
                let notice = self.hub.outside.notices.get(cue);
                self.playback.add(segment, notice.as_deref().unwrap_or_else(|| sounds::samples(cue)));
                self.playback.complete(segment);
                self.playback.play(segment, Pace::Usual);
            }
            Action::Discard { segment } => {
                self.speaker.cancel(segment);
                self.playback.discard(segment);
                if self.handed_over.take_if(|handed| *handed == segment).is_some() {
                    self.ends.shared.flush();
                }
            }
            Action::Emit(event) => {
                self.notice(&event);
                self.report(&event);
            }
        }
    }

    fn report(&mut self, event: &Event) {
        if let Event::Error { component, message } = event {
            // The message may quote the caller, and what is said in a call is nobody's above debug.
            log::warn!(
                "leg {}: {} failed, something that was said is lost",
                self.ends.id.0,
                component.name()
            );
            log::debug!("leg {}: {message}", self.ends.id.0);
        }
        self.tally.count(&self.hub.tally, event);
        self.hub.tell_session(self.ends.id, event);
    }

    fn send_asr(&mut self, utterance: UtteranceId, input: AsrInput) {
        if let Some(recognition) = self.utterances.get(&utterance)
            && let Err(mpsc::error::TrySendError::Full(_)) = recognition.try_send(input)
        {
            // Half a minute is behind: the recognition cannot be saved. Dropping its input ends it.
            self.utterances.remove(&utterance);
            let reason = "the recogniser does not keep up".to_owned();
            self.fail(Answer::NotRecognised { utterance, reason });
        }
    }

    fn wish(&mut self, wish: VoiceWish) {
        if let Some(own) = &mut self.own_voices {
            own.wish(wish);
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
        let own_voice = self.own_voices.as_ref().and_then(|own| own.of_speaker(speaker));
        let job = SpeakJob { segment, text, language, seat: self.voices.seat(speaker), own_voice };
        self.playback.expect(segment);
        if let Err(failure) = self.speaker.speak(job) {
            self.fail(Answer::NotSpoken { segment, reason: failure.to_string() });
        }
    }

    /// Answers in an engine's place, in a later turn of the loop; if not even that has room, the session's deadline
    /// does the same.
    fn fail(&self, answer: Answer) {
        let _deadline_takes_over = self.answers.try_send(answer);
    }

    /// Hands speech to the phone, never far ahead.
    fn top_up(&mut self) {
        while self.ring_capacity - self.ends.playable[0].vacant() < FRAMES_AHEAD {
            let Some(Next { segment, last, frame }) = self.playback.next_frame() else { return };
            let playable = Playable { epoch: self.ends.shared.epoch(0), segment, last, frame };
            self.handed_over = Some(segment);
            if self.ends.playable[0].push(playable).is_ok() {
                self.tell(Input::Rendered(&frame));
            }
        }
    }
}

/// Never, where nothing can be wished.
async fn next_wish(wishes: &mut Option<broadcast::Receiver<VoiceWish>>) -> Option<VoiceWish> {
    match wishes {
        Some(wishes) => wishes.recv().await.ok(),
        None => std::future::pending().await,
    }
}
