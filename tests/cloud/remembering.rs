//! What was translated a moment ago is not asked for again.

use serde_json::Value;

use crate::clouds::{Clouds, converse};

fn cache(clouds: &Clouds) -> Value {
    clouds.daemon.status().expect("a status")["translation_cache"].clone()
}

#[test]
fn what_one_call_said_is_known_to_the_next() {
    let clouds = Clouds::start();
    let words = "good morning to you all";
    clouds.first.deepgram.world.voices.put_back(words);
    assert!(cache(&clouds)["hit_rate"].is_null(), "{}", cache(&clouds));

    let mut call = clouds.call();
    let (_, said, _) = converse(&mut call);
    assert_eq!((said, &cache(&clouds)["misses"]), (format!("first {words}"), &1.into()));
    drop(call);

    let asked = clouds.first.translated().requests;
    let mut call = clouds.call();
    // A leg that begins looks whether its translator is there.
    let warmed = clouds.first.translated().requests;
    assert!(warmed - asked <= 1);
    let (heard, said, _) = converse(&mut call);
    assert_eq!((heard.as_str(), said), (words, format!("first {words}")));
    assert_eq!(clouds.first.translated().requests, warmed, "nobody is asked");
    let counts = cache(&clouds);
    assert_eq!((&counts["hits"], &counts["entries"]), (&1.into(), &1.into()), "{counts}");
    assert_eq!(counts["hit_rate"], 0.5);
}
