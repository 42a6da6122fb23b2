use audio_path::audiosocket::{Item, Parser, Rate};
use audio_path::jitter::{Admission, JitterBuffer, Turn};
use audio_path::rtp;
use audio_path::telephone_event::{KeyReceiver, Told};

use crate::pieces::cut;

/// What a stream says, and how much audio it carries.
fn said<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Item<'static>>, [usize; 2]) {
    let (mut parser, mut items, mut audio) = (Parser::default(), Vec::new(), [0; 2]);
    for mut piece in pieces {
        while let Some(item) = parser.next(&mut piece) {
            match item {
                Item::Audio(rate, bytes) => audio[usize::from(rate == Rate::Wide)] += bytes.len(),
                Item::Key(key) => items.push(Item::Key(key)),
                Item::Hangup => items.push(Item::Hangup),
                Item::Error => items.push(Item::Error),
                Item::Unknown => items.push(Item::Unknown),
                Item::Malformed => items.push(Item::Malformed),
            }
        }
    }
    (items, audio)
}

/// An AudioSocket stream says the same, however it was cut.
pub(crate) fn audiosocket(input: &[u8]) -> bool {
    let whole = said(std::iter::once(input));
    assert!(whole == said(cut(input)));
    whole.1 != [0; 2] || whole.0.contains(&Item::Hangup)
}

/// Packets and turns: after a byte below 128 comes a packet, number and length in two bytes each; otherwise a turn.
/// Every packet that was taken is played, given up or waits; and the higher of two numbers is never played before.
pub(crate) fn jitter(mut input: &[u8]) -> bool {
    let mut buffer = JitterBuffer::default();
    let (mut taken, mut played) = (0, 0);
    while let Some((first, rest)) = input.split_first() {
        input = rest;
        if *first >= 128 {
            if let Turn::Play(payload) = buffer.pull() {
                assert!(!payload.is_empty());
                played += 1;
            }
            continue;
        }
        let Some((packet, rest)) = input.split_first_chunk::<4>() else { break };
        input = rest;
        let (number, length) =
            (u16::from_be_bytes([packet[0], packet[1]]), u16::from_be_bytes([packet[2], packet[3]]));
        let admission = buffer.push(number, &vec![*first; usize::from(length % 600)]);
        taken += u64::from(matches!(admission, Admission::Kept | Admission::Reordered));
    }
    assert_eq!(taken, played + buffer.missing_mut().skipped + buffer.waiting() as u64);
    played > 0
}

/// Packets of a stream, a length byte before each, as the RTP port takes keys from them: of a number that was passed
/// nothing is heard, and only what is later is a key again.
pub(crate) fn telephone_event(mut input: &[u8]) -> bool {
    let (mut keys, mut buffer) = (KeyReceiver::default(), JitterBuffer::default());
    let mut last: Option<u32> = None;
    while let Some((length, rest)) = input.split_first() {
        let (datagram, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        input = rest;
        let Some(packet) = rtp::parse(datagram) else { continue };
        buffer.pass(packet.sequence);
        if let Told::Pressed(_) = keys.take(packet.timestamp, packet.payload) {
            assert!(last.is_none_or(|last| last != packet.timestamp));
            last = Some(packet.timestamp);
        }
        assert!(!matches!(buffer.pull(), Turn::Play(_)));
    }
    last.is_some()
}
