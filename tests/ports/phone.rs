//! What the scenarios want of a phone, and the phone at the pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use audio_path::Frame;
use dragoman_tests::daemon::Daemon;
use dragoman_tests::fake_phone::FakePhone;
use serde_json::json;

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const FRAME: Duration = Duration::from_millis(20);
/// The echo room that gives back each frame as it comes.
pub(crate) const ROOM: &str = "791";
/// What opens the conference that the doors of [`Place::with_a_pin`] lead to.
pub(crate) const PIN: &str = "2468";
/// Who may call it.
pub(crate) const UUID: &str = "40325ec2-5efd-4bd3-805f-53576e581d13";

/// A phone at one port of a daemon.
pub(crate) trait Phone: Sized {
    /// How long the daemon may take to notice that the phone has gone.
    const MISSED_WITHIN: Duration = Duration::from_secs(2);
    /// How long it may take until it hears something.
    const SERVED_WITHIN: Duration = Duration::from_secs(3);
    /// How many frames may be under way, counted at one side only, where they never cease to come.
    const UNDER_WAY: u64 = 0;

    /// The daemon that it calls.
    fn place() -> Place {
        Place::open()
    }
    /// Calls the echo room.
    fn call(place: &Place) -> Self;
    /// Its leg is up.
    fn is_up(&mut self) {}
    /// Sends 20 ms; `false` where there was no room for them.
    fn send(&mut self, frame: &Frame) -> bool;
    /// 20 ms from the daemon as they are on the wire, where they are there.
    fn hear(&mut self) -> Option<Vec<u8>>;
    /// All that it should have heard by now: what it sent, on its way there and back.
    fn echo(&self) -> Vec<Vec<u8>>;
    /// How many frames it has sent.
    fn sent(&self) -> u64 {
        self.echo().len() as u64
    }
    /// What is wrong with what was heard, which should be `echo`.
    fn fault(heard: &[Vec<u8>], echo: &[Vec<u8>]) -> Option<String> {
        let wrong = heard.iter().zip(echo).position(|(heard, sent)| heard != sent);
        let right = (heard.len(), wrong) == (echo.len(), None);
        (!right).then(|| format!("{} frames of {}, wrong from {wrong:?}", heard.len(), echo.len()))
    }
    /// Brings more than the daemon can take.
    fn flood(&mut self, _place: &Place, frames: std::ops::Range<u32>) {
        for number in frames {
            // Where there is no room, the phone knows, and does not count it as sent.
            let _room = self.send(&frame(number));
        }
    }
    /// Ends the call as phones do.
    fn hang_up(self);
    /// Ends without a word.
    fn vanish(self);
}

/// A phone that the daemon may hang up on.
pub(crate) trait HungUpOn: Phone {
    /// Whether it was told that the call is over, as those at its port are told, or has noticed.
    fn is_over(&mut self) -> bool;
}

/// A daemon with all ports open.
pub(crate) struct Place {
    pub(crate) daemon: Daemon,
    pub(crate) audiosocket: u16,
    /// The ports that wait for μ-law, A-law and G.722.
    pub(crate) rtp: [u16; 3],
    /// The sound card and its driver, where there is one.
    pub(crate) sound: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn open() -> Self {
        Self::open_with("")
    }

    /// The same, with these tables in its configuration.
    pub(crate) fn open_with(tables: &str) -> Self {
        Self::leading_to("extension = \"791\"", tables)
    }

    /// The same, where the doors lead to a conference with a PIN.
    pub(crate) fn with_a_pin() -> Self {
        let room = format!("[[room]]\nextension = \"801\"\nkind = \"conference\"\npin = \"{PIN}\"\n");
        Self::leading_to("extension = \"801\"\nlanguage = \"en\"", &room)
    }

    /// Whoever comes in at a door is such a caller.
    fn leading_to(caller: &str, tables: &str) -> Self {
        let audiosocket =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
        let free = || UdpSocket::bind("127.0.0.1:0").expect("a port");
        let rtp = [free(), free(), free()].map(|socket| socket.local_addr().expect("bound").port());
        let tables = format!(
            "{tables}[[room]]\nextension = \"790\"\nkind = \"echo\"\n[[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n\
             [audiosocket]\nlisten = \"127.0.0.1:{audiosocket}\"\n\
             [[audiosocket.call]]\nuuid = \"{UUID}\"\n{caller}\n"
        );
        let legs = ["ulaw", "alaw", "g722"].into_iter().zip(rtp).map(|(codec, port)| {
            format!("[[rtp]]\n{caller}\nlisten = \"127.0.0.1:{port}\"\ncodec = \"{codec}\"\n")
        });
        let tables = legs.fold(tables, |tables, leg| tables + &leg);
        Self { daemon: Daemon::start_with(&tables), audiosocket, rtp, sound: None }
    }

    /// How many legs there are.
    pub(crate) fn legs(&self) -> usize {
        self.daemon.status().expect("the daemon answers")["legs"].as_array().expect("a list").len()
    }

    /// What the only leg counted.
    pub(crate) fn frames(&self) -> serde_json::Value {
        self.daemon.status().expect("the daemon answers")["legs"][0]["frames"].clone()
    }

    /// Presses these keys for who called last.
    pub(crate) fn press(&self, keys: &str) {
        let status = self.daemon.status().expect("the daemon answers");
        let legs = status["legs"].as_array().expect("a list").iter();
        let leg = legs.filter_map(|leg| leg["leg"].as_u64()).max().expect("a leg");
        let mut socket = UnixStream::connect(self.daemon.directory().join("control.sock")).expect("a socket");
        for key in keys.chars() {
            let command = json!({ "command": "key", "leg": leg, "key": key });
            writeln!(socket, "{command}").expect("the daemon reads");
        }
        socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let obeyed = |line: &String| line.contains("\"obeyed\"");
        let answers = BufReader::new(socket).lines().map(|line| line.expect("the daemon answers"));
        assert_eq!(answers.filter(obeyed).take(keys.len()).count(), keys.len());
    }

    /// Waits for so many legs.
    pub(crate) fn wait_for_legs(&self, legs: usize, limit: Duration) {
        let until = Instant::now() + limit;
        while self.legs() != legs {
            assert!(Instant::now() < until, "{} legs instead of {legs} after {limit:?}", self.legs());
            std::thread::sleep(FRAME);
        }
    }
}

/// 20 ms that can be told from all others.
pub(crate) fn frame(number: u32) -> Frame {
    let mut state = number.wrapping_mul(2_654_435_761) | 1;
    let mut frame = Frame::SILENCE;
    for sample in &mut frame.0 {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *sample = (state as i16) / 4;
    }
    frame
}

/// The pipes of the channel driver.
pub(crate) struct PipePhone {
    phone: FakePhone,
    sent: Vec<Frame>,
}

impl Phone for PipePhone {
    fn call(place: &Place) -> Self {
        static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let call = CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let phone = FakePhone::connect(&place.daemon.pipes(), &format!("{ROOM}-{call}"));
        Self { phone, sent: Vec::new() }
    }

    fn send(&mut self, frame: &Frame) -> bool {
        let room = self.phone.send(&frame.to_wire());
        if room {
            self.sent.push(*frame);
        }
        room
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        self.phone.receive().map(Vec::from)
    }

    fn echo(&self) -> Vec<Vec<u8>> {
        self.sent.iter().map(|frame| frame.to_wire().to_vec()).collect()
    }

    fn hang_up(self) {}

    fn vanish(mut self) {
        self.phone.to_daemon = None;
        self.phone.from_daemon = None;
    }
}

impl HungUpOn for PipePhone {
    /// The driver holds both ends of the pipes: it notices that nobody reads.
    fn is_over(&mut self) -> bool {
        while self.phone.send(&frame(0).to_wire()) {}
        std::thread::sleep(Duration::from_millis(200));
        !self.phone.send(&frame(0).to_wire())
    }
}
