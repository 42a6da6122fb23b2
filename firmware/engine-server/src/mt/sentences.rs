//! Sentences of a text, and the marks that Spanish opens them with.

/// Splits behind `.`, `!`, `?` and `…` that are followed by space, and at line ends. Each piece keeps its punctuation.
pub(crate) fn split(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let followed_by_space = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        let ends = c == '\n' || (matches!(c, '.' | '!' | '?' | '…') && followed_by_space);
        if ends && !is_abbreviation(&text[start..at + c.len_utf8()]) {
            sentences.push(text[start..at + c.len_utf8()].trim());
            start = at + c.len_utf8();
        }
    }
    sentences.push(text[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

fn is_abbreviation(sentence: &str) -> bool {
    let last = sentence.rsplit(char::is_whitespace).next().unwrap_or_default().to_lowercase();
    matches!(last.as_str(), "mr." | "mrs." | "ms." | "dr." | "st." | "sr." | "sra." | "dra." | "no." | "etc.")
        || (last.chars().count() == 2 && last.ends_with('.') && last.starts_with(char::is_alphabetic))
}

/// Gives a Spanish sentence the marks it opens with. A question or cry that follows a comma begins there when it
/// begins with a word that asks.
pub(super) fn open_spanish(sentence: &str) -> String {
    let plain = sentence.trim_start_matches(['¿', '¡', ' ']);
    let mark = match plain.chars().rev().find(|c| !matches!(c, '"' | ')' | '»' | ' ')) {
        Some('?') => '¿',
        Some('!') => '¡',
        _ => return sentence.to_owned(),
    };
    if plain.contains(mark) {
        return plain.to_owned();
    }
    let at = if mark == '¿' { question_start(plain) } else { 0 };
    format!("{}{mark}{}", &plain[..at], &plain[at..])
}

fn question_start(sentence: &str) -> usize {
    const ASKING: [&str; 11] = [
        "qué", "por qué", "quién", "quiénes", "cómo", "cuándo", "dónde", "cuánto", "cuánta", "cuántos",
        "cuál",
    ];
    let after_commas = sentence.match_indices(", ").map(|(at, comma)| at + comma.len());
    let asks = |at: &usize| {
        let rest = sentence[*at..].to_lowercase();
        ASKING.iter().any(|word| {
            rest.strip_prefix(word).is_some_and(|behind| !behind.starts_with(char::is_alphanumeric))
        })
    };
    after_commas.into_iter().find(asks).unwrap_or(0)
}

/// The sentence with a capital first letter.
pub(super) fn capitalised(sentence: &str) -> String {
    let Some((at, first)) = sentence.char_indices().find(|(_, c)| c.is_alphanumeric()) else {
        return sentence.to_owned();
    };
    let rest = &sentence[at + first.len_utf8()..];
    format!("{}{}{rest}", &sentence[..at], first.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_their_marks_and_not_at_abbreviations() {
        assert_eq!(
            split("Hello, Mr. Smith. How are you?  Fine!"),
            ["Hello, Mr. Smith.", "How are you?", "Fine!"]
        );
        assert_eq!(split("It costs 3.50 euros\nThanks"), ["It costs 3.50 euros", "Thanks"]);
        assert!(split(" \n ").is_empty());
    }

    #[test]
    fn spanish_opens_what_it_closes() {
        assert_eq!(open_spanish("cómo está?"), "¿cómo está?");
        assert_eq!(open_spanish("Buenos días, cómo está?"), "Buenos días, ¿cómo está?");
        assert_eq!(open_spanish("Puede repetir eso, por favor?"), "¿Puede repetir eso, por favor?");
        assert_eq!(open_spanish("¡Qué bien!"), "¡Qué bien!");
        assert_eq!(open_spanish("Gracias!"), "¡Gracias!");
        assert_eq!(open_spanish("Vale."), "Vale.");
        assert_eq!(capitalised("¿cómo?"), "¿Cómo?");
    }
}
