//! A call as a list of steps, driven by the 20 ms tick. It holds no clock and no socket, so that a test can run a
//! minute of it in a millisecond.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::codec::Codec;
use super::turn::{Heard, Onset, OnsetDetector};
use crate::audio::level;
use crate::audio::wav::Clip;

/// One step.
#[derive(Debug, Clone)]
pub enum Step {
    /// Wait until the other side has been silent for `quiet_for` in a row, so that an announcement is over; go on
    /// after `at_most` in any case.
    WaitQuiet {
        /// Silence wanted.
        quiet_for: Duration,
        /// Longest wait.
        at_most: Duration,
    },
    /// Send silence for that long.
    Pause(Duration),
    /// Send a recording.
    Play(Recording),
    /// Wait until the other side has answered what was played last and has then been silent for `quiet_after`; fail
    /// when no answer has begun after `at_most`, go on when it has not ended by then.
    WaitReply {
        /// Silence that ends the reply.
        quiet_after: Duration,
        /// Longest wait, from the beginning of this step.
        at_most: Duration,
    },
    /// Press keys, one after another.
    Dtmf(String),
    /// Send what the microphone hears, for that long or until the call ends.
    Talk(Option<Duration>),
    /// End the call.
    HangUp,
}

/// Samples to play, at the sample rate of the call's codec.
#[derive(Debug, Clone)]
pub struct Recording {
    /// What it is called in events and reports.
    pub name: String,
    /// Mono samples.
    pub samples: Arc<[i16]>,
    /// Index behind the last spoken sample.
    pub spoken_end: usize,
}

impl Recording {
    /// Reads a WAV for a call with `codec`.
    ///
    /// # Errors
    /// As [`Clip::read`].
    pub fn read(path: &Path, codec: Codec) -> anyhow::Result<Self> {
        let clip = Clip::read(path)?.at_rate(codec.sample_rate())?;
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        Ok(Self::new(name, clip.samples, clip.sample_rate))
    }

    /// Finds the end of speech in `samples` by level.
    pub fn new(name: impl Into<String>, samples: Vec<i16>, sample_rate: u32) -> Self {
        let spoken_end = level::spoken(&samples, sample_rate).end;
        Self { name: name.into(), samples: samples.into(), spoken_end }
    }
}

/// One recording and the answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Name of the recording.
    pub played: String,
    /// When the packet with its last spoken sample left.
    pub spoken_at: Option<Instant>,
    /// When the first audible sample after that came.
    pub reply: Option<Onset>,
    /// When the last audible frame of the reply left for the ear.
    pub reply_ended: Option<Instant>,
}

/// What the script wants sent in this tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nothing but silence.
    Silence,
    /// `out` has been filled.
    Recording,
    /// The microphone.
    Microphone,
}

/// What happened in a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptEvent {
    /// A recording begins.
    PlayStarted(String),
    /// The packet with the last spoken sample is leaving now.
    Spoken,
    /// A reply has begun, that long after the last spoken sample: at the network, at the ear.
    ReplyStarted(Duration, Duration),
    /// The reply is over.
    ReplyEnded,
    /// Press these keys.
    Press(String),
    /// A wait went on without what it waited for.
    GaveUpWaiting(&'static str),
    /// No answer came: the script ends here.
    NoReply,
    /// End the call.
    HangUp,
    /// All steps are done.
    Finished,
}

enum Running {
    Wait { since: Instant },
    Play { recording: Recording, at: usize },
}

/// Steps being carried out.
pub struct Script {
    steps: VecDeque<Step>,
    running: Option<Running>,
    /// Since when the other side has been silent.
    quiet_since: Option<Instant>,
    detector: Option<OnsetDetector>,
    turns: Vec<Turn>,
    finished: bool,
}

impl Script {
    /// Carries out `steps`, beginning with the next tick.
    pub fn new(steps: Vec<Step>) -> Self {
        Self {
            steps: steps.into(),
            running: None,
            quiet_since: None,
            detector: None,
            turns: Vec::new(),
            finished: false,
        }
    }

    /// What was played and answered so far.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Takes what is heard in the tick at `now` (`None`: nothing came) and says what to send in it; fills `out`
    /// (20 ms) for [`Source::Recording`]. `keys_idle` tells that no key is being sent.
    pub fn on_tick(
        &mut self,
        now: Instant,
        heard: Option<&Heard>,
        keys_idle: bool,
        out: &mut [i16],
        events: &mut Vec<ScriptEvent>,
    ) -> Source {
        self.listen(now, heard, events);
        while !self.finished {
            let Some(step) = self.steps.front().cloned() else {
                self.finish(events, ScriptEvent::Finished);
                break;
            };
            if let Some(source) = self.run(&step, now, keys_idle, out, events) {
                return source;
            }
            self.steps.pop_front();
            self.running = None;
        }
        Source::Silence
    }

    fn listen(&mut self, now: Instant, heard: Option<&Heard>, events: &mut Vec<ScriptEvent>) {
        let loud = heard.is_some_and(|heard| heard.onset.is_some());
        self.quiet_since = if loud { None } else { self.quiet_since.or(Some(now)) };
        let Some(turn) = self.turns.last_mut() else { return };
        if loud && turn.reply.is_some() {
            turn.reply_ended = Some(now);
        }
        let (Some(detector), Some(heard), Some(spoken)) = (&mut self.detector, heard, turn.spoken_at) else {
            return;
        };
        if let Some(onset) = detector.on_frame(heard) {
            turn.reply = Some(onset);
            turn.reply_ended = Some(now);
            self.detector = None;
            let after = |at: Instant| at.saturating_duration_since(spoken);
            events.push(ScriptEvent::ReplyStarted(after(onset.arrived), after(onset.heard)));
        }
    }

    /// Carries out a step for one tick; `None` when it is done and the next may begin in the same tick.
    fn run(
        &mut self,
        step: &Step,
        now: Instant,
        keys_idle: bool,
        out: &mut [i16],
        events: &mut Vec<ScriptEvent>,
    ) -> Option<Source> {
        let fresh = self.running.is_none();
        if let Step::Play(recording) = step {
            return self.play(recording, fresh, now, out, events);
        }
        let since = match self.running {
            Some(Running::Wait { since }) => since,
            _ => now,
        };
        self.running = Some(Running::Wait { since });
        let waited = now - since;
        // An announcement cannot be over before the step has listened for it; a reply may be.
        let quiet_here = self.quiet_since.map_or(Duration::ZERO, |at| now - at.max(since));
        let quiet = self.quiet_since.map_or(Duration::ZERO, |at| now - at);
        let go_on = match step {
            Step::WaitQuiet { quiet_for, at_most } => {
                let late = waited >= *at_most;
                if late && quiet_here < *quiet_for {
                    events.push(ScriptEvent::GaveUpWaiting("the other side to fall silent"));
                }
                quiet_here >= *quiet_for || late
            }
            Step::WaitReply { quiet_after, at_most } => {
                self.reply_is_over(quiet >= *quiet_after, waited >= *at_most, events)
            }
            Step::Pause(pause) => waited >= *pause,
            Step::Talk(limit) => limit.is_some_and(|limit| waited >= limit),
            Step::Dtmf(keys) => {
                if fresh {
                    events.push(ScriptEvent::Press(keys.clone()));
                }
                !fresh && keys_idle
            }
            Step::HangUp => {
                self.finish(events, ScriptEvent::HangUp);
                false
            }
            Step::Play(_) => true,
        };
        match step {
            _ if go_on => None,
            Step::Talk(_) => Some(Source::Microphone),
            _ => Some(Source::Silence),
        }
    }

    fn reply_is_over(&mut self, quiet_long: bool, late: bool, events: &mut Vec<ScriptEvent>) -> bool {
        let begun = self.turns.last().is_some_and(|turn| turn.reply.is_some());
        match (begun, quiet_long, late) {
            (true, true, _) => {
                events.push(ScriptEvent::ReplyEnded);
                true
            }
            (true, false, true) => {
                events.push(ScriptEvent::GaveUpWaiting("the end of the reply"));
                true
            }
            (false, _, true) => {
                self.finish(events, ScriptEvent::NoReply);
                false
            }
            _ => false,
        }
    }

    fn play(
        &mut self,
        recording: &Recording,
        fresh: bool,
        now: Instant,
        out: &mut [i16],
        events: &mut Vec<ScriptEvent>,
    ) -> Option<Source> {
        if fresh {
            self.running = Some(Running::Play { recording: recording.clone(), at: 0 });
            self.detector = None;
            self.turns.push(Turn {
                played: recording.name.clone(),
                spoken_at: None,
                reply: None,
                reply_ended: None,
            });
            events.push(ScriptEvent::PlayStarted(recording.name.clone()));
        }
        let Some(Running::Play { recording, at }) = &mut self.running else { return None };
        let rest = &recording.samples[(*at).min(recording.samples.len())..];
        if rest.is_empty() {
            return None;
        }
        let taken = rest.len().min(out.len());
        out[..taken].copy_from_slice(&rest[..taken]);
        out[taken..].fill(0);
        let before = *at;
        *at += taken;
        if (before..*at).contains(&recording.spoken_end.saturating_sub(1)) {
            self.detector = Some(OnsetDetector::new(now));
            if let Some(turn) = self.turns.last_mut() {
                turn.spoken_at = Some(now);
            }
            events.push(ScriptEvent::Spoken);
        }
        Some(Source::Recording)
    }

    fn finish(&mut self, events: &mut Vec<ScriptEvent>, event: ScriptEvent) {
        self.finished = true;
        self.steps.clear();
        events.push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    /// Runs `script` for `ticks`; `loud(tick)` says whether the other side is heard. Events with their tick.
    fn run(script: &mut Script, ticks: u32, loud: impl Fn(u32) -> bool) -> Vec<(u32, ScriptEvent)> {
        let start = Instant::now();
        let mut log = Vec::new();
        for tick in 0..ticks {
            let now = start + TICK * tick;
            let samples = [if loud(tick) { 5000 } else { 0 }; 320];
            let heard = Heard::new(&samples, 16_000, now, now);
            let mut events = Vec::new();
            script.on_tick(now, Some(&heard), true, &mut [0; 320], &mut events);
            log.extend(events.into_iter().map(|event| (tick, event)));
        }
        log
    }

    fn speech(ticks: usize, silence: usize) -> Step {
        let mut samples = vec![5000; ticks * 320];
        samples.resize((ticks + silence) * 320, 0);
        Step::Play(Recording::new("hello.wav", samples, 16_000))
    }

    #[test]
    fn waits_for_the_announcement_plays_and_hears_the_reply() {
        let ms = Duration::from_millis;
        let mut script = Script::new(vec![
            Step::WaitQuiet { quiet_for: ms(400), at_most: ms(5000) },
            speech(50, 10),
            Step::WaitReply { quiet_after: ms(500), at_most: ms(5000) },
            Step::HangUp,
        ]);
        // The announcement sounds until tick 40; the reply from tick 150 to 200.
        let log = run(&mut script, 400, |tick| tick < 40 || (150..200).contains(&tick));
        let expected = [
            (60, ScriptEvent::PlayStarted("hello.wav".into())),
            (109, ScriptEvent::Spoken),
            (154, ScriptEvent::ReplyStarted(TICK * 41, TICK * 41)),
            (225, ScriptEvent::ReplyEnded),
            (225, ScriptEvent::HangUp),
        ];
        assert_eq!(log, expected);
        let turn = &script.turns()[0];
        assert_eq!(turn.reply.unwrap().arrived - turn.spoken_at.unwrap(), TICK * 41);
    }

    #[test]
    fn a_missing_reply_ends_the_script() {
        let ms = Duration::from_millis;
        let reply = Step::WaitReply { quiet_after: ms(500), at_most: ms(1000) };
        let mut script = Script::new(vec![speech(10, 0), reply, Step::HangUp]);
        let log = run(&mut script, 200, |_| false);
        assert_eq!(log.last(), Some(&(60, ScriptEvent::NoReply)));
        assert_eq!(script.turns()[0].reply, None);
    }

    #[test]
    fn an_announcement_without_end_is_given_up() {
        let ms = Duration::from_millis;
        let wait = Step::WaitQuiet { quiet_for: ms(400), at_most: ms(1000) };
        let log = run(&mut Script::new(vec![wait, Step::Pause(ms(100))]), 100, |_| true);
        let waited = ScriptEvent::GaveUpWaiting("the other side to fall silent");
        assert_eq!(log, [(50, waited), (55, ScriptEvent::Finished)]);
    }

    #[test]
    fn keys_are_waited_for_and_talk_uses_the_microphone() {
        let mut script = Script::new(vec![Step::Dtmf("5".into()), Step::Talk(None)]);
        let (mut events, now) = (Vec::new(), Instant::now());
        let mut tick = |idle| script.on_tick(now, None, idle, &mut [0; 320], &mut events);
        assert_eq!(tick(true), Source::Silence);
        assert_eq!(tick(false), Source::Silence);
        assert_eq!(tick(true), Source::Microphone);
        assert_eq!(events, [ScriptEvent::Press("5".into())]);
    }
}
