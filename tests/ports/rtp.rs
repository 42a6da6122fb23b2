//! An RTP phone.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use audio_path::codec::{CODED_BYTES, Codec, Decoder, Encoder};
use audio_path::rtp::{self, Packet};
use audio_path::{Frame, SampleFramer};

use dragoman_tests::bad_network::{BadNetwork, Weather};

use crate::phone::{HungUpOn, PATIENCE, Phone, Place, frame};
use crate::scenario::{listen, talk};

/// A phone that speaks the codec of this payload type.
pub(crate) struct RtpPhone<const TYPE: u8> {
    pub(crate) socket: UdpSocket,
    pub(crate) daemon: SocketAddr,
    encoder: Encoder,
    pub(crate) sequence: u16,
    pub(crate) ssrc: u32,
    sent: Vec<[u8; CODED_BYTES]>,
}

pub(crate) fn datagram(payload_type: u8, sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * CODED_BYTES as u32;
    let packet = Packet { payload_type, marker: false, sequence, timestamp, ssrc, payload };
    let mut buffer = [0; 1_500];
    let length = rtp::build(&packet, &mut buffer).expect("it fits");
    buffer[..length].to_vec()
}

impl<const TYPE: u8> RtpPhone<TYPE> {
    /// Will send to `daemon`, and hear nobody else.
    fn calling(daemon: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_nonblocking(true).expect("a socket");
        let (encoder, ssrc) = (Encoder::new(Self::codec()), fastrand::u32(..));
        Self { socket, daemon, encoder, sequence: ssrc as u16, ssrc, sent: Vec::new() }
    }

    fn codec() -> Codec {
        Codec::of_payload_type(TYPE).expect("a codec of ours")
    }

    /// The payload of the next frame, which counts as sent.
    pub(crate) fn encode(&mut self, frame: &Frame) -> Vec<u8> {
        let payload = self.encoder.encode(frame);
        self.sent.push(payload);
        self.sequence = self.sequence.wrapping_add(1);
        datagram(TYPE, self.sequence, self.ssrc, &payload)
    }
}

impl<const TYPE: u8> Phone for RtpPhone<TYPE> {
    const MISSED_WITHIN: Duration = Duration::from_secs(30);

    fn call(place: &Place) -> Self {
        let port = match Self::codec() {
            Codec::Ulaw => place.rtp[0],
            Codec::Alaw => place.rtp[1],
            Codec::G722 => place.rtp[2],
        };
        let mut phone = Self::calling(([127, 0, 0, 1], port).into());
        phone.send(&frame(u32::MAX));
        phone
    }

    fn send(&mut self, frame: &Frame) -> bool {
        let datagram = self.encode(frame);
        self.socket.send_to(&datagram, self.daemon).expect("sent");
        true
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 1_500];
        let (length, from) = self.socket.recv_from(&mut buffer).ok()?;
        assert_eq!(from, self.daemon, "answers come from where the phone calls");
        let packet = rtp::parse(&buffer[..length]).expect("RTP");
        assert_eq!(packet.payload_type, TYPE);
        Some(packet.payload.to_vec())
    }

    fn echo(&self) -> Vec<Vec<u8>> {
        let (mut decoder, mut encoder) = (Decoder::new(Self::codec()), Encoder::new(Self::codec()));
        let mut whole = SampleFramer::default();
        let pairs = self.sent.iter().flatten().map(|byte| decoder.decode(*byte));
        let frames: Vec<Frame> = pairs.filter_map(|pair| whole.push(pair)).collect();
        frames.iter().map(|frame| encoder.encode(frame).to_vec()).collect()
    }

    /// RTP has no word for it.
    fn hang_up(self) {}

    fn vanish(self) {}
}

impl<const TYPE: u8> HungUpOn for RtpPhone<TYPE> {
    /// Nothing comes any more, though it goes on.
    fn is_over(&mut self) -> bool {
        std::thread::sleep(Duration::from_millis(100));
        while self.hear().is_some() {}
        for number in 0..10 {
            self.send(&frame(number));
            std::thread::sleep(Duration::from_millis(20));
        }
        self.hear().is_none()
    }
}

/// A network that loses, delays and reorders what comes: all of it is made up for and counted.
#[test]
fn what_a_bad_network_does_to_packets_is_counted() {
    let place = Place::open();
    let weather = Weather { lost_of_1000: 30, delay_at_most: Duration::from_millis(35), seed: 9 };
    let network = BadNetwork::before(([127, 0, 0, 1], place.rtp[2]).into(), weather);
    let mut phone = RtpPhone::<9>::calling(network.near);
    phone.send(&frame(u32::MAX));
    place.wait_for_legs(1, PATIENCE);
    let mut heard = Vec::new();
    talk(&mut phone, 0..500, &mut heard);
    listen(&mut phone, Duration::from_secs(1), &mut heard);

    let counts = place.frames();
    let dropped = |reason: &str| counts["dropped"][reason].as_u64().unwrap_or(0);
    let (there, back) = (&network.there, &network.back);
    assert!(there.lost() > 5 && there.overtaken() > 5, "{network:?}");
    assert!(counts["reordered"].as_u64() > Some(0), "{counts}");
    // Who comes too late was missed before; what is lost last nobody misses.
    let expected = there.lost().saturating_sub(3)..=there.lost() + dropped("late") + 3;
    let missed = dropped("lost");
    assert!(expected.contains(&missed), "{missed} missed, {expected:?}: {counts}");
    assert_eq!([dropped("stranger"), dropped("unfit"), dropped("duplicate")], [0; 3], "{counts}");
    // Twenty milliseconds for each that was sent, bridged where it was lost, less what the network lost on the way back.
    let sent = counts["out"].as_u64().expect("a number");
    assert!(sent.abs_diff(500) <= 15, "{sent} frames back: {counts}");
    assert_eq!(heard.len() as u64, back.passed(), "{network:?}");
}
