/// Most words that Deepgram's models are told to expect …
const AT_MOST: usize = 100;
/// … which may have 500 tokens together, or the connection is refused.
const TOKENS_AT_MOST: usize = 500;

/// Those of `terms` that Deepgram certainly takes together, from the first on.
///
/// How it cuts them into tokens is not told. None is shorter than a byte, but for one that may stand for the beginning
/// of a word.
pub fn keyterms<'a>(terms: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut tokens = 0;
    let mut fits = |term: &&str| {
        tokens += term.len() + term.split_whitespace().count();
        tokens <= TOKENS_AT_MOST
    };
    terms.into_iter().take_while(|term| fits(term)).take(AT_MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_told_than_the_vendor_takes() {
        assert_eq!(keyterms(["ring main", "Ærø"]), ["ring main", "Ærø"]);
        assert_eq!(keyterms(["x"; 200]).len(), AT_MOST);
        // Nine bytes and two words each.
        assert_eq!(keyterms(["ring main"; 200]).len(), TOKENS_AT_MOST / 11);
        assert!(keyterms(["x".repeat(500).as_str()]).is_empty());
    }
}
