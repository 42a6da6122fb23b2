//! Deepgram's Flux, whose model ends turns itself.

use std::time::Duration;

use crate::clouds::{Clouds, Plan, WORDS, converse};
use crate::marked;

/// Words of an utterance …
const SAID: u16 = 40;
/// … and of a clause.
const CLAUSE: usize = 13;

fn on_flux(plan: Plan) -> Clouds {
    Clouds::planned(Plan { hears: "deepgram-flux", ..plan })
}

#[test]
fn a_call_on_flux_is_heard_translated_and_spoken() {
    let clouds = on_flux(Plan::default());
    let before = clouds.first.heard().connections;
    let mut call = clouds.call();
    for words in &WORDS[..3] {
        let (heard, said, _) = converse(&mut call);
        assert_eq!((heard.as_str(), said), (*words, format!("first {words}")), "{}", clouds.daemon.logged());
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    let counts = clouds.first.heard();
    assert_eq!((counts.connections, counts.violations), (before + 1, Vec::new()), "one line for the call");
}

#[test]
fn no_word_is_lost_where_a_line_to_flux_breaks_in_an_utterance() {
    let clouds = on_flux(Plan { heard: Vec::new(), ..Plan::default() });
    let mut call = clouds.call();
    // The last echo of the announcement.
    (0..20).for_each(|_| call.pass(false));
    for words in [0..SAID, SAID..2 * SAID] {
        let (lines, before) = (clouds.first.heard().connections, call.seen.len());
        let midway = words.start + SAID / 2;
        marked::say(&mut call, words.start..midway, CLAUSE);
        clouds.first.lines[0].hang_up();
        marked::say(&mut call, midway..words.end, CLAUSE);
        call.wait_since(before, "final", Duration::from_secs(12));
        call.wait_since(before, "playback_ended", Duration::from_secs(12));
        (0..20).for_each(|_| call.pass(false));
        assert!(clouds.first.heard().connections > lines, "the line was made again");
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    assert_eq!(marked::heard(&call), marked::text(0..2 * SAID), "{}", clouds.daemon.logged());
}

#[test]
fn a_wrong_key_for_flux_is_told_and_served_around() {
    let clouds = on_flux(Plan { key: "another-key", ..Plan::default() });
    let engine = clouds.engine("asr", 0);
    assert_eq!(
        (&engine["fault"]["kind"], &engine["health"]),
        (&"credential".into(), &"failed".into()),
        "{engine}"
    );
    let mut call = clouds.call();
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), (WORDS[0], "spare good morning to you all"));
    let counts = clouds.first.heard();
    assert!(counts.requests <= 1 && counts.connections == 0, "no storm: {counts:?}");
}
