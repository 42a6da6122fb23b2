//! A recogniser whose finals come twice, late and in another order, read by the real core of a provider.

use engines::asr::Heard;
use engines::asr::deepgram_listen::{Options, Stream};
use engines::websocket::Message;
use serde_json::{Value, json};

/// A word lasts so long, seconds.
const WORD: f64 = 0.4;
const SAMPLES_PER_WORD: usize = 6_400;

/// One line for a whole call.
pub(super) struct Shuffled {
    stream: Stream,
    sent: f64,
    /// All that was ever told on it.
    told: Vec<Message>,
    /// Texts that were thrown away.
    pub(super) dropped: u64,
}

impl Shuffled {
    pub(super) fn new() -> Self {
        let options = Options::new(vec!["en".to_owned(), "es".to_owned()]);
        let stream = Stream::new(options, std::time::Duration::ZERO);
        Self { stream, sent: 0.0, told: Vec::new(), dropped: 0 }
    }

    /// The texts that are heard, in the order in which they come, when somebody says `text`.
    pub(super) fn hear(&mut self, text: &str, random: &mut fastrand::Rng) -> Vec<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut finals = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(random.usize(1..=3).min(rest.len()));
            drop(self.stream.audio(&vec![0; SAMPLES_PER_WORD * some.len()]));
            finals.push(self.results(some, others.is_empty()));
            rest = others;
        }
        self.stream.finish();
        let mut told = self.shuffle(finals, random);
        let mut texts = Vec::new();
        for message in told.drain(..) {
            for heard in self.stream.receive(&message).unwrap_or_default() {
                match heard {
                    Heard::Segment { text, .. } if !text.is_empty() => texts.push(text),
                    // What comes after it belongs to no utterance.
                    Heard::Finished => return self.end(texts),
                    _ => {}
                }
            }
        }
        self.end(texts)
    }

    fn end(&mut self, texts: Vec<String>) -> Vec<String> {
        self.dropped = self.stream.dropped();
        texts
    }

    /// Neighbours change places, some come again, and so does what was told long ago.
    fn shuffle(&mut self, mut finals: Vec<Message>, random: &mut fastrand::Rng) -> Vec<Message> {
        for at in 1..finals.len() {
            if random.u32(0..3) == 0 {
                finals.swap(at - 1, at);
            }
        }
        for message in finals.clone() {
            self.told.push(message);
            if random.bool() {
                let again = self.told[random.usize(0..self.told.len())].clone();
                finals.insert(random.usize(0..=finals.len()), again);
            }
        }
        finals
    }

    fn results(&mut self, words: &[&str], from_finalize: bool) -> Message {
        let start = self.sent;
        self.sent += WORD * words.len() as f64;
        let timed = |(at, word): (usize, &&str)| {
            let start = start + WORD * at as f64;
            json!({"word": word, "start": start, "end": start + WORD, "confidence": 0.9})
        };
        let timed: Value = words.iter().enumerate().map(timed).collect();
        let alternative = json!({"transcript": words.join(" "), "confidence": 0.9, "words": timed});
        let results = json!({
            "type": "Results", "channel_index": [0, 1], "start": start, "duration": self.sent - start,
            "is_final": true, "speech_final": from_finalize, "from_finalize": from_finalize,
            "channel": {"alternatives": [alternative]},
        });
        Message::Text(results.to_string())
    }
}
