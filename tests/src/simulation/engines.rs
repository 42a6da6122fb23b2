//! The engines of a simulated call: they follow the script, the behaviour and the seed.

use std::time::Duration;

use session::UtteranceId;

use super::{Behaviour, Happening, Simulation, Speech};

impl Simulation {
    /// One answer after a while; or a failure, nothing, or the same again later.
    pub(super) fn answer(&mut self, answer: Happening, failure: Happening) {
        let delay = self.random.u64(1..=self.behaviour.slowest.as_millis() as u64);
        let lot = self.random.u32(0..100);
        let Behaviour { fails, mute, repeats, .. } = self.behaviour;
        if lot < fails {
            self.later(delay, failure);
        } else if lot >= fails + mute {
            if self.random.u32(0..100) < repeats {
                self.later(delay * 2, answer.clone());
            }
            self.later(delay, answer);
        }
    }

    pub(super) fn later(&mut self, ms: u64, happening: Happening) {
        self.happenings += 1;
        self.future.insert((self.clock + Duration::from_millis(ms), self.happenings), happening);
    }

    pub(super) fn speech_at(&self, at: Duration) -> Option<usize> {
        // Speech is noticed late: what was said a moment ago counts.
        let late = at.saturating_sub(Duration::from_millis(700));
        self.script.iter().position(|s| s.at <= at && late < s.at + s.lasts)
    }

    /// The recogniser streams one more word for each 400 ms of audio.
    pub(super) fn recognise(&mut self, utterance: UtteranceId) {
        self.frames_recognised += 1;
        if !self.queue.is_empty() || self.clock < self.quiet_since + session::ECHO_TAIL {
            self.frames_in_playback += 1;
            self.echo_recognised += u64::from(self.speech_at(self.elapsed()).is_none());
        }
        let Some((speech, frames)) = self.hearing.get_mut(&utterance) else { return };
        *frames += 1;
        let (speech, frames) = (*speech, *frames);
        if frames % 20 != 0 {
            return;
        }
        let Some(Speech { text, language, .. }) = self.script.get(speech).cloned() else { return };
        let first = self.words_heard.get(&speech).copied().unwrap_or(0);
        if let Some(late) = self.behaviour.guesses {
            let guess: String = text.split_inclusive(' ').skip(first).take(frames / 20).collect();
            let guess = if self.behaviour.revises { self.revise(&guess) } else { guess };
            let heard = Duration::from_millis(20) * frames as u32;
            return self
                .later(late.as_millis() as u64, Happening::Interim(utterance, guess, heard, language));
        }
        if !self.behaviour.streams {
            return;
        }
        if let Some(word) = text.split_inclusive(' ').nth(first + frames / 20 - 1) {
            self.happenings += 1;
            self.future.insert(
                (self.clock, self.happenings),
                Happening::Partial(utterance, word.to_owned(), language),
            );
        }
    }

    pub(super) fn finish(&mut self, utterance: UtteranceId) {
        let speech = self.hearing.get(&utterance).map_or(usize::MAX, |(speech, _)| *speech);
        let language = self.script.get(speech).map_or("", |s| s.language);
        let text = self.words_since_last(speech);
        let text = if self.behaviour.revises { self.revise(&text) } else { text };
        let text = if self.behaviour.shuffles { self.shuffle(utterance, &text, language) } else { text };
        self.answer(Happening::Final(utterance, text, language), Happening::RecognitionFailed(utterance));
    }

    /// Streams what is heard of `text` at once, as a daemon does that was told so; all of it.
    fn shuffle(&mut self, utterance: UtteranceId, text: &str, language: &'static str) -> String {
        let mut whole = String::new();
        for heard in self.shuffled.hear(text, &mut self.random) {
            let delta = if whole.is_empty() { heard } else { format!(" {heard}") };
            whole.push_str(&delta);
            self.later(0, Happening::Partial(utterance, delta, language));
        }
        whole
    }

    /// The words of a speech from where its last utterance ended until now: talk over playback is heard in pieces.
    fn words_since_last(&mut self, speech: usize) -> String {
        let Some(Speech { at, lasts, text, .. }) = self.script.get(speech) else { return String::new() };
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let spoken = self.elapsed().saturating_sub(*at).as_secs_f64() / lasts.as_secs_f64();
        let end = ((spoken * words.len() as f64).ceil() as usize).min(words.len());
        let first = self.words_heard.insert(speech, end).unwrap_or(0);
        words[first.min(end)..end].concat()
    }

    /// The same text with some words heard differently.
    fn revise(&mut self, text: &str) -> String {
        let words = text.split_inclusive(' ').map(|word| match self.random.u32(0..6) {
            0 => word.to_uppercase(),
            1 => format!("x{word}"),
            _ => word.to_owned(),
        });
        words.collect()
    }
}
