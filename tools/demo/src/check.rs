//! Whether the call did what it should: computed from what was heard, never assumed.

use lab::speech::word_overlap;
use lab::transcribe::Heard;
use serde::Serialize;

/// Four of five words of a clear sentence are recognised.
const HEARD_RIGHT: f64 = 0.8;
/// A translation is never the reference word for word.
const MEANS_THE_SAME: f64 = 0.4;
/// What the caller's ear got, recognised again, against what was to be said.
const UNDERSTOOD: f64 = 0.6;
const IN_SPANISH: &str = "es";

/// Shares of words in common, 0 to 1.
#[derive(Debug, Serialize)]
pub(crate) struct Checks {
    /// The transcript against what the recording says.
    pub(crate) transcript: f64,
    /// The translation against a person's.
    pub(crate) translation: f64,
    /// The reply, transcribed again, against the translation.
    pub(crate) reply: f64,
    /// The reply as it was understood, by a listener who was not told its language.
    pub(crate) heard: Heard,
}

/// The texts of a call.
pub(crate) struct Texts<'a> {
    pub(crate) said: &'a str,
    pub(crate) transcript: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) translation: &'a str,
    pub(crate) heard: Heard,
}

impl Checks {
    pub(crate) fn new(texts: Texts<'_>) -> Self {
        Self {
            transcript: word_overlap(texts.said, texts.transcript),
            translation: word_overlap(texts.reference, texts.translation),
            reply: word_overlap(texts.translation, &texts.heard.text),
            heard: texts.heard,
        }
    }

    /// What is wrong, in words; empty when all is well.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let share = |what: &str, found: f64, wanted: f64| {
            (found < wanted).then(|| {
                format!("{what}: {:.0} % of the words, wanted {:.0} %", found * 100.0, wanted * 100.0)
            })
        };
        let language = self.heard.language.as_deref();
        let foreign = (language != Some(IN_SPANISH))
            .then(|| format!("the reply is taken for {}, not Spanish", language.unwrap_or("no language")));
        let all = [
            share("what the caller said was not recognised", self.transcript, HEARD_RIGHT),
            share("the translation says something else", self.translation, MEANS_THE_SAME),
            share("the reply is not understood", self.reply, UNDERSTOOD),
            foreign,
        ];
        all.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(transcript: &str, translation: &str, heard: &str, language: &str) -> usize {
        let heard = Heard { text: heard.into(), language: Some(language.into()) };
        let texts = Texts { said: "a b c d e", transcript, reference: "uno dos tres", translation, heard };
        Checks::new(texts).complaints().len()
    }

    #[test]
    fn silence_or_another_language_is_never_well() {
        assert_eq!(complaints("a b c d e", "uno dos tres", "uno dos tres", "es"), 0);
        assert_eq!(complaints("a b c d e", "uno dos tres", "uno dos tres", "pt"), 1);
        assert_eq!(complaints("a b c d e", "uno dos tres", "", ""), 2);
        assert_eq!(complaints("", "", "", ""), 4);
        assert_eq!(complaints("a b c d e", "one two three", "one two three", "en"), 2);
    }
}
