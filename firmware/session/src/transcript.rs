use crate::align::rest_after;

/// Words that a clause needs before a full stop, a question mark or an exclamation mark commits it: "Mr. Smith".
const SENTENCE_WORDS: usize = 3;
/// Words that a clause needs before a comma or a colon commits it: translators do badly on snippets.
const CLAUSE_WORDS: usize = 6;
/// Words after which a clause is committed without any punctuation, so that a monologue does not wait for its end.
const LONGEST_CLAUSE_WORDS: usize = 20;
/// More text than anyone can say in one utterance; what exceeds it comes from a broken engine and is cut off.
const LONGEST_TEXT: usize = 4_000;
/// More pieces than a recogniser streams in one utterance, at twenty a second.
const MOST_PIECES: u32 = 500;

/// What is known of an utterance's words, and the commit policy: a clause that is committed is never taken back.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// The stable beginning of the text, as streamed.
    stable: String,
    /// Bytes of `stable` that belong to committed clauses.
    committed: usize,
    pieces: u32,
}

impl Transcript {
    /// The stable beginning so far.
    pub(crate) fn text(&self) -> &str {
        &self.stable
    }

    /// Adds to the stable beginning. Answers whether there was room: an engine that streams without end must not
    /// keep anybody busy.
    pub(crate) fn push(&mut self, delta: &str) -> bool {
        self.pieces = self.pieces.saturating_add(1);
        if self.pieces > MOST_PIECES {
            return false;
        }
        let room = LONGEST_TEXT - self.stable.len();
        let fitting = fitting_prefix(delta, room);
        self.stable.extend(fitting.chars().map(|c| if c.is_control() { ' ' } else { c }));
        fitting.len() == delta.len()
    }

    /// Commits and returns the next clause that is certain to be complete, if there is one.
    ///
    /// Punctuation counts only when a word follows it: engines put a full stop at the end of every partial text.
    pub(crate) fn next_clause(&mut self) -> Option<String> {
        let open = &self.stable[self.committed..];
        let end = clause_end(open)?;
        let clause = open[..end].trim().to_owned();
        self.committed += end;
        Some(clause)
    }

    /// What is left to say of the utterance now that its whole text is known; `None` where nothing is.
    pub(crate) fn finish(&self, whole: &str) -> Option<String> {
        let whole = fitting_prefix(whole, LONGEST_TEXT).replace(char::is_control, " ");
        let spoken: Vec<&str> = self.stable[..self.committed].split_whitespace().collect();
        let rest = rest_after(&spoken, &whole);
        rest.contains(char::is_alphanumeric).then(|| rest.trim().to_owned())
    }
}

fn fitting_prefix(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// The byte after the last character of a complete clause at the start of `open`.
fn clause_end(open: &str) -> Option<usize> {
    let mut words = 0;
    let mut ends = open.split_inclusive(char::is_whitespace).scan(0, |end, piece| {
        *end += piece.len();
        Some((*end, piece))
    });
    while let Some((end, piece)) = ends.next() {
        words += usize::from(piece.contains(char::is_alphanumeric));
        let least = match piece.trim_end().chars().next_back() {
            Some('.' | '?' | '!' | '…') => SENTENCE_WORDS,
            Some(',' | ';' | ':') => CLAUSE_WORDS,
            _ => LONGEST_CLAUSE_WORDS,
        };
        let followed = ends.clone().any(|(_, next)| next.contains(char::is_alphanumeric));
        if words >= least && followed {
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clauses(deltas: &[&str]) -> (Vec<String>, Transcript) {
        let mut transcript = Transcript::default();
        let mut clauses = Vec::new();
        for delta in deltas {
            transcript.push(delta);
            clauses.extend(std::iter::from_fn(|| transcript.next_clause()));
        }
        (clauses, transcript)
    }

    #[test]
    fn a_sentence_is_committed_when_the_next_one_begins() {
        let (none, _) = clauses(&["I would like", " to go home."]);
        assert!(none.is_empty());
        let (one, transcript) = clauses(&["I would like", " to go home.", " Can you"]);
        assert_eq!(one, ["I would like to go home."]);
        assert_eq!(transcript.finish("I'd like to go home. Can you help me?").unwrap(), "Can you help me?");
    }

    #[test]
    fn abbreviations_and_short_clauses_wait() {
        let (none, transcript) = clauses(&["Well, Mr. Smith has 3.5 dogs"]);
        assert!(none.is_empty());
        assert_eq!(
            transcript.finish("Well, Mr. Smith has 3.5 dogs.").unwrap(),
            "Well, Mr. Smith has 3.5 dogs."
        );
        let (one, _) = clauses(&["When I arrived at the old station, the train", " had left"]);
        assert_eq!(one, ["When I arrived at the old station,"]);
    }

    #[test]
    fn endless_talk_is_cut() {
        let (committed, _) = clauses(&["word ".repeat(45).as_str()]);
        assert_eq!(committed.iter().map(|c| c.split(' ').count()).collect::<Vec<_>>(), [20, 20]);
    }

    #[test]
    fn nothing_is_left_of_silence_and_of_what_was_said() {
        let (_, empty) = clauses(&[]);
        assert_eq!(empty.finish(" ... "), None);
        let (_, said) = clauses(&["One two three. Four five six. Seven"]);
        assert_eq!(said.finish("One two three. Four five six."), None);
    }

    #[test]
    fn an_engine_that_never_stops_is_cut_off() {
        let mut transcript = Transcript::default();
        assert!(transcript.push(&"é".repeat(1_000)));
        assert!(!transcript.push(&"é".repeat(5_000)));
        assert!(!transcript.push("more"));
        assert_eq!(transcript.text().len(), LONGEST_TEXT);

        let mut transcript = Transcript::default();
        assert_eq!((0..1_000).filter(|_| transcript.push("a ")).count(), 500);
    }
}
