//! Only the LAN is served: whoever writes from elsewhere is nobody, whatever he knows.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::bursts::{BOX, certificate, password, rig};
use crate::guard::shape;
use crate::phones::secret;
use crate::wire::{Way, Wire};
use dragoman_tests::network::take_addresses;

const PATIENCE: Duration = Duration::from_secs(5);
/// One far away, and two next to private networks.
const ELSEWHERE: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 7), Ipv4Addr::new(172, 32, 0, 7), Ipv4Addr::new(11, 0, 0, 7)];
const LAN: [Ipv4Addr; 3] =
    [Ipv4Addr::new(192, 168, 255, 7), Ipv4Addr::new(172, 31, 255, 7), Ipv4Addr::new(10, 255, 0, 7)];

/// A phone registers with the box, and calls somebody there.
fn uri(wire: &Wire, method: &str) -> String {
    let callee = if method == "INVITE" { "799@" } else { "" };
    format!("sip:{callee}{}", wire.server)
}

/// What is answered at last.
fn ask(wire: &mut Wire, method: &str, user: &str, branch: u32, more: &str) -> String {
    let plain = format!("sip:{}", wire.server);
    let request = wire.request(method, user, branch, more).replacen(&plain, &uri(wire, method), 1);
    assert!(wire.send(&request));
    let own = format!("Call-ID: {branch}@");
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = wire.receive_answer(until.saturating_duration_since(Instant::now()));
        let answer = answer.unwrap_or_else(|| panic!("no answer to {request}"));
        if answer.contains(&own) && !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}

/// The same; where a password is asked for it is given.
fn knock(wire: &mut Wire, method: &str, user: &str, branch: u32, secret: &str) -> String {
    let answer = ask(wire, method, user, branch, "");
    if !answer.starts_with("SIP/2.0 401") {
        return answer;
    }
    let header = password(user, &answer, method, &uri(wire, method), secret.to_owned());
    ask(wire, method, user, branch + 1, &header)
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn only_who_writes_from_the_lan_registers_and_calls() {
    take_addresses(ELSEWHERE.iter().chain(&LAN).chain([BOX.ip()]));
    let rig = rig();
    let certificate = certificate(&rig);
    let mut refusals = BTreeSet::new();
    for (place, way) in [Way::Udp, Way::Tcp, Way::Tls].into_iter().enumerate() {
        let number = ["101", "102", "103"][place];
        let secret = secret(&rig, number);
        let mut outside = Wire::open(way, ELSEWHERE[place], BOX, &certificate);
        let mut inside = Wire::open(way, LAN[place], BOX, &certificate);
        for (branch, method) in [(10, "REGISTER"), (20, "INVITE")] {
            for (turn, user, secret) in [(0, number, &*secret), (2, number, "wrong"), (4, "666", "wrong")] {
                let refused = knock(&mut outside, method, user, branch + turn, secret);
                assert!(refused.starts_with("SIP/2.0 403"), "{way:?} {method} {user}: {refused}");
                refusals.insert(shape(&refused).replace(method, "…"));
            }
            let served = knock(&mut inside, method, number, branch, &secret);
            assert!(served.starts_with("SIP/2.0 200"), "{way:?} {method}: {served}");
        }
        // While the connection stands, with which the registration goes.
        let contacts = rig.asterisk.cli("pjsip show contacts").expect("an answer");
        let is_one = |address: &Ipv4Addr| contacts.contains(&format!("{number}@{address}:"));
        assert!(is_one(&LAN[place]) && !ELSEWHERE.iter().any(is_one), "{contacts}");
    }
    assert_eq!(refusals.len(), 1, "he learns nothing from how he is refused: {refusals:#?}");
}
