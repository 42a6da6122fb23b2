//! RTP packets through `rtp-rs`, and what it leaves open: sequence numbers that do not wrap.

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

/// The longest packet looked at, in bytes: L16 at 16 kHz with 60 ms is 1,932.
pub const MAX_PACKET: usize = 4096;

/// The fields of a packet that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Payload type.
    pub payload_type: u8,
    /// First packet of a talk spurt or of an event.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in ticks of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Speech or event.
    pub payload: &'a [u8],
}

/// Reads a datagram. `None` for anything that is no RTP packet of version 2.
pub fn parse(datagram: &[u8]) -> Option<Packet<'_>> {
    if datagram.len() > MAX_PACKET {
        return None;
    }
    // The reader checks the extension and padding but computes the end of the CSRC list first; look before it does.
    let csrc_count = usize::from(datagram.first()? & 0x0f);
    if datagram.len() < RtpReader::MIN_HEADER_LEN + 4 * csrc_count {
        return None;
    }
    let reader = RtpReader::new(datagram).ok()?;
    Some(Packet {
        payload_type: reader.payload_type(),
        marker: reader.mark(),
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
        payload: reader.payload(),
    })
}

/// Writes a packet into `buffer` and returns its length; `None` when the buffer is too small.
pub fn build(packet: &Packet<'_>, buffer: &mut [u8]) -> Option<usize> {
    RtpPacketBuilder::new()
        .payload_type(packet.payload_type)
        .marked(packet.marker)
        .sequence(Seq::from(packet.sequence))
        .timestamp(packet.timestamp)
        .ssrc(packet.ssrc)
        .payload(packet.payload)
        .build_into(buffer)
        .ok()
}

/// Makes 16-bit sequence numbers into numbers that only grow.
#[derive(Debug, Default, Clone)]
pub struct Sequencer {
    highest: Option<u64>,
}

/// A jump farther than this (20 s at 50 packets a second) is a new stream and no reordering.
const MAX_JUMP: i64 = 1000;

impl Sequencer {
    /// The extended number of `sequence`; the flag is true when the stream has started anew.
    pub fn extend(&mut self, sequence: u16) -> (u64, bool) {
        let Some(highest) = self.highest else {
            // Leaves room below the first packet for those it has overtaken.
            let first = (1 << 16) + u64::from(sequence);
            self.highest = Some(first);
            return (first, true);
        };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        if step.abs() > MAX_JUMP {
            self.highest = None;
            return self.extend(sequence);
        }
        let extended = highest.saturating_add_signed(step);
        self.highest = Some(highest.max(extended));
        (extended, false)
    }

    /// Forgets the stream.
    pub fn reset(&mut self) {
        self.highest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_comes_back() {
        let packet = Packet {
            payload_type: 118,
            marker: true,
            sequence: 65535,
            timestamp: 7,
            ssrc: 9,
            payload: &[1, 2, 3],
        };
        let mut buffer = [0; 64];
        let length = build(&packet, &mut buffer).unwrap();
        assert_eq!(length, 15);
        assert_eq!(parse(&buffer[..length]), Some(packet));
        assert_eq!(build(&packet, &mut buffer[..8]), None);
    }

    #[test]
    fn a_long_list_of_sources_is_no_panic() {
        let mut datagram = [0x8f_u8; 12 + 15 * 4];
        assert!(parse(&datagram).is_some());
        assert_eq!(parse(&datagram[..70]), None);
        datagram[0] = 0x4f;
        assert_eq!(parse(&datagram), None);
    }

    #[test]
    fn numbers_grow_over_the_wrap_and_keep_order() {
        let mut sequencer = Sequencer::default();
        let (first, fresh) = sequencer.extend(65534);
        assert!(fresh);
        let numbers: Vec<_> = [65535, 1, 0, 2].map(|s| sequencer.extend(s).0 - first).into();
        assert_eq!(numbers, [1, 3, 2, 4]);
        assert!(sequencer.extend(30_000).1, "a jump starts anew");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), first in 0x80..=0xbfu8) {
            let _ = parse(&bytes);
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() { *byte = first; }
            let _ = parse(&bytes);
        }
    }
}
