//! The AudioSocket port: one TCP connection a call, as stock Asterisk and others make it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use audio_path::audiosocket::{HANGUP, Item, MESSAGE_BYTES, Packer, Parser, Rate};
use audio_path::rate::Doubler;
use audio_path::{DropReason, Frame, Reframer, SampleFramer};
use rt_sys::fifo::Transfer;
use rt_sys::socket;

use super::{Arrived, Written};

/// What may wait in the kernel for a reader that stalls: about 120 ms with its bookkeeping.
const SEND_BUFFER_BYTES: usize = 4096;

/// One call's connection, after the message that named the call.
#[derive(Debug)]
pub struct AudioSocketPort {
    socket: Option<OwnedFd>,
    parser: Parser,
    /// Wide audio.
    reframer: Reframer,
    /// Narrow audio: half a sample, and what is made of it.
    half: Option<u8>,
    doubler: Doubler,
    framer: SampleFramer,
    packer: Packer,
    /// As the other side speaks, it is answered.
    rate: Rate,
    /// A message of which only a part found room, and from where on it is still to be sent.
    unsent: [u8; MESSAGE_BYTES],
    rest: std::ops::Range<usize>,
    lost: bool,
}

impl AudioSocketPort {
    /// Takes over a connection.
    ///
    /// # Errors
    /// Where the kernel does not bound what waits in it.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        socket::set_send_buffer(&socket, SEND_BUFFER_BYTES)?;
        Ok(Self {
            socket: Some(socket),
            parser: Parser::default(),
            reframer: Reframer::default(),
            half: None,
            doubler: Doubler::default(),
            framer: SampleFramer::default(),
            packer: Packer::default(),
            rate: Rate::default(),
            unsent: [0; MESSAGE_BYTES],
            rest: 0..0,
            lost: false,
        })
    }

    /// The connection, to wait on.
    pub fn reader(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Reads what arrived.
    pub fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        self.socket.as_ref().map_or(Transfer::Gone, |socket| socket::receive(socket, buffer))
    }

    /// What is next in bytes that were read.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Arrived> {
        loop {
            let frame = match self.parser.next(bytes)? {
                Item::Audio(Rate::Wide, piece) => self.wide(piece),
                Item::Audio(Rate::Narrow, piece) => self.narrow(piece),
                Item::Key(key) => return Some(Arrived::Key(key)),
                Item::Unknown => return Some(Arrived::Dropped(DropReason::Unfit, 1)),
                Item::Hangup | Item::Error | Item::Malformed => return Some(Arrived::Gone),
            };
            if let Some(frame) = frame {
                return Some(Arrived::Frame(frame));
            }
        }
    }

    /// A piece is at most a frame long, so that it completes no more than one.
    fn wide(&mut self, mut piece: &[u8]) -> Option<Frame> {
        self.rate = Rate::Wide;
        let frame = self.reframer.next_frame(&mut piece)?;
        let _begins_the_next = self.reframer.next_frame(&mut piece);
        Some(frame)
    }

    fn narrow(&mut self, piece: &[u8]) -> Option<Frame> {
        self.rate = Rate::Narrow;
        let mut frame = None;
        for byte in piece {
            let Some(low) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            let pair = self.doubler.double(i16::from_le_bytes([low, *byte]));
            frame = self.framer.push(pair).or(frame);
        }
        frame
    }

    /// Writes one frame, whole or not at all: what the kernel took only in part goes before the next one.
    pub fn write(&mut self, frame: &Frame) -> Written {
        if self.lost || self.socket.is_none() {
            return Written::Down;
        }
        match self.send_rest() {
            Transfer::Bytes(_) if self.rest.is_empty() => {}
            Transfer::Gone => return self.lose(),
            _ => return Written::Full,
        }
        let (message, length) = self.packer.pack(self.rate, frame);
        (self.unsent, self.rest) = (message, 0..length);
        match self.send_rest() {
            Transfer::Bytes(0) | Transfer::NotNow => {
                self.rest = 0..0;
                Written::Full
            }
            Transfer::Bytes(_) => Written::Whole,
            Transfer::Gone => self.lose(),
        }
    }

    fn send_rest(&mut self) -> Transfer {
        let Some(socket) = self.socket.as_ref().filter(|_| !self.rest.is_empty()) else {
            return Transfer::Bytes(0);
        };
        let sent = socket::send(socket, &self.unsent[self.rest.clone()]);
        if let Transfer::Bytes(bytes) = sent {
            self.rest.start += bytes;
        }
        sent
    }

    fn lose(&mut self) -> Written {
        self.lost = true;
        Written::Lost
    }

    /// Gives up the connection, for someone else to close.
    pub fn take_reader(&mut self) -> Option<OwnedFd> {
        self.socket.take()
    }
}

/// Whoever still listens is told that the call has ended. A message that was begun cannot be followed by another.
impl Drop for AudioSocketPort {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| self.rest.is_empty() && !self.lost) {
            let _closed_instead_where_there_is_no_room = socket::send(socket, &HANGUP);
        }
    }
}
