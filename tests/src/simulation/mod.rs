//! A call on a simulated clock: the real session core, a phone and engines that follow a script and a seed.

mod engines;
pub mod room;
mod shuffled;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use audio_path::{Captured, Frame, SegmentId, Timestamp};
use session::room::Pace;
use session::{Action, Cue, Event, Input, Interpreter, Language, LanguagePair, Manner, Text, UtteranceId};

use crate::voice::Voice;
use shuffled::Shuffled;

const FRAME: Duration = Duration::from_millis(20);
/// Far from zero, as a machine that has been up for a while.
const START: Duration = Duration::from_secs(1_000);

/// What the caller says, and when.
#[derive(Clone, Debug)]
pub struct Speech {
    /// From the start of the call.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
    /// What a perfect recogniser hears.
    pub text: String,
    /// In which language.
    pub language: &'static str,
}

/// How the engines behave; chances are in percent.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    /// Answers take up to this long.
    pub slowest: Duration,
    /// Chance that an engine reports a failure.
    pub fails: u32,
    /// Chance that an engine never answers.
    pub mute: u32,
    /// Chance that an answer comes twice.
    pub repeats: u32,
    /// Whether the recogniser streams stable text while the caller speaks.
    pub streams: bool,
    /// How late it streams what it takes the text to be so far, which the next guess replaces.
    pub guesses: Option<Duration>,
    /// Whether the final text differs in words from what was streamed.
    pub revises: bool,
    /// Whether final texts come twice and in another order.
    pub shuffles: bool,
}

impl Behaviour {
    /// Fast, faultless engines.
    pub const GOOD: Self = Self {
        slowest: Duration::from_millis(400),
        fails: 0,
        mute: 0,
        repeats: 0,
        streams: true,
        guesses: None,
        revises: false,
        shuffles: false,
    };
}

/// An input of the future, as the engines and the phone own it.
#[derive(Clone, Debug)]
enum Happening {
    Partial(UtteranceId, String, &'static str),
    Interim(UtteranceId, String, Duration, &'static str),
    Final(UtteranceId, String, &'static str),
    RecognitionFailed(UtteranceId),
    Translated(SegmentId, String),
    TranslationFailed(SegmentId),
    SpeechReady(SegmentId),
    SpeechFailed(SegmentId),
}

impl Happening {
    fn input(&self) -> Input<'_> {
        let language = |code: &str| code.parse::<Language>().ok();
        let reason = "simulated";
        match self {
            Self::Partial(utterance, delta, code) => {
                Input::Partial { utterance: *utterance, delta, language: language(code) }
            }
            Self::Interim(utterance, text, heard, code) => {
                let (utterance, heard, language) = (*utterance, *heard, language(code));
                Input::Interim { utterance, text, heard, language }
            }
            Self::Final(utterance, text, code) => {
                Input::Final { utterance: *utterance, text, language: language(code) }
            }
            Self::RecognitionFailed(utterance) => Input::RecognitionFailed { utterance: *utterance, reason },
            Self::Translated(segment, text) => Input::Translated { segment: *segment, text },
            Self::TranslationFailed(segment) => Input::TranslationFailed { segment: *segment, reason },
            Self::SpeechReady(segment) => Input::SpeechReady { segment: *segment },
            Self::SpeechFailed(segment) => Input::SpeechFailed { segment: *segment, reason },
        }
    }
}

/// What was played to the phone.
#[derive(Clone, Debug, PartialEq)]
pub enum Sound {
    /// Speech of this text.
    Speech(String),
    /// One of the interpreter's own sounds.
    Cue(Cue),
}

struct Playing {
    segment: SegmentId,
    frames: u32,
    began: bool,
}

/// A call under way.
pub struct Simulation {
    /// The room under test.
    pub room: Interpreter,
    /// All events so far, with the time since the start of the call.
    pub events: Vec<(Duration, Event)>,
    /// All that was played so far, in order, with the time it began.
    pub played: Vec<(Duration, Sound)>,
    /// How fast each speech was played.
    pub paces: Vec<Pace>,
    /// How much quieter the echo of playback is when it comes back, in halvings.
    pub echo_halvings: u32,
    /// How loud the engines speak.
    pub machine_peak: f32,
    /// When the phone stops sending frames, from the start of the call.
    pub sends_until: Duration,
    /// Frames that the recogniser received while playback could be heard, or shortly after: the caller talked over it.
    pub frames_in_playback: u64,
    /// Those of them in which the caller was silent: nothing but echo.
    pub echo_recognised: u64,
    /// Frames that the recogniser received.
    pub frames_recognised: u64,
    script: Vec<Speech>,
    behaviour: Behaviour,
    random: fastrand::Rng,
    clock: Duration,
    frame: u64,
    future: BTreeMap<(Duration, u64), Happening>,
    happenings: u64,
    /// Which speech an utterance is of, and how many frames of it were received.
    hearing: HashMap<UtteranceId, (usize, usize)>,
    /// How many words of a speech were heard in finished utterances.
    words_heard: HashMap<usize, usize>,
    texts: HashMap<SegmentId, String>,
    queue: Vec<Playing>,
    quiet_since: Duration,
    shuffled: Shuffled,
    caller: Voice,
    machine: Voice,
}

impl Simulation {
    /// A call between `en` and `es` that is about to be connected.
    pub fn new(script: Vec<Speech>, behaviour: Behaviour, seed: u64) -> Self {
        Self::in_manner(Manner::Consecutive, script, behaviour, seed)
    }

    /// The same with an interpreter of this manner.
    pub fn in_manner(manner: Manner, script: Vec<Speech>, behaviour: Behaviour, seed: u64) -> Self {
        let [first, second] = ["en", "es"].map(|code| code.parse().expect("a language"));
        Self {
            room: Interpreter::new(LanguagePair::new(first, second).expect("two languages"), manner),
            events: Vec::new(),
            played: Vec::new(),
            paces: Vec::new(),
            echo_halvings: 3,
            machine_peak: 8_000.0,
            sends_until: Duration::MAX,
            frames_in_playback: 0,
            echo_recognised: 0,
            frames_recognised: 0,
            script,
            behaviour,
            random: fastrand::Rng::with_seed(seed),
            clock: START,
            frame: 0,
            future: BTreeMap::new(),
            happenings: 0,
            hearing: HashMap::new(),
            words_heard: HashMap::new(),
            texts: HashMap::new(),
            queue: Vec::new(),
            quiet_since: Duration::ZERO,
            shuffled: Shuffled::new(),
            caller: Voice::default(),
            machine: Voice::default(),
        }
    }

    /// From now on the engines behave like this.
    pub fn set_behaviour(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
    }

    /// Connects if that was not done yet, and runs the call until `end`, counted from its start.
    pub fn run(&mut self, end: Duration) {
        if self.frame == 0 {
            self.tell(Input::Connected);
        }
        while self.clock < START + end {
            let next = START + FRAME * (self.frame as u32 + 1);
            self.engines_until(next);
            self.clock = next;
            self.frame += 1;
            let echo = self.play_frame();
            self.capture_frame(&echo);
        }
    }

    /// Final texts that the recogniser's core threw away.
    pub fn finals_dropped(&self) -> u64 {
        self.shuffled.dropped
    }

    /// The current time as the room sees it.
    pub fn now(&self) -> Timestamp {
        Timestamp::default() + self.clock
    }

    /// The time since the start of the call.
    fn elapsed(&self) -> Duration {
        self.clock.saturating_sub(START)
    }

    /// Has the house say something; whether it is said.
    pub fn say(&mut self, text: &str, language: &str) -> bool {
        let language = language.parse().expect("a language");
        let text = Text { words: text, language, is_voiced: false };
        let is_said = self.room.say(self.now(), text).is_ok();
        self.tell(Input::Tick);
        is_said
    }

    /// The caller presses keys, one after the other.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.room.key(self.now(), key);
            self.carry_out_all();
        }
    }

    /// Tells the room something and carries out what it wants.
    pub fn tell(&mut self, input: Input<'_>) {
        self.room.handle(self.now(), input);
        self.carry_out_all();
    }

    fn carry_out_all(&mut self) {
        while let Some(action) = self.room.poll_action() {
            self.carry_out(action);
        }
        let deadline = self.room.next_deadline();
        assert!(deadline.is_none_or(|d| d > self.now()), "a deadline in the past makes the caller spin");
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
                    let happening = entry.remove();
                    self.happen(&happening);
                }
                None => self.tell(Input::Tick),
            }
        }
    }

    fn happen(&mut self, happening: &Happening) {
        self.tell(happening.input());
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::OpenAsr { utterance, .. } => {
                let speech = self.speech_at(self.elapsed()).unwrap_or(usize::MAX);
                self.hearing.insert(utterance, (speech, 0));
            }
            Action::SendAudio { utterance, .. } => self.recognise(utterance),
            Action::FinishAsr { utterance } => self.finish(utterance),
            Action::Translate { segment, text, target, .. } => {
                let answer = Happening::Translated(segment, format!("{target}: {text}"));
                self.answer(answer, Happening::TranslationFailed(segment));
            }
            Action::Speak { segment, text, .. } => {
                self.texts.insert(segment, text);
                self.answer(Happening::SpeechReady(segment), Happening::SpeechFailed(segment));
            }
            Action::Play { segment, pace } => {
                let text = self.texts.get(&segment).expect("played what was to be spoken").clone();
                let frames = 10 + 2 * text.len() as u32;
                self.paces.push(pace);
                self.play(segment, frames, Sound::Speech(text));
            }
            Action::PlayCue { segment, cue } => self.play(segment, 6, Sound::Cue(cue)),
            Action::Emit(event) => self.events.push((self.elapsed(), event)),
            Action::Discard { segment } => self.discard(segment),
            Action::CancelAsr { .. } => {}
        }
    }

    fn discard(&mut self, segment: SegmentId) {
        if self.queue.iter().any(|playing| playing.segment == segment) {
            self.queue.clear();
            self.quiet_since = self.clock;
        }
    }

    fn play(&mut self, segment: SegmentId, frames: u32, sound: Sound) {
        assert!(self.queue.is_empty(), "one sound at a time");
        self.played.push((self.elapsed(), sound));
        self.queue.push(Playing { segment, frames, began: false });
    }

    fn play_frame(&mut self) -> Frame {
        let Some(playing) = self.queue.first_mut() else { return Frame::SILENCE };
        let (segment, starts) = (playing.segment, !playing.began);
        playing.began = true;
        playing.frames -= 1;
        let ends = playing.frames == 0;
        let frame = self.machine.frame(self.machine_peak);
        self.tell(Input::Rendered(&frame));
        if starts {
            self.tell(Input::PlaybackStarted { segment });
        }
        if ends {
            self.queue.clear();
            self.quiet_since = self.clock;
            self.tell(Input::PlaybackEnded { segment });
        }
        frame
    }

    fn capture_frame(&mut self, echo: &Frame) {
        let at = self.elapsed();
        if at >= self.sends_until {
            return;
        }
        let speaks = self.script.iter().any(|s| s.at <= at && at < s.at + s.lasts);
        let mut frame = if speaks { self.caller.frame(7_000.0) } else { Frame::SILENCE };
        for (sample, echo) in frame.0.iter_mut().zip(echo.0) {
            *sample = sample.saturating_add(echo >> self.echo_halvings);
        }
        let captured = Captured { number: self.frame, at: self.now(), frame };
        self.tell(Input::Captured(&captured));
    }
}
