//! The softphone against a real Asterisk: the shipped configuration, registration, the echo in each codec, keys, and
//! calls in both directions. Needs what `cargo xtask setup` brings.

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use lab::asterisk::{Asterisk, Options};
use lab::cache::Cache;
use lab::run_dir::RunDir;
use softphone::audio::level;
use softphone::{
    Account, AudioOptions, CallReport, Clip, Codec, EndedBy, Event, Phone, PhoneOptions, Recording,
    ScriptEnd, Step,
};

const PATIENCE: Duration = Duration::from_secs(20);
const ECHO: &str = "799";

/// Fields drop in order: Asterisk ends before its directory goes.
struct Rig {
    asterisk: Asterisk,
    _run_dir: RunDir,
}

impl Rig {
    fn start() -> Self {
        let cache = Cache::locate().expect("a cache");
        let run_dir = RunDir::create(&cache).expect("a run directory");
        let repository =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is inside the repository");
        let driver = std::env::var_os("DRAGOMAN_DRIVER")
            .map_or_else(|| repository.join("target/driver/libchan_slinpipe.so"), PathBuf::from);
        let configuration = repository.join("asterisk-conf");
        let mut options =
            Options::new(cache.prefix(), driver, configuration, run_dir.path().to_owned()).expect("options");
        options.sip.set_port(free_port());
        options.http_port = free_port();
        Self { asterisk: Asterisk::start(options).expect("Asterisk starts"), _run_dir: run_dir }
    }

    /// The first phone, with its secret or another one.
    fn phone(&self, secret: Option<&str>) -> (Phone, Receiver<Event>) {
        let known = &self.asterisk.phones()[0];
        let secret = secret.unwrap_or(&known.secret).to_owned();
        let account = Account::new(&known.extension, &self.asterisk.sip().to_string(), Some(secret));
        Phone::start(account.expect("an account"), PhoneOptions::default()).expect("a phone")
    }

    fn extension(&self) -> &str {
        &self.asterisk.phones()[0].extension
    }

    /// Calls the echo with `codec`, plays `samples` and waits for the last of them to come back.
    fn echo(&self, codec: Codec, samples: Vec<i16>) -> CallReport {
        let (phone, _events) = self.phone(None);
        let audio = AudioOptions { record: true, ..AudioOptions::default() };
        let mut call = phone.dial(ECHO, &[codec], audio).expect("a call");
        assert_eq!(call.wait_connected(PATIENCE).expect("an answer").codec, codec);
        let steps = vec![
            Step::Play(Recording::new("signal", samples, codec.sample_rate())),
            Step::Pause(Duration::from_millis(500)),
        ];
        assert_eq!(call.run(steps).expect("a script"), ScriptEnd::Finished);
        let report = call.hang_up().expect("a report");
        phone.close().expect("the phone closes");
        assert_eq!(report.ended_by, EndedBy::Local);
        report
    }
}

/// Free for both transports.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("an address").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A rising tone of two seconds, 300 to 3,100 Hz at most, which fits in one place only.
fn chirp(rate: u32) -> Vec<i16> {
    let rate = f64::from(rate);
    let tone = |n: u32| {
        let t = f64::from(n) / rate;
        (8000.0 * (std::f64::consts::TAU * t * (300.0 + 700.0 * t)).sin()) as i16
    };
    (0..(2.0 * rate) as u32).map(tone).collect()
}

fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ask() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn l16_comes_back_from_the_echo_bit_by_bit() {
    let mut random = fastrand::Rng::with_seed(22);
    let samples: Vec<i16> = (0..48_000).map(|_| random.i16(-9000..9000)).collect();
    let report = Rig::start().echo(Codec::L16, samples.clone());
    let heard = report.recording.as_ref().expect("a recording").samples.as_slice();
    let start = heard.windows(64).position(|window| *window == samples[..64]).expect("the beginning");
    assert!(heard[start..].starts_with(&samples), "not exact: {report:?}");
    assert_eq!((report.frames.received.lost, report.frames.strangers), (0, 0), "{report:?}");
}

#[test]
fn g722_and_g711_come_back_from_the_echo() {
    let rig = Rig::start();
    for (codec, least) in [(Codec::G722, 0.99), (Codec::Pcmu, 0.99), (Codec::Pcma, 0.99)] {
        let samples = chirp(codec.sample_rate());
        let report = rig.echo(codec, samples.clone());
        let sent =
            Clip { samples, sample_rate: codec.sample_rate() }.at_rate(16_000).expect("16 kHz").samples;
        let heard = &report.recording.as_ref().expect("a recording").samples;
        let (_, correlation) = level::best_match(&sent, heard).expect("long enough");
        println!("{codec}: correlation {correlation:.4}, {:?}", report.frames);
        assert!(correlation > least, "{codec}: {correlation:.4} {report:?}");
    }
}

#[test]
fn a_phone_registers_and_leaves() {
    let rig = Rig::start();
    let (phone, _events) = rig.phone(None);
    let expires = phone.register().expect("a registration");
    assert!(expires >= Duration::from_secs(60), "{expires:?}");
    let contact = format!("sip:{}@{}", rig.extension(), phone.address());
    let known = || rig.asterisk.cli("pjsip show contacts").expect("an answer").contains(&contact);
    assert!(known(), "Asterisk does not know {contact}");
    phone.close().expect("the phone closes");
    assert!(!known(), "Asterisk still knows {contact}");
}

#[test]
fn a_wrong_or_missing_password_is_told_in_one_line() {
    let rig = Rig::start();
    let (phone, _events) = rig.phone(Some("wrong"));
    let words = format!("401 after a correct digest: wrong secret for extension {}", rig.extension());
    assert_eq!(phone.register().expect_err("a refusal").to_string(), words);
    let mut call = phone.dial(ECHO, &[Codec::L16], AudioOptions::default()).expect("a call");
    assert_eq!(call.wait_connected(PATIENCE).expect_err("a refusal").to_string(), words);

    let stranger = Account::new("guest", &rig.asterisk.sip().to_string(), None).expect("an account");
    let (phone, _events) = Phone::start(stranger, PhoneOptions::default()).expect("a phone");
    let mut call = phone.dial(ECHO, &[Codec::L16], AudioOptions::default()).expect("a call");
    let words = call.wait_connected(PATIENCE).expect_err("a refusal").to_string();
    assert!(words.contains("give --user and --password-file"), "{words}");
}

#[test]
fn keys_go_there_and_come_back() {
    let rig = Rig::start();
    for codec in [Codec::L16, Codec::Pcmu] {
        let (phone, events) = rig.phone(None);
        let mut call = phone.dial(ECHO, &[codec], AudioOptions::default()).expect("a call");
        call.wait_connected(PATIENCE).expect("an answer");
        let pause = Step::Pause(Duration::from_millis(800));
        call.run(vec![Step::Dtmf("159".into()), pause]).expect("a script");
        call.hang_up().expect("a report");
        drop(phone);
        let keys: String = events
            .iter()
            .filter_map(|event| if let Event::Key { key } = event { Some(key) } else { None })
            .collect();
        assert_eq!(keys, "159", "{codec}");
    }
}

#[test]
fn asterisk_calls_the_phone_and_hangs_up() {
    let rig = Rig::start();
    let (phone, _events) = rig.phone(None);
    phone.register().expect("a registration");
    let originate = format!("channel originate PJSIP/{} extension {ECHO}@phones", rig.extension());
    rig.asterisk.cli(&originate).expect("an answer");
    let mut call =
        phone.answer(&Codec::ALL, AudioOptions::default(), PATIENCE).expect("no failure").expect("a call");
    let connected = call.wait_connected(PATIENCE).expect("a connection");
    assert_eq!(connected.codec, Codec::L16, "the box prefers it");
    call.run(vec![Step::Pause(Duration::from_millis(600))]).expect("a script");
    rig.asterisk.cli("channel request hangup all").expect("an answer");
    assert_eq!(call.run(vec![Step::Pause(PATIENCE)]).expect("a script"), ScriptEnd::CallEnded);
    let report = call.hang_up().expect("a report");
    assert_eq!(report.ended_by, EndedBy::Remote);
    assert!(report.frames.received.received > 10, "{report:?}");
    let idle =
        || rig.asterisk.cli("core show channels count").expect("an answer").contains("0 active channels");
    eventually("no channel is left", idle);
}

#[test]
fn a_number_that_does_not_exist_is_refused() {
    let rig = Rig::start();
    let (phone, _events) = rig.phone(None);
    let mut call = phone.dial("555", &[Codec::Pcmu], AudioOptions::default()).expect("a call");
    let refused = call.wait_connected(PATIENCE).expect_err("there is nobody").to_string();
    assert!(refused.contains("404") && refused.contains("555"), "{refused}");
}
