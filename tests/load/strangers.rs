//! Somebody else's RTP at Asterisk's ports.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use audio_path::rtp::{self, Packet};
use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;

const SECOND: Duration = Duration::from_secs(1);
const SILENT: i16 = 64;

/// Row 33 of the fault matrix, for phones. A stranger who knows every port hits the right one, too.
#[test]
fn no_sample_of_a_strangers_rtp_reaches_a_call() {
    let cache = Cache::locate().expect("a cache");
    let appliance = Appliance::start(&cache, Options::default()).expect("the box starts");
    let speech = appliance.run_dir().join("silence.wav");
    Wav { samples: vec![0; 16_000 * 30], rate: 16_000 }.write(&speech);
    let mut caller = Pjsua2::call(&Plan {
        sip: appliance.asterisk.sip(),
        extension: "790",
        phone: &appliance.asterisk.phones()[0],
        codec: "PCMA",
        speech: &speech,
        directory: appliance.run_dir().path(),
    });
    caller.speak();
    // Its source is learnt within a second of packets.
    thread::sleep(2 * SECOND);
    // A-law of a hum at full scale.
    let loud: Vec<u8> = (0..160).map(|sample| if sample % 80 < 40 { 0x2a } else { 0xaa }).collect();
    let strangers = ["127.0.0.1:0", "127.0.0.2:0"].map(|own| UdpSocket::bind(own).expect("a port"));
    for sequence in 0..200_u16 {
        let timestamp = u32::from(sequence) * 160;
        let packet =
            Packet { payload_type: 8, marker: sequence == 0, sequence, timestamp, ssrc: 7, payload: &loud };
        let mut buffer = [0; 1_500];
        let length = rtp::build(&packet, &mut buffer).expect("it fits");
        for port in appliance.asterisk.options().rtp_ports.clone().step_by(2) {
            for stranger in &strangers {
                // A closed port may say so.
                stranger.send_to(&buffer[..length], ("127.0.0.1", port)).unwrap_or_default();
            }
        }
        thread::sleep(SECOND / 50);
    }
    let status = appliance.daemon.status().expect("the daemon answers");
    let passed = status["legs"][0]["frames"]["in"].as_u64().expect("a number");
    let heard = caller.hang_up();
    let loudest = heard.samples.iter().map(|sample| sample.saturating_abs()).max();
    assert!(loudest < Some(SILENT), "{loudest:?} was heard, after {passed} frames");
    assert!(passed > 250, "{passed} frames of the caller's own");
    for stranger in &strangers {
        stranger.set_nonblocking(true).expect("a socket");
        assert!(stranger.recv_from(&mut [0; 1_500]).is_err(), "speech is sent to a stranger");
    }
}
