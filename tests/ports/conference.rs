//! Who comes in at a port takes part in a conference as a phone does.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread::sleep;
use std::time::{Duration, Instant};

use audio_path::Frame;
use dragoman_tests::daemon::Daemon;
use dragoman_tests::fake_phone::FakePhone;
use serde_json::{Value, json};

use crate::audiosocket::{Sender, id, message};
use crate::phone::{FRAME, PATIENCE, Phone, Place, UUID, frame};
use crate::rtp::RtpPhone;

const KEY: u8 = 0x03;
/// Noise of a test is louder, and every tone that the daemon plays is softer.
const LOUD_DBFS: f32 = -17.8;

/// A conference of a sender of AudioSocket and one of RTP, who speak the same language.
fn conference(pin: &str) -> Place {
    let audiosocket = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let tables = format!(
        "[[room]]\nextension = \"800\"\nkind = \"conference\"\n{pin}\n\
         [audiosocket]\nlisten = \"127.0.0.1:{audiosocket}\"\n\
         [[audiosocket.call]]\nuuid = \"{UUID}\"\nextension = \"800\"\nlanguage = \"en\"\nname = \"Front gate\"\n\
         [[rtp]]\nextension = \"800\"\nlisten = \"127.0.0.1:{rtp}\"\ncodec = \"ulaw\"\nlanguage = \"en\"\n"
    );
    Place { daemon: Daemon::start_with(&tables), audiosocket, rtp: [rtp; 3], sound: None }
}

fn refusals(place: &Place) -> Value {
    place.daemon.status().expect("the daemon answers")["asterisk"]["refusals"].clone()
}

#[test]
fn who_comes_in_at_one_port_hears_who_came_in_at_another() {
    let place = conference("");
    let mut gate = Sender::<true>::call(&place);
    let mut desk = RtpPhone::<0>::call(&place);
    let (mut at_gate, mut at_desk) = (0, 0);
    let start = Instant::now();
    for turn in 0..200 {
        sleep((start + FRAME * turn).saturating_duration_since(Instant::now()));
        // One speaks first, then the other.
        let (from_gate, from_desk) =
            if turn < 100 { (frame(turn), Frame::SILENCE) } else { (Frame::SILENCE, frame(turn)) };
        assert!(gate.send(&from_gate) && desk.send(&from_desk));
        while let Some(audio) = gate.hear() {
            at_gate +=
                usize::from(audio.chunks_exact(2).any(|s| i16::from_le_bytes([s[0], s[1]]).abs() > 2_000));
        }
        while let Some(audio) = desk.hear() {
            // Silence is 0xff, and what is nearly silent begins with the same bits.
            at_desk += usize::from(audio.iter().any(|sample| sample & 0x70 < 0x30));
        }
    }
    assert!(at_desk > 50 && at_gate > 50, "{at_desk} {at_gate} of 100: {:?}", refusals(&place));
    let legs = place.daemon.status().expect("a status")["legs"].clone();
    let legs = legs.as_array().expect("legs");
    assert!(legs.iter().all(|leg| leg["language"] == "en"), "{legs:?}");
    assert!(legs.iter().any(|leg| leg["name"] == "Front gate"), "{legs:?}");
}

/// A call that was named, and presses these keys.
fn press(place: &Place, keys: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", place.audiosocket)).expect("the daemon listens");
    stream.write_all(&id(UUID)).expect("the daemon reads");
    for key in keys.bytes() {
        stream.write_all(&message(KEY, &[key])).expect("the daemon reads");
    }
    stream
}

/// There is no control of Asterisk here.
#[test]
fn three_wrong_pins_end_the_call_and_are_told() {
    let place = conference("pin = \"2468\"");
    let call = press(&place, "000011112222");
    place.wait_for_legs(1, PATIENCE);
    let began = Instant::now();
    while refusals(&place) == json!([]) {
        assert!(began.elapsed() < PATIENCE, "nobody is refused");
        sleep(FRAME);
    }
    assert_eq!(refusals(&place)[0]["reason"], "wrong PIN three times");
    // What he is told first cannot be spoken, which takes its time.
    place.wait_for_legs(0, Duration::from_secs(60));
    drop(call);
    let again = press(&place, "2468");
    let began = Instant::now();
    while refusals(&place)[1].is_null() {
        assert!(began.elapsed() < PATIENCE, "he may try again at once");
        sleep(FRAME);
    }
    let reason = refusals(&place)[0]["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("try again in"), "{reason}");
    assert_eq!(place.legs(), 0);
    drop(again);
}

/// Two phones at pipes, which speak one language.
struct Two {
    daemon: Daemon,
    phones: [FakePhone; 2],
}

impl Two {
    fn call() -> Self {
        let daemon = Daemon::start_with(
            "[[room]]\nextension = \"800\"\nkind = \"conference\"\npin = \"2468\"\n\
             [[phone]]\nextension = \"101\"\nname = \"Desk\"\nlanguage = \"en\"\n\
             [[phone]]\nextension = \"102\"\nname = \"Gate\"\nlanguage = \"en\"\n",
        );
        let phones = IDS.map(|id| FakePhone::connect(&daemon.pipes(), id));
        Self { daemon, phones }
    }

    fn press(&mut self, phone: usize, keys: &str) {
        let socket = UnixDatagram::unbound().expect("a socket");
        for key in keys.chars() {
            let told = format!("{} {key}", IDS[phone]);
            socket.send_to(told.as_bytes(), self.daemon.pipes().join(".keys")).expect("the daemon listens");
            self.loud_frames(5);
        }
    }

    /// The first speaks for so many frames: how many of them the second hears.
    fn loud_frames(&mut self, frames: u32) -> usize {
        let [desk, gate] = &self.phones;
        let (start, mut loud) = (Instant::now(), 0);
        for number in 0..frames {
            sleep((start + FRAME * number).saturating_duration_since(Instant::now()));
            desk.send(&frame(number).to_wire());
            gate.send(&Frame::SILENCE.to_wire());
            let heard = std::iter::from_fn(|| gate.receive());
            loud += heard.filter(|bytes| Frame::from_wire(bytes).dbfs() > LOUD_DBFS).count();
            while desk.receive().is_some() {}
        }
        loud
    }

    fn kill(&mut self) {
        self.daemon.kill();
        self.daemon.restart();
        // Until its pipes are open again, and what waited in them is gone.
        self.loud_frames(50);
    }

    fn remembered(&self) -> usize {
        std::fs::read_dir(self.daemon.directory().join("calls")).expect("a directory").count()
    }
}

const IDS: [&str; 2] = ["800-17.1-101", "800-17.2-102"];

#[test]
fn a_killed_daemon_forgets_neither_who_is_in_nor_who_is_mute() {
    let mut two = Two::call();
    two.loud_frames(50);
    two.press(0, "2468");
    assert_eq!(two.loud_frames(50), 0, "one of two is in");
    two.kill();
    two.press(1, "2468");
    assert!(two.loud_frames(100) > 80);
    for _ in 0..5 {
        two.kill();
        assert!(two.loud_frames(50) > 40, "they are in");
    }
    two.press(0, "7");
    two.kill();
    assert_eq!(two.loud_frames(50), 0, "he is mute");
    two.press(0, "7");
    assert!(two.loud_frames(100) > 80);

    assert_eq!(two.remembered(), 2);
    // He hangs up while there is no daemon, and another calls.
    two.daemon.kill();
    let Two { daemon, phones: [desk, gate] } = two;
    drop(desk);
    let phones = [FakePhone::connect(&daemon.pipes(), IDS[0]), gate];
    let mut two = Two { daemon, phones };
    std::fs::rename(
        two.daemon.directory().join("calls/800-17.1-101.json"),
        two.daemon.directory().join("calls/800-17.9-101.json"),
    )
    .expect("his file");
    two.daemon.restart();
    two.loud_frames(50);
    assert_eq!((two.loud_frames(50), two.remembered()), (0, 1), "he is at the door");
    drop(std::mem::replace(&mut two.phones[1], FakePhone::connect(&two.daemon.pipes(), "800-17.3-102")));
    two.loud_frames(25);
    assert_eq!(two.remembered(), 0, "of calls that are over nothing is kept");
}
