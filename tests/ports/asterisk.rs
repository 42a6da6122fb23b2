//! A real Asterisk at the ports: its own AudioSocket and RTP channels.

use std::time::{Duration, Instant};

use dragoman_tests::bit_exact_caller::Caller;
use lab::appliance::start_asterisk;
use lab::asterisk::Asterisk;
use lab::cache::Cache;
use lab::daemon::controlling;
use lab::run_dir::RunDir;

use crate::phone::{FRAME, HungUpOn as _, Phone, PipePhone, Place, UUID, frame};
use crate::rtp::RtpPhone;

const SECOND: Duration = Duration::from_secs(1);

/// A booted Asterisk. Fields drop in order: it ends before its directory goes.
struct Telephony {
    asterisk: Asterisk,
    _run_dir: RunDir,
}

impl Telephony {
    /// Its phones can dial `7001`, which does `dial`.
    fn start(dial: &str) -> Self {
        let cache = Cache::locate().expect("a cache");
        let run_dir = RunDir::create(&cache).expect("a run directory");
        let asterisk = start_asterisk(&cache, ([127, 0, 0, 1], 0).into(), &run_dir).expect("Asterisk starts");
        let command = format!("dialplan add extension 7001,1,Dial({dial}) into phones");
        let answer = asterisk.cli(&command).expect("Asterisk answers");
        assert!(answer.contains("added into"), "{answer}");
        Self { asterisk, _run_dir: run_dir }
    }

    fn dial(&self) -> Caller {
        Caller::dial(&self.asterisk, "7001")
    }

    fn wait_for_channels(&self, channels: usize) {
        let until = Instant::now() + 5 * SECOND;
        let line = format!("{channels} active channel");
        while !self.asterisk.cli("core show channels").expect("Asterisk answers").contains(&line) {
            assert!(Instant::now() < until, "{}", self.asterisk.log().unwrap_or_default());
            std::thread::sleep(FRAME);
        }
    }
}

/// Until both sides are bridged, what is said goes nowhere.
fn hears_itself(caller: &mut Caller) {
    for number in 5_000..5_100 {
        caller.send(&frame(number).to_wire());
        if caller.hears_within(&frame(number).to_wire(), 10 * FRAME) {
            return;
        }
    }
    panic!("the caller does not hear himself");
}

#[test]
fn a_call_over_its_audiosocket_channel_is_exact_and_ends_from_both_sides() {
    let place = Place::open();
    let telephony =
        Telephony::start(&format!("AudioSocket/127.0.0.1:{}/{UUID}/c(slin16)", place.audiosocket));
    let mut caller = telephony.dial();
    hears_itself(&mut caller);
    let start = Instant::now();
    for number in 0..250 {
        std::thread::sleep((start + FRAME * number).saturating_duration_since(Instant::now()));
        caller.send(&frame(number).to_wire());
        assert!(caller.hear_bytes(640) == frame(number).to_wire(), "frame {number}");
    }
    assert_eq!(place.frames()["dropped"], serde_json::json!({}));
    caller.hang_up();
    place.wait_for_legs(0, 2 * SECOND);
    telephony.wait_for_channels(0);

    let mut caller = telephony.dial();
    hears_itself(&mut caller);
    place.daemon.terminate();
    let ended = Instant::now();
    while caller.hear().is_some() {
        assert!(ended.elapsed() < 2 * SECOND, "Asterisk goes on without the daemon");
    }
    telephony.wait_for_channels(0);
}

/// A voice-like signal, in frames.
fn speech(frames: u32) -> Vec<i16> {
    let wave = |t: f64| {
        let envelope = 0.6 + 0.4 * (t * 9.0).sin();
        envelope * (6_000.0 * (t * 1_300.0).sin() + 3_000.0 * (t * 4_100.0 + (t * 30.0).sin()).sin())
    };
    (0..frames * 320).map(|n| wave(f64::from(n) / 16_000.0) as i16).collect()
}

/// How like `heard` is to `sent`, at the best delay: 1 is the same.
fn likeness(sent: &[i16], heard: &[i16]) -> f64 {
    let window = &sent[16_000..32_000];
    let power = |samples: &[i16]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>().sqrt();
    let at = |delay: usize| {
        let heard = heard.get(16_000 + delay..32_000 + delay)?;
        let product: f64 = window.iter().zip(heard).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        Some(product / (power(window) * power(heard)).max(1.0))
    };
    (0..16_000).filter_map(at).fold(0.0, f64::max)
}

fn over_rtp(codec: usize, name: &str, like: f64) {
    let place = Place::open();
    let telephony = Telephony::start(&format!("UnicastRTP/127.0.0.1:{}/c({name})", place.rtp[codec]));
    let mut caller = telephony.dial();
    let said = speech(150);
    let mut heard = Vec::new();
    let start = Instant::now();
    let frames: Vec<&[i16]> = said.chunks(320).collect();
    // Silence at both ends: until the bridge stands, and for what is under way.
    let pause = [0; 320];
    let parts = std::iter::repeat_n(&pause[..], 50).chain(frames).chain(std::iter::repeat_n(&pause[..], 50));
    for (turn, samples) in parts.enumerate() {
        std::thread::sleep((start + FRAME * turn as u32).saturating_duration_since(Instant::now()));
        caller.send(&samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>());
        while let Some(audio) = caller.hear_now() {
            heard.extend(audio.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)));
        }
    }
    let first = heard.iter().position(|sample| sample.unsigned_abs() > 1_000).expect("something is heard");
    let heard = &heard[first.saturating_sub(8_000)..];
    let best = likeness(&said, heard);
    assert!(best > like, "{name}: {best:.4}, {}", place.frames());
    let counts = place.frames();
    assert!(counts["dropped"]["unfit"].is_null() && counts["dropped"]["stranger"].is_null(), "{counts}");
    caller.hang_up();
    place.wait_for_legs(0, 30 * SECOND);
    telephony.wait_for_channels(0);
}

#[test]
fn a_call_over_its_rtp_channel_in_g722_is_heard_back() {
    over_rtp(2, "g722", 0.99);
}

#[test]
fn a_call_over_its_rtp_channel_in_ulaw_is_heard_back() {
    over_rtp(0, "ulaw", 0.98);
}

/// Asterisk has no channel of what does not come through it, however often the daemon asks for its list. Pipes do come
/// through it: those without a channel are hung up on.
#[test]
fn calls_that_come_without_asterisk_stay_while_it_is_under_control() {
    let telephony = Telephony::start("AudioSocket/127.0.0.1:9/none");
    let directory = tempfile::tempdir().expect("a directory");
    let control = controlling(telephony.asterisk.ari(), directory.path()).expect("a table");
    let place = Place::open_with(&toml::to_string(&control).expect("TOML"));
    let mut phone = RtpPhone::<9>::call(&place);
    place.wait_for_legs(1, 5 * SECOND);
    let id = || place.daemon.status().expect("a status")["legs"][0]["id"].clone();
    let (first, until) = (id(), Instant::now() + 10 * SECOND);
    let mut without_a_channel = PipePhone::call(&place);
    place.wait_for_legs(2, 5 * SECOND);
    while Instant::now() < until {
        phone.send(&frame(1));
        std::thread::sleep(FRAME);
    }
    assert_eq!(place.daemon.status().expect("a status")["asterisk"]["control"], "connected");
    assert_eq!((id(), place.legs()), (first, 1), "{}", place.daemon.logged());
    assert!(without_a_channel.is_over());
}

/// Who goes on sending to a room that is not for him is told no once a second.
#[test]
fn a_sender_that_is_refused_does_not_keep_the_daemon_busy() {
    let place = Place::open_with("[calls]\nmost = 1\n");
    let mut phone = RtpPhone::<9>::call(&place);
    place.wait_for_legs(1, 5 * SECOND);
    let mut other = RtpPhone::<0>::call(&place);
    for number in 0..200 {
        phone.send(&frame(number));
        other.send(&frame(number));
        std::thread::sleep(FRAME);
    }
    let refusals = place.daemon.logged().matches("is refused").count();
    // Each is logged as a refusal and as a report.
    assert!((2..=12).contains(&refusals), "{refusals} lines of refusals in four seconds");
    assert_eq!(place.legs(), 1, "who was refused is not among the legs");
}
