//! Strangers who ask once how to guess and then guess as fast as they can, by every way into the box; and phones that
//! come for the first time.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::network::take_addresses;
use softphone::sip::digest::{Challenge, Credentials, Session};

use crate::guard::start_guard;
use crate::phones::{dragoman, must, secret};
use crate::rig::Rig;
use crate::wire::{Way, Wire};

pub(crate) const BOX: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 5060);
const SECOND: Duration = Duration::from_secs(1);
const GUESSES: u32 = 300;

/// A box with the phones 101 to 103, all its ways open.
pub(crate) fn rig() -> Rig {
    let rig = Rig::start(|options| {
        options.phones.clear();
        options.sip = BOX.into();
    });
    for number in ["101", "102", "103"] {
        must(&dragoman(&rig, &["add", number, "--name", "Door", "--language", "es"]));
    }
    rig
}

pub(crate) fn certificate(rig: &Rig) -> Vec<u8> {
    fs::read(rig.asterisk.configuration_file("sip-certificate.pem")).expect("a certificate")
}

/// What answers the challenge in a 401.
pub(crate) fn password(user: &str, challenge: &str, method: &str, uri: &str, secret: String) -> String {
    let value = challenge.lines().find_map(|line| line.strip_prefix("WWW-Authenticate: "));
    let challenge = Challenge::parse(value.expect("a challenge").trim()).expect("of the digest kind");
    let who = Credentials { user: user.to_owned(), secret };
    format!("Authorization: {}\r\n", Session::new(challenge).authorize(&who, method, uri, "c"))
}

/// How many of 300 wrong passwords for one challenge are answered.
fn guess(way: Way, method: &str, from: Ipv4Addr, certificate: &[u8]) -> usize {
    let mut wire = Wire::open(way, from, BOX, certificate);
    assert!(wire.send(&wire.request(method, "101", 0, "")));
    let challenge = wire.receive(5 * SECOND).expect("a challenge");
    assert!(challenge.starts_with("SIP/2.0 401"), "{challenge}");
    let uri = format!("sip:{}", wire.server);
    for branch in 1..=GUESSES {
        let header = password("101", &challenge, method, &uri, format!("password{branch}"));
        if !wire.send(&wire.request(method, "101", branch, &header)) {
            break;
        }
        // The box's own socket is not to be what loses them.
        if branch % 10 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let started = Instant::now();
    let mut answered = HashSet::new();
    while started.elapsed() < 5 * SECOND {
        let Some(answer) = wire.receive(SECOND / 5) else { continue };
        let call = answer.lines().find_map(|line| line.strip_prefix("Call-ID: "));
        answered.extend(call.filter(|call| !call.starts_with("0@")).map(str::to_owned));
    }
    answered.len()
}

/// Row 32 of the fault matrix, but for who asks anew each time.
#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn a_burst_of_guesses_ends_before_the_eleventh_by_every_way() {
    let ways = [
        (Way::Udp, "REGISTER"),
        (Way::Udp, "MESSAGE"),
        (Way::Udp, "OPTIONS"),
        (Way::Udp, "INVITE"),
        (Way::Tcp, "REGISTER"),
        (Way::Tcp, "OPTIONS"),
        (Way::Tls, "REGISTER"),
        (Way::Tls, "MESSAGE"),
    ];
    let strangers = (10..).map(|host| Ipv4Addr::new(10, 9, 0, host)).take(ways.len()).collect::<Vec<_>>();
    take_addresses(strangers.iter().chain([BOX.ip()]));
    let rig = rig();
    let _guard = start_guard(&rig);
    let certificate = certificate(&rig);
    let answered: Vec<_> = ways
        .iter()
        .zip(&strangers)
        .map(|((way, method), from)| (way, method, guess(*way, method, *from, &certificate)))
        .collect();
    println!("{answered:?}");
    assert!(answered.iter().all(|(.., tries)| (1..=10).contains(tries)), "{answered:?}");
    let log = fs::read_to_string(rig.path("guard.log")).expect("a log");
    for ((.., tries), from) in answered.iter().zip(strangers) {
        // Whose connection stands still before has too few.
        assert!(*tries < 4 || log.contains(&format!("{from} is banned")), "{from}: {log}");
    }
}

/// A phone mistypes its password once, and is then what it says. How long it takes until it is registered.
fn register(way: Way, wire: &mut Wire, number: &str, secret: &str) -> Duration {
    let uri = format!("sip:{}", wire.server);
    let started = Instant::now();
    let mut header = String::new();
    for (branch, word) in [(1, "mistyped"), (2, secret), (3, "")] {
        let request = wire.request("REGISTER", number, branch, &header);
        // A phone sends again over UDP; over TCP the kernel does.
        let sendings = if way == Way::Udp { 4 } else { 1 };
        let answer = (0..sendings).find_map(|_| {
            assert!(wire.send(&request));
            wire.receive_answer(2 * SECOND / sendings)
        });
        let answer = answer.expect("an answer");
        if word.is_empty() {
            assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        } else {
            header = password(number, &answer, "REGISTER", &uri, word.to_owned());
        }
    }
    started.elapsed()
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn a_phone_that_mistypes_once_registers_and_is_then_limited_no_more() {
    let ways = [Way::Udp, Way::Tcp, Way::Tls];
    let phones = (30..).map(|host| Ipv4Addr::new(10, 9, 0, host)).take(ways.len()).collect::<Vec<_>>();
    take_addresses(phones.iter().chain([BOX.ip()]));
    let rig = rig();
    let _guard = start_guard(&rig);
    let certificate = certificate(&rig);
    for ((way, from), number) in ways.into_iter().zip(&phones).zip(["101", "102", "103"]) {
        let mut wire = Wire::open(way, *from, BOX, &certificate);
        let took = register(way, &mut wire, number, &secret(&rig, number));
        println!("{way:?}: registered after {took:?}");
        assert!(took < 2 * SECOND, "{way:?}: {took:?}");
        // Until the guard has heard of it, and told the kernel.
        thread::sleep(SECOND / 2);
        // As when its neighbours behind the same address register all at once.
        for branch in 10..60 {
            assert!(wire.send(&wire.request("REGISTER", number, branch, "")));
        }
        let mut answered = 0;
        while let Some(message) = wire.receive(SECOND) {
            // It is asked as well whether it is there.
            answered += u32::from(message.starts_with("SIP/2.0 401"));
        }
        assert_eq!(answered, 50, "{way:?}");
    }
    let log = fs::read_to_string(rig.path("guard.log")).expect("a log");
    assert!(!log.contains("banned"), "{log}");
}
