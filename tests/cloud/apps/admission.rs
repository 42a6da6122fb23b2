//! Who is let in.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::{Daemon, program};
use dragoman_tests::network::take_addresses;
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tungstenite::http::header::{AUTHORIZATION, HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::{Error, Message};

use super::Rig;
use super::program::Program;

#[test]
fn whoever_has_not_the_token_learns_nothing() {
    let rig = Rig::start();
    let mode = rig.token_file.metadata().expect("the daemon made it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (missing, wrong) = (rig.knock(&[]), rig.knock(&[(AUTHORIZATION, "Bearer 0123456789abcdef")]));
    let missing = missing.expect_err("there is no token");
    assert_eq!((missing.0, &missing), (401, &wrong.expect_err("it is the wrong one")));
    // Two were tried; three more, and nobody is asked for a while.
    let statuses: Vec<u16> = (0..5).map(|_| rig.knock(&[]).expect_err("no token").0).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    // But who knows the token comes in.
    drop(rig.enter());
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(Program::with_token(&rig, "wrong").wait_for("refused")["status"], 401);
    drop(rig.enter());
    assert_eq!((rig.refused("token"), rig.refused("tries")), (6, 2));
    let log = rig.clouds.daemon.logged();
    assert!(!log.contains(&rig.token()), "the token is in the log");
    rig.assert_all_gone();
}

#[test]
fn pages_of_strangers_are_refused_and_known_ones_bring_the_token_as_a_subprotocol() {
    let rig = Rig::start();
    let bearer = format!("Bearer {}", rig.token());
    let right = (AUTHORIZATION, bearer.as_str());
    let status = |header| rig.knock(&[right.clone(), header]).expect_err("a stranger").0;
    assert_eq!(status((ORIGIN, "http://evil.example")), 403);
    assert_eq!(status((ORIGIN, "null")), 403);
    assert_eq!(status((HOST, "evil.example")), 421);
    let protocols = format!("dragoman.v1, dragoman.token.{}", rig.token());
    let page = [(ORIGIN, "http://localhost:3000"), (SEC_WEBSOCKET_PROTOCOL, protocols.as_str())];
    let mut socket = rig.knock(&page).expect("it is let in");
    let hello = socket.read().expect("a message");
    assert!(hello.to_text().is_ok_and(|text| text.contains("\"hello\"")), "{hello:?}");
    assert_eq!(rig.refused("origin"), 2);
}

#[test]
#[ignore = "needs a network of its own, which `cargo xtask test` gives it as root"]
fn a_program_of_the_box_comes_by_the_boxs_own_address_and_nobody_by_another() {
    let [box_s, elsewhere] = [1, 2].map(|last| Ipv4Addr::new(10, 9, 5, last));
    take_addresses([box_s, elsewhere].iter());
    let rig = Rig::start_at(Some(box_s));
    drop(rig.enter());
    let to = rig.address().parse().expect("an address");
    let stream = Runtime::new().expect("a runtime").block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from((elsewhere, 0))).expect("an address of ours");
        socket.connect(to).await.and_then(TcpStream::into_std).expect("it listens")
    });
    stream.set_nonblocking(false).expect("a socket");
    let token = format!("Bearer {}", rig.token());
    let refused = rig.knock_by(stream, &[(AUTHORIZATION, &token)]).expect_err("it is a stranger");
    assert_eq!(refused, (403, "for programs on this box alone\n".to_owned()));
    assert_eq!(rig.refused("elsewhere"), 1);
}

#[test]
fn who_is_no_websocket_and_who_is_one_too_many_is_told_so() {
    let rig = Rig::start();
    let plain = format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        rig.token()
    );
    assert_eq!(rig.clouds.daemon.ask(&plain).0, 426);
    let programs: Vec<_> = (0..8).map(|_| rig.enter()).collect();
    let bearer = format!("Bearer {}", rig.token());
    assert_eq!(rig.knock(&[(AUTHORIZATION, &bearer)]).expect_err("there is no place").0, 503);
    assert_eq!(rig.refused("full"), 1);
    drop(programs);
    rig.assert_all_gone();
    drop(rig.enter());
}

#[test]
fn a_box_that_lets_no_program_in_does_not_know_the_address() {
    let daemon = Daemon::start();
    assert_eq!(daemon.get("/api/v1/stream", "localhost").0, 404);
}

#[test]
fn with_another_token_who_knows_the_old_one_is_disconnected() {
    let rig = Rig::start();
    let (mut socket, before) = (rig.enter(), rig.token());
    let config = rig.clouds.daemon.directory().join("dragomand.toml");
    let dragoman = |more: &[&str]| {
        let output = Command::new(program("dragoman"))
            .args(["apps", "token", "--config"])
            .arg(&config)
            .args(more)
            .output()
            .expect("dragoman runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("words")
    };
    assert_eq!(dragoman(&[]).trim(), rig.token_file.display().to_string());
    assert_eq!(dragoman(&["--new"]).trim(), rig.token_file.display().to_string());
    assert_ne!(rig.token(), before);
    let began = Instant::now();
    let end = loop {
        match socket.read() {
            Ok(Message::Close(frame)) => break frame.expect("a reason"),
            Ok(_) => {}
            Err(Error::Io(error)) => panic!("{error}"),
            Err(error) => panic!("it is told nothing: {error}"),
        }
    };
    assert!(u16::from(end.code) == 4401 && end.reason.contains("token"), "{end:?}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(rig.enter());
}
