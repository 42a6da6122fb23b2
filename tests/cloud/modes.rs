//! What the configuration says of who is translated.

use std::time::Duration;

use crate::clouds::{Clouds, Plan};
use crate::conference::{Conference, asked, count, states};

const TABLES: &str = "[[room]]\nextension = \"802\"\nkind = \"conference\"\nmode = \"passthrough\"\n\
    [[room]]\nextension = \"803\"\nkind = \"conference\"\nmode = \"unidirectional\"\n\
    [[phone]]\nextension = \"101\"\nname = \"Ann\"\nlanguage = \"en\"\n\
    [[phone]]\nextension = \"103\"\nname = \"Eva\"\nlanguage = \"es\"\n";
/// Softer is no voice that is heard as it is.
const LOUD_DBFS: f32 = -30.0;

fn start(calls: &str) -> Clouds {
    Clouds::planned(Plan { tables: format!("{TABLES}{calls}"), ..Plan::default() })
}

/// One speaks, is heard by the other as he is, and no engine hears of it.
fn assert_as_it_is(clouds: &Clouds, both: &mut Conference, speaker: usize) {
    let [translations, texts, lines] = asked(clouds);
    both.say(speaker, 0);
    let told = ["listening", "final", "translation"].map(|kind| count(&both.seen, kind));
    assert_eq!(told, [0; 3], "{:#?}", both.seen);
    assert_eq!(asked(clouds), [translations, texts, lines]);
    assert!(both.loudest[1 - speaker] > LOUD_DBFS, "{:?}", both.loudest);
}

#[test]
fn what_passes_through_is_asked_of_no_engine() {
    let clouds = start("[calls]\nmode = \"passthrough\"\n");
    let names = [["802-1.1-101", "802-1.2-103"], ["103-2.1-101-2.1", "103-2.2-103-2.1"]];
    for (names, speakers) in names.into_iter().zip([0..2, 1..2]) {
        let mut both = Conference::of_legs(&clouds, &names.map(str::to_owned));
        both.wait(Duration::from_secs(1));
        speakers.for_each(|speaker| assert_as_it_is(&clouds, &mut both, speaker));
        assert_eq!(states(&clouds), ["connected"; 2]);
        drop(both);
        clouds.wait_until("nobody is there", |status| status["legs"].as_array().is_some_and(Vec::is_empty));
    }
}

#[test]
fn one_way_only_the_first_is_translated() {
    let clouds = start("");
    let mut both = Conference::dial(&clouds, "803", &[101, 103]);
    both.pass_until(|seen| count(seen, "listening") == 2);
    both.wait(Duration::from_secs(1));
    let [translations, texts, _] = asked(&clouds);
    both.say(0, 1);
    assert_eq!(count(&both.seen, "final"), 1, "{:#?}", both.seen);
    let told = both.seen.iter().find(|event| event["type"] == "translation").expect("it is told");
    assert_eq!(told["target_lang"], "es");
    assert_eq!(asked(&clouds)[..2], [translations + 1, texts + 1]);
    assert_as_it_is(&clouds, &mut both, 1);
}
