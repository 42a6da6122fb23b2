//! The AudioSocket protocol: messages of a kind, a length and a payload over one connection.

use crate::rate::Halver;
use crate::{FRAME_BYTES, Frame};

/// Bytes before a payload.
pub const HEADER_BYTES: usize = 3;
/// The longest message that is written: 20 ms.
pub const MESSAGE_BYTES: usize = HEADER_BYTES + FRAME_BYTES;
/// The message that ends a call.
pub const HANGUP: [u8; HEADER_BYTES] = [kind::HANGUP, 0, 0];
/// More audio in one message is none: half a second.
const MOST_AUDIO_BYTES: u16 = 16_000;

mod kind {
    pub(super) const HANGUP: u8 = 0x00;
    pub(super) const ID: u8 = 0x01;
    pub(super) const DTMF: u8 = 0x03;
    pub(super) const SLIN8: u8 = 0x10;
    pub(super) const SLIN16: u8 = 0x12;
    pub(super) const ERROR: u8 = 0xff;
}

/// Samples a second on the wire, signed 16 bit, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rate {
    /// 8 kHz.
    Narrow,
    /// 16 kHz.
    #[default]
    Wide,
}

impl Rate {
    /// Bytes of 20 ms.
    const fn frame_bytes(self) -> u16 {
        match self {
            Self::Narrow => FRAME_BYTES as u16 / 2,
            Self::Wide => FRAME_BYTES as u16,
        }
    }
}

/// What is next in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A piece of a message's audio, 20 ms at most, which may begin or end within a sample.
    Audio(Rate, &'a [u8]),
    /// A key of the phone.
    Key(char),
    /// The call has ended.
    Hangup,
    /// The other side reports an error, which ends the call.
    Error,
    /// A message of an unknown kind, or of no use here, begins: it is skipped.
    Unknown,
    /// This is no AudioSocket stream.
    Malformed,
}

/// Where in a message the stream is.
#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Header,
    Audio(Rate, u16),
    Key,
    Skipped(u16),
}

/// Reads a stream, however it was cut.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    header: [u8; HEADER_BYTES],
    filled: usize,
    place: Place,
}

impl Parser {
    /// The next item, whose bytes are taken off the front of `bytes`; `None` when those are used up.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Item<'a>> {
        loop {
            match self.place {
                Place::Header => {
                    let header = self.header(bytes)?;
                    if let Some(item) = self.begin(header) {
                        return Some(item);
                    }
                }
                Place::Audio(rate, left) => {
                    let piece = take(bytes, left.min(rate.frame_bytes()))?;
                    self.place = after(left, piece, |left| Place::Audio(rate, left));
                    return Some(Item::Audio(rate, piece));
                }
                Place::Skipped(left) => {
                    let piece = take(bytes, left)?;
                    self.place = after(left, piece, Place::Skipped);
                }
                Place::Key => {
                    let piece = take(bytes, 1)?;
                    self.place = Place::Header;
                    let key = char::from(piece[0]);
                    let known = key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D');
                    return Some(if known { Item::Key(key) } else { Item::Unknown });
                }
            }
        }
    }

    /// Takes up a header's bytes; `None` where they do not suffice.
    fn header(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEADER_BYTES]> {
        while self.filled < HEADER_BYTES {
            let (first, rest) = bytes.split_first()?;
            self.header[self.filled] = *first;
            self.filled += 1;
            *bytes = rest;
        }
        self.filled = 0;
        Some(self.header)
    }

    /// What a header says of itself; nothing where what counts is its payload.
    fn begin(&mut self, [kind, high, low]: [u8; HEADER_BYTES]) -> Option<Item<'static>> {
        let length = u16::from_be_bytes([high, low]);
        let (place, item) = match kind {
            kind::HANGUP => (Place::Header, Some(Item::Hangup)),
            kind::ERROR => (Place::Header, Some(Item::Error)),
            kind::SLIN8 | kind::SLIN16 if length > MOST_AUDIO_BYTES || length % 2 == 1 => {
                (Place::Header, Some(Item::Malformed))
            }
            kind::SLIN8 => (Place::Audio(Rate::Narrow, length), None),
            kind::SLIN16 => (Place::Audio(Rate::Wide, length), None),
            kind::DTMF if length == 1 => (Place::Key, None),
            _ => (Place::Skipped(length), Some(Item::Unknown)),
        };
        self.place = match place {
            Place::Audio(_, 0) | Place::Skipped(0) => Place::Header,
            place => place,
        };
        item
    }
}

fn take<'a>(bytes: &mut &'a [u8], most: u16) -> Option<&'a [u8]> {
    if bytes.is_empty() {
        return None;
    }
    let (piece, rest) = bytes.split_at(bytes.len().min(usize::from(most)));
    *bytes = rest;
    Some(piece)
}

fn after(left: u16, piece: &[u8], go_on: impl Fn(u16) -> Place) -> Place {
    match left - piece.len() as u16 {
        0 => Place::Header,
        left => go_on(left),
    }
}

/// The first message of a connection, which names its call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallId(pub [u8; 16]);

/// Whoever knows it may call, so it is not shown.
impl std::fmt::Debug for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallId(…)")
    }
}

impl CallId {
    /// Reads a UUID as people write it: 32 hexadecimal digits, hyphens between them or not.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.chars().filter(|c| *c != '-').count();
        let plain = text.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
        let id = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
        (plain && digits == 32).then_some(Self(id.to_be_bytes()))
    }

    /// Bytes of the message.
    pub const MESSAGE_BYTES: usize = HEADER_BYTES + 16;

    /// Reads the message; `None` where it is another one.
    pub fn read(message: &[u8; Self::MESSAGE_BYTES]) -> Option<Self> {
        let (header, id) = message.split_first_chunk::<HEADER_BYTES>()?;
        (*header == [kind::ID, 0, 16]).then_some(Self(id.try_into().ok()?))
    }
}

/// Makes messages of frames.
#[derive(Clone, Debug, Default)]
pub struct Packer {
    halver: Halver,
}

impl Packer {
    /// The message with this frame's audio, and how many bytes of it count.
    pub fn pack(&mut self, rate: Rate, frame: &Frame) -> ([u8; MESSAGE_BYTES], usize) {
        let mut message = [0; MESSAGE_BYTES];
        let kind = match rate {
            Rate::Wide => kind::SLIN16,
            Rate::Narrow => kind::SLIN8,
        };
        let [high, low] = rate.frame_bytes().to_be_bytes();
        message[..HEADER_BYTES].copy_from_slice(&[kind, high, low]);
        let payload = &mut message[HEADER_BYTES..];
        match rate {
            Rate::Wide => payload.copy_from_slice(&frame.to_wire()),
            Rate::Narrow => {
                for (bytes, pair) in payload.chunks_exact_mut(2).zip(frame.0.chunks_exact(2)) {
                    bytes.copy_from_slice(&self.halver.halve([pair[0], pair[1]]).to_le_bytes());
                }
            }
        }
        (message, HEADER_BYTES + usize::from(rate.frame_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SAMPLES_PER_FRAME;
    use proptest::prelude::*;

    /// What a stream says, with its audio put together.
    fn items(pieces: &[&[u8]]) -> Vec<(Option<Rate>, String)> {
        let mut parser = Parser::default();
        let mut items: Vec<(Option<Rate>, String)> = Vec::new();
        for mut bytes in pieces.iter().copied() {
            while let Some(item) = parser.next(&mut bytes) {
                match item {
                    Item::Audio(rate, piece) => {
                        let text =
                            piece.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                        match items.last_mut() {
                            Some((Some(last), audio)) if *last == rate => audio.push_str(&text),
                            _ => items.push((Some(rate), text)),
                        }
                    }
                    other => items.push((None, format!("{other:?}"))),
                }
            }
        }
        items
    }

    #[test]
    fn messages_are_told_apart() {
        let stream = [
            &[0x12, 0, 4, 1, 2, 3, 4][..],
            &[0x03, 0, 1, b'#'],
            &[0x10, 0, 2, 5, 6],
            &[0x77, 0, 3, 9, 9, 9],
            &[0x12, 0, 0],
            &[0x00, 0, 0],
        ]
        .concat();
        let expected: Vec<(Option<Rate>, String)> = vec![
            (Some(Rate::Wide), "01020304".into()),
            (None, "Key('#')".into()),
            (Some(Rate::Narrow), "0506".into()),
            (None, "Unknown".into()),
            (None, "Hangup".into()),
        ];
        assert_eq!(items(&[&stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(items(&bytes), expected);
    }

    #[test]
    fn lengths_that_no_sender_means_are_malformed() {
        assert_eq!(items(&[&[0x12, 0, 3]]), [(None, "Malformed".to_owned())]);
        assert_eq!(items(&[&[0x12, 0xff, 0xfe]]), [(None, "Malformed".to_owned())]);
    }

    #[test]
    fn the_first_message_names_the_call() {
        let mut message = [7; CallId::MESSAGE_BYTES];
        message[..3].copy_from_slice(&[1, 0, 16]);
        assert!(CallId::read(&message) == Some(CallId([7; 16])));
        message[0] = 0x12;
        assert!(CallId::read(&message).is_none());
    }

    #[test]
    fn ids_are_read_as_people_write_them_and_never_shown() {
        let id = CallId::parse("40325ec2-5efd-4bd3-805f-53576e581d13").unwrap();
        assert_eq!((id.0[0], id.0[15]), (0x40, 0x13));
        assert!(CallId::parse("40325EC25EFD4BD3805F53576E581D13") == Some(id));
        for text in ["", "40325ec2", "+0325ec2-5efd-4bd3-805f-53576e581d13", "é"] {
            assert!(CallId::parse(text).is_none(), "{text}");
        }
        assert_eq!(format!("{id:?}"), "CallId(…)");
    }

    #[test]
    fn a_frame_makes_one_message() {
        let frame = Frame([0x0102; SAMPLES_PER_FRAME]);
        let (message, length) = Packer::default().pack(Rate::Wide, &frame);
        assert_eq!((length, &message[..5]), (643, &[0x12, 2, 0x80, 2, 1][..]));
        let (message, length) = Packer::default().pack(Rate::Narrow, &frame);
        assert_eq!((length, &message[..3]), (323, &[0x10, 1, 0x40][..]));
    }

    proptest! {
        #[test]
        fn any_cut_says_the_same(stream in prop::collection::vec(any::<u8>(), 0..3_000),
                                 at in prop::collection::vec(1usize..50, 1..50)) {
            let mut pieces = Vec::new();
            let mut rest = &stream[..];
            for length in at.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, later) = rest.split_at((*length).min(rest.len()));
                pieces.push(piece);
                rest = later;
            }
            prop_assert_eq!(items(&pieces), items(&[&stream]));
        }
    }
}
