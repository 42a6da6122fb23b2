//! What passes: broken lines, slow and broken answers. (Rows 12, 14, 15, 17 to 21 of the fault matrix.)

use std::collections::BTreeSet;
use std::time::Duration;

use engine_emulators::{Fault, Weather};

use crate::clouds::{Clouds, Plan, converse};
use crate::marked;

#[test]
fn a_recogniser_that_hangs_up_midway_is_called_again_and_told_all() {
    let clouds = Clouds::start();
    let after = Duration::from_millis(700);
    let reason = "NET-0001".to_owned();
    clouds.first.deepgram.world.script.push(Fault::Close { code: 1011, reason, after });
    let mut call = clouds.call();
    let before = clouds.first.heard();
    let (heard, ..) = converse(&mut call);
    assert!(!heard.is_empty());
    let now = clouds.first.heard();
    assert_eq!(now.connections - before.connections, 1, "it is called again, and the spare is not needed");
    assert!(now.audio_ms - before.audio_ms > 2_400, "what was not answered is said again: {now:?}");
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
}

#[test]
fn a_translator_that_wants_peace_gets_it() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    let asked = clouds.first.translated().requests;
    clouds.first.deepl.world.script.push(Fault::Refuse { status: 429, retry_after: Some(60) });
    for words in ["good morning to you all", "where is the station"] {
        let (_, said, took) = converse(&mut call);
        assert_eq!(said, format!("spare {words}"));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    assert_eq!(clouds.first.translated().requests - asked, 1);
    assert_eq!(clouds.engine("mt", 0)["fault"]["kind"], "rate_limited");
}

#[test]
fn a_translator_that_is_broken_is_soon_left_alone() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    let asked = clouds.first.translated().requests;
    (0..50)
        .for_each(|_| clouds.first.deepl.world.script.push(Fault::Refuse { status: 503, retry_after: None }));
    for words in ["good morning to you all", "where is the station", "thank you very much"] {
        let (_, said, took) = converse(&mut call);
        assert_eq!(said, format!("spare {words}"));
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    // A first request, its retries, and probes of an open breaker.
    let requests = clouds.first.translated().requests - asked;
    assert!((1..=7).contains(&requests), "{requests}");
}

#[test]
fn services_that_want_peace_at_the_door_get_it() {
    let clouds = Clouds::start();
    let refuse = Fault::Refuse { status: 429, retry_after: Some(60) };
    let services = [&clouds.first.deepgram, &clouds.first.aura];
    let asked = services.map(|service| service.world.tally.read().requests);
    for service in services {
        (0..5).for_each(|_| service.world.script.push(refuse.clone()));
    }
    let mut call = clouds.call();
    for _ in 0..2 {
        converse(&mut call);
    }
    let now = services.map(|service| service.world.tally.read().requests);
    // A line of each voice, or a leg's warm line, may be asked for at the same time.
    for (stage, (now, asked)) in ["asr", "tts"].iter().zip(now.iter().zip(asked)) {
        assert!(now - asked <= 2, "{stage}: {} requests", now - asked);
        assert_eq!(clouds.engine(stage, 0)["fault"]["kind"], "rate_limited", "{}", clouds.engine(stage, 0));
    }
}

#[test]
fn a_translation_that_comes_late_is_not_heard() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    clouds.first.deepl.world.script.push(Fault::Late(Duration::from_secs(5)));
    let (_, said, took) = converse(&mut call);
    assert_eq!(said, "spare good morning to you all");
    assert!(took <= Duration::from_millis(480 + 2_000), "{took:?}");
    (0..250).for_each(|_| call.pass(false));
    let translations = call.seen.iter().filter(|event| event["type"] == "translation").count();
    assert_eq!(translations, 1, "{:#?}", call.seen);
}

#[test]
fn a_translator_that_never_answers_is_not_waited_for() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    clouds.first.deepl.world.script.push(Fault::Silence);
    let (_, said, took) = converse(&mut call);
    assert_eq!(said, "spare good morning to you all");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(clouds.engine("mt", 0)["fault"]["kind"], "slow");
}

#[test]
fn a_dead_line_is_noticed_and_the_utterance_saved() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    clouds.first.lines[0].set(Weather::Swallows);
    let (heard, _, took) = converse(&mut call);
    assert!(!heard.is_empty());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    assert!(!clouds.engine("asr", 0)["fault"].is_null(), "{}", clouds.engine("asr", 0));
}

/// Half of an object, wrong types, none of the types there are, NUL, no UTF-8.
const GARBAGE: [&[u8]; 6] = [
    b"{\"type\":\"Resu",
    b"{\"type\":\"Results\",\"is_final\":\"yes\"}",
    b"[]",
    b"\0",
    b"{\"type\":\"Results\0\"}\0",
    b"\xff\x00\x07",
];

#[test]
fn garbage_is_refused_and_its_line_lives() {
    let clouds = Clouds::start();
    let lines = || clouds.first.heard().connections;
    let before = lines();
    let garbage = GARBAGE.map(<[u8]>::to_vec).to_vec();
    clouds.first.deepgram.world.script.push(Fault::Garbage(garbage));
    let mut call = clouds.call();
    for words in ["good morning to you all", "where is the station", "thank you very much"] {
        let (heard, said, _) = converse(&mut call);
        assert_eq!((heard.as_str(), said), (words, format!("first {words}")));
    }
    assert_eq!(lines(), before + 1, "{}", clouds.daemon.logged());
    let refused = clouds.daemon.logged().matches("a message of the recogniser is passed over").count();
    assert_eq!(refused, GARBAGE.len(), "{}", clouds.daemon.logged());
}

#[test]
fn garbage_and_floods_in_place_of_a_translation_harm_nothing() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    let memory = clouds.daemon.resident_kib();
    let floods = &clouds.first.deepl.world.script;
    floods.push(Fault::Flood { most: 100 << 20 });
    floods.push(Fault::GzipBomb);
    floods.push(Fault::Garbage(vec![b"{\"translations\":7}".to_vec()]));
    for words in ["good morning to you all", "where is the station", "thank you very much"] {
        let (heard, said, _) = converse(&mut call);
        assert_eq!(heard, words);
        assert!(said.ends_with(words), "{said}");
    }
    let grown = clouds.daemon.resident_kib().saturating_sub(memory);
    assert!(grown <= 10 * 1_024, "{grown} KiB more");
}

#[test]
fn finals_that_come_twice_are_spoken_once() {
    let clouds = Clouds::start();
    clouds.first.deepgram.world.script.push(Fault::RepeatFinals);
    let mut call = clouds.call();
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), ("good morning to you all", "first good morning to you all"));
    let translations = call.seen.iter().filter(|event| event["type"] == "translation").count();
    assert_eq!(translations, 1, "{:#?}", call.seen);
}

#[test]
fn finals_that_change_places_are_spoken_once() {
    const WORDS: u16 = 12;
    let clouds = Clouds::planned(Plan { heard: Vec::new(), ..Plan::default() });
    (0..40).for_each(|_| clouds.first.deepgram.world.script.push(Fault::SwapFinals));
    let mut call = clouds.call();
    (0..20).for_each(|_| call.pass(false));
    let spoken = || clouds.first.spoken().texts + clouds.spare.spoken().texts;
    let before = spoken();
    for utterance in 0..6 {
        let seen = call.seen.len();
        // A clause and a half: one final comes while it is spoken, and one at its end.
        marked::say(&mut call, utterance * WORDS..(utterance + 1) * WORDS, 8);
        // Where its last text came first, what was held back until then is late: nothing may be left to be spoken.
        call.wait_since(seen, "final", Duration::from_secs(12));
        (0..120).for_each(|_| call.pass(false));
    }
    assert!(clouds.first.heard().swapped >= 3, "{:?}", clouds.first.heard());
    let heard = marked::heard(&call);
    let words: Vec<_> = heard.split_whitespace().collect();
    let once: BTreeSet<_> = words.iter().collect();
    assert_eq!(once.len(), words.len(), "{heard}");
    let translations = call.seen.iter().filter(|event| event["type"] == "translation").count() as u64;
    assert_eq!(spoken() - before, translations, "{:#?}", call.seen);
}
