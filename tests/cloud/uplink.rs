//! The uplink goes on a running box: whoever is asked over it, or would be, is known to have no network within two seconds, and
//! to have one again without a restart. Who takes connections and says nothing is slow. (Rows 18 and 22 of the fault matrix.)

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::network::{Swallowed, Unplugged, take_addresses};
use engine_emulators::Fault;

use crate::clouds::{Clouds, Plan, WORDS, converse};

const SOON: Duration = Duration::from_secs(2);
const STAGES: [&str; 3] = ["asr", "mt", "tts"];

impl Clouds {
    /// All is well; the first cloud is at this address, the spare on loopback.
    fn at(host: Ipv4Addr) -> Self {
        take_addresses([host].iter());
        let clouds = Self::planned(Plan { host, ..Plan::default() });
        assert_eq!(clouds.daemon.health().1["status"], "ok", "{:#}", clouds.daemon.health().1);
        clouds
    }

    /// Whether it is told everywhere that the first engine of `stage` has no network.
    fn has_told(&self, stage: &str) -> bool {
        let engine = format!("first-{stage}");
        let health = self.daemon.health().1;
        let mut reasons = health["reasons"].as_array().expect("a list").iter();
        let labels =
            format!("component=\"{stage}\",engine=\"{engine}\",error_type=\"network\",severity=\"warning\"");
        reasons.any(|reason| reason["engine"] == engine && reason["kind"] == "network")
            && self.daemon.metric(&format!("errors_total{{{labels}}}")) >= 1.0
            && self.daemon.logged().contains(&format!("{stage}: {engine} fails, network: "))
    }

    /// When that was told, of each stage.
    fn when_told(&self, stages: &[&str], limit: Duration) -> Vec<Instant> {
        let until = Instant::now() + limit;
        let mut told = vec![None; stages.len()];
        while told.contains(&None) {
            assert!(Instant::now() < until, "{stages:?}, {told:?}: {}", self.daemon.logged());
            for (stage, told) in stages.iter().zip(&mut told) {
                if told.is_none() && self.has_told(stage) {
                    *told = Some(Instant::now());
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        told.into_iter().flatten().collect()
    }
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn a_cable_that_is_pulled_and_put_back_is_told_while_nobody_calls() {
    let host = Ipv4Addr::new(10, 9, 1, 1);
    let clouds = Clouds::at(host);
    let asked = || [clouds.first.heard().requests, clouds.first.translated().requests];
    let cable = Unplugged::new(host);
    let pulled = Instant::now();
    let told = clouds.when_told(&STAGES, Duration::from_secs(8));
    let told: Vec<_> = told.into_iter().map(|told| told - pulled).collect();
    println!("told after {told:?}");
    assert!(told.iter().all(|told| *told <= SOON), "{told:?}");
    let before = asked();
    drop(cable);
    let back = Instant::now();
    clouds.wait_until("all work again", |status| {
        STAGES.iter().all(|stage| status["engines"][stage][0]["fault"].is_null())
    });
    println!("works again after {:?}", back.elapsed());
    assert!(back.elapsed() <= SOON, "{:?}", back.elapsed());
    assert!(asked().iter().zip(before).all(|(now, before)| now - before <= 2), "{:?}, {before:?}", asked());
}

/// While nobody speaks the recogniser's line tells; translator and voice tell when they are asked, and others do it.
fn swallowed_in_a_pause() {
    let host = Ipv4Addr::new(10, 9, 2, 1);
    let clouds = Clouds::at(host);
    // What was translated before would be remembered.
    let mut call = clouds.call();
    let _link = Swallowed::new(host);
    let died = Instant::now();
    while !clouds.has_told("asr") {
        assert!(died.elapsed() <= SOON, "{}", clouds.daemon.logged());
        call.pass(false);
    }
    println!("the recogniser's idle line tells after {:?}", died.elapsed());
    thread::scope(|scope| {
        let told = scope.spawn(|| clouds.when_told(&["mt", "tts"], Duration::from_secs(20)));
        let before = call.seen.len();
        call.say(3);
        let ended = Instant::now();
        call.wait_since(before, "final", Duration::from_secs(8));
        let heard = Instant::now();
        let said = call.wait_since(before, "translation", Duration::from_secs(8))["text"].clone();
        let translated = Instant::now();
        call.wait_since(before, "playback_started", Duration::from_secs(8));
        println!("heard after {:?}", ended.elapsed());
        assert_eq!(said, format!("spare {}", WORDS[0]));
        let told = told.join().expect("both are told");
        let took = [(heard, told[0]), (translated, told[1])].map(|(asked, told)| told.duration_since(asked));
        println!("translator and voice are told after {took:?}");
        assert!(took.iter().all(|took| *took <= SOON), "{took:?}");
    });
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
}

/// It is told while somebody speaks, and no word is lost.
fn swallowed_in_speech() {
    let host = Ipv4Addr::new(10, 9, 3, 1);
    let clouds = Clouds::at(host);
    let mut call = clouds.call();
    converse(&mut call);
    (0..25).for_each(|_| call.pass(true));
    let _link = Swallowed::new(host);
    let died = Instant::now();
    while !clouds.has_told("asr") {
        assert!(died.elapsed() <= SOON, "{}", clouds.daemon.logged());
        call.pass(true);
    }
    println!("the recogniser's line tells after {:?}", died.elapsed());
    let before = call.seen.len();
    call.wait_since(before, "final", Duration::from_secs(8));
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn an_uplink_that_swallows_all_in_a_call_is_no_slow_engine() {
    let cases: [fn(); 2] = [swallowed_in_a_pause, swallowed_in_speech];
    let failed = cases.map(thread::spawn).map(|case| case.join().is_err());
    assert_eq!(failed, [false; 2]);
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn who_takes_connections_and_says_nothing_is_slow() {
    let clouds = Clouds::at(Ipv4Addr::new(10, 9, 4, 1));
    for silent in [&clouds.first.deepgram, &clouds.first.deepl, &clouds.first.aura] {
        (0..2).for_each(|_| silent.world.script.push(Fault::Silence));
    }
    let mut call = clouds.call();
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, format!("spare {}", WORDS[0]));
    let logged = clouds.daemon.logged();
    for stage in STAGES {
        assert!(logged.contains(&format!("{stage}: first-{stage} fails, slow: ")), "{stage}: {logged}");
    }
    assert!(!logged.contains("swallows"), "{logged}");
}
