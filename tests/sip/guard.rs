//! Strangers who guess passwords: what they learn, and how soon nobody listens to them.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::network::take_addresses;
use lab::process::Process;
use lab::programs::program;
use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions};

use crate::rig::{Raw, Rig, wrong_password};

const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
const BOX: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const GUESSERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 3)];
/// A phone with another box's number.
const LOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 4);
/// No address of a LAN.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// The guard's file.
fn state(rig: &Rig) -> PathBuf {
    rig.path("guard/state.json")
}

pub(crate) fn start_guard(rig: &Rig) -> Process {
    let password = rig.path("guard-password");
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&password)
        .expect("a file");
    writeln!(file, "{}", rig.asterisk.ari().password).expect("written");
    let mut command = Command::new(program("dragoman-guard").expect("it is built"));
    command.arg("--manager").arg(format!("127.0.0.1:{}", rig.asterisk.options().manager_port));
    command.arg("--password-file").arg(password).arg("--state").arg(state(rig));
    let mut guard = Process::spawn("guard", &command, &rig.path("guard.log")).expect("it starts");
    let log = rig.path("guard.log");
    let listens = || fs::read_to_string(&log).is_ok_and(|text| text.contains("listening"));
    guard.wait_until("listen to Asterisk", 10 * SECOND, listens).expect("it listens");
    guard
}

/// Guesses 1,000 times a second until it is told to stop. How many guesses were answered.
fn guess(from: Ipv4Addr, server: SocketAddr, over: &AtomicBool) -> u32 {
    let raw = Raw::new(from.into(), server);
    let (mut header, mut answered, mut sent) = (String::new(), 0, 0);
    let started = Instant::now();
    while !over.load(Ordering::Relaxed) {
        sent += 1;
        raw.send(raw.request("REGISTER", "101", sent, &header).as_bytes());
        while let Some(answer) = raw.pending() {
            answered += u32::from(!header.is_empty());
            header = wrong_password("101", &answer, server).unwrap_or(header);
        }
        thread::sleep(
            (started + Duration::from_millis(sent.into())).saturating_duration_since(Instant::now()),
        );
    }
    println!("{from}: {sent} requests, {answered} guesses answered");
    assert!(f64::from(sent) > 500.0 * started.elapsed().as_secs_f64(), "this is no flood");
    answered
}

/// What a technician sees where no daemon runs.
fn kept_out(rig: &Rig) -> String {
    let mut command = Command::new(program("dragoman").expect("it is built"));
    command.arg("status").arg("--socket").arg(rig.path("no-daemon")).arg("--guard").arg(state(rig));
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The line about `from`.
fn line(text: &str, from: Ipv4Addr) -> &str {
    let is_about = |line: &&str| line.trim_start().starts_with(&from.to_string());
    text.lines().find(is_about).unwrap_or_else(|| panic!("nothing of {from}: {text}"))
}

/// Registers once with a wrong password, or is refused before. What it is answered at last.
fn mistype(from: Ipv4Addr, server: SocketAddr, user: &str) -> String {
    let raw = Raw::new(from.into(), server);
    raw.send(raw.request("REGISTER", user, 1, "").as_bytes());
    let answer = raw.receive(PATIENCE).expect("an answer");
    let Some(header) = wrong_password(user, &answer, server) else { return answer };
    raw.send(raw.request("REGISTER", user, 2, &header).as_bytes());
    raw.receive(PATIENCE).expect("an answer")
}

/// Row 32 of the fault matrix.
#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn who_guesses_is_banned_before_the_tenth_try_and_a_caller_notices_nothing() {
    take_addresses([BOX, LOST, OUTSIDE].iter().chain(&GUESSERS));
    let server = SocketAddr::from((BOX, 5060));
    let rig = Rig::start(|options| options.sip = server);
    let mut guard = start_guard(&rig);
    assert!(mistype(OUTSIDE, server, "101").starts_with("SIP/2.0 403"));
    assert!(mistype(LOST, server, "666").starts_with("SIP/2.0 401"));
    let known = &rig.asterisk.phones()[1];
    let account = Account::new(&known.extension, &server.to_string(), Some(known.secret.clone()));
    let (phone, _events) =
        Phone::start(account.expect("an account"), PhoneOptions::default()).expect("a phone");
    let over = AtomicBool::new(false);
    let (answered, slowest) = thread::scope(|scope| {
        let guessers = GUESSERS.map(|from| {
            let over = &over;
            scope.spawn(move || guess(from, server, over))
        });
        let set_up = |_| {
            let started = Instant::now();
            let mut call = phone.dial("799", &[Codec::Pcmu], AudioOptions::default()).expect("a call");
            call.wait_connected(10 * SECOND).expect("an answer");
            let took = started.elapsed();
            call.hang_up().expect("a report");
            thread::sleep(SECOND / 5);
            took
        };
        let slowest = (0..10).map(set_up).max().expect("calls");
        over.store(true, Ordering::Relaxed);
        (guessers.map(|guesser| guesser.join().expect("it ends")), slowest)
    });
    println!("slowest call: {slowest:?}");
    assert!(answered.iter().all(|tries| (1..=10).contains(tries)), "{answered:?}");
    assert!(slowest <= SECOND, "{slowest:?}");
    let log = fs::read_to_string(rig.path("guard.log")).expect("a log");
    for from in GUESSERS {
        assert!(log.contains(&format!("{from} is banned")), "{log}");
    }
    assert!(!log.contains(&rig.asterisk.ari().password));
    // A second after the last guess it is written.
    let is_told = || {
        let text = kept_out(&rig);
        GUESSERS.iter().all(|from| text.contains(&format!("{from} banned for ")))
    };
    guard.wait_until("tell who is banned", 5 * SECOND, is_told).expect("it is told");
    assert_is_told(&rig);
}

/// Who was kept out above, and why.
fn assert_is_told(rig: &Rig) {
    let text = kept_out(rig);
    assert!(text.starts_with("kept out\n"), "{text}");
    for from in GUESSERS {
        let line = line(&text, from);
        assert!(
            line.contains(" banned for 14 min ") && line.contains(" wrong passwords for 101, last "),
            "{text}"
        );
    }
    assert!(line(&text, LOST).contains(": 1 wrong password for no phone of the box, last "), "{text}");
    assert!(line(&text, OUTSIDE).contains(": not of the LAN"), "{text}");
    let file = fs::read_to_string(state(rig)).expect("a file");
    assert!(!file.contains(&rig.asterisk.ari().password), "{file}");
    assert_eq!(state(rig).metadata().expect("a file").permissions().mode() & 0o777, 0o644);
    let (_, lifts) = text.split_once("this does: ").expect("what lifts a ban");
    let lifted = Command::new("sh").arg("-c").arg(lifts.lines().next().expect("a line")).status();
    assert!(lifted.is_ok_and(|status| status.success()), "{text}");
}

/// An answer without what differs in any two.
pub(crate) fn shape(answer: &str) -> String {
    let plain = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name {
            "Via" | "Call-ID" | "From" | "To" | "Date" => name.to_owned(),
            "WWW-Authenticate" => value.split('"').step_by(2).collect::<String>(),
            _ => line.to_owned(),
        }
    };
    answer.lines().map(plain).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stranger_does_not_learn_which_phones_there_are() {
    let rig = Rig::start(|_| {});
    let server = rig.asterisk.sip();
    let raw = Raw::new(IpAddr::from([127, 0, 0, 1]), server);
    let mut branch = 0;
    let mut ask = |user: &str| {
        branch += 2;
        raw.send(raw.request("REGISTER", user, branch, "").as_bytes());
        let challenge = raw.receive(PATIENCE).expect("a challenge");
        let header = wrong_password(user, &challenge, server).expect("a digest");
        let started = Instant::now();
        raw.send(raw.request("REGISTER", user, branch + 1, &header).as_bytes());
        let refusal = raw.receive(PATIENCE).expect("a refusal");
        (started.elapsed(), shape(&challenge), shape(&refusal))
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let (took, challenge, refusal) = ask("101");
        let (took_too, challenge_too, refusal_too) = ask("666");
        assert_eq!((challenge, refusal), (challenge_too, refusal_too));
        known.push(took);
        unknown.push(took_too);
    }
    known.sort();
    unknown.sort();
    println!("a wrong password takes {:?}, an unknown phone {:?}", known[50], unknown[50]);
    assert!(known[50].abs_diff(unknown[50]) < Duration::from_millis(2), "{:?} {:?}", known[50], unknown[50]);
}
