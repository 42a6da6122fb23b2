//! What is no request.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

use super::Rig;
use super::program::Program;

/// Reads to the end: the types of what it was told, and the code of the end.
fn read_on(socket: &mut WebSocket<std::net::TcpStream>) -> (Vec<String>, Option<u16>) {
    let mut told = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => return (told, frame.map(|frame| u16::from(frame.code))),
            Ok(Message::Text(text)) => {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                told.push(value["type"].as_str().expect("a type").to_owned());
            }
            Ok(_) => {}
            Err(Error::Io(_) | Error::Protocol(_) | Error::ConnectionClosed) => return (told, None),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_wrong_message_is_answered_and_the_next_one_served() {
    let rig = Rig::start();
    let mut program = Program::start(&rig);
    for (message, id, words) in [
        ("{", Value::Null, "EOF"),
        (r#"{"type":"dance","id":4}"#, json!(4), "subscribe"),
        (r#"{"type":"subscribe","id":9,"room":"800","video":true}"#, json!(9), "video"),
        (r#"{"type":"speak","id":1,"room":"800","text":"a","language":"1"}"#, json!(1), "language"),
    ] {
        program.say_text(message);
        let refused = program.wait_for("error");
        let reason = refused["message"].as_str().expect("a reason");
        assert!(refused["id"] == id && reason.contains(words), "{message}: {refused}");
    }
    program.say(&json!({ "type": "rooms" }));
    program.wait_for("rooms");
}

#[test]
fn a_thousand_messages_of_junk_are_refused_and_leave_nothing_behind() {
    let rig = Rig::start();
    drop(rig.enter());
    rig.assert_all_gone();
    let before = rig.clouds.daemon.holding();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..10 {
        let mut socket = rig.enter();
        for number in 0..100 {
            let length = random.usize(0..300);
            let junk: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            let message = match (round + number) % 3 {
                0 => Message::binary(junk),
                1 => Message::text(String::from_utf8_lossy(&junk).into_owned()),
                _ => Message::text(format!("{{\"type\":\"speak\",\"room\":{number},\"id\":[{round}]}}")),
            };
            if socket.send(message).is_err() {
                break;
            }
        }
        socket.close(None).unwrap_or_default();
        let (told, _) = read_on(&mut socket);
        assert!(told[1..].iter().all(|kind| kind == "error") && told.len() > 50, "{told:?}");
    }
    let mut hasty = rig.enter();
    let sent = (0..1_000).take_while(|_| hasty.send(Message::text("{}")).is_ok()).count();
    let (told, code) = read_on(&mut hasty);
    assert!(sent < 1_000 || code == Some(1008), "{code:?} after {} answers", told.len());
    let mut large = rig.enter();
    large.send(Message::text("x".repeat(20 << 10))).expect("it is taken");
    assert_eq!(read_on(&mut large).1, Some(1009));
    for _ in 0..20 {
        let mut broken = rig.enter();
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(2_000).collect();
        broken.get_mut().write_all(&noise).unwrap_or_default();
        let mut rest = Vec::new();
        broken.get_mut().set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        broken.get_mut().read_to_end(&mut rest).map(|_| ()).unwrap_or_default();
    }
    drop((hasty, large));
    rig.assert_all_gone();
    assert!(rig.ended("too_many") >= 1 && rig.ended("malformed") >= 1);
    assert_eq!(rig.ended("large"), 1);
    rig.clouds.daemon.assert_nothing_left(&before);
    assert!(!rig.clouds.daemon.logged().contains("panicked"));
}

#[test]
fn who_goes_leaves_no_subscription() {
    let rig = Rig::start();
    drop(rig.enter());
    rig.assert_all_gone();
    let before = rig.clouds.daemon.holding();
    for _ in 0..50 {
        let mut programs: Vec<_> = (0..4).map(|_| rig.enter()).collect();
        for (room, socket) in programs.iter_mut().enumerate() {
            let request = json!({ "type": "subscribe", "room": room.to_string(), "audio": true });
            socket.send(Message::text(request.to_string())).expect("it is taken");
        }
        drop(programs);
        rig.assert_all_gone();
    }
    rig.clouds.daemon.assert_nothing_left(&before);
}
