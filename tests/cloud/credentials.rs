//! What only a person can mend: the key, the quota, the certificate. (Rows 13, 16, 25 of the fault matrix.)

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::Fault;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::clouds::{Clouds, KEY, converse};

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

/// A server whose certificate nobody vouches for; counts what is sent to it in spite of that.
fn stranger() -> (String, Arc<AtomicUsize>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("usual versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("its own key");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("wss://localhost:{}", listener.local_addr().expect("an address").port());
    let told = Arc::new(AtomicUsize::new(0));
    let (config, counted) = (Arc::new(config), Arc::clone(&told));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
            let mut tls = StreamOwned::new(session, stream);
            let mut bytes = [0; 1_024];
            while let Ok(read @ 1..) = tls.read(&mut bytes) {
                counted.fetch_add(read, Ordering::Relaxed);
            }
        }
    });
    (url, told)
}

#[test]
fn nothing_is_said_to_a_server_that_nobody_vouches_for() {
    let (url, told) = stranger();
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
