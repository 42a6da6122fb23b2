//! A caller over Asterisk's `AudioSocket`: SLIN16 exact to the bit, and no telephone in between.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use lab::asterisk::Asterisk;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

const HANGUP: u8 = 0x00;
const ID: u8 = 0x01;
const SLIN16: u8 = 0x12;

/// A call that Asterisk made to us.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
}

impl Caller {
    /// Has Asterisk call us, and connect us to an extension that phones may dial.
    ///
    /// # Panics
    /// Where Asterisk does not call.
    pub fn dial(asterisk: &Asterisk, extension: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let command = format!(
            "channel originate AudioSocket/127.0.0.1:{port}/40325ec2-5efd-4bd3-805f-53576e581d13/c(slin16) \
             extension {extension}@phones"
        );
        asterisk.cli(&command).expect("Asterisk answers");
        let (stream, _) = listener.accept().expect("Asterisk connects");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut caller = Self { stream };
        let (kind, id) = caller.message().expect("a message");
        assert_eq!((kind, id.len()), (ID, 16));
        caller
    }

    /// Speaks.
    pub fn send(&mut self, audio: &[u8]) {
        self.send_message(SLIN16, audio);
    }

    /// Ends the call.
    pub fn hang_up(mut self) {
        self.send_message(HANGUP, &[]);
    }

    /// The next piece of audio, of whatever length; `None` once the call has ended.
    pub fn hear(&mut self) -> Option<Vec<u8>> {
        loop {
            match self.message()? {
                (SLIN16, audio) => return Some(audio),
                (HANGUP, _) => return None,
                _ => {}
            }
        }
    }

    /// The next piece of audio, where it is here already.
    ///
    /// # Panics
    /// Where the call has ended.
    pub fn hear_now(&mut self) -> Option<Vec<u8>> {
        self.stream.set_nonblocking(true).expect("a socket");
        let here = self.stream.peek(&mut [0; 3]).is_ok_and(|bytes| bytes == 3);
        self.stream.set_nonblocking(false).expect("a socket");
        here.then(|| self.hear().expect("the call goes on"))
    }

    /// Exactly `count` bytes of audio.
    ///
    /// # Panics
    /// Where the call ends before.
    pub fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < count {
            heard.extend(self.hear().expect("the call goes on"));
        }
        assert_eq!(heard.len(), count);
        heard
    }

    /// Whether exactly `audio` is heard within `time`, whatever comes before it.
    ///
    /// # Panics
    /// Where the call ends before.
    pub fn hears_within(&mut self, audio: &[u8], time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut heard = false;
        while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            self.stream.set_read_timeout(Some(left)).expect("a timeout");
            if self.stream.peek(&mut [0]).is_ok_and(|bytes| bytes > 0) {
                self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
                heard = self.hear().expect("the call goes on") == audio;
            }
            if heard {
                break;
            }
        }
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        heard
    }

    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 3];
        match self.stream.read_exact(&mut header) {
            Err(error) if [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                return None;
            }
            result => result.expect("something within the time"),
        }
        let mut payload = vec![0; usize::from(u16::from_be_bytes([header[1], header[2]]))];
        self.stream.read_exact(&mut payload).expect("a whole message");
        Some((header[0], payload))
    }

    fn send_message(&mut self, kind: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("a short message").to_be_bytes();
        let message = [&[kind, length[0], length[1]], payload].concat();
        self.stream.write_all(&message).expect("Asterisk takes it");
    }
}
