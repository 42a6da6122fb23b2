//! What vendors say, as people may see it: no key, and nothing that a terminal or an eye takes for something else.

use std::sync::{PoisonError, RwLock};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// More of a vendor's words is looked at by nobody.
const AT_MOST: usize = 4_096;
/// Instead of what may not be seen.
const WITHHELD: &str = "***";
/// Shorter keys may be parts of honest words.
const SHORTEST_PART: usize = 6;
/// Longer words of letters and digits are keys, sessions or tokens of somebody's,
const LONGEST_WORD: usize = 23;
/// where a part of them mixes so many. (A model's name with a date is none.)
const SHORTEST_MIX: usize = 8;
/// Whoever repeats so much of a key repeats the key.
const TELLING_PART: usize = 8;
/// As a key stands in a URL that a vendor repeats.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stands before a key, in lower case.
const BEFORE_A_KEY: [&str; 6] = ["bearer", "token", "basic", "key", "apikey", "deepl-auth-key"];

/// The keys that no words may carry.
static KEYS: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// From now on no [`Failure`](crate::Failure) and no warning shows this key, whoever repeats it.
pub fn withhold(key: &str) {
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    for key in [key.to_owned(), utf8_percent_encode(key, ESCAPED).to_string()] {
        if !key.is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    // One may be a part of another.
    keys.sort_by_key(|key| std::cmp::Reverse(key.len()));
}

/// `words` in one line, without keys, control characters and characters that cannot be seen.
pub(crate) fn shown(words: &str) -> String {
    let seen = words.chars().take(AT_MOST).filter(|c| !is_unseen(*c));
    let mut text: String = seen.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let keys = KEYS.read().unwrap_or_else(PoisonError::into_inner);
    for key in keys.iter().filter(|key| key.len() >= SHORTEST_PART) {
        text = without(&text, key);
    }
    let mut line = String::with_capacity(text.len());
    let mut announced = false;
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        if keys.iter().any(|key| key == word) || (announced && is_like_a_key(word)) {
            line.push_str(WITHHELD);
        } else {
            push_without_tokens(&mut line, word);
        }
        announced = BEFORE_A_KEY.contains(&word.trim_end_matches([':', '=']).to_ascii_lowercase().as_str());
    }
    line
}

/// `text` without `key`, whole or cut short.
fn without(text: &str, key: &str) -> String {
    let telling = key.char_indices().nth(TELLING_PART).map_or(key, |(end, _)| &key[..end]);
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(telling) {
        left.push_str(&rest[..at]);
        left.push_str(WITHHELD);
        let same = rest[at..].chars().zip(key.chars()).take_while(|(here, there)| here == there);
        rest = &rest[at + same.map(|(here, _)| here.len_utf8()).sum::<usize>()..];
    }
    left + rest
}

fn push_without_tokens(line: &mut String, word: &str) {
    for part in word.split_inclusive(|c: char| !is_of_a_token(c)) {
        let run = part.trim_end_matches(|c: char| !is_of_a_token(c));
        let is_mixed = |part: &str| part.len() >= SHORTEST_MIX && is_like_a_key(part);
        let is_token = run.len() > LONGEST_WORD && run.split(['-', '_']).any(is_mixed);
        let is_marked = ["sk-", "sk_"].iter().any(|mark| run.len() > mark.len() && run.starts_with(mark));
        line.push_str(if is_token || is_marked { WITHHELD } else { run });
        line.push_str(&part[run.len()..]);
    }
}

fn is_of_a_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_like_a_key(word: &str) -> bool {
    let has = |wanted: fn(&u8) -> bool| word.bytes().any(|byte| wanted(&byte));
    word.len() >= SHORTEST_PART && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Characters that change how others are seen, or are not seen themselves.
const fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_withheld_in_whichever_words() {
        withhold("k3y-stranger-777");
        withhold("ab1");
        withhold("s/ash+ed=key");
        let cases = [
            ("bad header: Bearer k3y-stranger-777", "bad header: Bearer ***"),
            ("{\"k3y-stranger-777\"}", "{\"***\"}"),
            ("key ab1 of cab1n", "key *** of cab1n"),
            ("Authorization: Token 0f3c2a9d is wrong", "Authorization: Token *** is wrong"),
            ("Incorrect API key provided: sk-12ab.", "Incorrect API key provided: ***."),
            ("session=2f1de4a0-77aa-4c0e-8d0f-3b1f0e9c2a11;", "session=***;"),
            ("token is required, basic authentication", "token is required, basic authentication"),
            ("key k3y-stranger-7... is wrong", "key ***... is wrong"),
            ("at /v1?key=s%2Fash%2Bed%3Dkey", "at /v1?key=***"),
            ("no model gpt-4o-mini-tts-2025-12-15", "no model gpt-4o-mini-tts-2025-12-15"),
            ("no model eleven_flash_v2_5 at https://h/v1", "no model eleven_flash_v2_5 at https://h/v1"),
        ];
        for (words, expected) in cases {
            assert_eq!(shown(words), expected);
        }
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        let words = "a\u{1b}[2J\u{1b}]0;pwn\u{7}\u{9b}1m \u{202e}b\u{2066}\u{200b}c\r\n\td";
        assert_eq!(shown(words), "a [2J ]0;pwn 1m bc d");
    }

    proptest! {
        #[test]
        fn no_words_carry_a_key(before in ".{0,300}", after in ".{0,40}") {
            withhold("s3cret-of-a-proptest");
            let line = shown(&format!("{before}s3cret-of-a-proptest{after}"));
            prop_assert!(!line.contains("s3cret-of"), "{}", line);
            prop_assert!(!line.contains(char::is_control) && !line.contains(is_unseen), "{:?}", line);
        }
    }
}
