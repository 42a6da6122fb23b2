//! Where a text that was spoken already ends in a later hearing of the same words.

/// Compares words as they sound: case and punctuation change between hearings.
fn sound(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether two texts have the same words.
pub(crate) fn same_words(one: &str, other: &str) -> bool {
    let sounds =
        |text: &'_ str| text.split_whitespace().map(sound).filter(|w| !w.is_empty()).collect::<Vec<_>>();
    sounds(one) == sounds(other)
}

/// The part of `heard` that comes after `spoken`, where both begin at the same moment but may differ in words.
///
/// The cut is put where the edit distance in words between `spoken` and the start of `heard` is least; of several
/// such cuts the last, so that a word heard differently is not said a second time.
pub(crate) fn rest_after<'a>(spoken: &[impl AsRef<str>], heard: &'a str) -> &'a str {
    let spoken: Vec<String> = spoken.iter().map(|w| sound(w.as_ref())).filter(|w| !w.is_empty()).collect();
    let words: Vec<&str> = heard.split_whitespace().collect();
    let (places, sounds): (Vec<usize>, Vec<String>) =
        words.iter().enumerate().map(|(i, w)| (i, sound(w))).filter(|(_, s)| !s.is_empty()).unzip();

    let costs = distances(&spoken, &sounds);
    let least = costs.iter().copied().min().unwrap_or(0);
    let cut = costs.iter().rposition(|&cost| cost == least).unwrap_or(0);

    match places.get(cut) {
        Some(&place) => {
            let offset = words[place].as_ptr() as usize - heard.as_ptr() as usize;
            heard[offset..].trim_end()
        }
        None => "",
    }
}

/// Edit distances between `spoken` and each prefix of `heard`, from the empty one to the whole.
fn distances(spoken: &[String], heard: &[String]) -> Vec<usize> {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (i, said) in spoken.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, word) in heard.iter().enumerate() {
            let substitute = diagonal + usize::from(said != word);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest<'a>(spoken: &str, heard: &'a str) -> &'a str {
        rest_after(&spoken.split_whitespace().collect::<Vec<_>>(), heard)
    }

    #[test]
    fn equal_beginnings_are_cut_off() {
        assert_eq!(rest("Hello there,", "hello there! How are you?"), "How are you?");
        assert_eq!(rest("", "How are you?"), "How are you?");
        assert_eq!(rest("How are you?", "How are you?"), "");
    }

    #[test]
    fn words_heard_differently_are_not_said_again() {
        assert_eq!(rest("the cat sat", "The cat sits on the mat."), "on the mat.");
        assert_eq!(rest("I want to", "I won two tickets please"), "tickets please");
    }

    #[test]
    fn inserted_and_missing_words_do_not_shift_the_cut() {
        assert_eq!(rest("one two three four", "one three four five six"), "five six");
        assert_eq!(rest("one two three", "one and two and three then four"), "then four");
        assert_eq!(rest("one two three", "one"), "");
    }

    #[test]
    fn punctuation_alone_is_no_word() {
        assert_eq!(rest("bien", "¿ Bien ? Sí — claro"), "Sí — claro");
    }
}
