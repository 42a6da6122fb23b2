//! Speakers who are heard in their own voices, and those who do not want that.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use audio_path::rtp::{self, Packet};
use dragoman_tests::interpreted::{Call, events};
use engine_emulators::{Delays, Emulator, Voices, World, xtts};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::clouds::{Clouds, converse};

fn start() -> (Runtime, Emulator, Clouds) {
    start_and("")
}

/// With these tables, too.
fn start_and(more: &str) -> (Runtime, Emulator, Clouds) {
    start_keeping("call", more)
}

/// Voices are kept as long as this says.
fn start_keeping(kept: &str, more: &str) -> (Runtime, Emulator, Clouds) {
    let runtime = Runtime::new().expect("a runtime");
    let world = World::new("", Voices::scripted([], []), Delays::NONE, 1);
    let xtts = runtime.block_on(xtts::start(Arc::new(world), 0)).expect("the emulator starts");
    let tables = format!(
        "own_voices = \"{kept}\"\n[engine.own]\nkind = \"xtts\"\nurl = \"http://{}\"\n{more}",
        xtts.address
    );
    let clouds = Clouds::start_speaking_by("own", &tables);
    (runtime, xtts, clouds)
}

fn leg(clouds: &Clouds) -> Value {
    clouds.daemon.status().expect("a status")["legs"][0]["leg"].clone()
}

fn kept(clouds: &Clouds) -> Value {
    clouds.daemon.status().expect("a status")["own_voices"]["voice_embedding_cache_size"].clone()
}

fn speak(clouds: &Clouds, call: &mut Call, times: u32) {
    for _ in 0..times {
        clouds.first.deepgram.world.voices.put_back("good morning to you all");
        converse(call);
    }
}

fn states(call: &Call) -> Value {
    let told = call.seen.iter().rfind(|event| event["type"] == "own_voices");
    told.expect("it was told")["states"].clone()
}

#[test]
fn only_who_consents_is_heard_in_his_own_voice_and_it_is_forgotten() {
    let (_runtime, xtts, clouds) = start();
    let counts = || xtts.world.tally.read();
    let mut call = clouds.call();
    assert_eq!(states(&call), json!({"en": "asked", "es": "asked"}));
    speak(&clouds, &mut call, 5);
    assert_eq!((counts().cloned, counts().audio_ms), (0, 0), "nobody consented");

    let mut consent = json!({"command": "consent", "leg": leg(&clouds), "language": "en", "answer": "yes"});
    assert_eq!(clouds.daemon.command(&consent)["type"], "obeyed");
    speak(&clouds, &mut call, 4);
    clouds.wait_until("the voice is kept", |status| status["own_voices"]["voice_embedding_cache_size"] == 1);
    assert_eq!(states(&call), json!({"en": "ready", "es": "asked"}));
    assert_eq!((counts().cloned, counts().spoken_in_cloned), (1, 0));
    assert!((6_000..=10_000).contains(&counts().audio_ms), "{:?}", counts());
    speak(&clouds, &mut call, 1);
    assert_eq!(counts().spoken_in_cloned, 1);
    drop(call);
    clouds.wait_until("the voice is forgotten", |status| {
        status["own_voices"]["voice_embedding_cache_size"] == 0
    });

    consent["leg"] = 99.into();
    assert!(clouds.daemon.command(&consent)["message"].as_str().is_some_and(|why| why.contains("no leg 99")));
    assert_eq!(counts().violations, Vec::<String>::new());
}

#[test]
fn a_consent_that_is_taken_back_makes_no_voice() {
    let (_runtime, xtts, clouds) = start();
    let mut call = clouds.call();
    for key in ["3", "8"] {
        let pressed = json!({"command": "key", "leg": leg(&clouds), "key": key});
        assert_eq!(clouds.daemon.command(&pressed)["type"], "obeyed");
        call.wait_for_quiet();
        speak(&clouds, &mut call, 2);
    }
    speak(&clouds, &mut call, 2);
    assert_eq!(states(&call), json!({"en": "forgotten", "es": "refused"}));
    assert_eq!((xtts.world.tally.read().cloned, kept(&clouds)), (0, 0.into()));
}

/// A call to 700 from the phone of this number; from nobody knows where without one.
fn call_from(clouds: &Clouds, phone: Option<&str>) -> Call {
    let name = phone.map_or_else(|| "700-1".to_owned(), |phone| format!("700-1-{phone}"));
    let mut call = Call::named(&clouds.daemon, &name);
    call.wait_for("listening", Duration::from_secs(20));
    call
}

#[test]
fn an_enrolled_voice_is_its_phones_and_nobody_elses() {
    let (_runtime, xtts, clouds) = start_keeping("extension", "");
    let spoken = || xtts.world.tally.read().spoken_in_cloned;
    let mut call = call_from(&clouds, Some("101"));
    let consent = json!({"command": "consent", "leg": leg(&clouds), "language": "en", "answer": "yes"});
    assert_eq!(clouds.daemon.command(&consent)["type"], "obeyed");
    speak(&clouds, &mut call, 4);
    clouds.wait_until("the voice is kept", |status| status["own_voices"]["voice_embedding_cache_size"] == 1);
    drop(call);
    for (phone, his) in [(Some("102"), false), (None, false), (Some("101"), true)] {
        clouds.wait_until("the other hung up", |status| status["legs"].as_array().is_some_and(Vec::is_empty));
        let before = spoken();
        let mut call = call_from(&clouds, phone);
        let state = if his { "ready" } else { "asked" };
        assert_eq!(states(&call), json!({"en": state, "es": "asked"}), "{phone:?}");
        speak(&clouds, &mut call, 1);
        assert_eq!(spoken() - before, u64::from(his), "{phone:?}");
    }
}

/// A packet of a μ-law stream.
fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let packet = Packet { payload_type, marker: false, sequence, timestamp, ssrc: 7, payload };
    let mut datagram = [0; 200];
    let length = rtp::build(&packet, &mut datagram).expect("it fits");
    datagram[..length].to_vec()
}

#[test]
fn a_key_in_rtp_does_what_it_does_everywhere() {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let table = format!("[[rtp]]\nextension = \"700\"\nlisten = \"{free}\"\ncodec = \"ulaw\"\n");
    let (_runtime, _xtts, clouds) = start_and(&table);
    let events = events(&clouds.daemon);
    let phone = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (mut seen, mut key_from) = (Vec::<Value>::new(), None);
    let refused = json!({"en": "refused", "es": "refused"});
    let is_refused = |event: &Value| event["type"] == "own_voices" && event["states"] == refused;
    for turn in 0..1_500_u16 {
        std::thread::sleep(Duration::from_millis(20));
        seen.extend(events.try_iter());
        if seen.iter().any(is_refused) {
            assert!(key_from.is_some(), "nobody pressed a key");
            return;
        }
        if key_from.is_none() && seen.iter().any(|event| event["type"] == "listening") {
            key_from = Some(turn);
        }
        let datagram = match key_from {
            Some(from) if turn - from < 8 => {
                let [high, low] = (160 * (turn - from + 1)).to_be_bytes();
                packet(101, turn, u32::from(from) * 160, &[8, 10, high, low])
            }
            _ => packet(0, turn, u32::from(turn) * 160, &[0xff; 160]),
        };
        phone.send_to(&datagram, free).expect("sent");
    }
    panic!("the key is not heard: {seen:#?}");
}
