//! Who is not the phone is not heard, and costs nothing.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::audiosocket::{Sender, id, message};
use crate::phone::{FRAME, PATIENCE, Phone, Place, UUID};
use crate::rtp::{RtpPhone, datagram};
use crate::scenario::{connected, listen, talk};

const SECOND: Duration = Duration::from_secs(1);
const LOUD: [u8; 160] = [0x80; 160];

/// Row 33 of the fault matrix.
#[test]
fn no_sample_of_a_strangers_rtp_is_heard() {
    let place = Place::open();
    let holding = place.daemon.holding();
    // Of the ports, one of the same machine and one of another.
    let strangers = ["127.0.0.1:0", "127.0.0.2:0"].map(|address| UdpSocket::bind(address).expect("a port"));
    let mut phone: RtpPhone<9> = connected(&place);
    let mut heard = Vec::new();
    let mut injected = 0;
    let mut inject = |phone: &RtpPhone<9>| {
        for stranger in &strangers {
            // He even guesses the numbers that are next.
            for ahead in 1..4 {
                let forged = datagram(9, phone.sequence.wrapping_add(ahead), phone.ssrc, &LOUD);
                stranger.send_to(&forged, phone.daemon).expect("sent");
                injected += 1;
            }
        }
    };
    for number in 0..100 {
        inject(&phone);
        talk(&mut phone, number..number + 1, &mut heard);
        sleep(FRAME);
    }
    listen(&mut phone, SECOND, &mut heard);
    assert!(heard == phone.echo(), "{} of {} frames: {}", heard.len(), phone.echo().len(), place.frames());
    assert_eq!(place.frames()["dropped"], serde_json::json!({ "stranger": injected }));
    drop(phone);
    assert!(strangers.iter().all(|stranger| {
        stranger.set_nonblocking(true).expect("a socket");
        stranger.recv_from(&mut [0; 1_500]).is_err()
    }));
    place.wait_for_legs(0, Duration::from_secs(30));
    place.daemon.assert_nothing_left(&holding);
}

#[test]
fn rtp_from_elsewhere_starts_no_call() {
    let place = Place::open();
    let stranger = UdpSocket::bind("127.0.0.2:0").expect("a port");
    let own = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for number in 0..50 {
        stranger.send_to(&datagram(9, number, 1, &LOUD), ("127.0.0.1", place.rtp[2])).expect("sent");
        // The right machine, but no RTP, and another codec than is configured.
        own.send_to(&[0x80; 7], ("127.0.0.1", place.rtp[2])).expect("sent");
        own.send_to(&datagram(0, number, 1, &LOUD), ("127.0.0.1", place.rtp[2])).expect("sent");
    }
    sleep(SECOND);
    assert_eq!(place.legs(), 0);
    assert_eq!(
        refused(&place, "rtp"),
        ["no audio of the codec and the peer of this [[rtp]]"],
        "once in a while"
    );
    let mut phone: RtpPhone<9> = connected(&place);
    talk(&mut phone, 0..10, &mut Vec::new());
}

#[test]
fn whoever_names_no_call_that_is_known_is_closed() {
    let place = Place::open();
    let holding = place.daemon.holding();
    let wrong = UUID.replace('4', "5");
    let openings = [id(&wrong), message(0x12, &[0; 640]), b"GET / HTTP/1.1\r\n\r\n\r\n".to_vec()];
    for opening in openings {
        assert!(is_closed_within(&place, &opening, SECOND), "{opening:x?}");
    }
    // Silence is closed too, half an id, and a message that is shorter than one.
    for opening in [&[][..], &id(UUID)[..10], &message(0x01, &[0; 4])] {
        assert!(is_closed_within(&place, opening, 4 * SECOND));
    }
    assert_eq!(place.legs(), 0);
    let why = refused(&place, "audiosocket");
    assert_eq!(why, ["it names a call that is not among [[audiosocket.call]]"], "the others are a number");
    place.daemon.assert_nothing_left(&holding);
}

/// Why whoever came to this door first was turned away, without his address.
fn refused(place: &Place, door: &str) -> Vec<String> {
    let refusals = place.daemon.status().expect("a status")["asterisk"]["refusals"].take();
    let refusals = refusals.as_array().expect("refusals").clone().into_iter();
    let reasons = refusals.filter(|refusal| refusal["dialled"] == door).map(|refusal| {
        let reason = refusal["reason"].as_str().expect("a reason").to_owned();
        reason.split_once(": ").expect("an address").1.to_owned()
    });
    reasons.collect()
}

fn is_closed_within(place: &Place, opening: &[u8], limit: Duration) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", place.audiosocket)).expect("the daemon listens");
    stream.write_all(opening).expect("sent");
    stream.set_read_timeout(Some(limit)).expect("a timeout");
    let began = Instant::now();
    match stream.read(&mut [0; 16]) {
        Ok(0) => true,
        Ok(_) => panic!("an answer"),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset && began.elapsed() < limit,
    }
}

#[test]
fn a_connection_that_talks_nonsense_ends_its_own_call_only() {
    let place = Place::open();
    let mut good: Sender<true> = connected(&place);
    let mut heard = Vec::new();
    for nonsense in [message(0x12, &[0; 639]), message(0xff, &[]), vec![0x12, 0xff, 0xfe]] {
        let mut stream = TcpStream::connect(("127.0.0.1", place.audiosocket)).expect("the daemon listens");
        stream.write_all(&id(UUID)).expect("sent");
        place.wait_for_legs(2, PATIENCE);
        stream.write_all(&nonsense).expect("sent");
        place.wait_for_legs(1, PATIENCE);
    }
    // What is only unknown is passed over.
    talk(&mut good, 0..20, &mut heard);
    listen(&mut good, SECOND / 2, &mut heard);
    assert!(heard == good.echo());
    assert_eq!(place.legs(), 1);
}
