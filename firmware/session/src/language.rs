use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language by its two-letter ISO 639-1 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language([u8; 2]);

/// The text does not begin with a two-letter language code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALanguage;

impl fmt::Display for NotALanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a two-letter language code such as \"en\"")
    }
}

impl std::error::Error for NotALanguage {}

impl FromStr for Language {
    type Err = NotALanguage;

    /// Reads `en`, `EN`, `en-US` or `en_US`: engines report any of them, and the region makes no difference here.
    fn from_str(text: &str) -> Result<Self, NotALanguage> {
        let code = text.trim().split(['-', '_']).next().unwrap_or_default();
        match code.as_bytes() {
            &[a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_lowercase(), b.to_ascii_lowercase()]))
            }
            _ => Err(NotALanguage),
        }
    }
}

impl TryFrom<String> for Language {
    type Error = NotALanguage;

    fn try_from(text: String) -> Result<Self, NotALanguage> {
        text.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.code().to_owned()
    }
}

impl Language {
    /// What is spoken where there are no words in another language.
    pub const ENGLISH: Self = Self(*b"en");

    /// The codes of what engines can be asked for; one engine knows more of them than another.
    pub const KNOWN: [&'static str; 35] = [
        "ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "he", "hi", "hu", "id", "it",
        "ja", "ko", "lt", "lv", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "th", "tr", "uk", "vi",
        "zh",
    ];

    /// The code, two lower-case letters.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).expect("from_str admits ASCII letters only")
    }
}

impl Language {
    /// Whether a clause of this language is nothing but words that fill a pause.
    pub(crate) fn is_filler(self, text: &str) -> bool {
        let fillers: &[&str] = match self.code() {
            "en" => &["ah", "eh", "er", "erm", "hm", "like", "oh", "okay", "right", "so", "uh", "um", "well"],
            "es" => &["ah", "bueno", "eh", "em", "este", "mm", "oh", "pues", "vale"],
            "fr" => &["ah", "alors", "ben", "bon", "eh", "euh", "hein", "oh", "voilà"],
            "de" => &["ach", "also", "äh", "ähm", "eh", "hm", "na", "naja", "oh", "tja"],
            "it" => &["ah", "allora", "beh", "eh", "ecco", "ehm", "insomma", "mah", "oh"],
            "pt" => &["ah", "bem", "bom", "eh", "então", "hum", "né", "oh", "pois"],
            _ => &[],
        };
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).all(|word| fillers.contains(&word.as_str()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The two languages of an interpreter room, known to differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguagePair {
    first: Language,
    second: Language,
}

impl LanguagePair {
    /// Where nobody said which.
    pub const ENGLISH_AND_SPANISH: Self = Self { first: Language::ENGLISH, second: Language(*b"es") };

    /// `None` where both are the same language: there is nothing to interpret.
    pub fn new(first: Language, second: Language) -> Option<Self> {
        (first != second).then_some(Self { first, second })
    }

    /// Both, in the order of the configuration.
    pub fn both(&self) -> [Language; 2] {
        [self.first, self.second]
    }

    /// The one that is not `language`; the first where neither is.
    pub fn other(&self, language: Language) -> Language {
        if language == self.first { self.second } else { self.first }
    }

    /// Source and target for speech heard as `heard`. A language outside the pair, or none, counts as the first one.
    pub fn direction(&self, heard: Option<Language>) -> (Language, Language) {
        if heard == Some(self.second) { (self.second, self.first) } else { (self.first, self.second) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(code: &str) -> Language {
        code.parse().unwrap()
    }

    #[test]
    fn regions_and_case_do_not_matter() {
        for text in ["en", "EN", "en-US", "en_GB", " en "] {
            assert_eq!(language(text).code(), "en");
        }
        for text in ["", "e", "eng", "é", "12", "-en"] {
            assert_eq!(text.parse::<Language>(), Err(NotALanguage), "{text}");
        }
    }

    #[test]
    fn direction_follows_what_was_heard() {
        let [en, es, pt] = ["en", "es", "pt"].map(language);
        let pair = LanguagePair::new(en, es).unwrap();
        assert_eq!(pair.direction(Some(en)), (en, es));
        assert_eq!(pair.direction(Some(es)), (es, en));
        assert_eq!(pair.direction(Some(pt)), (en, es));
        assert_eq!(pair.direction(None), (en, es));
        assert_eq!(LanguagePair::new(en, en), None);
    }

    #[test]
    fn only_words_without_meaning_are_filler() {
        assert!(language("en").is_filler("Well, um…") && language("de").is_filler("Ähm, also"));
        assert!(!language("en").is_filler("Well, yes.") && !language("ja").is_filler("えっと"));
    }
}
