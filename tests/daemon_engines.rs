//! The daemon's interpreter room against engines that nobody here wrote, and against one that answers garbage.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use dragoman_tests::daemon::Daemon;
use dragoman_tests::fake_phone::FakePhone;
use dragoman_tests::interpreted::Call;
use lab::cache::Cache;
use lab::process::Process;
use lab::run_dir::RunDir;

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

/// Engines in Python, stopped when dropped.
struct Peer {
    _process: Process,
    _directory: RunDir,
    wyoming: u16,
    http: u16,
}

impl Peer {
    fn start(options: &[&str]) -> Self {
        let (wyoming, http) = (free_port(), free_port());
        let cache = Cache::locate().expect("a cache");
        let mut command = Command::new(cache.test_python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/wyoming_peer.py"));
        command.arg(format!("tcp://127.0.0.1:{wyoming}")).arg(http.to_string()).args(options);
        let directory = RunDir::create(&cache).expect("a run directory");
        let log = directory.join("wyoming_peer.log");
        let mut process = Process::spawn("wyoming_peer.py", &command, &log).expect("Python starts");
        let listens = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        let ready = || listens(wyoming) && listens(http);
        process.wait_until("it listens", Duration::from_secs(20), ready).expect("the peer is ready");
        Self { _process: process, _directory: directory, wyoming, http }
    }
}

fn daemon(asr: u16, tts: u16, mt: u16) -> Daemon {
    Daemon::start_with(&format!(
        "[engines]\nasr = [\"hears\"]\ntts = [\"speaks\"]\nmt = [\"turns\"]\n\
         [engine.hears]\nkind = \"wyoming\"\nurl = \"tcp://127.0.0.1:{asr}\"\n\
         [engine.speaks]\nkind = \"wyoming\"\nurl = \"tcp://127.0.0.1:{tts}\"\n\
         [engine.turns]\nkind = \"libretranslate\"\nurl = \"http://127.0.0.1:{mt}\"\n\
         [[room]]\nextension = \"700\"\nkind = \"interpreter\"\nlanguages = [\"en\", \"es\"]\n\
         [[room]]\nextension = \"790\"\nkind = \"echo\"\n"
    ))
}

fn interprets(options: &[&str]) {
    let peer = Peer::start(options);
    let daemon = daemon(peer.wyoming, peer.wyoming, peer.http);
    let mut call = Call::new(&daemon);
    call.wait_for("listening", Duration::from_secs(20));
    assert!(call.loud.is_some(), "the announcement is heard");

    for bursts in [3, 2] {
        call.say(bursts);
        let word = ["two", "three"][bursts as usize - 2];
        let heard = call.wait_for("final", Duration::from_secs(5));
        assert_eq!(heard["text"], format!("I heard {word} sounds"));
        assert_eq!(heard["language"], "en");
        let seen = call.seen.len();
        let translation = call.seen.iter().rfind(|e| e["type"] == "translation").cloned();
        let translation = translation.unwrap_or_else(|| call.wait_for("translation", Duration::from_secs(5)));
        assert_eq!(translation["text"], format!("es sounds {word} heard I"), "{:#?}", &call.seen[..seen]);
        call.loud = None;
        call.wait_for("playback_ended", Duration::from_secs(10));
        assert!(call.loud.is_some(), "the translation is heard");
        let latency = call.seen.iter().rfind(|event| event["type"] == "latency").expect("a latency");
        let total = latency["total_ms"].as_f64().expect("a number");
        assert!((400.0..3_000.0).contains(&total), "{latency}");
        (0..30).for_each(|_| call.pass(false));
    }
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
    let frames = &daemon.status().expect("a status")["legs"][0]["frames"];
    assert!(frames["dropped"].as_object().expect("an object").is_empty(), "{frames}");
    assert!(call.heard.abs_diff(call.frames) <= 10, "{} frames in {} ticks", call.heard, call.frames);
}

#[test]
fn a_server_of_the_wyoming_package_interprets_a_call() {
    interprets(&[]);
}

#[test]
fn a_server_that_closes_after_each_answer_does_as_well() {
    interprets(&["--close"]);
}

/// A server that reads nothing and answers each connection with the next kind of garbage.
fn garbage_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        let mut random = fastrand::Rng::with_seed(1);
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let garbage: Vec<u8> = match number % 6 {
                0 => (0..100_000).map(|_| random.u8(..)).collect(),
                1 => b"{\"type\":\"transcript\",\"data_length\":99999999999}\n".to_vec(),
                2 => b"{\"type\":\"transcript\",\"data\":{\"text\":17}}\n{\"type\":null}\n\0\0\xff\xfe\n"
                    .to_vec(),
                3 => vec![b'a'; 3_000_000],
                4 => b"{\"type\":\"transcript-chunk\",\"data\":{\"text\":\"\\u0000\\n\"}}\n".repeat(20_000),
                _ => Vec::new(),
            };
            // The daemon may hang up in the middle of it.
            stream.write_all(&garbage).unwrap_or_default();
            thread::spawn(move || {
                thread::sleep(Duration::from_secs(2));
                drop(stream);
            });
        }
    });
    port
}

#[test]
fn garbage_from_the_recogniser_is_heard_as_a_tone_and_does_no_harm() {
    let peer = Peer::start(&[]);
    let daemon = daemon(garbage_server(), peer.wyoming, peer.http);
    let bystander = FakePhone::connect(&daemon.pipes(), "790-1");
    let mut call = Call::new(&daemon);
    call.wait_for("listening", Duration::from_secs(20));
    let memory = daemon.resident_kib();
    for failures in 1..=3 {
        call.wait_for_quiet();
        let before = call.seen.len();
        call.say(1);
        // An engine that only failed so far is not asked twice: the error may come before the last word.
        let error = call.wait_since(before, "error", Duration::from_secs(15));
        assert_eq!(error["component"], "asr", "{error}");
        call.loud = None;
        (0..75).for_each(|_| call.pass(false));
        assert!(call.loud.is_some(), "the caller hears that something is wrong");
        let tones = call.seen.iter().filter(|event| event["cue"] == "error").count();
        assert_eq!(tones, failures, "{:#?}", call.seen);
    }
    let grown = daemon.resident_kib().saturating_sub(memory);
    assert!(grown <= 10 * 1_024, "{grown} KiB more");
    assert!(bystander.hears_itself_within(Duration::from_secs(1)), "another leg does not notice");
}

#[test]
fn without_engines_the_caller_hears_a_tone_and_nothing_of_his_leaves() {
    let (dead, gone) = (free_port(), free_port());
    let daemon = daemon(dead, dead, gone);
    let mut call = Call::new(&daemon);
    let error = call.wait_for("error", Duration::from_secs(10));
    assert_eq!(error["component"], "tts");
    call.wait_for("cue", Duration::from_secs(10));
    (0..50).for_each(|_| call.pass(false));
    assert!(call.loud.is_some(), "the error tone is heard");
    call.say(2);
    assert!(!call.seen.iter().any(|event| event["type"] == "speech_started"));
}
