//! The audio of one call as a state machine: packets and ticks in, packets and frames out.

use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::codec::{Codec, Decoder, Encoder};
use super::dtmf::{KeyReceiver, KeySender, Told, Turn};
use super::jitter::{Arrival, Counts, JitterBuffer, Playout};
use super::rtp::{self, Packet, Sequencer};
use super::turn::Heard;
use crate::sdp::Negotiated;

/// Time from one frame to the next.
pub const TICK: Duration = Duration::from_millis(20);

/// What the stream counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StreamCounts {
    /// Packets sent, keys included.
    pub sent: u64,
    /// What came, by fate.
    #[serde(flatten)]
    pub received: Counts,
    /// Packets from somebody else than the other side.
    pub strangers: u64,
    /// Datagrams that were no RTP.
    pub malformed: u64,
    /// Packets of a payload type that was not agreed on.
    pub unexpected: u64,
}

/// Encodes, decodes and counts.
pub struct Stream {
    agreed: Negotiated,
    /// Where the other side's packets come from, once one has come (it may differ from what it announced).
    source: Option<SocketAddrV4>,
    encoder: Encoder,
    decoder: Decoder,
    sequencer: Sequencer,
    jitter: JitterBuffer,
    decoded: VecDeque<i16>,
    /// When the packet of the oldest decoded sample came.
    arrived: Option<Instant>,
    remote_ssrc: Option<u32>,
    keys: KeySender,
    remote_keys: KeyReceiver,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    event_timestamp: u32,
    talking: bool,
    payload: Vec<u8>,
    counts: StreamCounts,
}

impl Stream {
    /// A stream as agreed; `seed` starts the sequence numbers, timestamps and source number.
    pub fn new(agreed: Negotiated, jitter: Duration, seed: [u32; 3]) -> Self {
        Self {
            encoder: Encoder::new(agreed.codec),
            decoder: Decoder::new(agreed.codec),
            source: None,
            sequencer: Sequencer::default(),
            jitter: JitterBuffer::new(jitter),
            decoded: VecDeque::new(),
            arrived: None,
            remote_ssrc: None,
            keys: KeySender::default(),
            remote_keys: KeyReceiver::default(),
            ssrc: seed[0],
            sequence: seed[1] as u16,
            timestamp: seed[2],
            event_timestamp: 0,
            talking: false,
            payload: Vec::new(),
            counts: StreamCounts::default(),
            agreed,
        }
    }

    /// The codec agreed on.
    pub fn codec(&self) -> Codec {
        self.agreed.codec
    }

    /// What was counted so far.
    pub fn counts(&self) -> StreamCounts {
        StreamCounts { received: self.jitter.counts(), ..self.counts }
    }

    /// The other side has changed address, codec or direction.
    pub fn renegotiate(&mut self, agreed: Negotiated) {
        if agreed.codec != self.agreed.codec {
            self.encoder = Encoder::new(agreed.codec);
            self.decoder = Decoder::new(agreed.codec);
            self.decoded.clear();
        }
        if agreed.remote != self.agreed.remote {
            self.source = None;
        }
        self.agreed = agreed;
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.press(keys);
    }

    /// Whether no key is being sent.
    pub fn keys_idle(&self) -> bool {
        self.keys.is_idle()
    }

    /// Takes a datagram; gives the key that it starts, if it does.
    pub fn on_datagram(&mut self, datagram: &[u8], from: SocketAddrV4, arrived: Instant) -> Option<char> {
        let Some(packet) = rtp::parse(datagram) else {
            self.counts.malformed += 1;
            return None;
        };
        let expected = self.source.unwrap_or(self.agreed.remote);
        // The first packet may come from another port of the same host (NAT, proxy); whoever it is then stays.
        if from != expected && (self.source.is_some() || from.ip() != expected.ip()) {
            self.counts.strangers += 1;
            return None;
        }
        self.source = Some(from);
        if self.agreed.dtmf.is_some_and(|dtmf| dtmf.payload_type == packet.payload_type) {
            let told = self.remote_keys.take(packet.timestamp, packet.payload);
            // Keys share the numbers of the speech: an empty payload keeps their place without a sound.
            self.take_speech(&Packet { payload: &[], ..packet }, arrived);
            return if let Told::Pressed(key) = told { Some(key) } else { None };
        }
        if packet.payload_type != self.agreed.payload_type
            && packet.payload_type != self.agreed.local_payload_type
        {
            self.counts.unexpected += 1;
            return None;
        }
        self.take_speech(&packet, arrived);
        None
    }

    fn take_speech(&mut self, packet: &Packet<'_>, arrived: Instant) {
        if self.remote_ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            self.sequencer.reset();
        }
        let (number, fresh) = self.sequencer.extend(packet.sequence);
        if fresh {
            self.jitter.restart();
        }
        self.jitter.push(number, Arrival { payload: packet.payload.to_vec(), arrived });
    }

    /// Takes the next 20 ms for the ear into `frame` (as long as the codec's frame); silence where nothing came.
    pub fn hear(&mut self, frame: &mut [i16], now: Instant) -> Option<Heard> {
        while self.decoded.len() < frame.len() {
            match self.jitter.pull() {
                Playout::Play(Arrival { payload, arrived }) => {
                    self.decoder.decode(&payload, &mut self.decoded);
                    self.arrived = Some(arrived);
                }
                // A lost packet is heard as silence, so that what follows keeps its place.
                Playout::Lost => self.decoded.extend(std::iter::repeat_n(0, frame.len())),
                Playout::Empty => break,
            }
        }
        if self.decoded.is_empty() {
            frame.fill(0);
            return None;
        }
        let available = self.decoded.len().min(frame.len());
        for (slot, sample) in frame.iter_mut().zip(self.decoded.drain(..available)) {
            *slot = sample;
        }
        frame[available..].fill(0);
        Some(Heard::new(frame, self.agreed.codec.sample_rate(), self.arrived.unwrap_or(now), now))
    }

    /// Sends 20 ms of speech, or the packet of a key in its place, through `send`.
    pub fn speak(&mut self, frame: &[i16], mut send: impl FnMut(&[u8], SocketAddrV4)) {
        let ticks = self.agreed.codec.clock_rate() / 50;
        let dtmf = self.agreed.dtmf;
        match dtmf.map_or(Turn::Speech, |dtmf| self.keys.next_turn(dtmf.clock_rate / 50)) {
            Turn::Speech => {
                let mut payload = std::mem::take(&mut self.payload);
                self.encoder.encode(frame, &mut payload);
                if self.agreed.send {
                    let marker = !std::mem::replace(&mut self.talking, true);
                    self.transmit(self.agreed.payload_type, marker, self.timestamp, &payload, &mut send);
                }
                self.payload = payload;
            }
            Turn::Key(packets) => {
                self.talking = false;
                for packet in packets {
                    if packet.first {
                        self.event_timestamp = self.timestamp;
                    }
                    let payload_type = dtmf.map_or(0, |dtmf| dtmf.payload_type);
                    self.transmit(
                        payload_type,
                        packet.first,
                        self.event_timestamp,
                        &packet.payload,
                        &mut send,
                    );
                }
            }
            Turn::Pause => self.talking = false,
        }
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    fn transmit(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        send: &mut impl FnMut(&[u8], SocketAddrV4),
    ) {
        let packet =
            Packet { payload_type, marker, sequence: self.sequence, timestamp, ssrc: self.ssrc, payload };
        let mut buffer = [0; rtp::MAX_PACKET];
        // 20 ms of any codec here is at most 640 bytes.
        let Some(length) = rtp::build(&packet, &mut buffer) else { return };
        send(&buffer[..length], self.agreed.remote);
        self.sequence = self.sequence.wrapping_add(1);
        self.counts.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::DtmfFormat;

    fn agreed(codec: Codec) -> Negotiated {
        Negotiated {
            remote: "127.0.0.1:4000".parse().unwrap(),
            codec,
            payload_type: codec.payload_type(),
            local_payload_type: codec.payload_type(),
            dtmf: Some(DtmfFormat { payload_type: 101, clock_rate: 8000 }),
            send: true,
            receive: true,
        }
    }

    fn stream(codec: Codec) -> Stream {
        Stream::new(agreed(codec), Duration::from_millis(40), [1, 65_530, u32::MAX - 100])
    }

    fn spoken(stream: &mut Stream, frame: &[i16]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        stream.speak(frame, |bytes, to| {
            assert_eq!(to, "127.0.0.1:4000".parse().unwrap());
            packets.push(bytes.to_vec());
        });
        packets
    }

    #[test]
    fn what_is_spoken_is_heard_over_the_wrap() {
        let (mut a, mut b) = (stream(Codec::L16), stream(Codec::L16));
        let (now, from) = (Instant::now(), "127.0.0.1:4000".parse().unwrap());
        let (mut sent, mut heard) = (Vec::new(), Vec::new());
        for number in 0..100_i16 {
            let frame: Vec<i16> = (0..320).map(|n| number * 100 + n).collect();
            for packet in spoken(&mut a, &frame) {
                b.on_datagram(&packet, from, now);
            }
            sent.extend(frame);
            let mut frame = [0; 320];
            if b.hear(&mut frame, now).is_some() {
                heard.extend(frame);
            }
        }
        assert_eq!(heard, sent[..heard.len()]);
        assert_eq!(heard.len(), 99 * 320);
        assert_eq!((a.counts().sent, b.counts().received.received, b.counts().received.lost), (100, 100, 0));
    }

    #[test]
    fn strangers_and_rubbish_are_counted_and_not_heard() {
        let (mut a, mut b) = (stream(Codec::Pcmu), stream(Codec::Pcmu));
        let now = Instant::now();
        let packet = spoken(&mut a, &[0; 160]).remove(0);
        // Another port of the same host is learnt once.
        b.on_datagram(&packet, "127.0.0.1:4002".parse().unwrap(), now);
        b.on_datagram(&packet, "127.0.0.1:4000".parse().unwrap(), now);
        b.on_datagram(&packet, "127.0.0.9:4002".parse().unwrap(), now);
        b.on_datagram(b"hello", "127.0.0.1:4002".parse().unwrap(), now);
        let mut other = packet.clone();
        other[1] = 77;
        b.on_datagram(&other, "127.0.0.1:4002".parse().unwrap(), now);
        let counts = b.counts();
        assert_eq!(
            (counts.strangers, counts.malformed, counts.unexpected, counts.received.received),
            (2, 1, 1, 1)
        );
    }

    #[test]
    fn keys_take_the_place_of_speech_and_are_recognised() {
        let (mut a, mut b) = (stream(Codec::G722), stream(Codec::G722));
        a.press("42");
        let mut keys = Vec::new();
        for _ in 0..40 {
            for packet in spoken(&mut a, &[0; 320]) {
                keys.extend(b.on_datagram(&packet, "127.0.0.1:4000".parse().unwrap(), Instant::now()));
            }
        }
        assert_eq!(keys, ['4', '2']);
        assert!(a.keys_idle());
    }

    #[test]
    fn on_hold_nothing_is_sent() {
        let mut a = stream(Codec::L16);
        a.renegotiate(Negotiated { send: false, ..agreed(Codec::L16) });
        assert!(spoken(&mut a, &[0; 320]).is_empty());
    }
}
