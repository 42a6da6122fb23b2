//! The last rung: what a caller is told where no engine of a stage answers any more.
//!
//! In a room with one phone nobody else could hear the original voice: its speaker would only hear himself. He is told
//! instead, in both languages, that there is no translation, once an outage; and again when there is.

use std::collections::VecDeque;
use std::time::Duration;

use audio_path::Timestamp;

use crate::turns::HOLD_LIMIT;
use crate::{Component, Cue, Interpreter, Language};

/// An outage shorter than this is heard as an error tone alone, if at all.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// Engines that answer again for so long are believed.
const BELIEVED_AFTER: Duration = Duration::from_secs(2);
/// Engines that come and go are not talked about more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// What the caller was told last, and since when that is no longer true.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    lost: [bool; Component::ALL.len()],
    /// He was told that there is no translation.
    told: bool,
    /// When he was told anything.
    told_at: Option<Timestamp>,
    /// When he is to be told the contrary, unless that changes before.
    tell_at: Option<Timestamp>,
    /// What is still to be said.
    due: VecDeque<Cue>,
}

impl Outage {
    /// No engine of a stage answers, or one does again.
    pub(crate) fn served(&mut self, now: Timestamp, component: Component, served: bool) {
        self.lost[component as usize] = !served;
        let is_out = self.lost.contains(&true);
        if is_out == self.told {
            self.tell_at = None;
        } else if self.tell_at.is_none() {
            let soon = now + if is_out { TOLD_AFTER } else { BELIEVED_AFTER };
            let not_before = self.told_at.filter(|_| is_out).map(|at| at + TOLD_EVERY);
            self.tell_at = Some(not_before.map_or(soon, |at| at.max(soon)));
        }
    }

    /// When there is something to tell.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.tell_at
    }

    /// Notices what is to be told by now, to callers of these languages.
    pub(crate) fn tick(&mut self, now: Timestamp, languages: &[Language]) {
        if self.tell_at.is_none_or(|at| at > now) {
            return;
        }
        (self.tell_at, self.told_at) = (None, Some(now));
        self.told = !self.told;
        // What was not said in time is no longer true.
        self.due.clear();
        for language in languages {
            let cue = Cue::notice(self.told, *language);
            if !self.due.contains(&cue) {
                self.due.push_back(cue);
            }
        }
    }

    /// That it works again is what the announcement says that is still to come.
    pub(crate) fn keep_to_bad_news(&mut self) {
        self.due.retain(|cue| matches!(cue, Cue::Unavailable(_)));
    }

    /// The notice whose turn it is. Who speaks (`holds`) is not talked over, though not for ever.
    pub(crate) fn next_notice(&mut self, now: Timestamp, holds: bool) -> Option<Cue> {
        let held = self.told_at.is_some_and(|at| now < at + HOLD_LIMIT);
        if holds && held { None } else { self.due.pop_front() }
    }
}

impl Interpreter {
    /// Notices what is to be told by now.
    pub(crate) fn heed_outage(&mut self, now: Timestamp) {
        let languages = self.languages().both();
        if self.is_connected() {
            self.outage.tick(now, &languages);
        }
        if !self.is_announced() {
            self.outage.keep_to_bad_news();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LanguagePair;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(100_000_000_000) + Duration::from_millis(ms)
    }

    fn pair(codes: [&str; 2]) -> LanguagePair {
        let [first, second] = codes.map(|code| code.parse().unwrap());
        LanguagePair::new(first, second).unwrap()
    }

    /// What is said at each of these moments, told that `Mt` is served or not.
    fn said(codes: [&str; 2], script: &[(u64, Option<bool>)]) -> Vec<(u64, Cue)> {
        let (mut outage, mut said) = (Outage::default(), Vec::new());
        for &(ms, served) in script {
            if let Some(served) = served {
                outage.served(at(ms), Component::Mt, served);
            }
            outage.tick(at(ms), &pair(codes).both());
            said.extend(outage.due.drain(..).map(|cue| (ms, cue)));
        }
        said
    }

    #[test]
    fn it_is_told_once_in_both_languages_and_again_when_it_is_over() {
        let script =
            [(0, Some(false)), (999, None), (1_000, None), (9_000, Some(false)), (10_000, Some(true))];
        let later = [(11_999, None), (12_000, None), (60_000, None)];
        let [en, es] = pair(["en", "es"]).both();
        let expected = [
            (1_000, Cue::Unavailable(en)),
            (1_000, Cue::Unavailable(es)),
            (12_000, Cue::Available(en)),
            (12_000, Cue::Available(es)),
        ];
        assert_eq!(said(["en", "es"], &[&script[..], &later[..]].concat()), expected);
    }

    #[test]
    fn a_hiccup_is_not_told() {
        let script =
            [(0, Some(false)), (900, Some(true)), (5_000, None), (9_000, Some(false)), (9_500, Some(true))];
        assert_eq!(said(["en", "es"], &script), []);
    }

    #[test]
    fn engines_that_come_and_go_are_not_talked_about_all_the_time() {
        // Three seconds there, three seconds not, for three minutes.
        let script: Vec<_> = (0..360).map(|n| (n * 500, Some(n / 6 % 2 == 1))).collect();
        let said = said(["en", "es"], &script);
        let gone = said.iter().filter(|(_, cue)| matches!(cue, Cue::Unavailable(_))).count();
        assert!((4..=2 * 180 / 30).contains(&gone), "{said:?}");
    }

    #[test]
    fn languages_without_words_hear_english_once() {
        let said = said(["ja", "ko"], &[(0, Some(false)), (1_000, None)]);
        assert_eq!(said, [(1_000, Cue::Unavailable(Language::ENGLISH))]);
    }

    #[test]
    fn the_stages_are_told_of_together() {
        let (mut outage, languages) = (Outage::default(), pair(["en", "es"]).both());
        outage.served(at(0), Component::Asr, false);
        outage.served(at(500), Component::Tts, false);
        outage.tick(at(1_000), &languages);
        assert_eq!(outage.due.drain(..).count(), 2);
        outage.served(at(2_000), Component::Asr, true);
        outage.tick(at(9_000), &languages);
        assert_eq!(outage.due.len(), 0, "nothing can be spoken yet");
    }
}
