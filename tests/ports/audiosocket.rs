//! A sender of AudioSocket, at 16 kHz or at 8 kHz.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use audio_path::rate::{Doubler, Halver};
use audio_path::{Frame, SampleFramer};

use crate::phone::{HungUpOn, PATIENCE, Phone, Place, UUID};

const HANGUP: u8 = 0x00;
const ID: u8 = 0x01;
const SLIN8: u8 = 0x10;
const SLIN16: u8 = 0x12;

pub(crate) struct Sender<const WIDE: bool> {
    stream: TcpStream,
    received: Vec<u8>,
    /// The message came that the call is over.
    told: bool,
    /// The connection has ended.
    closed: bool,
    sent: Vec<Vec<u8>>,
    halver: Halver,
}

/// The id's message.
pub(crate) fn id(uuid: &str) -> Vec<u8> {
    let id = u128::from_str_radix(&uuid.replace('-', ""), 16).expect("a UUID");
    message(ID, &id.to_be_bytes())
}

pub(crate) fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).expect("a short message").to_be_bytes();
    [&[kind, high, low], payload].concat()
}

impl<const WIDE: bool> Sender<WIDE> {
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut piece = [0; 4_096];
        loop {
            if let Some((header, rest)) = self.received.split_first_chunk::<3>() {
                let length = usize::from(u16::from_be_bytes([header[1], header[2]]));
                if let Some(payload) = rest.get(..length) {
                    let message = (header[0], payload.to_vec());
                    self.received.drain(..3 + length);
                    return Some(message);
                }
            }
            match self.stream.read(&mut piece) {
                Ok(0) => self.closed = true,
                Ok(bytes) => {
                    self.received.extend(&piece[..bytes]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            return None;
        }
    }
}

impl<const WIDE: bool> Sender<WIDE> {
    fn closes(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while !self.closed && Instant::now() < until {
            while self.hear().is_some() {}
            std::thread::sleep(Duration::from_millis(5));
        }
        self.closed
    }
}

impl<const WIDE: bool> Phone for Sender<WIDE> {
    fn call(place: &Place) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", place.audiosocket)).expect("the daemon listens");
        stream.set_nodelay(true).expect("no delay");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(&id(UUID)).expect("the daemon reads");
        stream.set_nonblocking(true).expect("a socket");
        let (received, sent) = (Vec::new(), Vec::new());
        Self { stream, received, told: false, closed: false, sent, halver: Halver::default() }
    }

    fn send(&mut self, frame: &Frame) -> bool {
        let (kind, payload) = if WIDE {
            (SLIN16, frame.to_wire().to_vec())
        } else {
            let halver = &mut self.halver;
            let pairs = frame.0.chunks_exact(2).map(|pair| halver.halve([pair[0], pair[1]]));
            (SLIN8, pairs.flat_map(i16::to_le_bytes).collect())
        };
        self.stream.write_all(&message(kind, &payload)).expect("the daemon reads");
        self.sent.push(payload);
        true
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.message()? {
                (SLIN16, audio) if WIDE => return Some(audio),
                (SLIN8, audio) if !WIDE => return Some(audio),
                (HANGUP, _) => self.told = true,
                (kind, _) => panic!("an answer of kind {kind:#x}"),
            }
        }
    }

    /// Narrow audio is made wide and narrow again.
    fn echo(&self) -> Vec<Vec<u8>> {
        if WIDE {
            return self.sent.clone();
        }
        let (mut doubler, mut halver) = (Doubler::default(), Halver::default());
        let mut whole = SampleFramer::default();
        let bytes = self.sent.iter().flat_map(|payload| payload.as_chunks::<2>().0);
        let frames = bytes.filter_map(|sample| whole.push(doubler.double(i16::from_le_bytes(*sample))));
        frames
            .map(|frame| {
                let samples = frame.0.chunks_exact(2).map(|pair| halver.halve([pair[0], pair[1]]));
                samples.flat_map(i16::to_le_bytes).collect()
            })
            .collect()
    }

    fn hang_up(mut self) {
        self.stream.write_all(&message(HANGUP, &[])).expect("the daemon reads");
        // The daemon closes: the call is over for it, whatever this side does.
        assert!(self.closes());
    }

    fn vanish(self) {}
}

impl<const WIDE: bool> HungUpOn for Sender<WIDE> {
    /// It is not left to find out from the end of the connection.
    fn is_over(&mut self) -> bool {
        self.closes() && self.told
    }
}
