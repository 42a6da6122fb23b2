//! Framing: bytes to events and back.

use serde_json::{Map, Value};
use std::collections::VecDeque;

/// The protocol version named in every header we write.
pub const VERSION: &str = "1.10.2";

/// One event as it travels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Event {
    /// The event's type, for example `audio-chunk`.
    pub kind: String,
    /// Its fields: those of the header with those of the data block laid over them.
    pub data: Map<String, Value>,
    /// Raw bytes, for example audio.
    pub payload: Vec<u8>,
}

impl Event {
    /// Appends the event's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let data = if self.data.is_empty() {
            Vec::new()
        } else {
            serde_json::to_vec(&self.data).expect("a map of JSON values serialises")
        };
        let mut header = Map::new();
        header.insert("type".into(), self.kind.as_str().into());
        header.insert("version".into(), VERSION.into());
        if !data.is_empty() {
            header.insert("data_length".into(), data.len().into());
        }
        if !self.payload.is_empty() {
            header.insert("payload_length".into(), self.payload.len().into());
        }
        serde_json::to_writer(&mut *out, &header).expect("a vector takes every byte");
        out.push(b'\n');
        out.extend_from_slice(&data);
        out.extend_from_slice(&self.payload);
    }
}

/// The longest parts that a decoder accepts, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The header line without its newline.
    pub header: usize,
    /// The data block.
    pub data: usize,
    /// The payload.
    pub payload: usize,
    /// What is skipped of a refused event in the hope of a good one behind it; more ends the stream.
    pub skip: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header: 64 << 10, data: 256 << 10, payload: 1 << 20, skip: 16 << 20 }
    }
}

/// Why an event was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The header line is longer than the limit; the stream continues after its newline.
    #[error("Wyoming header longer than {0} bytes")]
    HeaderTooLong(usize),
    /// The header line is no JSON object with a `type`; the stream continues with the next line.
    #[error("Wyoming header cannot be read: {0}")]
    BadHeader(String),
    /// The data block is no JSON object; the stream continues behind the event.
    #[error("Wyoming data block cannot be read: {0}")]
    BadData(String),
    /// A block is longer than the limit; the stream continues behind the event.
    #[error("Wyoming {part} of {length} bytes is over the limit of {limit}")]
    TooLong {
        /// `data` or `payload`.
        part: &'static str,
        /// What the header announced.
        length: usize,
        /// What is accepted.
        limit: usize,
    },
    /// Where the next event begins cannot be known, or is too far away: close the connection.
    #[error("Wyoming stream lost: {0}")]
    Lost(String),
}

impl Refused {
    /// Whether the decoder delivers nothing more after this.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

#[derive(Debug)]
enum State {
    /// Waiting for a newline; `seen` bytes of the buffer hold none.
    Header { seen: usize },
    /// Waiting for the data and payload of an event.
    Body(Pending),
    /// Dropping the rest of an over-long line.
    SkipLine { skipped: usize },
    /// Dropping the blocks of a refused event.
    SkipBody { left: usize },
    /// The stream's structure is lost.
    Lost(String),
}

#[derive(Debug)]
struct Pending {
    event: Event,
    data_length: usize,
    payload_length: usize,
}

/// Turns a byte stream, split anyhow, into events. Buffers at most one event's limits and what one `push` adds.
///
/// Mutate with [`Decoder::push`], then drain [`Decoder::next_event`] until it gives `None`.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    state: State,
    buffer: VecDeque<u8>,
}

impl Decoder {
    /// An empty decoder.
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: State::Header { seen: 0 }, buffer: VecDeque::new() }
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Lost(_)) {
            self.buffer.extend(bytes);
        }
    }

    /// Whether an event has begun and is not complete: true at the end of a stream means it was cut off.
    pub fn is_midway(&self) -> bool {
        !self.buffer.is_empty() || !matches!(self.state, State::Header { .. })
    }

    /// The next complete event, or `None` until more bytes come.
    ///
    /// # Errors
    /// One [`Refused`] for each event that cannot be delivered. Unless it is fatal, the call may be repeated.
    pub fn next_event(&mut self) -> Result<Option<Event>, Refused> {
        loop {
            match &mut self.state {
                State::Header { seen } => {
                    let seen = *seen;
                    if !self.read_header(seen)? {
                        return Ok(None);
                    }
                }
                State::Body(pending) => {
                    if self.buffer.len() < pending.data_length + pending.payload_length {
                        return Ok(None);
                    }
                    return self.take_body().map(Some);
                }
                State::SkipLine { .. } => {
                    if !self.skip_line()? {
                        return Ok(None);
                    }
                }
                State::SkipBody { left } => {
                    let dropped = (*left).min(self.buffer.len());
                    self.buffer.drain(..dropped);
                    *left -= dropped;
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.state = State::Header { seen: 0 };
                }
                State::Lost(reason) => return Err(Refused::Lost(reason.clone())),
            }
        }
    }

    /// Looks for the newline behind the `seen` bytes already searched. True when the state moved on.
    fn read_header(&mut self, seen: usize) -> Result<bool, Refused> {
        let newline = self.buffer.iter().skip(seen).position(|&b| b == b'\n').map(|at| at + seen);
        let length = newline.unwrap_or(self.buffer.len());
        if length > self.limits.header {
            self.state = State::SkipLine { skipped: 0 };
            return Err(Refused::HeaderTooLong(self.limits.header));
        }
        let Some(newline) = newline else {
            self.state = State::Header { seen: length };
            return Ok(false);
        };
        let line: Vec<u8> = self.buffer.drain(..=newline).collect();
        self.state = State::Header { seen: 0 };
        let pending = parse_header(&line).map_err(|bad| match bad {
            BadHeader::Unreadable(why) => Refused::BadHeader(why),
            BadHeader::Boundless(why) => self.lose(why),
        })?;
        self.accept(pending)?;
        Ok(true)
    }

    /// Enters the body of an announced event, or skips it where it is over a limit.
    fn accept(&mut self, pending: Pending) -> Result<(), Refused> {
        let over = [
            ("data", pending.data_length, self.limits.data),
            ("payload", pending.payload_length, self.limits.payload),
        ]
        .into_iter()
        .find(|(_, length, limit)| length > limit);
        let Some((part, length, limit)) = over else {
            self.state = State::Body(pending);
            return Ok(());
        };
        let left = pending.data_length.saturating_add(pending.payload_length);
        if left > self.limits.skip {
            return Err(self.lose(format!("an event of {left} bytes was announced")));
        }
        self.state = State::SkipBody { left };
        Err(Refused::TooLong { part, length, limit })
    }

    /// Takes the complete body out of the buffer.
    fn take_body(&mut self) -> Result<Event, Refused> {
        let State::Body(pending) = std::mem::replace(&mut self.state, State::Header { seen: 0 }) else {
            return Err(self.lose("no event was pending".into()));
        };
        let Pending { mut event, data_length, payload_length } = pending;
        let data: Vec<u8> = self.buffer.drain(..data_length).collect();
        event.payload = self.buffer.drain(..payload_length).collect();
        if data_length > 0 {
            let block: Map<String, Value> =
                serde_json::from_slice(&data).map_err(|e| Refused::BadData(e.to_string()))?;
            event.data.extend(block);
        }
        Ok(event)
    }

    /// Drops bytes up to and with a newline. True when one was found.
    fn skip_line(&mut self) -> Result<bool, Refused> {
        let State::SkipLine { skipped } = &mut self.state else { return Ok(true) };
        let newline = self.buffer.iter().position(|&b| b == b'\n');
        let dropped = newline.map_or(self.buffer.len(), |at| at + 1);
        self.buffer.drain(..dropped);
        *skipped += dropped;
        if newline.is_some() {
            self.state = State::Header { seen: 0 };
        } else if *skipped > self.limits.skip {
            return Err(self.lose("a header line has no end".into()));
        }
        Ok(newline.is_some())
    }

    fn lose(&mut self, reason: String) -> Refused {
        self.buffer = VecDeque::new();
        self.state = State::Lost(reason.clone());
        Refused::Lost(reason)
    }
}

enum BadHeader {
    /// The line says nothing: the next one may.
    Unreadable(String),
    /// The line announces blocks whose length cannot be known.
    Boundless(String),
}

fn parse_header(line: &[u8]) -> Result<Pending, BadHeader> {
    let mut header: Map<String, Value> =
        serde_json::from_slice(line).map_err(|e| BadHeader::Unreadable(e.to_string()))?;
    let data_length = length(&header, "data_length")?;
    let payload_length = length(&header, "payload_length")?;
    let refuse = |why: &str| {
        // Blocks behind a header that cannot be used would be read as headers.
        if data_length + payload_length > 0 {
            BadHeader::Boundless(why.into())
        } else {
            BadHeader::Unreadable(why.into())
        }
    };
    let Some(Value::String(kind)) = header.remove("type") else {
        return Err(refuse("no type"));
    };
    let data = match header.remove("data") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(data)) => data,
        Some(_) => return Err(refuse("data is no object")),
    };
    Ok(Pending { event: Event { kind, data, payload: Vec::new() }, data_length, payload_length })
}

/// A length of the header in bytes; absent and null are 0. Capped so that two of them never overflow.
fn length(header: &Map<String, Value>, key: &str) -> Result<usize, BadHeader> {
    match header.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value
            .as_u64()
            .and_then(|n| u32::try_from(n).ok())
            .map(|n| n as usize)
            .ok_or_else(|| BadHeader::Boundless(format!("{key} is no length"))),
    }
}
