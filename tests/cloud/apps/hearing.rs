//! What programs hear of a call.

use std::time::Duration;

use audio_path::FRAME_BYTES;
use serde_json::{Value, json};

use super::Rig;
use super::program::{Program, Sound};
use crate::clouds::WORDS;
use crate::conference::{Conference, count};

/// The room's two callers, an English one and a Spanish one, who were told that a machine translates.
fn call(rig: &Rig) -> Conference {
    let mut call = Conference::dial(&rig.clouds, "800", &[101, 103]);
    call.pass_until(|seen| count(seen, "listening") == 2);
    call.wait(Duration::from_secs(1));
    call
}

fn assert_whole(sounds: &[Sound]) {
    for (place, sound) in sounds.iter().enumerate() {
        assert_eq!(sound.place, place as u64, "a frame is missing");
        assert_eq!(sound.samples.len(), 2 * FRAME_BYTES);
    }
    assert!(sounds.is_sorted_by_key(|sound| sound.at_ms));
}

fn is_loud(sound: &Sound) -> bool {
    sound.samples.bytes().any(|digit| digit != b'0')
}

#[test]
fn a_program_hears_who_comes_what_is_said_and_what_of_it_is_heard() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    program.say(&json!({ "type": "rooms", "id": 7 }));
    let rooms = program.wait_for("rooms");
    assert_eq!((&rooms["id"], &rooms["rooms"]), (&json!(7), &json!([])));
    let numbers = rooms["numbers"].as_array().expect("a list");
    assert!(numbers.contains(&json!({ "extension": "800", "kind": "conference", "languages": [] })));
    program.subscribe("800");
    let mut call = call(&rig);
    program.say(&json!({ "type": "rooms" }));
    let rooms = program.wait_for("rooms");
    let legs = rooms["rooms"][0]["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 2, "{rooms}");
    let ann = legs.iter().find(|leg| leg["id"] == "800-101-101").expect("she is there");
    assert_eq!(ann["language"], "en");
    let ann = ann["leg"].clone();

    call.said.clear();
    call.say(0, 1);
    call.wait(Duration::from_secs(1));
    program.catch_up();
    let transcript = |kind: &str| -> Vec<&Value> {
        let told = program.seen.iter().filter(|value| value["type"] == "transcript");
        told.filter(|value| value["event"]["type"] == kind).collect()
    };
    let (heard, said) = (transcript("final"), transcript("translation"));
    assert_eq!((heard.len(), said.len()), (1, 1), "{:#?}", program.words_told());
    assert_eq!((&heard[0]["room"], &heard[0]["event"]["leg"]), (&json!("800"), &ann));
    let text = heard[0]["event"]["text"].as_str().expect("a text");
    assert!(WORDS.contains(&text), "{text}");
    let translation = &said[0]["event"];
    assert_eq!(
        [&translation["text"], &translation["source_lang"], &translation["target_lang"]],
        [&json!(format!("first {text}")), &json!("en"), &json!("es")]
    );

    let speech = program.streams("speech");
    let of_ann = speech.iter().find(|stream| stream["leg"] == ann).expect("her stream");
    let frames = program.heard(of_ann);
    assert_whole(&frames);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let wanted: Vec<String> = call.said.iter().map(|frame| hex(&frame.to_wire())).collect();
    let got: Vec<&String> = frames.iter().map(|frame| &frame.samples).collect();
    let whole = got.windows(wanted.len()).any(|window| window.iter().copied().eq(&wanted));
    assert!(whole, "{} frames were said, {} heard, not to the bit", wanted.len(), got.len());

    let translations = program.streams("translation");
    assert_eq!((translations.len(), &translations[0]["language"]), (1, &json!("es")));
    let frames = program.heard(translations[0]);
    assert_whole(&frames);
    assert!(frames.iter().filter(|frame| is_loud(frame)).count() > 10);

    drop(call);
    program.wait_until("the room is closed", |value| value["event"]["type"] == "closed");
    let kinds: Vec<_> = program.events().filter_map(|event| event["type"].as_str()).collect();
    for (kind, wanted) in [("joined", 2), ("left", 2), ("listening", 2), ("speech_started", 1)] {
        assert_eq!(kinds.iter().filter(|told| **told == kind).count(), wanted, "{kind}: {kinds:?}");
    }
    let ends = program.seen.iter().filter(|value| value["type"] == "audio_end").count();
    assert_eq!(ends, program.streams("speech").len() + 1);
    program.leave();
    rig.assert_all_gone();
    assert_eq!(rig.ended("left"), 1);
}

#[test]
fn who_wants_words_alone_gets_words_alone_and_who_leaves_a_room_gets_nothing() {
    let rig = Rig::start();
    let (mut reader, mut former) = (Program::start(&rig), Program::start(&rig));
    reader.say(&json!({ "type": "subscribe", "room": "*", "transcripts": true }));
    reader.wait_for("subscribed");
    former.subscribe("800");
    former.say(&json!({ "type": "unsubscribe", "id": 2, "room": "800" }));
    assert_eq!(former.wait_for("unsubscribed")["id"], 2);
    former.say(&json!({ "type": "unsubscribe", "id": 3, "room": "800" }));
    let refused = former.wait_for("error");
    assert!(refused["id"] == 3 && refused["message"].as_str().is_some_and(|text| text.contains("800")));
    let mut call = call(&rig);
    call.say(1, 1);
    reader.wait_until("a translation", |value| value["event"]["type"] == "translation");
    reader.catch_up();
    former.catch_up();
    let kinds: Vec<_> = reader.seen.iter().filter_map(|value| value["type"].as_str()).collect();
    assert!(kinds[2..].iter().all(|kind| *kind == "transcript"), "{kinds:?}");
    assert_eq!(former.events().count(), 0, "{:#?}", former.seen);
}
