//! What successive passes over growing audio agree on, so that text once sent is never taken back.

/// Text of one segment that was sent, and the pass it is compared with.
#[derive(Debug, Default)]
pub struct Agreement {
    previous: Vec<String>,
    sent: Vec<String>,
}

impl Agreement {
    /// Takes a pass over unfinished audio; gives the text to send now, which may be empty.
    ///
    /// Words that this pass and the one before begin with alike are sent, but for the last of either: speech goes on
    /// there, and so may the word.
    pub fn partial(&mut self, text: &str) -> String {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let alike = words.iter().zip(&self.previous).take_while(|(a, b)| bare(a) == bare(b)).count();
        let safe = alike.min(words.len().saturating_sub(1)).min(self.previous.len().saturating_sub(1));
        let agrees_with_sent = self.sent.iter().zip(&words).all(|(a, b)| bare(a) == bare(b));
        let delta = if safe > self.sent.len() && agrees_with_sent {
            self.send(&words[..safe], false)
        } else {
            String::new()
        };
        self.previous = words;
        delta
    }

    /// Takes the pass over the whole segment; gives the text that remains to be sent.
    pub fn finish(&mut self, text: &str) -> String {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let at = best_split(&self.sent, &words);
        let is_same = self.sent.last().zip(at.checked_sub(1).map(|i| &words[i]));
        let mut whole = self.sent.clone();
        // Where the last word sent has its punctuation still to come, it comes from the final pass.
        if let (Some((a, b)), Some(last)) = (is_same, whole.last_mut())
            && bare(a) == bare(b)
        {
            b.clone_into(last);
        }
        whole.extend_from_slice(&words[at..]);
        self.send(&whole, true)
    }

    /// The delta from what was sent to `words`. The last word's punctuation is held back while speech goes on.
    fn send(&mut self, words: &[String], is_last: bool) -> String {
        let mut delta = String::new();
        let known = self.sent.len();
        if let (Some(last), Some(now)) = (self.sent.last_mut(), words.get(known.wrapping_sub(1))) {
            delta.push_str(tail(now, last));
            last.push_str(&delta);
        }
        for word in &words[known..] {
            if !self.sent.is_empty() {
                delta.push(' ');
            }
            delta.push_str(word);
            self.sent.push(word.clone());
        }
        if let (false, Some(last)) = (is_last, self.sent.last_mut()) {
            let held_back = last.len() - without_tail(last).len();
            last.truncate(last.len() - held_back);
            delta.truncate(delta.len().saturating_sub(held_back));
        }
        delta
    }
}

/// The word as it is compared: letters and digits in lower case.
fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn without_tail(word: &str) -> &str {
    word.trim_end_matches(|c: char| !c.is_alphanumeric())
}

/// The punctuation that `now` has behind `sent`.
fn tail<'a>(now: &'a str, sent: &str) -> &'a str {
    if bare(now) == bare(sent) && without_tail(sent) == sent { &now[without_tail(now).len()..] } else { "" }
}

/// How many of `words` say what `sent` says: the prefix with the smallest edit distance, of equals the one that is
/// nearest in length.
fn best_split(sent: &[String], words: &[String]) -> usize {
    let words: Vec<String> = words.iter().map(|word| bare(word)).collect();
    let mut row: Vec<usize> = (0..=words.len()).collect();
    for (i, said) in sent.iter().enumerate() {
        let said = bare(said);
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 1..=words.len() {
            let replaced = diagonal + usize::from(said != words[j - 1]);
            diagonal = row[j];
            row[j] = replaced.min(row[j] + 1).min(row[j - 1] + 1);
        }
    }
    (0..row.len()).min_by_key(|&j| (row[j], j.abs_diff(sent.len()))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_two_passes_say_alike_is_sent() {
        let mut agreement = Agreement::default();
        assert_eq!(agreement.partial("He was not"), "");
        assert_eq!(agreement.partial("He was not an ill."), "He was");
        assert_eq!(agreement.partial("He was not, an ill disposed"), " not, an");
        assert_eq!(agreement.finish("He was not an ill-disposed young man."), " ill-disposed young man.");
    }

    #[test]
    fn punctuation_comes_with_the_next_word() {
        let mut agreement = Agreement::default();
        agreement.partial("Yes, of");
        assert_eq!(agreement.partial("Yes, of course"), "Yes");
        assert_eq!(agreement.finish("Yes, of course."), ", of course.");
    }

    #[test]
    fn revised_words_stay_and_the_rest_follows() {
        let mut agreement = Agreement::default();
        agreement.partial("the ten of clubs and");
        assert_eq!(agreement.partial("the ten of clubs and a"), "the ten of clubs");
        assert_eq!(agreement.finish("The tenor of clubs and a king."), " and a king.");
    }

    proptest! {
        #[test]
        fn final_text_begins_with_what_was_sent(
            passes in proptest::collection::vec(proptest::collection::vec("[ab][,.]?", 0..7), 1..6),
        ) {
            let mut agreement = Agreement::default();
            let mut sent = String::new();
            for (i, pass) in passes.iter().enumerate() {
                let text = pass.join(" ");
                let delta = if i + 1 == passes.len() { agreement.finish(&text) } else { agreement.partial(&text) };
                sent.push_str(&delta);
            }
            prop_assert_eq!(sent.trim(), agreement.sent.join(" "));
        }
    }
}
