//! The RTP port: a socket, and one sender that is listened to.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use audio_path::codec::{CODED_BYTES, Codec, Decoder, Encoder};
use audio_path::jitter::{Admission, JitterBuffer, MOST_PAYLOAD_BYTES, Turn};
use audio_path::rtp::{self, Packet};
use audio_path::telephone_event::{KeyReceiver, PAYLOAD_TYPE, Told};
use audio_path::{DropReason, Frame, SAMPLES_PER_FRAME, SampleFramer};
use rt_sys::fifo::Transfer;
use rt_sys::socket;

use super::{Arrived, Written};

/// Ticks without a packet after which nobody is there any more: 25 s, as for phones.
const GONE_AFTER_TICKS: u32 = 1_250;
/// Ticks without a packet after which the same machine may begin anew from another port: 2 s.
const REPLACED_AFTER_TICKS: u32 = 100;
/// An RTP header without lists.
const HEADER_BYTES: usize = 12;

/// One leg's RTP.
pub struct RtpPort {
    socket: Option<OwnedFd>,
    codec: Codec,
    /// Who is listened to: learnt once.
    source: SocketAddr,
    ssrc: Option<u32>,
    /// Who sent the datagram that was read last.
    from: Option<SocketAddr>,
    quiet_ticks: u32,
    buffer: JitterBuffer,
    decoder: Decoder,
    keys: KeyReceiver,
    /// The payload under way, and how much of it was decoded.
    payload: [u8; MOST_PAYLOAD_BYTES],
    length: usize,
    decoded: usize,
    framer: SampleFramer,
    /// What a lost packet is bridged with.
    last: Frame,
    lost_in_a_row: u32,
    due: bool,
    encoder: Encoder,
    sequence: u16,
    timestamp: u32,
    own_ssrc: u32,
}

impl fmt::Debug for RtpPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpPort")
            .field("codec", &self.codec)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// Whether a datagram is RTP of this codec, from this machine.
pub fn is_ours(datagram: &[u8], from: SocketAddr, peer: IpAddr, codec: Codec) -> bool {
    from.ip() == peer && parse(datagram, codec).is_some()
}

fn parse(datagram: &[u8], codec: Codec) -> Option<Packet<'_>> {
    rtp::parse(datagram).filter(|packet| packet.payload_type == codec.payload_type())
}

impl RtpPort {
    /// Listens to `source`. `own_ssrc` is to be chosen at random (RFC 3550).
    pub fn new(socket: OwnedFd, codec: Codec, source: SocketAddr, own_ssrc: u32) -> Self {
        Self {
            socket: Some(socket),
            codec,
            source,
            ssrc: None,
            from: None,
            quiet_ticks: 0,
            buffer: JitterBuffer::default(),
            decoder: Decoder::new(codec),
            keys: KeyReceiver::default(),
            payload: [0; MOST_PAYLOAD_BYTES],
            length: 0,
            decoded: 0,
            framer: SampleFramer::default(),
            last: Frame::SILENCE,
            lost_in_a_row: 0,
            due: false,
            encoder: Encoder::new(codec),
            sequence: own_ssrc as u16,
            timestamp: own_ssrc,
            own_ssrc,
        }
    }

    /// The socket, to wait on.
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Reads one datagram.
    pub fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        let Some(socket) = &self.socket else { return Transfer::Gone };
        let (transfer, from) = socket::receive_from(socket, buffer);
        self.from = from;
        transfer
    }

    /// What became of the datagram that was read; nothing where it waits for its turn.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Arrived> {
        let datagram = std::mem::take(bytes);
        if datagram.is_empty() {
            return None;
        }
        let dropped = |reason| Some(Arrived::Dropped(reason, 1));
        if self.from != Some(self.source) {
            return Some(self.stranger(datagram));
        }
        let is_ours = |kind| kind == self.codec.payload_type() || kind == PAYLOAD_TYPE;
        let Some(packet) = rtp::parse(datagram).filter(|packet| is_ours(packet.payload_type)) else {
            return dropped(DropReason::Unfit);
        };
        self.quiet_ticks = 0;
        if self.ssrc.replace(packet.ssrc).is_some_and(|before| before != packet.ssrc) {
            self.begin_anew();
        }
        if packet.payload_type == PAYLOAD_TYPE {
            return self.key(&packet);
        }
        match self.buffer.push(packet.sequence, packet.payload) {
            Admission::Kept => None,
            Admission::Reordered => Some(Arrived::Reordered),
            Admission::Late => dropped(DropReason::Late),
            Admission::Duplicate => dropped(DropReason::Duplicate),
            Admission::Unfit => dropped(DropReason::Unfit),
        }
    }

    /// Keys share the numbers of the speech.
    fn key(&mut self, packet: &Packet<'_>) -> Option<Arrived> {
        self.buffer.pass(packet.sequence);
        match self.keys.take(packet.timestamp, packet.payload) {
            Told::Pressed(key) => Some(Arrived::Key(key)),
            Told::Nothing => None,
            Told::Unfit => Some(Arrived::Dropped(DropReason::Unfit, 1)),
        }
    }

    /// The machine that was listened to may have begun anew; that is another call.
    fn stranger(&self, datagram: &[u8]) -> Arrived {
        let quiet = self.quiet_ticks >= REPLACED_AFTER_TICKS;
        let begins = |from| is_ours(datagram, from, self.source.ip(), self.codec);
        if quiet && self.from.is_some_and(begins) {
            return Arrived::Gone;
        }
        Arrived::Dropped(DropReason::Stranger, 1)
    }

    fn begin_anew(&mut self) {
        self.buffer.restart();
        self.decoder.reset();
        self.keys.reset();
        (self.length, self.decoded) = (0, 0);
    }

    /// 20 ms went by.
    pub fn tick(&mut self) {
        self.quiet_ticks += 1;
        self.due = true;
    }

    /// What this tick brings: at most one frame.
    pub fn due(&mut self) -> Option<Arrived> {
        if self.socket.is_some() && self.quiet_ticks >= GONE_AFTER_TICKS {
            return Some(Arrived::Gone);
        }
        while self.due {
            if let Some(frame) = self.decode() {
                self.due = false;
                return Some(Arrived::Frame(frame));
            }
            match self.buffer.pull() {
                Turn::Play(payload) => {
                    self.payload[..payload.len()].copy_from_slice(payload);
                    (self.length, self.decoded, self.lost_in_a_row) = (payload.len(), 0, 0);
                }
                Turn::Lost(bytes) => {
                    (self.length, self.decoded) = (bytes, 0);
                    self.lost_in_a_row += 1;
                }
                Turn::Empty => self.due = false,
            }
        }
        let missing = self.buffer.missing_mut();
        let of = [(DropReason::Skipped, &mut missing.skipped), (DropReason::Lost, &mut missing.lost)];
        let (reason, count) = of.into_iter().find(|(_, count)| **count > 0)?;
        Some(Arrived::Dropped(reason, std::mem::take(count)))
    }

    /// Goes on with the payload under way, up to the end of a frame.
    fn decode(&mut self) -> Option<Frame> {
        while self.decoded < self.length {
            let pair = self.pair();
            self.decoded += 1;
            if let Some(frame) = self.framer.push(pair) {
                self.last = frame;
                return Some(frame);
            }
        }
        None
    }

    /// The two samples of a byte; of a lost packet, the fading echo of what was heard before it.
    fn pair(&mut self) -> [i16; 2] {
        if self.lost_in_a_row == 0 {
            return self.decoder.decode(self.payload[self.decoded]);
        }
        let at = 2 * self.decoded % SAMPLES_PER_FRAME;
        [self.last.0[at], self.last.0[at + 1]].map(|sample| sample >> self.lost_in_a_row.min(15))
    }

    /// Sends one frame.
    pub fn write(&mut self, frame: &Frame) -> Written {
        let Some(socket) = &self.socket else { return Written::Down };
        let payload = self.encoder.encode(frame);
        let packet = Packet {
            payload_type: self.codec.payload_type(),
            marker: self.timestamp == self.own_ssrc,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.own_ssrc,
            payload: &payload,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(CODED_BYTES as u32);
        let mut datagram = [0; HEADER_BYTES + CODED_BYTES];
        let Some(length) = rtp::build(&packet, &mut datagram) else { return Written::Full };
        match socket::send_to(socket, &datagram[..length], &self.source) {
            Transfer::Bytes(_) => Written::Whole,
            Transfer::NotNow => Written::Full,
            Transfer::Gone => Written::Down,
        }
    }

    /// Gives up the socket, for someone else to close.
    pub fn take_reader(&mut self) -> Option<OwnedFd> {
        self.socket.take()
    }
}
