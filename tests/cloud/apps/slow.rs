//! Nobody waits for a program that does not read.

use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::json;
use tungstenite::{Error, Message};

use super::Rig;
use super::program::Program;
use crate::conference::{Conference, count};

#[test]
fn who_never_reads_is_cut_off_and_costs_nobody_else_a_frame() {
    let rig = Rig::start();
    let mut reader = Program::start(&rig);
    reader.subscribe("800");
    let mut sleeper = rig.enter();
    set_socket_recv_buffer_size(sleeper.get_ref(), 4 << 10).expect("a socket");
    let request = json!({ "type": "subscribe", "room": "800", "events": true, "audio": true });
    sleeper.send(Message::text(request.to_string())).expect("it is taken");
    let mut call = Conference::dial(&rig.clouds, "800", &[101, 103]);
    call.pass_until(|seen| count(seen, "listening") == 2);
    call.wait(Duration::from_secs(1));
    let before = rig.clouds.daemon.resident_kib();

    let began = Instant::now();
    let (ticks, heard) = (call.ticks, call.heard.clone());
    while rig.ended("slow") + rig.ended("silent") < 1 {
        assert!(began.elapsed() < Duration::from_secs(30), "it is never cut off");
        (0..25).for_each(|_| call.pass(Some(0)));
    }
    let took = began.elapsed();
    // Sound goes on as if nothing had happened.
    for (heard, before) in call.heard.iter().zip(heard) {
        let (heard, ticks) = (heard - before, call.ticks - ticks);
        assert!(heard.abs_diff(ticks) <= 5, "{heard} frames in {ticks} ticks");
    }
    assert_eq!(["uplink_full", "pipe_full"].map(|reason| rig.clouds.daemon.dropped(reason)), [0, 0]);
    call.wait(Duration::from_secs(1));
    reader.catch_up();
    for stream in reader.streams("speech") {
        let sounds = reader.heard(stream);
        assert!(sounds.len() as u128 > took.as_millis() / 25, "{} frames in {took:?}", sounds.len());
        assert!(sounds.iter().enumerate().all(|(place, sound)| sound.place == place as u64));
        let late = sounds.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max();
        assert!(late < Some(500), "{late:?} ms between two frames");
    }
    assert_eq!(rig.clouds.daemon.status().expect("a status")["media"]["allocations"], 0);

    // What it has not read yet ends with the reason, where there was room for it, or with the connection.
    let end = loop {
        match sleeper.read() {
            Ok(Message::Close(frame)) => break frame.map(|frame| u16::from(frame.code)),
            Ok(_) => {}
            Err(Error::Io(_) | Error::Protocol(_) | Error::ConnectionClosed) => break None,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(end.is_none_or(|code| [1013, 4408].contains(&code)), "{end:?}");
    drop((sleeper, reader));
    rig.assert_all_gone();
    let grown = rig.clouds.daemon.resident_kib().saturating_sub(before);
    assert!(grown <= 10 * 1_024, "{grown} KiB more memory");
}
