//! The daemon's health server: what it tells without engines, whom it answers, and what it bears.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::Daemon;
use dragoman_tests::fake_phone::FakePhone;

const NOBODY_THERE: &str = "[device]\nspeech = \"tcp://127.0.0.1:1\"\ntranslation = \"http://127.0.0.1:1\"\n\
     [[room]]\nextension = \"790\"\nkind = \"echo\"\n";

#[test]
fn without_an_engine_for_each_stage_the_box_is_not_well() {
    let daemon = Daemon::start_with(NOBODY_THERE);
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        let (status, health) = daemon.health();
        let reasons: Vec<_> = health["reasons"].as_array().expect("a list").iter().collect();
        let stages: Vec<_> = reasons.iter().filter(|r| r["kind"] == "down").map(|r| &r["stage"]).collect();
        if stages == ["asr", "mt", "tts"] {
            assert_eq!((status, &health["status"]), (503, &"failing".into()));
            let words = ["tcp://127.0.0.1:1", "dragoman-engines"];
            let advice = reasons[0]["advice"].as_str().expect("words");
            assert!(words.iter().all(|word| advice.contains(word)), "{advice}");
            return;
        }
        assert!(Instant::now() < until, "{health:#}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn metrics_are_text_that_a_scraper_reads() {
    let daemon = Daemon::start();
    let phone = FakePhone::connect(&daemon.pipes(), "790-1");
    assert!(phone.hears_itself_within(Duration::from_secs(5)));
    let (status, text) = daemon.get("/metrics", "127.0.0.1:8080");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    for name in [
        "active_channels 1.0",
        "service_health{component=\"asr\",engine=\"device\"}",
        "recoveries_total{component=\"tts\",tier=\"hard\",success=\"false\"} 0",
        "recoveries_total{component=\"tts\",tier=\"reset\",success=\"false\"} 0",
        "recoveries_total{component=\"web\",tier=\"reset\",success=\"true\"} 0",
        "frames_dropped_total{reason=",
        "queue_depth{queue=\"input\"} 0.0",
        "queue_depth{queue=\"playback\"} 0.0",
        "media_tick_lateness_seconds{quantile=\"0.99\"}",
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(daemon.metric("frames_processed_total") > 0.0);
    assert!(daemon.metric("runtime_tasks") > 0.0);
    assert!(daemon.metric("service_uptime_seconds") > 0.0);
}

#[test]
fn strangers_names_and_other_methods_are_refused() {
    let daemon = Daemon::start();
    let status = |path, host| daemon.get(path, host).0;
    assert_eq!(status("/healthz", "evil.example"), 421);
    assert_eq!(status("/metrics", "localhost.evil.example:8080"), 421);
    assert_eq!(status("/metrics", "localhost:8080"), 200);
    assert_eq!(status("/nothing", "localhost"), 404);
    let post = "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(daemon.ask(post).0, 405);
    assert_eq!(daemon.ask("GET /healthz HTTP/1.0\r\n\r\n").0, 421);
}

#[test]
fn clients_that_never_end_their_request_keep_nobody_out_for_long() {
    let daemon = Daemon::start();
    let before = daemon.holding();
    let mut slow: Vec<_> = (0..100).map(|_| daemon.health_connection()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").expect("it is taken");
    }
    let phone = FakePhone::connect(&daemon.pipes(), "790-1");
    assert!(phone.hears_itself_within(Duration::from_secs(2)), "a call is not kept waiting");
    // The first sixteen lose their places after five seconds each; the others leave.
    let first = slow.remove(0);
    drop(slow);
    assert_eq!(daemon.health().0, 503);
    let mut rest = Vec::new();
    let ended = (&first).read_to_end(&mut rest);
    assert!(ended.is_ok(), "it is hung up: {ended:?}");
    drop((first, phone));
    daemon.assert_nothing_left(&before);
}

#[test]
fn clients_that_say_nothing_keep_nobody_out_for_long() {
    let daemon = Daemon::start();
    let silent: Vec<_> = (0..40).map(|_| daemon.health_connection()).collect();
    let began = Instant::now();
    daemon.health();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    drop(silent);
}

#[test]
fn ten_thousand_requests_cost_no_memory() {
    let daemon = Daemon::start();
    daemon.health();
    let before = daemon.resident_kib();
    let mut stream = daemon.health_connection();
    let mut answers = vec![0; 64 << 10];
    for _ in 0..10_000 {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
        let read = stream.read(&mut answers).expect("an answer");
        assert!(answers[..read].starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answers[..read]));
    }
    let grown = daemon.resident_kib().saturating_sub(before);
    assert!(grown <= 5 * 1_024, "{grown} KiB");
    assert_eq!(daemon.status().expect("a status")["media"]["allocations"], 0);
}
