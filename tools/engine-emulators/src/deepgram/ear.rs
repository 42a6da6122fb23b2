//! Where speech is in the audio, and which words are in it.

use std::collections::VecDeque;
use std::ops::Range;

use earshot::Detector;
use serde_json::{Value, json};

use crate::marks::{self, MARK_SAMPLES};
use crate::{Line, Speech, Voices, World};

/// Samples a second of all times here.
pub(super) const RATE: u64 = 16_000;
/// Samples that one score stands for.
const BLOCK: usize = 256;
/// A score from here on is voice …
const THRESHOLD: f32 = 0.5;
/// … and so many in a row begin speech: shorter sounds are clicks.
const SHORTEST: u64 = 3;
/// Speech on the device is heard anew this often.
pub(super) const HEAR_EVERY: u64 = RATE;
/// Scripted speakers say two and a half words a second.
const WORD: u64 = RATE * 2 / 5;
/// Heard before the first voice, so that soft beginnings are not cut.
const LEAD: u64 = RATE / 4;

/// What the audio since the last final holds.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Samples since the connection began.
    pub(super) span: Range<u64>,
    /// From the first voice to the last.
    pub(super) voice: Option<Range<u64>>,
    audio: Vec<i16>,
    /// Where they are known beforehand.
    pub(super) words: Option<Vec<String>>,
    /// Of those words.
    language: Option<String>,
    /// Words that the audio itself tells.
    marked: Vec<(String, Range<u64>)>,
}

/// A scripted utterance, as far as it is not final.
#[derive(Debug)]
struct Script {
    words: Vec<String>,
    language: Option<String>,
    /// When the first word began, in samples.
    start: u64,
    /// Samples a word.
    pace: u64,
    /// Whether it goes on over pauses.
    timed: bool,
}

/// The words of a window.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) text: String,
    pub(super) language: Option<String>,
    /// Each with its time in samples.
    pub(super) words: Vec<(String, Range<u64>)>,
}

/// Listens to one connection.
pub(super) struct Ear {
    input_rate: u32,
    detector: Box<Detector>,
    partial: Vec<i16>,
    /// Samples heard so far.
    position: u64,
    run: u64,
    window: u64,
    voice: Option<Range<u64>>,
    /// The end of `audio` is `position`.
    audio: VecDeque<i16>,
    script: Option<Script>,
    marks: marks::Reader,
    /// Words that the audio since the last final told.
    marked: Vec<(String, Range<u64>)>,
}

impl Ear {
    /// For samples of this rate.
    pub(super) fn new(input_rate: u32) -> Self {
        Self {
            input_rate,
            detector: Detector::default_boxed(),
            partial: Vec::with_capacity(BLOCK),
            position: 0,
            run: 0,
            window: 0,
            voice: None,
            audio: VecDeque::new(),
            script: None,
            marks: marks::Reader::default(),
            marked: Vec::new(),
        }
    }

    /// Hears little-endian samples. True where speech begins in them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let samples = Speech { rate: self.input_rate, samples }.at(RATE as u32).samples;
        let silent = self.voice.is_none();
        for &sample in &samples {
            self.position += 1;
            if let Some(number) = self.marks.push(sample) {
                let start = self.position.saturating_sub(MARK_SAMPLES as u64);
                self.marked.push((marks::word(number), start..self.position));
            }
            self.partial.push(sample);
            if self.partial.len() == BLOCK {
                self.score();
            }
        }
        self.audio.extend(samples);
        if self.voice.is_none() {
            let surplus = self.audio.len().saturating_sub((LEAD * 2) as usize);
            self.audio.drain(..surplus);
        }
        silent && self.voice.is_some()
    }

    fn score(&mut self) {
        let voiced = self.detector.predict_i16(&self.partial) >= THRESHOLD;
        self.partial.clear();
        self.run = if voiced { self.run + 1 } else { 0 };
        if self.run < SHORTEST {
            return;
        }
        let start = self.position.saturating_sub(SHORTEST * BLOCK as u64).max(self.window);
        let start = self.voice.as_ref().map_or(start, |voice| voice.start);
        self.voice = Some(start..self.position);
    }

    /// The utterance that begins is this.
    pub(super) fn script(&mut self, line: &Line) {
        let words: Vec<String> = line.text.split_whitespace().map(str::to_owned).collect();
        let samples = line.lasts.map(|lasts| (lasts.as_secs_f64() * RATE as f64) as u64);
        let pace = samples.map_or(WORD, |samples| samples / words.len().max(1) as u64);
        let start = self.voice.as_ref().map_or(self.position, |voice| voice.start);
        let timed = line.lasts.is_some();
        self.script =
            Some(Script { words, language: line.language.clone(), start, pace: pace.max(1), timed });
    }

    /// Whether the text of the utterance is known and not said to its end.
    pub(super) fn is_scripted(&self) -> bool {
        self.script.is_some()
    }

    /// What of a scripted utterance is not final.
    pub(super) fn unsaid(&self) -> Option<String> {
        self.script.as_ref().map(|script| script.words.join(" "))
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn voice(&self) -> Option<&Range<u64>> {
        self.voice.as_ref()
    }

    /// Samples since the last final.
    pub(super) fn waiting(&self) -> u64 {
        self.position - self.window
    }

    /// Samples since the last voice; none where there was none since the last final.
    pub(super) fn silence(&self) -> Option<u64> {
        Some(self.position - self.voice.as_ref()?.end)
    }

    /// How many scripted words have been said so far.
    pub(super) fn said(&self) -> usize {
        self.script.as_ref().map_or(0, |script| {
            let passed = self.position.saturating_sub(script.start) / script.pace;
            script.words.len().min(passed as usize)
        })
    }

    /// The window as far as it goes.
    pub(super) fn peek(&self) -> Window {
        let from = self.voice.as_ref().map_or(self.position, |voice| voice.start.saturating_sub(LEAD));
        let skip = self.audio.len().saturating_sub((self.position - from) as usize);
        let script = self.script.as_ref();
        Window {
            span: self.window..self.position,
            voice: self.voice.clone(),
            audio: self.audio.range(skip..).copied().collect(),
            words: script.map(|script| script.words[..self.said()].to_vec()),
            language: script.and_then(|script| script.language.clone()),
            marked: self.marked.clone(),
        }
    }

    /// Ends the window. An utterance that goes on keeps the words that are not yet said.
    pub(super) fn take(&mut self, utterance_goes_on: bool) -> Window {
        let said = self.said();
        let mut window = self.peek();
        match &mut self.script {
            Some(script) if utterance_goes_on || (script.timed && said < script.words.len()) => {
                script.words.drain(..said);
                script.start += said as u64 * script.pace;
            }
            script => {
                let rest = script.take();
                window.words = window.words.and(rest.map(|script| script.words));
            }
        }
        self.window = self.position;
        self.voice = utterance_goes_on.then_some(self.position..self.position);
        self.audio.clear();
        self.marked.clear();
        window
    }
}

impl Window {
    /// What is said in it, in one of `languages`.
    pub(super) async fn hear(&self, world: &World, languages: &[&str]) -> Heard {
        if !self.marked.is_empty() {
            let text = self.marked.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ");
            return Heard { text, words: self.marked.clone(), language: one_of(languages) };
        }
        let Some(voice) = &self.voice else { return Heard::default() };
        let (text, language) = match (&self.words, &world.voices) {
            (Some(words), _) => (words.join(" "), self.language.clone()),
            (None, Voices::Scripted { .. }) => return Heard::default(),
            (None, Voices::Device { .. }) => {
                world.voices.hear_among(&self.audio, languages).await.unwrap_or_else(|error| {
                    log::error!("nothing is heard: {error:#}");
                    Default::default()
                })
            }
        };
        let step = if self.words.is_some() { WORD } else { u64::MAX };
        Heard { words: timed(&text, voice, step), text, language: language.or(one_of(languages)) }
    }
}

fn one_of(languages: &[&str]) -> Option<String> {
    if let [one] = languages { Some((*one).to_owned()) } else { None }
}

/// Spreads words over speech, by their lengths, but none longer than `longest`.
fn timed(text: &str, voice: &Range<u64>, longest: u64) -> Vec<(String, Range<u64>)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let letters = words.iter().map(|word| word.chars().count() as u64 + 1).sum::<u64>().max(1);
    let length = (voice.end - voice.start).min(longest.saturating_mul(words.len() as u64));
    let mut before = 0;
    let word = |word: &&str| {
        let at = |letter: u64| voice.start + length * letter / letters;
        let start = at(before);
        before += word.chars().count() as u64 + 1;
        ((*word).to_owned(), start..at(before))
    };
    words.iter().map(word).collect()
}

/// Seconds, as the vendor tells them.
pub(super) fn seconds(samples: u64) -> f64 {
    samples as f64 / RATE as f64
}

impl Heard {
    /// The words as both APIs tell them; `bare` is the name that v1 gives to the one without punctuation.
    pub(super) fn words_json(&self, v1: bool) -> Value {
        let word = |(word, time): &(String, Range<u64>)| {
            let mut told = json!({
                "word": word, "start": seconds(time.start), "end": seconds(time.end), "confidence": 0.98,
            });
            if v1 {
                let bare: String =
                    word.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == '\'').collect();
                told["punctuated_word"] = word.as_str().into();
                told["word"] = bare.into();
            }
            told
        };
        self.words.iter().map(word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn words_lie_within_their_speech() {
        let spread = timed("the ten of clubs", &(1_000..9_000), u64::MAX);
        assert_eq!((spread[0].1.start, spread[3].1.end), (1_000, 9_000));
        assert!(spread.windows(2).all(|pair| pair[0].1.end == pair[1].1.start));
        let slow = timed("one two", &(0..RATE * 10), WORD);
        assert_eq!(slow[1].1.end, 2 * WORD);
        assert!(timed("", &(0..5), WORD).is_empty());
    }

    #[test]
    fn silence_has_no_voice_and_little_memory() {
        let mut ear = Ear::new(16_000);
        for _ in 0..500 {
            assert!(!ear.push(&[0; 640]));
        }
        assert_eq!((ear.position(), ear.waiting(), ear.silence()), (160_000, 160_000, None));
        assert!(ear.audio.len() <= RATE as usize);
        assert_eq!(ear.take(false).span, 0..160_000);
        assert_eq!(ear.waiting(), 0);
    }

    #[test]
    fn scripted_words_come_with_time_and_survive_a_cut() {
        let mut ear = Ear::new(8_000);
        ear.voice = Some(0..RATE);
        ear.script(&Line { text: "one two three four".into(), ..Line::default() });
        ear.script.as_mut().unwrap().start = 0;
        ear.position = WORD * 2;
        assert_eq!(ear.peek().words.unwrap(), ["one", "two"]);
        assert_eq!(ear.take(true).words.unwrap(), ["one", "two"]);
        ear.position = WORD * 3;
        assert_eq!(ear.said(), 1);
        assert_eq!(ear.take(false).words.unwrap(), ["three", "four"]);
        assert!(!ear.is_scripted());
    }

    #[test]
    fn a_recording_s_words_come_as_fast_as_they_are_said_over_pauses_too() {
        let mut ear = Ear::new(16_000);
        let line = Line {
            text: "one two three four".into(),
            lasts: Some(Duration::from_secs(2)),
            ..Line::default()
        };
        ear.script(&line);
        ear.position = RATE / 2 - 1;
        assert_eq!(ear.said(), 0);
        ear.position = RATE;
        assert_eq!(ear.take(false).words.unwrap(), ["one", "two"]);
        assert!(ear.is_scripted(), "its speaker has paused");
        ear.position = RATE * 2;
        assert_eq!(ear.take(false).words.unwrap(), ["three", "four"]);
        assert!(!ear.is_scripted());
    }
}
