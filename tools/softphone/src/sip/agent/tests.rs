//! Two lines joined by a network of simulated time.

use std::time::Duration;

use super::*;
use crate::media::codec::Codec;
use crate::sip::digest::Credentials;

const ALICE: &str = "127.0.0.1:5070";
const BOB: &str = "127.0.0.1:5060";

fn line(user: &str, local: &str, server: &str, seed: u8) -> UserAgent {
    let account = Account {
        user: user.into(),
        domain: server.into(),
        server: server.parse().unwrap(),
        credentials: Some(Credentials { user: user.into(), secret: "secret".into() }),
        local: local.parse().unwrap(),
    };
    UserAgent::new(account, IdSource::with_seed([seed; 16]))
}

fn media(port: u16) -> LocalMedia {
    LocalMedia { address: format!("127.0.0.1:{port}").parse().unwrap(), codecs: Codec::ALL.to_vec() }
}

struct Network {
    alice: UserAgent,
    bob: UserAgent,
    now: Instant,
    /// Loses the datagram of that number, counted from 0.
    lose: fn(usize) -> bool,
    carried: usize,
    log: Vec<String>,
}

impl Network {
    fn new(lose: fn(usize) -> bool) -> Self {
        let alice = line("101", ALICE, BOB, 1);
        let bob = line("102", BOB, ALICE, 2);
        Self { alice, bob, now: Instant::now(), lose, carried: 0, log: Vec::new() }
    }

    /// Delivers what is under way; then lets the time pass to the next timer, for `limit` at most.
    fn run(&mut self, limit: Duration) {
        let end = self.now + limit;
        loop {
            self.deliver();
            let next = self.alice.next_timer().into_iter().chain(self.bob.next_timer()).min();
            match next {
                Some(at) if at <= end => self.now = self.now.max(at),
                _ => break,
            }
            self.alice.on_timer(self.now);
            self.bob.on_timer(self.now);
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        loop {
            let transmits: Vec<_> = std::iter::from_fn(|| self.alice.poll_transmit())
                .map(|t| (t, ALICE))
                .chain(std::iter::from_fn(|| self.bob.poll_transmit()).map(|t| (t, BOB)))
                .collect();
            if transmits.is_empty() {
                return;
            }
            for (transmit, from) in transmits {
                let lost = (self.lose)(self.carried);
                self.carried += 1;
                let first =
                    String::from_utf8_lossy(&transmit.bytes).lines().next().unwrap_or_default().to_owned();
                self.log.push(format!("{}{first}", if lost { "lost " } else { "" }));
                if lost {
                    continue;
                }
                let to = if transmit.to == BOB.parse().unwrap() { &mut self.bob } else { &mut self.alice };
                to.on_datagram(&transmit.bytes, from.parse().unwrap(), self.now);
            }
        }
    }

    fn events(&mut self) -> (Vec<AgentEvent>, Vec<AgentEvent>) {
        let alice = std::iter::from_fn(|| self.alice.poll_event()).collect();
        (alice, std::iter::from_fn(|| self.bob.poll_event()).collect())
    }

    fn ring(&mut self) {
        self.alice.invite("102", media(4000), self.now).unwrap();
        self.run(Duration::from_secs(30));
        let (alice, bob) = self.events();
        assert!(alice.contains(&AgentEvent::Progress(180)), "{:?}", self.log);
        assert_eq!(bob, [AgentEvent::Incoming { from: "101".into() }]);
    }

    fn connect(&mut self) {
        self.ring();
        self.bob.answer(&media(4002), self.now);
        self.run(Duration::from_secs(30));
        let (alice, bob) = self.events();
        let [AgentEvent::Connected(at_alice)] = &alice[..] else { panic!("{alice:?} {:?}", self.log) };
        let [AgentEvent::Connected(at_bob)] = &bob[..] else { panic!("{bob:?}") };
        assert_eq!((at_alice.codec, at_alice.remote.port()), (Codec::L16, 4002));
        assert_eq!((at_bob.codec, at_bob.remote.port()), (Codec::L16, 4000));
    }
}

fn nothing_lost(_: usize) -> bool {
    false
}

#[test]
fn a_call_and_a_bye_from_each_side() {
    for by_alice in [true, false] {
        let mut net = Network::new(nothing_lost);
        net.connect();
        if by_alice {
            net.alice.hang_up(net.now);
        } else {
            net.bob.hang_up(net.now);
        }
        net.run(Duration::from_secs(1));
        let (alice, bob) = net.events();
        let mine =
            |here| if here { AgentEvent::Ended(EndedBy::Local) } else { AgentEvent::Ended(EndedBy::Remote) };
        assert_eq!((alice, bob), (vec![mine(by_alice)], vec![mine(!by_alice)]));
        assert!(net.alice.is_idle() && net.bob.is_idle());
        net.run(Duration::from_secs(60));
        assert!(net.alice.clients.is_empty() && net.bob.servers.is_empty(), "no transaction is left");
    }
}

#[test]
fn a_third_of_the_datagrams_may_be_lost() {
    // A regular pattern would fall into step with the repetitions.
    fn lost(n: usize, salt: usize) -> bool {
        ((n + salt).wrapping_mul(0x9e37_79b9) >> 11).is_multiple_of(3)
    }
    let losses: [fn(usize) -> bool; 4] = [|n| lost(n, 1), |n| lost(n, 77), |n| lost(n, 1234), |n| n == 0];
    for lose in losses {
        let mut net = Network::new(lose);
        net.connect();
        net.alice.hang_up(net.now);
        net.run(Duration::from_secs(30));
        let (alice, bob) = net.events();
        assert_eq!(alice, [AgentEvent::Ended(EndedBy::Local)], "{:#?}", net.log);
        assert_eq!(bob, [AgentEvent::Ended(EndedBy::Remote)], "{:#?}", net.log);
    }
}

#[test]
fn a_cancelled_call_ends_on_both_sides() {
    let mut net = Network::new(nothing_lost);
    net.ring();
    net.alice.hang_up(net.now);
    net.run(Duration::from_secs(40));
    let (alice, bob) = net.events();
    assert!(matches!(&alice[..], [AgentEvent::Failed { code: Some(487), .. }]), "{alice:?} {:#?}", net.log);
    assert_eq!(bob, [AgentEvent::Ended(EndedBy::Remote)]);
    assert!(net.log.iter().any(|line| line.starts_with("ACK ")), "{:#?}", net.log);
    assert!(net.alice.clients.is_empty() && net.bob.servers.is_empty());
}

#[test]
fn a_cancel_waits_for_the_first_answer() {
    let mut net = Network::new(nothing_lost);
    net.alice.invite("102", media(4000), net.now).unwrap();
    net.alice.hang_up(net.now);
    net.run(Duration::from_secs(2));
    let (alice, _) = net.events();
    assert!(matches!(&alice[..], [AgentEvent::Failed { code: Some(487), .. }]), "{alice:?}");
}

#[test]
fn refused_and_busy() {
    let mut net = Network::new(nothing_lost);
    net.ring();
    net.bob.hang_up(net.now);
    net.run(Duration::from_secs(1));
    let (alice, _) = net.events();
    let [AgentEvent::Failed { code: Some(603), message }] = &alice[..] else { panic!("{alice:?}") };
    assert!(message.contains("102 declined"), "{message}");

    let mut net = Network::new(nothing_lost);
    net.connect();
    let mut third = line("103", "127.0.0.1:5080", BOB, 3);
    third.invite("102", media(4004), net.now).unwrap();
    let invite = third.poll_transmit().unwrap();
    net.bob.on_datagram(&invite.bytes, "127.0.0.1:5080".parse().unwrap(), net.now);
    let answer = net.bob.poll_transmit().unwrap();
    third.on_datagram(&answer.bytes, BOB.parse().unwrap(), net.now);
    assert!(matches!(third.poll_event(), Some(AgentEvent::Failed { code: Some(486), .. })));
    assert!(net.bob.in_call());
}

#[test]
fn nobody_there() {
    let mut net = Network::new(|_| true);
    net.alice.invite("102", media(4000), net.now).unwrap();
    net.run(Duration::from_secs(40));
    let (alice, _) = net.events();
    let [AgentEvent::Failed { code: None, message }] = &alice[..] else { panic!("{alice:?}") };
    assert!(message.contains("no answer from 127.0.0.1:5060"), "{message}");
    assert_eq!(net.log.len(), 7, "the INVITE and six repetitions");
}

/// A re-INVITE as a PBX sends it, built from the dialog as Alice knows it.
fn reinvite(net: &Network, body: &str) -> Vec<u8> {
    let dialog = &net.alice.call.as_ref().unwrap().dialog;
    let mut request = dialog.request(Method::Invite, dialog.local_cseq + 1, "<sip:101@127.0.0.1:5070>");
    request.body = body.into();
    net.alice.serialise(request, "z9hG4bKre")
}

#[test]
fn hold_by_reinvite_is_answered() {
    let mut net = Network::new(nothing_lost);
    net.connect();
    let held = String::from_utf8(crate::sdp::offer(&media(4000), 2)).unwrap().replace("sendrecv", "sendonly");
    net.bob.on_datagram(&reinvite(&net, &held), ALICE.parse().unwrap(), net.now);
    let answer = String::from_utf8(net.bob.poll_transmit().unwrap().bytes).unwrap();
    assert!(answer.starts_with("SIP/2.0 200") && answer.contains("a=recvonly"), "{answer}");
    let Some(AgentEvent::MediaChanged(agreed)) = net.bob.poll_event() else { panic!() };
    assert!(!agreed.send && agreed.receive);
}

#[test]
fn options_and_unknown_methods_are_answered_and_strangers_end_no_call() {
    let mut net = Network::new(nothing_lost);
    net.connect();
    let mut ask = |method: Method, branch: &str| {
        let mut dialog = net.alice.call.as_ref().unwrap().dialog.clone();
        dialog.call_id = "another".into();
        let bytes = net.alice.serialise(dialog.request(method, 9, "<sip:x@127.0.0.1>"), branch);
        net.bob.on_datagram(&bytes, "127.0.0.1:9999".parse().unwrap(), net.now);
        let answer = net.bob.poll_transmit().unwrap();
        (answer.to, String::from_utf8(answer.bytes).unwrap())
    };
    let (to, options) = ask(Method::Options, "z9hG4bKa");
    assert!(options.starts_with("SIP/2.0 200") && options.contains("Allow: INVITE"), "{options}");
    assert!(options.contains("rport=9999") && options.contains("received=127.0.0.1"), "{options}");
    assert_eq!(to, "127.0.0.1:9999".parse().unwrap());
    assert!(ask(Method::Message, "z9hG4bKb").1.starts_with("SIP/2.0 405"));
    assert!(ask(Method::Bye, "z9hG4bKc").1.starts_with("SIP/2.0 481"));
    assert!(net.bob.in_call());
}

/// Answers each request with what `answer` makes of it.
fn serve(
    agent: &mut UserAgent,
    now: Instant,
    mut answer: impl FnMut(&str) -> Option<String>,
) -> Vec<AgentEvent> {
    while let Some(transmit) = agent.poll_transmit() {
        let request = String::from_utf8(transmit.bytes).unwrap();
        let Some(status) = answer(&request) else { continue };
        let keep = ["Via:", "From:", "Call-ID:", "CSeq:"];
        let echoed = request.lines().filter(|line| keep.iter().any(|name| line.starts_with(name)));
        let head = echoed.collect::<Vec<_>>().join("\r\n");
        let (status, extra) = status.split_once('\n').unwrap_or((&status, "X: y"));
        let response = format!(
            "SIP/2.0 {status}\r\n{head}\r\nTo: <sip:a@b>;tag=z\r\n{extra}\r\nContent-Length: 0\r\n\r\n"
        );
        agent.on_datagram(response.as_bytes(), BOB.parse().unwrap(), now);
    }
    std::iter::from_fn(|| agent.poll_event()).collect()
}

const CHALLENGE: &str =
    "401 Unauthorized\nWWW-Authenticate: Digest realm=\"box\",nonce=\"n1\",algorithm=SHA-256,qop=\"auth\"";

#[test]
fn registration_answers_a_challenge_refreshes_and_leaves() {
    let mut agent = line("101", ALICE, BOB, 1);
    let now = Instant::now();
    agent.register(now);
    let accept = "200 OK\nExpires: 120".to_owned();
    let register =
        |request: &str| Some(if request.contains("nc=") { accept.clone() } else { CHALLENGE.into() });
    assert_eq!(serve(&mut agent, now, register), [AgentEvent::Registered(Duration::from_secs(120))]);

    let refresh = now + Duration::from_secs(90);
    assert_eq!(agent.registration.refresh_at(), Some(refresh));
    agent.on_timer(refresh);
    let mut counts = Vec::new();
    serve(&mut agent, refresh, |request| {
        counts.extend(request.split("nc=").nth(1).map(|rest| rest[..8].to_owned()));
        Some(accept.clone())
    });
    assert_eq!(counts, ["00000002"], "the known nonce is used again and counted");

    agent.unregister(refresh);
    let mut expires = String::new();
    let events = serve(&mut agent, refresh, |request| {
        expires.push_str(request.lines().find(|line| line.starts_with("Expires")).unwrap_or_default());
        Some("200 OK".into())
    });
    assert_eq!((events, expires.as_str()), (vec![AgentEvent::Unregistered], "Expires: 0"));
}

#[test]
fn a_wrong_secret_is_told_from_a_stale_nonce() {
    let mut agent = line("101", ALICE, BOB, 1);
    let now = Instant::now();
    agent.register(now);
    let events = serve(&mut agent, now, |_| Some(CHALLENGE.into()));
    let words = "401 after a correct digest: wrong secret for extension 101".to_owned();
    assert_eq!(events, [AgentEvent::RegistrationFailed(words)]);

    agent.register(now);
    let mut asked = 0;
    let events = serve(&mut agent, now, |_| {
        asked += 1;
        Some(match asked {
            1 => CHALLENGE.into(),
            2 => format!("{CHALLENGE},stale=true"),
            _ => "200 OK".into(),
        })
    });
    assert_eq!(events, [AgentEvent::Registered(Duration::from_secs(300))]);
}

#[test]
fn without_a_password_the_words_ask_for_one() {
    let mut agent = line("101", ALICE, BOB, 1);
    agent.account.credentials = None;
    let now = Instant::now();
    agent.invite("700", media(4000), now).unwrap();
    let events = serve(&mut agent, now, |request| request.starts_with("INVITE").then(|| CHALLENGE.into()));
    let [AgentEvent::Failed { code: Some(401), message }] = &events[..] else { panic!("{events:?}") };
    assert!(message.contains("give --user and --password-file"), "{message}");
}

#[test]
fn too_short_an_interval_is_lengthened() {
    let mut agent = line("101", ALICE, BOB, 1);
    let now = Instant::now();
    agent.register(now);
    let events = serve(&mut agent, now, |request| {
        let long = request.contains("Expires: 600");
        Some(if long { "200 OK".into() } else { "423 Too brief\nMin-Expires: 600".into() })
    });
    assert_eq!(events, [AgentEvent::Registered(Duration::from_secs(600))]);
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Mutates the datagrams of a whole call on their way.
        #[test]
        fn a_call_over_a_corrupting_network_never_panics(
            edits in prop::collection::vec((0..12usize, any::<prop::sample::Index>(), any::<u8>()), 1..12),
        ) {
            let mut net = Network::new(nothing_lost);
            net.alice.invite("102", media(4000), net.now).unwrap();
            for step in 0..12 {
                for (to_bob, transmit) in [(true, net.alice.poll_transmit()), (false, net.bob.poll_transmit())] {
                    let Some(mut transmit) = transmit else { continue };
                    for (_, at, byte) in edits.iter().filter(|(when, ..)| *when == step) {
                        let at = at.index(transmit.bytes.len());
                        transmit.bytes[at] = *byte;
                    }
                    let (agent, from) = if to_bob { (&mut net.bob, ALICE) } else { (&mut net.alice, BOB) };
                    agent.on_datagram(&transmit.bytes, from.parse().unwrap(), net.now);
                }
                if step == 3 { net.bob.answer(&media(4002), net.now); }
                if step == 7 { net.alice.hang_up(net.now); }
                net.now += Duration::from_millis(600);
                net.alice.on_timer(net.now);
                net.bob.on_timer(net.now);
            }
        }
    }
}
