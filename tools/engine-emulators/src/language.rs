//! A guess at a text's language, for services that are not told it.

/// Frequent words that are rare in the other languages.
const WORDS: [(&str, [&str; 12]); 6] = [
    ("en", ["the", "is", "and", "you", "of", "to", "my", "it", "are", "what", "please", "hello"]),
    ("es", ["el", "los", "es", "y", "está", "por", "muy", "usted", "mi", "qué", "hola", "gracias"]),
    ("fr", ["le", "les", "est", "et", "vous", "je", "une", "des", "pas", "mon", "bonjour", "merci"]),
    ("de", ["der", "die", "das", "ist", "und", "ich", "sie", "nicht", "ein", "mein", "hallo", "danke"]),
    ("it", ["il", "gli", "è", "di", "che", "non", "sono", "una", "mio", "per", "ciao", "grazie"]),
    ("pt", ["o", "os", "é", "e", "você", "não", "uma", "um", "meu", "está", "olá", "obrigado"]),
];

/// ISO 639-1; English when nothing tells.
pub(crate) fn guess(text: &str) -> &'static str {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).collect();
    let score = |known: &[&str]| words.iter().filter(|word| known.contains(word)).count();
    // Of equals the first: `max_by_key` takes the last.
    WORDS.iter().rev().max_by_key(|(_, known)| score(known)).map_or("en", |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_sentences_are_told_apart() {
        let sentences = [
            ("en", "Where is the station, please?"),
            ("es", "Hola, ¿dónde está la estación?"),
            ("fr", "Bonjour, où est la gare ?"),
            ("de", "Guten Tag, wo ist der Bahnhof?"),
            ("it", "Ciao, non so dov'è il treno."),
            ("pt", "Olá, você não é daqui?"),
            ("en", "1 2 3"),
        ];
        for (language, sentence) in sentences {
            assert_eq!(guess(sentence), language, "{sentence}");
        }
    }
}
