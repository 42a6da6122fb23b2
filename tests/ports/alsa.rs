//! A sound card of ALSA's own user-space plug-ins: its microphone is a pipe that the test fills in real time, its speaker
//! a file. No driver and no hardware is behind it.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dragoman_tests::daemon::Daemon;
use rt_sys::fifo;

const FRAME: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
const ROOMS: &str = "[[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n\
                     [alsa]\nextension = \"791\"\ndevice = \"card\"\n";

struct Card {
    daemon: Daemon,
    directory: tempfile::TempDir,
}

impl Card {
    /// A daemon whose card is not plugged in yet.
    fn absent() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let asound = format!(
            "pcm.none {{ type null }}\n\
             pcm.card {{ type asym\n\
             playback.pcm {{ type file slave.pcm none file \"{}\" format raw }}\n\
             capture.pcm {{ type file slave.pcm none file \"/dev/null\" infile \"{}\" format raw }} }}\n",
            path("speaker"),
            path("microphone"),
        );
        Self { daemon: Daemon::start_with_sound(ROOMS, &asound), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Plugs it in.
    fn plug(&self) -> File {
        let microphone = self.path("microphone");
        fifo::make(&microphone, 0o600).expect("a pipe can be made");
        OpenOptions::new().read(true).write(true).open(microphone).expect("the pipe opens")
    }

    fn counts(&self) -> serde_json::Value {
        self.daemon.status().expect("the daemon answers")["legs"][0]["frames"].clone()
    }

    fn wait_for_leg(&self) {
        let until = Instant::now() + 10 * SECOND;
        while self.counts().is_null() {
            assert!(Instant::now() < until, "no leg: {}", self.daemon.logged());
            sleep(FRAME);
        }
    }
}

/// A scale of tones, each half a second: 500 Hz, 700 Hz, and so on.
fn scale(tones: u32) -> Vec<i16> {
    (0..tones * 8_000)
        .map(|n| {
            let hertz = f64::from(500 + 200 * (n / 8_000));
            (8_000.0 * (std::f64::consts::TAU * hertz * f64::from(n) / 16_000.0).sin()) as i16
        })
        .collect()
}

fn samples(path: &Path) -> Vec<i16> {
    let bytes = fs::read(path).expect("the speaker's file");
    bytes.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
}

/// How much of `samples` is a tone of this frequency, 0 to 1.
fn share(samples: &[i16], hertz: f64) -> f64 {
    let (mut sine, mut cosine, mut power) = (0.0, 0.0, 1.0);
    for (n, sample) in samples.iter().enumerate() {
        let (s, c) = (std::f64::consts::TAU * hertz * n as f64 / 16_000.0).sin_cos();
        sine += f64::from(*sample) * s;
        cosine += f64::from(*sample) * c;
        power += f64::from(*sample).powi(2);
    }
    (sine.powi(2) + cosine.powi(2)) * 2.0 / samples.len() as f64 / power
}

#[test]
fn what_is_said_into_a_card_that_comes_late_is_heard_from_it_in_order_and_counted() {
    let card = Card::absent();
    sleep(SECOND);
    assert!(card.counts().is_null(), "there is no leg without a card");
    assert_eq!(card.daemon.logged().matches("no sound card").count(), 1, "{}", card.daemon.logged());
    let mut microphone = card.plug();
    card.wait_for_leg();

    let said = scale(6);
    let start = Instant::now();
    for (turn, piece) in said.chunks(320).enumerate() {
        sleep((start + FRAME * turn as u32).saturating_duration_since(Instant::now()));
        let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        microphone.write_all(&bytes).expect("the pipe has room");
    }
    sleep(SECOND);

    let counts = card.counts();
    let count = |name: &str| counts[name].as_u64().expect("a count");
    let dropped = |reason: &str| counts["dropped"][reason].as_u64().unwrap_or(0);
    assert_eq!(count("in"), count("out") + dropped("pipe_full") + dropped("port_down"), "{counts}");
    let arrived = count("in") + dropped("skipped") + dropped("overrun") + dropped("flood");
    assert!((148..=150).contains(&arrived), "of 150 frames: {counts}");

    let heard = samples(&card.path("speaker"));
    let mut from = 0;
    for tone in 0..6 {
        let hertz = f64::from(500 + 200 * tone);
        let windows = heard[from..].windows(1_600).step_by(160);
        let at = windows.clone().position(|window| share(window, hertz) > 0.99);
        from += at.unwrap_or_else(|| panic!("{hertz} Hz is not heard after sample {from}: {counts}")) * 160;
    }
}
