use crate::align::{rest_after, same_words};

/// Words that a clause needs before a full stop, a question mark or an exclamation mark commits it: "Mr. Smith".
pub(crate) const SENTENCE_WORDS: usize = 3;
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
    /// The words that were committed after these bytes, as they were known then.
    ahead: Vec<String>,
    /// What the recogniser takes to follow `stable`; the next guess replaces it.
    guess: String,
    /// Bytes at the start of `guess` whose words the guess before it had, too.
    agreed: usize,
    pieces: u32,
    guesses: u32,
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
        let fitting = fitting_prefix(delta, LONGEST_TEXT - self.stable.len());
        self.stable.extend(fitting.chars().map(printable));
        (self.guess, self.agreed) = (String::new(), 0);
        let rest = rest_after(&self.ahead, &self.stable[self.committed..]);
        if !self.ahead.is_empty() && !rest.is_empty() {
            self.committed = rest.as_ptr() as usize - self.stable.as_ptr() as usize;
            self.ahead.clear();
        }
        fitting.len() == delta.len()
    }

    /// Takes what the recogniser makes of the audio after the stable beginning.
    pub(crate) fn guess(&mut self, text: &str) {
        self.guesses = self.guesses.saturating_add(1);
        if self.guesses > MOST_PIECES {
            return;
        }
        let fitting = fitting_prefix(text.trim(), LONGEST_TEXT - self.stable.len());
        let guess: String = fitting.chars().map(printable).collect();
        self.agreed = agreement(&self.guess, &guess);
        self.guess = guess;
    }

    /// What was said and is not committed, as far as it is known now; `None` where that is no word.
    pub(crate) fn open(&self) -> Option<String> {
        let (text, _) = self.uncommitted();
        let open = rest_after(&self.ahead, &text).trim();
        open.contains(char::is_alphanumeric).then(|| open.to_owned())
    }

    /// Commits and returns the next clause that is certain to be complete, if there is one: of stable text, or of what
    /// two guesses in a row agree on.
    ///
    /// Punctuation counts only when a word follows it: engines put a full stop at the end of every partial text.
    pub(crate) fn next_clause(&mut self) -> Option<String> {
        let (text, certain) = self.uncommitted();
        let open = rest_after(&self.ahead, &text);
        let clause = open[..clause_end(open)?].trim();
        let end = clause.as_ptr() as usize - text.as_ptr() as usize + clause.len();
        if end > certain {
            return None;
        }
        self.commit(clause);
        Some(clause.to_owned())
    }

    /// `clause`, which [`open`](Self::open) begins with, will be said and not taken back.
    pub(crate) fn commit(&mut self, clause: &str) {
        self.ahead.extend(clause.split_whitespace().map(str::to_owned));
    }

    /// What is left to say of the utterance now that its whole text is known; `None` where nothing is.
    pub(crate) fn finish(&self, whole: &str) -> Option<String> {
        let whole: String = fitting_prefix(whole, LONGEST_TEXT).chars().map(printable).collect();
        let before = self.stable[..self.committed].split_whitespace();
        let spoken: Vec<&str> = before.chain(self.ahead.iter().map(String::as_str)).collect();
        let rest = rest_after(&spoken, &whole);
        rest.contains(char::is_alphanumeric).then(|| rest.trim().to_owned())
    }

    /// The text after the committed bytes, and how many bytes at its start are certain.
    fn uncommitted(&self) -> (String, usize) {
        let mut text = self.stable[self.committed..].to_owned();
        if !text.ends_with(char::is_whitespace) {
            text.push(' ');
        }
        let certain = text.len() + self.agreed;
        text.push_str(&self.guess);
        (text, certain)
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// Bytes at the start of `new` whose words are those of `old`.
fn agreement(old: &str, new: &str) -> usize {
    let mut end = 0;
    for (old, new_word) in old.split_whitespace().zip(new.split_whitespace()) {
        if !same_words(old, new_word) {
            break;
        }
        end = new_word.as_ptr() as usize - new.as_ptr() as usize + new_word.len();
    }
    end
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

    fn guessed(transcript: &mut Transcript, guesses: &[&str]) -> Vec<String> {
        let mut clauses = Vec::new();
        for guess in guesses {
            transcript.guess(guess);
            clauses.extend(std::iter::from_fn(|| transcript.next_clause()));
        }
        clauses
    }

    #[test]
    fn what_two_guesses_agree_on_is_committed_once() {
        let mut transcript = Transcript::default();
        assert!(guessed(&mut transcript, &["I want to go home. Can"]).is_empty(), "one guess is none");
        assert!(guessed(&mut transcript, &["I want to go hone. Can you"]).is_empty(), "they disagree");
        assert_eq!(guessed(&mut transcript, &["I want to go hone. Can you help"]), ["I want to go hone."]);
        assert_eq!(transcript.open().unwrap(), "Can you help");
        transcript.push("I want to go home.");
        assert_eq!(transcript.open(), None);
        assert!(guessed(&mut transcript, &["Can you help me?"]).is_empty());
        assert_eq!(transcript.open().unwrap(), "Can you help me?");
        transcript.commit("Can you help me?");
        assert_eq!(transcript.open(), None);
        transcript.push(" Can you help me? I am");
        assert_eq!(transcript.open().unwrap(), "I am");
        assert_eq!(
            transcript.finish("I want to go home. Can you help me? I am lost.").unwrap(),
            "I am lost."
        );
    }
}
