//! Talk whose audio itself tells its words, so that each that comes back is known.

use std::ops::Range;

use dragoman_tests::interpreted::Call;
use engine_emulators::marks;

/// Frames of a word.
const WORD: usize = 5;
/// A pause that ends a clause but no utterance: frames.
const PAUSE: usize = 18;

/// Says these words, with a pause after each `clause` of them.
pub(crate) fn say(call: &mut Call, words: Range<u16>, clause: usize) {
    for (said, word) in words.enumerate() {
        if said > 0 && said % clause == 0 {
            (0..PAUSE).for_each(|_| call.pass(false));
        }
        for frame in 0..WORD {
            let mut voiced = call.voiced();
            if frame == WORD / 2 {
                marks::mark(&mut voiced.0, word);
            }
            call.send(&voiced);
        }
    }
}

/// What the words are as a text.
pub(crate) fn text(words: Range<u16>) -> String {
    words.map(marks::word).collect::<Vec<_>>().join(" ")
}

/// All that was heard for good.
pub(crate) fn heard(call: &Call) -> String {
    let finals = call.seen.iter().filter(|event| event["type"] == "final");
    finals.filter_map(|event| event["text"].as_str()).collect::<Vec<_>>().join(" ")
}
