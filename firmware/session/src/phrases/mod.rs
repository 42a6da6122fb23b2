//! What a room tells its callers, each in his language.

mod english;
mod french;
mod german;
mod italian;
mod portuguese;
mod spanish;

use crate::Language;

/// Something to tell a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phrase {
    /// A machine translates.
    Machine,
    /// How he learns of the keys.
    PressStar,
    /// What they do in a call or conference.
    Keys,
    /// What they do in an interpreter room.
    InterpreterKeys,
    /// What else they do there where speakers are heard in their own voices.
    OwnVoiceKeys,
    NothingToRepeat,
    Slower,
    UsualPace,
    Softer,
    Louder,
    Softest,
    Loudest,
    /// Nobody whom he hears is translated for him.
    NoTranslation,
    /// No voice is heard under its translation.
    OnlyTranslation,
    Muted,
    Unmuted,
    TranslatorOff,
    TranslatorOn,
    /// From now on he is taken to speak the language that this is said in.
    Language,
    /// From now on either of a room's languages may be spoken.
    EitherLanguage,
    NoOtherLanguage,
    EnterPin,
    WrongPin,
    NoEntry,
    /// The call is over, but nobody else can end it.
    HangUp,
    /// He is alone in a conference.
    Alone,
    /// He is recorded from now on.
    Recorded,
    /// How he consents to be heard in his own voice; `{key}` stands for the key.
    OwnVoiceOffer,
    OwnVoice,
    VoicesForgotten,
    /// No engine translates any more.
    Unavailable,
    /// One does again.
    Available,
}

type Words = [&'static str; Phrase::COUNT];

/// The languages that there are words in.
const LANGUAGES: [(&str, &Words); 6] = [
    ("en", &english::WORDS),
    ("es", &spanish::WORDS),
    ("fr", &french::WORDS),
    ("de", &german::WORDS),
    ("it", &italian::WORDS),
    ("pt", &portuguese::WORDS),
];

impl Phrase {
    const COUNT: usize = Self::Available as usize + 1;

    /// The words for a caller who speaks `language`, and the language they are in: English where there are no others.
    pub(crate) fn words(self, language: Language) -> (&'static str, Language) {
        match LANGUAGES.iter().find(|(code, _)| *code == language.code()) {
            Some((_, words)) => (words[self as usize], language),
            None if self == Self::Language => ("Your language was changed.", Language::ENGLISH),
            None => (english::WORDS[self as usize], Language::ENGLISH),
        }
    }

    /// Several phrases, one after the other.
    pub(crate) fn sentences(phrases: &[Self], language: Language) -> (String, Language) {
        let words: Vec<&str> = phrases.iter().map(|phrase| phrase.words(language).0).collect();
        (words.join(" "), Self::Machine.words(language).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_has_words_of_its_own_for_everything() {
        for (place, words) in english::WORDS.iter().enumerate() {
            assert!(words.ends_with('.'), "{words}");
            for (code, others) in &LANGUAGES[1..] {
                let other = others[place];
                assert!(other != *words && other.ends_with('.'), "{code}: {other}");
                assert_eq!(other.contains("{key}"), words.contains("{key}"), "{code}: {other}");
            }
        }
    }

    #[test]
    fn the_keys_that_are_told_are_the_same_in_every_language() {
        for phrase in [Phrase::Keys, Phrase::InterpreterKeys, Phrase::OwnVoiceKeys] {
            let digits = |words: &str| words.chars().filter(char::is_ascii_digit).collect::<String>();
            let told: std::collections::HashSet<_> =
                LANGUAGES.map(|(_, words)| digits(words[phrase as usize])).into();
            assert_eq!(told.len(), 1, "{told:?}");
        }
    }

    #[test]
    fn who_speaks_another_language_hears_english() {
        let japanese = "ja".parse().unwrap();
        assert_eq!(Phrase::Slower.words(japanese), ("Slower.", Language::ENGLISH));
        assert_eq!(Phrase::Language.words(japanese).0, "Your language was changed.");
        assert!(LANGUAGES.iter().all(|(code, _)| Language::KNOWN.contains(code)));
    }
}
