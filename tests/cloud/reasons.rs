//! What a technician is told when something fails: in the log, at `/healthz` and in the metrics, within two seconds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Delays, Fault, Voices, World, xtts};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::clouds::{Clouds, KEY, Plan, converse};
use crate::strangers::Authority;

const SOON: Duration = Duration::from_secs(2);

impl Clouds {
    /// The reason that `/healthz` has for `engine` now, if it is of this kind.
    fn reason(&self, engine: &str, kind: &str) -> Option<Value> {
        let (status, health) = self.daemon.health();
        let reasons = health["reasons"].as_array().expect("a list");
        let reason = reasons.iter().find(|reason| reason["engine"] == engine && reason["kind"] == kind)?;
        assert_eq!((status, &health["status"]), (200, &"degraded".into()), "the spare serves");
        Some(reason.clone())
    }

    /// The reason that the first engine of `stage` is said to fail for since the daemon was there, which is told everywhere.
    fn told(&self, stage: &str, kind: &str, severity: &str) -> Value {
        assert!(self.tried_within <= SOON, "{:?}", self.tried_within);
        let engine = format!("first-{stage}");
        let reason = self.reason(&engine, kind);
        let reason = reason.unwrap_or_else(|| panic!("{kind} is not told: {:#}", self.daemon.health().1));
        assert_eq!(reason["stage"], stage);
        let errors = format!(
            "errors_total{{component=\"{stage}\",engine=\"{engine}\",error_type=\"{kind}\",severity=\"{severity}\"}}"
        );
        assert!(self.daemon.metric(&errors) >= 1.0, "{}", self.daemon.get("/metrics", "localhost").1);
        let line = format!("{stage}: {engine} fails, {kind}: ");
        assert!(self.daemon.logged().contains(&line), "{}", self.daemon.logged());
        reason
    }
}

fn until(what: &str, limit: Duration, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a reason advises.
fn advice(reason: &Value) -> &str {
    reason["advice"].as_str().expect("words")
}

#[test]
fn a_wrong_key_is_told_with_the_place_where_it_belongs() {
    let clouds = Clouds::start_with("another-key", None);
    for stage in ["asr", "mt", "tts"] {
        let reason = clouds.told(stage, "credential", "critical");
        let words = format!("put the key of first-{stage} into /");
        assert!(advice(&reason).contains(&words), "{reason:#}");
        assert!(!reason.to_string().contains("another-key"));
    }
    let health = clouds.daemon.metric("service_health{component=\"mt\",engine=\"first-mt\"}");
    assert!((health - 3.0).abs() < f64::EPSILON, "failed: {health}");
}

#[test]
fn a_spent_quota_is_told_and_who_served_instead_is_counted_after_the_call() {
    let clouds = Clouds::start();
    assert_eq!(clouds.daemon.health().0, 200);
    assert_eq!(clouds.daemon.health().1["status"], "ok", "{:#}", clouds.daemon.health().1);
    let mut call = clouds.call();
    let refused = || clouds.first.translated().refused;
    let before = refused();
    clouds.first.deepl.world.script.push(Fault::Refuse { status: 456, retry_after: None });
    thread::scope(|scope| {
        scope.spawn(|| {
            until("it is refused", Duration::from_secs(20), || refused() > before);
            until("it is told", SOON, || clouds.reason("first-mt", "quota").is_some());
        });
        converse(&mut call);
    });
    let reason = clouds.told("mt", "quota", "critical");
    assert!(advice(&reason).contains("top up the account of first-mt"), "{reason:#}");
    let failovers = "recoveries_total{component=\"mt\",tier=\"failover\",success=\"true\"}";
    assert!((clouds.daemon.metric(failovers) - 1.0).abs() < f64::EPSILON);

    assert!((clouds.daemon.metric("active_channels") - 1.0).abs() < f64::EPSILON);
    let frames = clouds.daemon.metric("frames_processed_total");
    assert!(frames > 100.0, "{frames}");
    drop(call);
    clouds.wait_until("the call is over", |status| status["legs"].as_array().is_some_and(Vec::is_empty));
    let counted = ["translations_completed_total", failovers, "channel_duration_seconds_count"];
    for name in counted {
        assert!((clouds.daemon.metric(name) - 1.0).abs() < f64::EPSILON, "{name}");
    }
    assert!((clouds.daemon.metric("words_translated_total") - 5.0).abs() < f64::EPSILON);
    assert!(clouds.daemon.metric("frames_processed_total") >= frames, "frames of calls that ended count");
    let total = "translation_latency_seconds_count{source_lang=\"en\",target_lang=\"es\",stage=\"total\"}";
    assert!((clouds.daemon.metric(total) - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_dead_network_is_told() {
    let clouds = Clouds::start_with(KEY, Some("wss://192.0.2.1:1"));
    for stage in ["asr", "tts"] {
        let reason = clouds.told(stage, "network", "warning");
        assert!(advice(&reason).contains("check the cable"), "{reason:#}");
    }
}

#[test]
fn a_server_that_does_not_run_is_no_dead_network() {
    let clouds = Clouds::start_with(KEY, Some("ws://127.0.0.1:1"));
    for stage in ["asr", "tts"] {
        let reason = clouds.told(stage, "down", "warning");
        assert!(advice(&reason).contains("start it"), "{reason:#}");
        let health = clouds
            .daemon
            .metric(&format!("service_health{{component=\"{stage}\",engine=\"first-{stage}\"}}"));
        assert!(health >= 2.0, "unhealthy from the first failure on: {health}");
    }
}

#[test]
fn a_server_without_tls_is_told_in_words_of_its_own() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let plain = runtime.block_on(nothing_is_found());
    let clouds = Clouds::start_with(KEY, Some(&format!("wss://{plain}")));
    for stage in ["asr", "tts"] {
        let reason = clouds.told(stage, "protocol", "warning");
        assert!(reason["detail"].as_str().is_some_and(|detail| detail.contains("TLS")), "{reason:#}");
    }
}

#[test]
fn a_server_that_hangs_is_no_dead_network() {
    // The kernel takes connections for it, and nobody reads them.
    let hung = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = hung.local_addr().expect("an address");
    for schemes in [["wss", "https", "ws"], ["ws", "http", "wss"]] {
        let elsewhere = schemes.map(|scheme| Some(format!("{scheme}://{address}")));
        let clouds = Clouds::planned(Plan { elsewhere, ..Plan::default() });
        for stage in ["asr", "mt", "tts"] {
            let reason = clouds.told(stage, "slow", "warning");
            assert!(advice(&reason).contains("answers late"), "{reason:#}");
        }
    }
}

/// Answers 404 to everything.
async fn nothing_is_found() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _asked = stream.read(&mut request).await;
                let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                let _gone = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[test]
fn a_wrong_address_where_nothing_is_found_is_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let wrong = runtime.block_on(nothing_is_found());
    let elsewhere = ["ws", "http", "ws"].map(|scheme| Some(format!("{scheme}://{wrong}")));
    let clouds = Clouds::planned(Plan { elsewhere, ..Plan::default() });
    for stage in ["asr", "mt", "tts"] {
        let reason = clouds.told(stage, "refused", "warning");
        assert!(advice(&reason).contains("is wrong"), "{reason:#}");
    }
}

#[test]
fn a_voice_that_the_engine_does_not_have_is_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = World::new("", Voices::scripted([], []), Delays::NONE, 1);
    let xtts = runtime.block_on(xtts::start(Arc::new(world), 0)).expect("the emulator starts");
    let tables = format!(
        "[engine.first-tts2]\nkind = \"xtts\"\nurl = \"http://{}\"\nvoices = {{ en = \"Nobody\", es = \"Nobody\" }}\n",
        xtts.address
    );
    let clouds = Clouds::start_speaking_by("first-tts2", &tables);
    let until = Instant::now() + SOON;
    let is_it = |reason: &Value| reason["engine"] == "first-tts2" && reason["kind"] == "refused";
    while !clouds.daemon.health().1["reasons"].as_array().expect("a list").iter().any(is_it) {
        assert!(Instant::now() < until, "{:#}", clouds.daemon.health().1);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_expired_certificate_and_one_of_another_host_are_told_and_nothing_is_said() {
    for (name, until, words) in
        [("localhost", 2024, "Expired"), ("elsewhere.example", 2099, "NotValidForName")]
    {
        let authority = Authority::new();
        let stranger = authority.vouches_for(name, until);
        let elsewhere = ["wss", "https", "wss"].map(|scheme| Some(stranger.url.replace("wss", scheme)));
        let trusted = Some(authority.certificate);
        let clouds = Clouds::planned(Plan { elsewhere, trusted, ..Plan::default() });
        for stage in ["asr", "mt", "tts"] {
            let reason = clouds.told(stage, "certificate", "critical");
            assert!(reason["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{reason:#}");
            assert!(advice(&reason).contains("clock"), "{reason:#}");
        }
        let mut call = clouds.call();
        converse(&mut call);
        assert_eq!(stranger.told.load(Ordering::Relaxed), 0, "bytes were sent to {name}");
    }
}

#[test]
fn a_certificate_that_the_machine_trusts_is_good() {
    let authority = Authority::new();
    let stranger = authority.vouches_for("localhost", 2099);
    let clouds = Clouds::start_trusting(KEY, Some(&stranger.url), Some(&authority.certificate));
    assert_ne!(clouds.engine("asr", 0)["fault"]["kind"], "certificate", "{}", clouds.daemon.logged());
    assert!(stranger.told.load(Ordering::Relaxed) > 0, "it is told what is wanted");
}
