//! Keys that come as packets of their own between those of the speech.

use std::time::Duration;

use audio_path::rtp::{self, Packet};
use audio_path::telephone_event::{PAYLOAD_TYPE, event_of};

use crate::phone::{FRAME, Phone, Place};
use crate::rtp::RtpPhone;
use crate::scenario::{connected, listen, talk};

/// Holds a key for 160 ms, as phones do: its end is told three times, and speech pauses meanwhile.
fn press(phone: &mut RtpPhone<9>, key: char, timestamp: u32) {
    for turn in 1..=8_u16 {
        let volume = if turn == 8 { 0x8a } else { 0x0a };
        let [high, low] = (turn * 160).to_be_bytes();
        let payload = [event_of(key).expect("a key"), volume, high, low];
        for _ in 0..if turn == 8 { 3 } else { 1 } {
            phone.sequence = phone.sequence.wrapping_add(1);
            let (sequence, ssrc) = (phone.sequence, phone.ssrc);
            let packet = Packet {
                payload_type: PAYLOAD_TYPE,
                marker: turn == 1,
                sequence,
                timestamp,
                ssrc,
                payload: &payload,
            };
            let mut datagram = [0; 64];
            let length = rtp::build(&packet, &mut datagram).expect("it fits");
            phone.socket.send_to(&datagram[..length], phone.daemon).expect("sent");
        }
        std::thread::sleep(FRAME);
    }
}

#[test]
fn keys_between_the_speech_cost_none_of_it() {
    let place = Place::open();
    let mut phone: RtpPhone<9> = connected(&place);
    let mut heard = Vec::new();
    for (round, key) in (0..).zip(['5', '#', '5']) {
        talk(&mut phone, round * 50..round * 50 + 50, &mut heard);
        press(&mut phone, key, round * 50_000);
    }
    talk(&mut phone, 150..200, &mut heard);
    listen(&mut phone, Duration::from_millis(500), &mut heard);
    assert_eq!(place.frames()["dropped"], serde_json::json!({}));
    assert!(heard == phone.echo(), "{} of {} frames: {}", heard.len(), phone.echo().len(), place.frames());
}
