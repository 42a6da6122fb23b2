//! What a program hears of rooms, as messages: text for what happens, binary ones for sound.
//!
//! A binary message is 16 bytes, little-endian, and a frame: the stream's number (u32), the frame's place in it (u32), when
//! it was said or is heard (u64, milliseconds of the machine's monotonic clock), then 640 bytes, 20 ms of 16 kHz mono s16le.

use std::sync::Arc;

use audio_path::{FRAME_BYTES, FRAME_MS, Frame, LegId, SAMPLES_PER_FRAME, SegmentId, Timestamp};
use serde_json::{Value, json};
use session::{Event, Language};

use super::request::{Wants, answer};
use crate::report::{self, Report};
use crate::tap::{RoomName, Tap, Tapped};

const HEADER_BYTES: usize = 16;
/// Streams of one subscription; a room has one for each leg and each translation that is under way.
const MOST_STREAMS: usize = 512;

/// A message to a program.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Out {
    Text(String),
    Sound(Vec<u8>),
}

/// Whose sound a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Leg(LegId),
    Translation(SegmentId),
}

struct Stream {
    number: u32,
    room: Arc<RoomName>,
    of: Of,
    /// Frames that were sent.
    frames: u32,
    /// When the next one is heard, ms.
    next_ms: u64,
    /// What is no whole frame yet.
    rest: Vec<i16>,
}

/// The streams of a subscription.
pub(super) struct Streams {
    wants: Wants,
    open: Vec<Stream>,
}

impl Streams {
    pub(super) fn new(wants: Wants) -> Self {
        Self { wants, open: Vec::new() }
    }

    /// What the program is sent for this; `last` is the number given last to a stream of that program.
    pub(super) fn messages(&mut self, tap: &Tap, last: &mut u32) -> Vec<Out> {
        let mut out = Vec::new();
        let Tap { room, what, .. } = tap;
        match what {
            Tapped::Said { leg, frame } if self.wants.audio => {
                let fields = || json!({ "leg": leg.0, "of": "speech" });
                let stream = self.stream(room, Of::Leg(*leg), fields, last, &mut out);
                stream.next_ms = ms(tap.at);
                stream.frame(frame, &mut out);
            }
            Tapped::Spoken { leg, segment, language, samples } if self.wants.audio => {
                self.spoken(tap, (*leg, *segment, *language), samples, last, &mut out);
            }
            Tapped::Cut { segment } => self.end(room, |of| of == Of::Translation(*segment), &mut out),
            Tapped::Event { event: Event::PlaybackEnded { segment }, .. } => {
                let is_it = |of| of == Of::Translation(*segment);
                self.open
                    .iter_mut()
                    .filter(|s| s.is_in(room) && is_it(s.of))
                    .for_each(|s| s.finish(&mut out));
                self.end(room, is_it, &mut out);
            }
            Tapped::Left { leg } => self.end(room, |of| of == Of::Leg(*leg), &mut out),
            Tapped::Closed => self.end(room, |_| true, &mut out),
            _ => {}
        }
        out.extend(self.words(tap).map(Out::Text));
        out
    }

    fn spoken(
        &mut self,
        Tap { at, room, .. }: &Tap,
        (leg, segment, language): (LegId, SegmentId, Language),
        samples: &[i16],
        last: &mut u32,
        out: &mut Vec<Out>,
    ) {
        let fields = || json!({ "leg": leg.0, "of": "translation", "segment": segment.0, "language": language.code() });
        let stream = self.stream(room, Of::Translation(segment), fields, last, out);
        if stream.frames == 0 && stream.rest.is_empty() {
            stream.next_ms = ms(*at);
        }
        stream.rest.extend(samples);
        let whole = stream.rest.len() / SAMPLES_PER_FRAME * SAMPLES_PER_FRAME;
        let rest = stream.rest.split_off(whole);
        for samples in std::mem::replace(&mut stream.rest, rest).chunks_exact(SAMPLES_PER_FRAME) {
            stream.frame(&frame_of(samples), out);
        }
    }

    /// The stream, announced where it is new.
    fn stream(
        &mut self,
        room: &Arc<RoomName>,
        of: Of,
        fields: impl FnOnce() -> Value,
        last: &mut u32,
        out: &mut Vec<Out>,
    ) -> &mut Stream {
        let place = self.open.iter().position(|stream| stream.of == of && stream.is_in(room));
        let place = place.unwrap_or_else(|| {
            if self.open.len() >= MOST_STREAMS {
                out.push(ended(&self.open.remove(0)));
            }
            *last = last.wrapping_add(1);
            let mut fields = fields();
            (fields["stream"], fields["room"]) = (json!(last), json!(room.key));
            out.push(Out::Text(answer("audio", None, fields)));
            let room = Arc::clone(room);
            self.open.push(Stream { number: *last, room, of, frames: 0, next_ms: 0, rest: Vec::new() });
            self.open.len() - 1
        });
        &mut self.open[place]
    }

    fn end(&mut self, room: &RoomName, is_it: impl Fn(Of) -> bool, out: &mut Vec<Out>) {
        let over = self.open.extract_if(.., |stream| stream.is_in(room) && is_it(stream.of));
        out.extend(over.map(|stream| ended(&stream)));
    }

    /// What happened, where it is wanted.
    fn words(&self, Tap { at, room, what }: &Tap) -> Option<String> {
        let (is_transcript, report) = match what {
            Tapped::Event { leg, event } => (is_transcript(event), Report::session(*leg, event)),
            Tapped::Joined(joined) => (false, Report::new("joined", report::joined(joined))),
            Tapped::Speaks { leg, language } => {
                (false, Report::new("speaks", json!({ "leg": leg.0, "language": language.code() })))
            }
            Tapped::Left { leg } => (false, Report::new("left", json!({ "leg": leg.0 }))),
            Tapped::Closed => (false, Report::new("closed", json!({}))),
            Tapped::Said { .. } | Tapped::Spoken { .. } | Tapped::Cut { .. } => return None,
        };
        let (kind, is_wanted) =
            if is_transcript { ("transcript", self.wants.transcripts) } else { ("event", self.wants.events) };
        let fields = || json!({ "room": room.key, "dialled": room.dialled, "event": report.object(*at) });
        is_wanted.then(|| answer(kind, None, fields()))
    }
}

impl Stream {
    fn is_in(&self, room: &RoomName) -> bool {
        self.room.key == room.key
    }

    fn frame(&mut self, frame: &Frame, out: &mut Vec<Out>) {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + FRAME_BYTES);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.frames.to_le_bytes());
        bytes.extend(self.next_ms.to_le_bytes());
        bytes.extend(frame.to_wire());
        out.push(Out::Sound(bytes));
        self.frames = self.frames.wrapping_add(1);
        self.next_ms += u64::from(FRAME_MS);
    }

    /// What is no whole frame becomes one, with silence after it.
    fn finish(&mut self, out: &mut Vec<Out>) {
        if !self.rest.is_empty() {
            let frame = frame_of(&std::mem::take(&mut self.rest));
            self.frame(&frame, out);
        }
    }
}

fn ended(stream: &Stream) -> Out {
    let fields = json!({ "stream": stream.number, "room": stream.room.key, "frames": stream.frames });
    Out::Text(answer("audio_end", None, fields))
}

/// Whether it tells what was said.
fn is_transcript(event: &Event) -> bool {
    matches!(event, Event::Partial { .. } | Event::Final { .. } | Event::Translation { .. })
}

fn frame_of(samples: &[i16]) -> Frame {
    let mut frame = Frame::SILENCE;
    frame.0.iter_mut().zip(samples).for_each(|(to, from)| *to = *from);
    frame
}

fn ms(at: Timestamp) -> u64 {
    at.as_nanos() / 1_000_000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use session::UtteranceId;

    use super::*;

    const ALL: Wants = Wants { events: true, transcripts: true, audio: true };
    const LEG: LegId = LegId(4);
    const SEGMENT: SegmentId = SegmentId(9);

    fn tap(what: Tapped) -> Tap {
        let room = RoomName { key: "17.1".into(), dialled: "102".into(), kind: "call" };
        Tap { at: Timestamp::from_nanos(5_000_999_999), room: Arc::new(room), what }
    }

    fn text(out: &Out) -> Value {
        match out {
            Out::Text(text) => serde_json::from_str(text).unwrap(),
            Out::Sound(_) => panic!("sound"),
        }
    }

    /// Stream, place and time of a frame, and its samples.
    fn sound(out: &Out) -> (u32, u32, u64, Vec<i16>) {
        let Out::Sound(bytes) = out else { panic!("{out:?}") };
        let (head, samples) = bytes.split_at(HEADER_BYTES);
        let samples = samples.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]]));
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        (word(0), word(4), u64::from_le_bytes(head[8..].try_into().unwrap()), samples.collect())
    }

    fn spoken(samples: &[i16]) -> Tapped {
        Tapped::Spoken { leg: LEG, segment: SEGMENT, language: Language::ENGLISH, samples: samples.into() }
    }

    #[test]
    fn a_legs_speech_is_a_stream_until_it_leaves() {
        let (mut streams, mut last) = (Streams::new(ALL), 6);
        let frame = Frame([7; SAMPLES_PER_FRAME]);
        let said = || tap(Tapped::Said { leg: LEG, frame: Box::new(frame) });
        let first = streams.messages(&said(), &mut last);
        let told = json!({ "type": "audio", "stream": 7, "room": "17.1", "leg": 4, "of": "speech" });
        assert_eq!(text(&first[0]), told);
        assert_eq!(sound(&first[1]), (7, 0, 5_000, frame.0.to_vec()));
        let second = streams.messages(&said(), &mut last);
        assert_eq!((second.len(), sound(&second[0]).1), (1, 1));
        let left = streams.messages(&tap(Tapped::Left { leg: LEG }), &mut last);
        assert_eq!(text(&left[0]), json!({ "type": "audio_end", "stream": 7, "room": "17.1", "frames": 2 }));
        let event = json!({ "type": "left", "leg": 4, "at_ms": 5_000 });
        assert_eq!(
            text(&left[1]),
            json!({ "type": "event", "room": "17.1", "dialled": "102", "event": event })
        );
    }

    #[test]
    fn only_what_is_wanted_is_told() {
        let utterance = UtteranceId(1);
        let taps = [
            tap(Tapped::Said { leg: LEG, frame: Box::new(Frame::SILENCE) }),
            tap(spoken(&[1; 400])),
            tap(Tapped::Event { leg: LEG, event: Event::SpeechStarted { utterance } }),
            tap(Tapped::Event {
                leg: LEG,
                event: Event::Final { utterance, text: "a".into(), language: Language::ENGLISH },
            }),
        ];
        let told = |wants: Wants| {
            let (mut streams, mut last) = (Streams::new(wants), 0);
            taps.each_ref().map(|tap| streams.messages(tap, &mut last).len())
        };
        assert_eq!(told(ALL), [2, 2, 1, 1]);
        assert_eq!(told(Wants { events: true, ..Wants::default() }), [0, 0, 1, 0]);
        assert_eq!(told(Wants { transcripts: true, ..Wants::default() }), [0, 0, 0, 1]);
        assert_eq!(told(Wants { audio: true, ..Wants::default() }), [2, 2, 0, 0]);
    }

    #[test]
    fn streams_that_never_end_are_no_more_than_so_many() {
        let (mut streams, mut last) = (Streams::new(ALL), u32::MAX - 10);
        for leg in 0..2_000 {
            let said = tap(Tapped::Said { leg: LegId(leg), frame: Box::new(Frame::SILENCE) });
            streams.messages(&said, &mut last);
        }
        assert_eq!(streams.open.len(), MOST_STREAMS);
        streams.messages(&tap(Tapped::Closed), &mut last);
        assert!(streams.open.is_empty());
    }

    proptest! {
        #[test]
        fn a_translation_in_any_pieces_is_heard_whole(pieces in prop::collection::vec(0_usize..1_500, 0..20)) {
            let (mut streams, mut last) = (Streams::new(Wants { audio: true, ..Wants::default() }), 0);
            let said: Vec<i16> = (0..pieces.iter().sum::<usize>()).map(|n| n as i16).collect();
            let (mut rest, mut out) = (&said[..], Vec::new());
            for piece in pieces {
                let (now, later) = rest.split_at(piece);
                rest = later;
                out.extend(streams.messages(&tap(spoken(now)), &mut last));
            }
            let event = Event::PlaybackEnded { segment: SEGMENT };
            out.extend(streams.messages(&tap(Tapped::Event { leg: LEG, event }), &mut last));
            prop_assert!(streams.open.is_empty());
            let frames: Vec<_> = out.iter().filter(|out| matches!(out, Out::Sound(_))).map(sound).collect();
            let heard: Vec<i16> = frames.iter().flat_map(|(.., samples)| samples.clone()).collect();
            prop_assert_eq!(&heard[..said.len()], &said[..]);
            prop_assert!(heard[said.len()..].iter().all(|sample| *sample == 0));
            prop_assert_eq!(heard.len(), said.len().div_ceil(SAMPLES_PER_FRAME) * SAMPLES_PER_FRAME);
            for (place, (_, sequence, at, _)) in frames.iter().enumerate() {
                prop_assert_eq!((*sequence as usize, *at), (place, 5_000 + 20 * place as u64));
            }
        }
    }
}
