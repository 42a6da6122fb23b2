//! The Wyoming decoder against splits, refusals and garbage.

use engines::wyoming::{Decoder, Event, Limits, Message, Refused, Transcribe, Voice};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

type Expected = fn(&Refused) -> bool;

fn small() -> Limits {
    Limits { header: 256, data: 512, payload: 512, skip: 4096 }
}

/// Everything a decoder says about `bytes`, pushed in pieces of `sizes` in turn.
fn decode(bytes: &[u8], sizes: &[usize], limits: Limits) -> Vec<Result<Event, Refused>> {
    let mut decoder = Decoder::new(limits);
    let mut said = Vec::new();
    let mut rest = bytes;
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = tail;
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => said.push(Ok(event)),
                Ok(None) => break,
                Err(refused) => {
                    let fatal = refused.is_fatal();
                    said.push(Err(refused));
                    if fatal {
                        return said;
                    }
                }
            }
        }
    }
    said
}

fn encoded(events: &[Event]) -> Vec<u8> {
    let mut wire = Vec::new();
    for event in events {
        event.encode(&mut wire);
    }
    wire
}

fn event(kind: &str, data: Value, payload: &[u8]) -> Event {
    let Value::Object(data) = data else { panic!("data must be an object") };
    Event { kind: kind.into(), data, payload: payload.into() }
}

#[test]
fn reads_what_the_python_package_writes() {
    let wire =
        b"{\"type\": \"audio-chunk\", \"version\": \"1.10.2\", \"data_length\": 61, \"payload_length\": 4}\n\
        {\"rate\": 16000, \"width\": 2, \"channels\": 1, \"timestamp\": null}\x01\x00\x02\x00";
    let said = decode(wire, &[7], Limits::default());
    let Message::AudioChunk(chunk) = Message::from_event(said[0].clone().unwrap()).unwrap() else {
        panic!("{said:?}")
    };
    assert_eq!(
        (chunk.format.rate, chunk.timestamp, chunk.audio.as_slice()),
        (16_000, None, &[1, 0, 2, 0][..])
    );
}

#[test]
fn data_block_is_laid_over_inline_data() {
    let wire = b"{\"type\":\"x\",\"data\":{\"a\":1,\"b\":1},\"data_length\":7}\n{\"b\":2}";
    let said = decode(wire, &[100], Limits::default());
    assert_eq!(said, [Ok(event("x", json!({"a": 1, "b": 2}), b""))]);
}

#[test]
fn stream_lives_after_each_refusal() {
    let good = encoded(&[event("describe", json!({}), b"")]);
    let long = vec![b'x'; 300];
    let cases: [(&[u8], Expected); 6] = [
        (b"no json\n", |r| matches!(r, Refused::BadHeader(_))),
        (b"{\"data\":{}}\n", |r| matches!(r, Refused::BadHeader(_))),
        (b"\xff\xfe\0\n", |r| matches!(r, Refused::BadHeader(_))),
        (b"{\"type\":\"x\",\"data_length\":3,\"payload_length\":1}\n{,}p", |r| {
            matches!(r, Refused::BadData(_))
        }),
        (b"{\"type\":\"x\",\"data_length\":4,\"payload_length\":1}\nnullp", |r| {
            matches!(r, Refused::BadData(_))
        }),
        (&long, |r| matches!(r, Refused::HeaderTooLong(256))),
    ];
    for (bad, expected) in cases {
        let newline: &[u8] = if bad.len() == 300 { b"\n" } else { b"" };
        let wire = [bad, newline, &good].concat();
        for split in [1, 3, 1000] {
            let said = decode(&wire, &[split], small());
            assert!(expected(said[0].as_ref().unwrap_err()), "{said:?}");
            assert_eq!(said[1].as_ref().unwrap().kind, "describe");
            assert_eq!(said.len(), 2);
        }
    }
}

#[test]
fn over_long_blocks_are_skipped_whole() {
    let wire = encoded(&[event("x", json!({}), &[b'\n'; 600]), event("ping", json!({}), b"")]);
    let said = decode(&wire, &[11], small());
    assert_eq!(said[0], Err(Refused::TooLong { part: "payload", length: 600, limit: 512 }));
    assert_eq!(said[1].as_ref().unwrap().kind, "ping");
}

#[test]
fn unknowable_boundaries_end_the_stream() {
    let hopeless: [&[u8]; 5] = [
        b"{\"type\":\"x\",\"payload_length\":-1}\n",
        b"{\"type\":\"x\",\"payload_length\":\"9\"}\n",
        b"{\"type\":\"x\",\"data_length\":18446744073709551615,\"payload_length\":18446744073709551615}\n",
        b"{\"type\":\"x\",\"payload_length\":100000}\n",
        b"{\"type\":7,\"payload_length\":10}\n",
    ];
    for wire in hopeless {
        let said = decode(wire, &[1000], small());
        assert!(matches!(said.as_slice(), [Err(Refused::Lost(_))]), "{said:?}");
    }
    let endless = decode(&[b'x'; 6000], &[500], small());
    assert!(
        matches!(endless.as_slice(), [Err(Refused::HeaderTooLong(_)), Err(Refused::Lost(_))]),
        "{endless:?}"
    );
}

#[test]
fn cut_off_event_is_seen_at_the_end() {
    let wire = encoded(&[event("x", json!({"a": 1}), b"abc")]);
    let mut decoder = Decoder::new(small());
    assert!(!decoder.is_midway());
    decoder.push(&wire[..wire.len() - 1]);
    assert_eq!(decoder.next_event(), Ok(None));
    assert!(decoder.is_midway());
    decoder.push(&wire[wire.len() - 1..]);
    assert!(decoder.next_event().unwrap().is_some());
    assert!(!decoder.is_midway());
}

#[test]
fn unknown_and_malformed_messages_are_told_apart() {
    use engines::wyoming::Unreadable;
    let unknown = Message::from_event(event("run-satellite", json!({}), b""));
    assert_eq!(unknown, Err(Unreadable::Unknown("run-satellite".into())));
    let malformed = Message::from_event(event("synthesize", json!({"text": 5}), b""));
    assert!(matches!(malformed, Err(Unreadable::Fields { kind: "synthesize", .. })));
}

#[test]
fn requests_have_the_package_s_fields() {
    let asked = Message::from(Transcribe::among(["en", "es"])).into_event();
    assert_eq!(asked.data, *json!({"context": {"languages": ["en", "es"]}}).as_object().unwrap());
    let Message::Transcribe(read) = Message::from_event(asked).unwrap() else { panic!() };
    assert_eq!(read.languages(), ["en", "es"]);
    let said = event("synthesize", json!({"text": "a", "voice": {"language": "es"}, "context": null}), b"");
    let Message::Synthesize(said) = Message::from_event(said).unwrap() else { panic!() };
    assert_eq!(said.voice, Some(Voice { language: Some("es".into()), ..Voice::default() }));
}

fn any_event() -> impl Strategy<Value = Event> {
    let data = proptest::collection::btree_map("[a-z]{1,8}", "\\PC{0,20}", 0..5);
    ("[a-z-]{1,12}", data, proptest::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(kind, data, payload)| {
            let data: Map<String, Value> = data.into_iter().map(|(k, v)| (k, Value::String(v))).collect();
            Event { kind, data, payload }
        },
    )
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        events in proptest::collection::vec(any_event(), 0..6),
        sizes in proptest::collection::vec(1usize..200, 1..20),
    ) {
        let said: Result<Vec<Event>, Refused> =
            decode(&encoded(&events), &sizes, Limits::default()).into_iter().collect();
        prop_assert_eq!(said.unwrap(), events);
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..3000), size in 1usize..99) {
        for said in decode(&bytes, &[size], small()) {
            let _ = said.map(Message::from_event);
        }
    }

    #[test]
    fn damaged_events_never_panic(
        events in proptest::collection::vec(any_event(), 1..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        size in 1usize..99,
    ) {
        let mut wire = encoded(&events);
        for (at, byte) in damage {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        for said in decode(&wire, &[size], small()) {
            let _ = said.map(Message::from_event);
        }
    }
}
