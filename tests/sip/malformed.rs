//! A hundred thousand malformed messages, over UDP and TCP.

use std::io::Write as _;
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use fastrand::Rng;
use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions};

use crate::rig::{Raw, Rig};
use crate::torture;

const MESSAGES: u32 = 100_000;
/// So many in a row go over TCP, of ten times as many. Each has a connection of its own: a wrong length would swallow what
/// follows it.
const OVER_TCP: u32 = 100;
/// Messages over UDP between two questions whether Asterisk is there. Over TCP each is followed by one, so that
/// connections do not wait for each other.
const BATCH: u32 = 25;
const PATIENCE: Duration = Duration::from_secs(5);

/// Row 31 of the fault matrix.
#[test]
fn a_hundred_thousand_malformed_messages_neither_kill_nor_delay() {
    let mut rig = Rig::start(|_| {});
    let server = rig.asterisk.sip();
    let process = rig.asterisk.process().id();
    let here = IpAddr::from([127, 0, 0, 1]);
    let (sender, asker) = (Raw::new(here, server), Raw::new(here, server));
    let mut random = Rng::with_seed(4475);
    let mut took = Vec::new();
    let mut sent = 0;
    while sent < MESSAGES {
        let message = torture::message(&mut random, server);
        let over_tcp = (sent / OVER_TCP).is_multiple_of(10);
        if over_tcp {
            let mut stream = TcpStream::connect(server).expect("it listens");
            stream.write_all(&message).expect("it reads");
        } else {
            sender.send(&message[..message.len().min(65_000)]);
        }
        sent += 1;
        if !over_tcp && !sent.is_multiple_of(BATCH) {
            continue;
        }
        let started = Instant::now();
        asker.send(asker.request("OPTIONS", "nobody", sent, "").as_bytes());
        let own = format!("Call-ID: {sent}@");
        loop {
            let answer = asker.receive(PATIENCE).unwrap_or_else(|| panic!("no answer after {sent} messages"));
            if answer.contains(&own) {
                break;
            }
        }
        took.push(started.elapsed());
        while sender.pending().is_some() {}
    }
    rig.asterisk.process().ensure_running().expect("Asterisk lives");
    assert_eq!(rig.asterisk.process().id(), process);
    took.sort();
    let p99 = took[took.len() * 99 / 100];
    println!("OPTIONS: median {:?}, p99 {p99:?}, slowest {:?}", took[took.len() / 2], took[took.len() - 1]);
    assert!(p99 <= Duration::from_millis(100), "{p99:?}");

    let known = &rig.asterisk.phones()[0];
    let account = Account::new(&known.extension, &server.to_string(), Some(known.secret.clone()));
    let (phone, _events) =
        Phone::start(account.expect("an account"), PhoneOptions::default()).expect("a phone");
    phone.register().expect("an honest phone registers");
    let mut call = phone.dial("799", &[Codec::Pcmu], AudioOptions::default()).expect("a call");
    call.wait_connected(PATIENCE).expect("an answer");
    call.hang_up().expect("a report");
}
