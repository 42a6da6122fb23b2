//! Deepgram's three cores against messages as the vendor sends them, and against messages as nobody should.

use std::time::Duration;

use engines::asr::{Heard, deepgram_flux as flux, deepgram_listen as listen};
use engines::tts::{Spoken, deepgram_aura as aura};
use engines::websocket::Message;
use engines::{Failure, FailureKind};
use proptest::prelude::*;
use serde_json::{Value, json};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn message(value: &Value) -> Message {
    Message::Text(value.to_string())
}

/// A stream of English on which so much audio was sent.
fn heard_so_far(before: Duration, seconds: usize) -> listen::Stream {
    let mut stream = listen::Stream::new(listen::Options::new(vec!["en".into()]), before);
    stream.audio(&vec![0; seconds * 16_000]);
    stream
}

fn words(text: &str, start: f64) -> Value {
    let word = |(at, word): (usize, &str)| {
        let start = start + at as f64 * 0.4;
        json!({"word": word.to_lowercase(), "punctuated_word": word, "start": start, "end": start + 0.4, "confidence": 0.9})
    };
    text.split_whitespace().enumerate().map(word).collect()
}

fn results(start: f64, duration: f64, text: &str, flags: &Value) -> Message {
    let mut results = json!({
        "type": "Results", "channel_index": [0, 1], "start": start, "duration": duration,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words(text, start)}]},
        "metadata": {"request_id": "r", "model_info": {"name": "n", "version": "v", "arch": "a"}, "model_uuid": "m"},
    });
    results.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
    message(&results)
}

fn is_final() -> Value {
    json!({"is_final": true, "speech_final": false, "from_finalize": false})
}

fn turn(event: &str, index: u64, window: [f64; 2], text: &str) -> Message {
    message(&json!({
        "type": "TurnInfo", "request_id": "r", "sequence_id": 1, "event": event, "turn_index": index,
        "audio_window_start": window[0], "audio_window_end": window[1], "transcript": text,
        "words": words(text, window[0]), "end_of_turn_confidence": 0.5,
    }))
}

fn texts(heard: &[Heard]) -> Vec<&str> {
    let text = |heard: &'_ Heard| matches!(heard, Heard::Segment { .. });
    let segments = heard.iter().filter(|heard| text(heard));
    segments.map(|heard| if let Heard::Segment { text, .. } = heard { text.as_str() } else { "" }).collect()
}

#[test]
fn listen_asks_for_what_the_session_needs_and_keeps_nothing() {
    let stream = heard_so_far(Duration::ZERO, 0);
    let handshake = stream.handshake("wss://api.eu.deepgram.com/", "k");
    assert_eq!(
        handshake.url,
        "wss://api.eu.deepgram.com/v1/listen?model=nova-3&language=en&encoding=linear16&sample_rate=16000\
         &channels=1&interim_results=true&endpointing=300&utterance_end_ms=1000&vad_events=true\
         &smart_format=true&mip_opt_out=true"
    );
    let several = listen::Options::new(vec!["en".into(), "es".into()]);
    let url = listen::Stream::new(several, Duration::ZERO).handshake("wss://h", "k").url;
    assert!(url.contains("language=multi"), "{url}");
}

#[test]
fn words_to_be_expected_are_told_to_models_that_take_them() {
    let url = |model: &str| {
        let keyterms = vec!["ring main".to_owned(), "Ærø".to_owned()];
        let options =
            listen::Options { model: model.into(), keyterms, ..listen::Options::new(vec!["en".into()]) };
        listen::Stream::new(options, Duration::ZERO).handshake("wss://h", "k").url
    };
    assert!(
        url("nova-3-medical").ends_with("&keyterm=ring%20main&keyterm=%C3%86r%C3%B8"),
        "{}",
        url("nova-3")
    );
    assert!(!url("nova-2").contains("keyterm"));
    let options =
        flux::Options { keyterms: vec!["ring main".into()], ..flux::Options::new(vec!["en".into()]) };
    let url = flux::Stream::new(options, Duration::ZERO).handshake("wss://h", "k").url;
    assert!(url.ends_with("&keyterm=ring%20main"), "{url}");
}

#[test]
fn times_lie_on_the_leg_s_axis() {
    let mut stream = heard_so_far(MS(7_000), 3);
    let interim = stream.receive(&results(0.0, 1.0, "the ten", &json!({"is_final": false}))).unwrap();
    let guess = |text: &str, until| Heard::Interim { text: text.into(), language: Some("en".into()), until };
    assert_eq!(interim, [guess("the ten", MS(8_000))]);
    let flags = json!({"is_final": true, "speech_final": true});
    let heard = stream.receive(&results(0.5, 1.5, "The ten.", &flags)).unwrap();
    let Heard::Segment { text, words, language, until } = &heard[0] else { panic!("{heard:?}") };
    assert_eq!((text.as_str(), language.as_deref(), *until), ("The ten.", Some("en"), MS(9_000)));
    assert_eq!((words[1].text.as_str(), words[1].start, words[1].end), ("ten.", MS(7_900), MS(8_300)));
    assert_eq!(heard[1..], [Heard::TurnEnded]);
    assert_eq!(stream.until(), MS(9_000));
}

#[test]
fn audio_that_is_not_answered_is_never_acknowledged() {
    let mut stream = heard_so_far(MS(1_000), 2);
    stream.receive(&results(0.0, 1.0, "one", &json!({"is_final": false}))).unwrap();
    assert_eq!(stream.until(), MS(1_000));
    stream.receive(&results(0.0, 9e9, "two", &is_final())).unwrap();
    assert_eq!(stream.until(), MS(3_000));
}

#[test]
fn silence_that_opens_a_stream_moves_no_word() {
    let mut stream = listen::Stream::new(listen::Options::new(vec!["en".into()]), MS(500));
    let Some(Message::Binary(first)) = stream.keep_alive() else { panic!("audio comes first") };
    assert_eq!(first.len(), 640);
    assert_eq!(stream.keep_alive(), Some(Message::Text(r#"{"type":"KeepAlive"}"#.into())));
    stream.audio(&vec![0; 16_000]);
    let heard = stream.receive(&results(0.02, 1.0, "one", &is_final())).unwrap();
    let Heard::Segment { words, until, .. } = &heard[0] else { panic!("{heard:?}") };
    assert_eq!((words[0].start, *until), (MS(500), MS(1_500)));
}

#[test]
fn finishing_ends_with_the_answer_to_it() {
    let mut stream = heard_so_far(Duration::ZERO, 2);
    assert_eq!(stream.finish(), Some(Message::Text(r#"{"type":"Finalize"}"#.into())));
    let early = stream.receive(&results(0.0, 1.0, "one", &is_final())).unwrap();
    assert!(!early.contains(&Heard::Finished), "{early:?}");
    let flags = json!({"is_final": true, "from_finalize": true});
    let last = stream.receive(&results(1.0, 1.0, "two", &flags)).unwrap();
    assert_eq!(last.last(), Some(&Heard::Finished));
    assert_eq!(stream.receive(&results(1.0, 1.0, "two", &flags)).unwrap(), []);
    assert_eq!(stream.finish(), None);
    stream.audio(&vec![0; 16_000]);
    assert!(stream.finish().is_some());
    assert_eq!(stream.receive(&results(1.0, 1.0, "two", &flags)).unwrap(), []);
    assert_eq!(stream.dropped(), 2);
    // The vendor need not mark the answer where it settled all audio on its own.
    let own = stream.receive(&results(2.0, 1.0, "", &is_final())).unwrap();
    assert_eq!(own.last(), Some(&Heard::Finished));
}

#[test]
fn turns_end_once() {
    let mut stream = heard_so_far(Duration::ZERO, 4);
    let flags = json!({"is_final": true, "speech_final": true});
    let end = message(&json!({"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 0.4}));
    assert!(stream.receive(&results(0.0, 1.0, "one", &flags)).unwrap().contains(&Heard::TurnEnded));
    assert_eq!(stream.receive(&end).unwrap(), []);
    assert!(!stream.receive(&results(1.0, 1.0, "two", &is_final())).unwrap().contains(&Heard::TurnEnded));
    assert_eq!(stream.receive(&end).unwrap(), [Heard::TurnEnded]);
}

#[test]
fn overlapping_finals_say_each_word_once() {
    let mut stream = heard_so_far(Duration::ZERO, 4);
    stream.receive(&results(0.0, 0.8, "one two", &is_final())).unwrap();
    let heard = stream.receive(&results(0.0, 1.6, "one two three four", &is_final())).unwrap();
    assert_eq!(texts(&heard), ["three four"]);
    assert_eq!(stream.dropped(), 1);
}

#[test]
fn messages_that_cannot_be_read_are_refused_alone() {
    let mut stream = heard_so_far(Duration::ZERO, 2);
    let deep = "[".repeat(100_000);
    let typed_wrong = r#"{"type":"Results","start":"0","duration":1,"channel":{"alternatives":[]}}"#;
    for bad in ["", "{", "{}", "null", deep.as_str(), typed_wrong, "{\"type\":\"\0\"}x"] {
        let refused = stream.receive(&Message::Text(bad.into()));
        assert_eq!(refused.unwrap_err().kind, FailureKind::Protocol, "{bad:.20}");
    }
    let huge = Message::Text(format!("{{\"type\":\"{}\"}}", "x".repeat(1 << 20)));
    assert_eq!(stream.receive(&huge).unwrap_err().kind, FailureKind::Protocol);
    for ignored in ["Metadata", "SpeechStarted", "FromTheFuture"] {
        assert_eq!(stream.receive(&message(&json!({"type": ignored, "x": 1}))).unwrap(), []);
    }
    assert_eq!(texts(&stream.receive(&results(0.0, 1.0, "one", &is_final())).unwrap()), ["one"]);
}

#[test]
fn refusals_name_who_can_act() {
    let kind = |status| listen::Stream::refused(status, None).kind;
    assert_eq!([401, 402, 403, 429, 400, 503].map(kind), {
        use FailureKind::{Credential, Down, Quota, RateLimited, Refused};
        [Credential, Quota, Credential, RateLimited, Refused, Down]
    });
    assert_eq!(listen::Stream::refused(429, Some("3")).retry_after, Some(MS(3_000)));
}

fn turns_so_far(seconds: usize) -> flux::Stream {
    let mut stream = flux::Stream::new(flux::Options::new(vec!["en".into()]), MS(2_000));
    stream.audio(&vec![0; seconds * 16_000]);
    stream
}

#[test]
fn flux_chooses_the_model_by_language() {
    let url = |languages: &[&str]| {
        let languages = languages.iter().map(|&language| language.to_owned()).collect();
        flux::Stream::new(flux::Options::new(languages), Duration::ZERO).handshake("wss://h", "k").url
    };
    let format = "encoding=linear16&sample_rate=16000&mip_opt_out=true";
    assert_eq!(url(&["en"]), format!("wss://h/v2/listen?model=flux-general-en&{format}"));
    let multi =
        format!("wss://h/v2/listen?model=flux-general-multi&{format}&language_hint=en&language_hint=es");
    assert_eq!(url(&["en", "es"]), multi);
}

#[test]
fn a_turn_is_a_segment() {
    let mut stream = turns_so_far(4);
    assert_eq!(stream.receive(&message(&json!({"type": "Connected", "sequence_id": 0}))).unwrap(), []);
    for event in ["StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed"] {
        let heard = stream.receive(&turn(event, 0, [0.0, 1.0], "one two")).unwrap();
        let guess = Heard::Interim { text: "one two".into(), language: Some("en".into()), until: MS(3_000) };
        assert_eq!(heard, [guess]);
    }
    assert!(stream.finish().is_some());
    let heard = stream.receive(&turn("EndOfTurn", 0, [0.0, 1.5], "One two.")).unwrap();
    let Heard::Segment { words, until, .. } = &heard[0] else { panic!("{heard:?}") };
    assert_eq!((words[1].start, *until), (MS(2_400), MS(3_500)));
    assert_eq!(heard[1..], [Heard::TurnEnded, Heard::Finished]);
    assert_eq!(stream.receive(&turn("EndOfTurn", 0, [0.0, 1.5], "One two.")).unwrap(), []);
    assert_eq!(stream.dropped(), 1);
}

#[test]
fn flux_acknowledges_silence_but_not_the_beginning_of_a_word() {
    let mut stream = turns_so_far(10);
    assert_eq!(stream.receive(&turn("Update", 0, [0.0, 1.5], "")).unwrap(), []);
    stream.receive(&turn("Update", 0, [0.0, 5.0], "")).unwrap();
    assert_eq!(stream.until(), MS(6_000));
    let heard = stream.receive(&turn("EndOfTurn", 0, [4.8, 7.0], "one")).unwrap();
    assert_eq!(texts(&heard), ["one"]);
    assert!(stream.finish().is_some());
    let idle = stream.receive(&turn("Update", 1, [7.0, 10.0], "")).unwrap();
    assert_eq!(idle.last(), Some(&Heard::Finished));
}

#[test]
fn flux_s_errors_have_kinds() {
    let mut stream = turns_so_far(1);
    let error = |code| message(&json!({"type": "Error", "sequence_id": 1, "code": code, "description": "d"}));
    assert_eq!(stream.receive(&error("INTERNAL_SERVER_ERROR")).unwrap_err().kind, FailureKind::Down);
    assert_eq!(stream.receive(&error("UNPARSABLE_CLIENT_MESSAGE")).unwrap_err().kind, FailureKind::Refused);
    let warning = message(&json!({"type": "Warning", "code": "C", "description": "d"}));
    assert_eq!(stream.receive(&warning).unwrap(), [Heard::Warning("C: d".into())]);
}

fn voice() -> aura::Stream {
    aura::Stream::new(aura::Options::new("aura-2-thalia-en".into()))
}

#[test]
fn aura_speaks_clauses_and_tells_when_all_is_spoken() {
    let mut stream = voice();
    let url = stream.handshake("wss://h", "k").url;
    let query = "model=aura-2-thalia-en&encoding=linear16&sample_rate=16000&mip_opt_out=true";
    assert_eq!(url, format!("wss://h/v1/speak?{query}"));
    assert_eq!(
        stream.speak("Say \"so\","),
        Message::Text(r#"{"text":"Say \"so\", ","type":"Speak"}"#.into())
    );
    assert_eq!(stream.flush(MS(0)).unwrap(), Message::Text(r#"{"type":"Flush"}"#.into()));
    assert_eq!(stream.receive(&Message::Binary(vec![1, 2, 3])).unwrap(), [Spoken::Audio(vec![1, 2])]);
    assert_eq!(stream.receive(&Message::Binary(vec![4])).unwrap(), [Spoken::Audio(vec![3, 4])]);
    let flushed = message(&json!({"type": "Flushed", "sequence_id": 0}));
    assert_eq!(stream.receive(&flushed).unwrap(), [Spoken::Flushed]);
    assert_eq!(stream.receive(&flushed).unwrap(), []);
}

#[test]
fn nothing_of_what_was_cleared_is_heard() {
    let mut stream = voice();
    stream.speak("one");
    stream.flush(MS(0)).unwrap();
    stream.clear();
    assert_eq!(stream.receive(&Message::Binary(vec![0; 640])).unwrap(), []);
    assert_eq!(stream.receive(&message(&json!({"type": "Flushed", "sequence_id": 0}))).unwrap(), []);
    let cleared = message(&json!({"type": "Cleared", "sequence_id": 1}));
    assert_eq!(stream.receive(&cleared).unwrap(), [Spoken::Cleared]);
    assert_eq!(stream.receive(&Message::Binary(vec![0; 2])).unwrap(), [Spoken::Audio(vec![0; 2])]);
    assert_eq!(stream.dropped(), 2);
}

#[test]
fn a_flush_too_many_is_a_matter_of_rate() {
    let warning = |fields: Value| voice().receive(&message(&fields));
    let seen = json!({"type": "Warning", "warn_code": "EXCESSIVE_FLUSH", "warn_msg": "Rate limit exceeded."});
    let specified =
        json!({"type": "Warning", "code": "EXCESSIVE_FLUSH", "description": "Rate limit exceeded."});
    for fields in [seen, specified] {
        assert_eq!(warning(fields).unwrap_err().kind, FailureKind::RateLimited);
    }
    let other = json!({"type": "Warning", "code": "C", "description": "d"});
    assert_eq!(warning(other).unwrap(), [Spoken::Warning("Deepgram: C d".into())]);
}

/// JSON of any shape, more often than not with the keys and types that the vendor uses.
fn any_json() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<f64>().prop_map(Value::from), (-9..99).prop_map(Value::from)];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec![
            "Results",
            "TurnInfo",
            "EndOfTurn",
            "Update",
            "Flushed",
            "Cleared",
            "Warning",
            "Error"
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "start",
        "duration",
        "is_final",
        "speech_final",
        "from_finalize",
        "channel",
        "alternatives",
        "transcript",
        "words",
        "word",
        "end",
        "languages",
        "event",
        "turn_index",
        "audio_window_start",
        "audio_window_end",
        "code",
        "description",
        "x",
    ]);
    leaf.prop_recursive(5, 64, 8, move |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from);
        let object = prop::collection::vec((key.clone(), inner), 0..9)
            .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        prop_oneof![list, object]
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        any_json().prop_map(|value| message(&value)),
        ".{0,40}".prop_map(Message::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Message::Binary),
        (any::<f64>(), any::<f64>(), any::<bool>(), any::<bool>()).prop_map(|(start, duration, a, b)| {
            results(start, duration, "one two", &json!({"is_final": a, "from_finalize": b}))
        }),
        (any::<u64>(), any::<f64>(), any::<f64>(), any::<bool>()).prop_map(|(index, start, end, last)| {
            turn(
                if last { "EndOfTurn" } else { "Update" },
                index,
                [start, end],
                if last { "one" } else { "" },
            )
        }),
    ]
}

/// Stretches of a leg's audio that were given as text.
fn assert_advances(heard: Result<Vec<Heard>, Failure>, until: &mut Duration) -> Result<(), TestCaseError> {
    for heard in heard.unwrap_or_default() {
        if let Heard::Segment { text, words, until: end, .. } = heard {
            prop_assert!(end > *until, "{text:?} until {end:?} after {until:?}");
            for word in words {
                prop_assert!(
                    (word.start + word.end) / 2 + MS(10) >= *until,
                    "{word:?} again, after {until:?}"
                );
            }
            *until = end;
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_message_panics_or_goes_back(messages in prop::collection::vec(any_message(), 0..20)) {
        let (mut nova, mut flux, mut aura) = (heard_so_far(MS(1_000), 5), turns_so_far(5), voice());
        let mut until = [MS(1_000), MS(2_000)];
        nova.finish();
        flux.finish();
        for message in &messages {
            assert_advances(nova.receive(message), &mut until[0])?;
            assert_advances(flux.receive(message), &mut until[1])?;
            let _spoken = aura.receive(message);
        }
        prop_assert!(nova.until() <= MS(6_000) && flux.until() <= MS(7_000));
    }

    /// Finals repeated and in any order: each second of audio is given as text at most once, and with finals in order,
    /// all of it.
    #[test]
    fn no_second_is_heard_twice(order in prop::collection::vec(0..8_usize, 0..24), in_order: bool) {
        let order = if in_order { (0..8).flat_map(|n| [n, n]).collect() } else { order };
        let names = ["zero", "one", "two", "three", "four", "five", "six", "seven"];
        let (mut nova, mut flux) = (heard_so_far(Duration::ZERO, 8), turns_so_far(8));
        let mut said = [Vec::new(), Vec::new()];
        for &n in &order {
            let heard = nova.receive(&results(n as f64, 1.0, names[n], &is_final())).unwrap();
            said[0].extend(texts(&heard).into_iter().map(str::to_owned));
            let heard = flux.receive(&turn("EndOfTurn", n as u64, [n as f64, n as f64 + 1.0], names[n])).unwrap();
            said[1].extend(texts(&heard).into_iter().map(str::to_owned));
        }
        for said in said {
            let mut once = said.clone();
            once.dedup();
            once.sort_by_key(|text| names.iter().position(|name| name == text));
            prop_assert_eq!(&said, &once);
            prop_assert!(!in_order || said == names);
        }
        prop_assert_eq!(nova.dropped() + advancing(&order), order.len() as u64);
    }
}

/// How many of the finals advanced.
fn advancing(order: &[usize]) -> u64 {
    let mut until = 0;
    let mut count = 0;
    for &n in order {
        if n + 1 > until {
            (until, count) = (n + 1, count + 1);
        }
    }
    count
}
