//! What is inside a recording's encryption: a line of JSON that tells what it is, then records as they happened. Audio
//! has times, not places in a file: a recording that breaks off is whole up to there, silence takes no room, and the
//! WAV files that are made of it have their true sizes.
//!
//! A record is a head of 20 bytes and a body. The head, little-endian: kind `u8`, language (two letters, or zeros), a
//! zero, leg `u32`, segment `u32`, time since the beginning `u32` ms, length of the body `u32`.
//!
//! | kind | what | body |
//! |---|---|---|
//! | 1 | a leg said | samples, 16 kHz mono, `i16` |
//! | 2 | a translation of what a leg said was heard | the same; pieces of a segment follow each other |
//! | 3 | of a translation no more was heard | empty |
//! | 4 | something was told | JSON: `joined`, `left`, `speaks`, and what the control socket tells of texts |
//! | 5 | nothing | anything |

use std::io::{self, BufRead, Read};

use audio_path::{LegId, SegmentId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session::Language;

const HEAD: usize = 20;
/// No body is longer.
pub(super) const LONGEST: usize = 1 << 20;
/// No first line is longer.
const LONGEST_TITLE: u64 = 4_096;
/// How much room a record needs that says nothing.
pub(super) const FILLER: usize = HEAD;

const SAID: u8 = 1;
const SPOKEN: u8 = 2;
const CUT: u8 = 3;
const TOLD: u8 = 4;
const NOTHING: u8 = 5;

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// The version of what follows: 1.
    pub dragoman_recording: u32,
    /// What was dialled.
    pub room: String,
    /// `interpreter`, `call` or `conference`.
    pub kind: String,
    /// When it began, by the box's wall clock, as RFC 3339 has it.
    pub began: String,
}

impl Title {
    /// The first line.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("its fields are plain");
        line.push(b'\n');
        line
    }

    /// Reads the first line.
    pub(super) fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut line = Vec::new();
        from.take(LONGEST_TITLE).read_until(b'\n', &mut line)?;
        let title: Self = serde_json::from_slice(&line).map_err(|_| damaged())?;
        if title.dragoman_recording == 1 { Ok(title) } else { Err(damaged()) }
    }
}

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// When, since the beginning, ms.
    pub at_ms: u32,
    /// What.
    pub what: What,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant's text tells its fields")]
pub enum What {
    /// A leg said this.
    Said { leg: LegId, samples: Vec<i16> },
    /// A piece of a translation of what a leg said was heard.
    Spoken { leg: LegId, segment: SegmentId, language: Language, samples: Vec<i16> },
    /// No more of a translation was heard.
    Cut { segment: SegmentId },
    /// Something was told.
    Told(Value),
}

impl Record {
    /// As it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let at = self.at_ms;
        match &self.what {
            What::Said { leg, samples } => record(SAID, [0; 2], [leg.0, 0, at], &bytes(samples)),
            What::Spoken { leg, segment, language, samples } => {
                let code = language.code().as_bytes();
                record(SPOKEN, [code[0], code[1]], [leg.0, segment.0, at], &bytes(samples))
            }
            What::Cut { segment } => record(CUT, [0; 2], [0, segment.0, at], &[]),
            What::Told(value) => record(TOLD, [0; 2], [0, 0, at], value.to_string().as_bytes()),
        }
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// `UnexpectedEof` where it breaks off, `InvalidData` where it is none, and what reading says.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        loop {
            let mut head = Vec::with_capacity(HEAD);
            from.take(HEAD as u64).read_to_end(&mut head)?;
            if head.is_empty() {
                return Ok(None);
            }
            let Ok(head) = <[u8; HEAD]>::try_from(head) else { return Err(broken_off()) };
            let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let length = word(16) as usize;
            if length > LONGEST {
                return Err(damaged());
            }
            let mut body = Vec::new();
            if from.take(length as u64).read_to_end(&mut body)? < length {
                return Err(broken_off());
            }
            let (leg, segment) = (LegId(word(4)), SegmentId(word(8)));
            let what = match head[0] {
                SAID => What::Said { leg, samples: samples(&body) },
                SPOKEN => {
                    let code = std::str::from_utf8(&head[1..3]).map_err(|_| damaged())?;
                    let language = code.parse().map_err(|_| damaged())?;
                    What::Spoken { leg, segment, language, samples: samples(&body) }
                }
                CUT => What::Cut { segment },
                TOLD => What::Told(serde_json::from_slice(&body).map_err(|_| damaged())?),
                NOTHING => continue,
                _ => return Err(damaged()),
            };
            return Ok(Some(Self { at_ms: word(12), what }));
        }
    }
}

/// A record of this size that says nothing.
pub(super) fn filler(size: usize) -> Vec<u8> {
    record(NOTHING, [0; 2], [0; 3], &vec![0; size.saturating_sub(HEAD)])
}

fn record(kind: u8, language: [u8; 2], [leg, segment, at]: [u32; 3], body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend([kind, language[0], language[1], 0]);
    for word in [leg, segment, at, body.len() as u32] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(body);
    bytes
}

fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples(body: &[u8]) -> Vec<i16> {
    body.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "this is no recording, or a damaged one")
}

fn broken_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "it breaks off")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all() -> Vec<Record> {
        let (leg, segment, samples) = (LegId(3), SegmentId(9), vec![1, -2, i16::MIN]);
        let language = "es".parse().unwrap();
        let whats = [
            What::Said { leg, samples: samples.clone() },
            What::Spoken { leg, segment, language, samples },
            What::Cut { segment },
            What::Told(serde_json::json!({ "type": "joined", "leg": 3 })),
        ];
        (0..).zip(whats).map(|(at_ms, what)| Record { at_ms, what }).collect()
    }

    #[test]
    fn what_is_written_is_read_again_and_fillers_are_passed_over() {
        let bytes: Vec<u8> =
            all().iter().flat_map(|record| [record.to_bytes(), filler(30)].concat()).collect();
        let mut from = &bytes[..];
        for record in all() {
            assert_eq!(Record::read(&mut from).unwrap(), Some(record));
        }
        assert_eq!(Record::read(&mut from).unwrap(), None);
        assert_eq!(filler(64).len(), 64);
    }

    #[test]
    fn what_breaks_off_is_read_up_to_there() {
        let [first, second] = [0, 1].map(|place| all()[place].to_bytes());
        for cut in 1..second.len() {
            let bytes = [&first[..], &second[..cut]].concat();
            let mut from = &bytes[..];
            assert!(Record::read(&mut from).unwrap().is_some());
            let error = Record::read(&mut from).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes: Vec<u8>) {
            let mut from = &bytes[..];
            while let Ok(Some(_)) = Record::read(&mut from) {}
            let _title_or_none = Title::read(&mut &bytes[..]);
        }
    }
}
