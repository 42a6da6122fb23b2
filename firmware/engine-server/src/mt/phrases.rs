//! The phrase table: what the engines are known to get wrong, as data.

use anyhow::{Context, Result};
use serde::Deserialize;

/// See `phrases.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Phrases {
    #[serde(default)]
    whole: Vec<Entry>,
    #[serde(default)]
    before: Vec<Entry>,
    #[serde(default)]
    after: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    from: String,
    to: String,
    find: String,
    say: String,
}

impl Phrases {
    pub(super) fn built_in() -> Result<Self> {
        toml::from_str(include_str!("../../phrases.toml")).context("phrases.toml")
    }

    /// The translation of a sentence that the table knows as a whole.
    pub(super) fn whole(&self, sentence: &str, from: &str, to: &str) -> Option<String> {
        let said = bare(sentence);
        let entry = between(&self.whole, from, to).find(|entry| bare(&entry.find) == said)?;
        Some(entry.say.clone())
    }

    /// The sentence in words that the engines understand.
    pub(super) fn prepare(&self, sentence: &str, from: &str, to: &str) -> String {
        between(&self.before, from, to).fold(sentence.to_owned(), |text, e| replace(&text, &e.find, &e.say))
    }

    /// The engines' answer without their known mistakes.
    pub(super) fn repair(&self, translated: &str, from: &str, to: &str) -> String {
        between(&self.after, from, to).fold(translated.to_owned(), |text, e| replace(&text, &e.find, &e.say))
    }
}

fn between<'a>(entries: &'a [Entry], from: &'a str, to: &'a str) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| entry.from == from && entry.to == to)
}

/// Letters and digits in lower case, single spaces.
fn bare(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Replaces whole words, whatever their case; a replacement at a capital begins with one.
fn replace(text: &str, find: &str, say: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, length)) = position(rest, find, out.chars().next_back()) {
        out.push_str(&rest[..at]);
        if rest[at..].starts_with(char::is_uppercase) {
            let mut letters = say.chars();
            out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            out.push_str(letters.as_str());
        } else {
            out.push_str(say);
        }
        rest = &rest[at + length..];
    }
    out + rest
}

/// Where `find` stands in `text` as whole words, and its length there. `before` is the character before `text`.
fn position(text: &str, find: &str, before: Option<char>) -> Option<(usize, usize)> {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.char_indices().map(|(at, _)| at).find_map(|at| {
        let length = matching_length(&text[at..], find)?;
        let preceding = text[..at].chars().next_back().or(before);
        let following = text[at + length..].chars().next();
        let is_inside = (is_letter(preceding) && is_letter(find.chars().next()))
            || (is_letter(following) && is_letter(find.chars().next_back()));
        (!is_inside).then_some((at, length))
    })
}

fn matching_length(text: &str, find: &str) -> Option<usize> {
    let mut letters = text.char_indices();
    for wanted in find.chars() {
        let (_, letter) = letters.next()?;
        if !letter.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
    }
    Some(letters.next().map_or(text.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_that_is_built_in_can_be_read() {
        let phrases = Phrases::built_in().unwrap();
        assert_eq!(phrases.whole("I'm sorry!", "en", "es").as_deref(), Some("Lo siento."));
        assert_eq!(phrases.whole("I'm sorry!", "en", "pt"), None);
    }

    #[test]
    fn whole_words_are_replaced_in_any_case() {
        assert_eq!(
            replace("El comboio, el comboios. EL COMBOIO", "el comboio", "el tren"),
            "El tren, el comboios. El tren"
        );
        assert_eq!(replace("aaa", "a", "b"), "aaa");
        assert_eq!(replace("İx i", "i", "j"), "İx j");
    }
}
