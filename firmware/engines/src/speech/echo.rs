//! Which of two languages was spoken, told by two translations of it.

use std::collections::HashMap;

/// Of two sessions that heard the same speech, each as (what it heard, its translation): the one whose translation only
/// repeats what was said, so that its target is the language that was spoken. `None` where that cannot be told.
pub fn which_is_echoed(sessions: [(&str, &str); 2]) -> Option<usize> {
    let [first, second] = sessions.map(|(source, target)| likeness(source, target));
    // A translation into another language shares names and numbers with its source, hardly half of its words.
    match (first >= 0.5, second >= 0.5) {
        (true, false) => Some(0),
        (false, true) => Some(1),
        _ => None,
    }
}

/// How much of the two texts is the same words, 0 to 1. An engine that says nothing at all did not translate either.
fn likeness(source: &str, target: &str) -> f64 {
    let (source, target) = (words(source), words(target));
    if target.is_empty() {
        return if source.is_empty() { 0.0 } else { 1.0 };
    }
    let mut unmatched = HashMap::<&str, usize>::new();
    for word in &source {
        *unmatched.entry(word).or_default() += 1;
    }
    let shared = target.iter().filter(|word| match unmatched.get_mut(word.as_str()) {
        Some(left @ 1..) => {
            *left -= 1;
            true
        }
        _ => false,
    });
    shared.count() as f64 / source.len().max(target.len()) as f64
}

fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_repeats_what_was_said_has_the_language_that_was_spoken() {
        let english = "Where is the station, please?";
        let cases = [
            (
                [(english, "¿Dónde está la estación, por favor?"), (english, "where is the station please")],
                Some(1),
            ),
            ([(english, "Where is the station please?"), (english, "Wo ist der Bahnhof, bitte?")], Some(0)),
            ([(english, ""), (english, "Wo ist der Bahnhof, bitte?")], Some(0)),
            ([("Hotel Berlin", "Hotel Berlin"), ("Hotel Berlin", "Hotel Berlin")], None),
            ([("", ""), ("", "")], None),
            ([(english, "eins"), (english, "uno")], None),
        ];
        for (sessions, echoed) in cases {
            assert_eq!(which_is_echoed(sessions), echoed, "{sessions:?}");
        }
    }

    proptest! {
        #[test]
        fn the_same_text_is_an_echo(text: String) {
            prop_assume!(text.contains(char::is_alphanumeric));
            prop_assert!(likeness(&text, &text) > 0.999);
        }
    }
}
