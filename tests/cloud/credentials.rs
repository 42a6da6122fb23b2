//! What only a person can mend: the key, the quota, the certificate. (Rows 13, 16, 25 of the fault matrix.)

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine_emulators::Fault;

use crate::clouds::{Clouds, KEY, converse};
use crate::strangers::Stranger;

#[test]
fn a_wrong_key_is_asked_once_named_and_served_around() {
    let clouds = Clouds::start_with("another-key", None);
    let started = Instant::now();
    for stage in ["asr", "mt", "tts"] {
        assert_eq!(clouds.engine(stage, 0)["fault"]["kind"], "credential", "{}", clouds.engine(stage, 0));
        assert_eq!(clouds.engine(stage, 0)["health"], "failed");
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    assert!(clouds.daemon.logged().contains("credential"), "{}", clouds.daemon.logged());
    assert!(!clouds.daemon.logged().contains("another-key"), "the key is not shown");

    let mut call = clouds.call();
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, "spare good morning to you all");
    for counts in [clouds.first.heard(), clouds.first.spoken()] {
        assert!(counts.requests <= 1 && counts.connections == 0, "no storm: {counts:?}");
    }
    assert!(clouds.first.translated().requests <= 1, "{:?}", clouds.first.translated());
}

#[test]
fn a_recogniser_that_turns_away_midway_is_not_asked_again() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    let script = &clouds.first.deepgram.world.script;
    let before = clouds.first.heard();
    for _ in 0..5 {
        let after = Duration::from_millis(600);
        script.push(Fault::Close {
            code: 1008,
            reason: "Policy violation: no such project".to_owned(),
            after,
        });
    }
    drop(call);
    call = clouds.call();
    let (heard, _, took) = converse(&mut call);
    assert!(!heard.is_empty());
    assert!(took <= Duration::from_millis(480 + 1_000), "{took:?}");
    let now = clouds.first.heard();
    assert!(now.connections - before.connections <= 2, "no storm: {now:?}");
    assert_eq!(clouds.engine("asr", 0)["fault"]["kind"], "credential", "{}", clouds.engine("asr", 0));
}

#[test]
fn a_spent_quota_is_asked_once_and_named() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    let asked = clouds.first.translated().requests;
    (0..20)
        .for_each(|_| clouds.first.deepl.world.script.push(Fault::Refuse { status: 456, retry_after: None }));
    for words in ["good morning to you all", "where is the station"] {
        let (_, said, _) = converse(&mut call);
        assert_eq!(said, format!("spare {words}"));
    }
    assert_eq!(clouds.first.translated().requests - asked, 1, "it is not asked again");
    let engine = clouds.engine("mt", 0);
    assert_eq!((&engine["fault"]["kind"], &engine["breaker"]), (&"quota".into(), &"open".into()), "{engine}");
}

#[test]
fn nothing_is_said_to_a_server_that_nobody_vouches_for() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let Stranger { url, told } = Stranger::with(&made.cert, &made.signing_key);
    let clouds = Clouds::start_with(KEY, Some(&url));
    for stage in ["asr", "tts"] {
        assert_eq!(clouds.engine(stage, 0)["fault"]["kind"], "certificate", "{}", clouds.engine(stage, 0));
    }
    let mut call = clouds.call();
    let (heard, said, took) = converse(&mut call);
    assert_eq!((heard.as_str(), said.as_str()), ("good morning to you all", "first good morning to you all"));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(told.load(Ordering::Relaxed), 0, "bytes were sent to a stranger");
}
