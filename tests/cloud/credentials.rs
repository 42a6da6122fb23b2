//! What only a person can mend: the key, the quota, the certificate. (Rows 13, 16, 25 of the fault matrix.)

use std::time::{Duration, Instant};

use engine_emulators::Fault;

use crate::clouds::{Clouds, converse};

#[test]
fn a_wrong_key_is_asked_once_named_and_served_around() {
    let clouds = Clouds::start_with("another-key");
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
    let counts = clouds.first.heard();
    assert!(counts.requests <= 2 && counts.connections == 0, "no storm: {counts:?}");
    assert!(clouds.first.translated().requests <= 1, "{:?}", clouds.first.translated());
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
