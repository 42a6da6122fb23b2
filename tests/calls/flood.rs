//! More calls than there is room for, all at once.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use serde_json::{Value, json};

use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
const CALLS: u32 = 500;
const MOST_LEGS: u32 = 6;

/// Row 30 of the fault matrix, the half without exhaustion.
#[test]
fn five_hundred_calls_at_once_are_refused_and_the_one_that_stands_loses_nothing() {
    let mut rig = Rig::start();
    thread::sleep(2 * SECOND);
    let asterisk = &rig.appliance.asterisk;
    asterisk.cli(&format!("dialplan set global MOST_LEGS {MOST_LEGS}")).expect("Asterisk answers");
    let speech = tone(&rig);
    let mut caller = Pjsua2::call(&Plan { extension: "790", ..rig.plan(0, "G722", &speech) });
    caller.speak();
    thread::sleep(SECOND);
    let (before, holding) = (standing(&rig), Holding::of(&mut rig));
    let began = Instant::now();
    flood(&rig);
    let (after, lasted) = (standing(&rig), began.elapsed());
    let wanted = (0.98 * lasted.as_secs_f64() * 50.0) as u64;
    for way in ["in", "out"] {
        let count = |leg: &Value| leg["frames"][way].as_u64().expect("a number");
        let passed = count(&after) - count(&before);
        assert!(passed >= wanted, "{passed} frames {way} in {lasted:?}");
    }
    assert_eq!(after["frames"]["dropped"], json!({}), "{after}");
    let status = rig.appliance.daemon.status().expect("the daemon answers");
    assert_eq!(status["media"]["missed_ticks"], 0);
    assert_eq!(status["asterisk"]["refusals"][0]["dialled"], "790");
    let since = began.elapsed();
    assert_unbroken(&caller.hang_up(), since);
    let last = Pjsua2::call(&Plan { extension: "790", ..rig.plan(1, "G722", &speech) });
    last.hang_up();
    holding.assert_no_more(&mut rig);
}

/// A tone that lasts longer than the flood, as a file.
fn tone(rig: &Rig) -> PathBuf {
    let sample = |n: u32| (8_000.0 * (f64::from(n) * TAU * 400.0 / 16_000.0).sin()) as i16;
    let path = rig.appliance.run_dir().join("tone.wav");
    Wav { samples: (0..90 * 16_000).map(sample).collect(), rate: 16_000 }.write(&path);
    path
}

/// The leg of the caller who was there before.
fn standing(rig: &Rig) -> Value {
    let status = rig.appliance.daemon.status().expect("the daemon answers");
    let mut legs = status["legs"].as_array().expect("legs").iter();
    legs.find(|leg| leg["phone"] == "101").unwrap_or_else(|| panic!("he is gone: {status}")).clone()
}

/// He heard himself without a gap for the last `time`.
fn assert_unbroken(heard: &Wav, time: Duration) {
    let samples = (time.as_secs_f64() * f64::from(heard.rate)) as usize;
    let tail = heard.samples.len().saturating_sub(samples);
    let frames = heard.samples[tail..].chunks_exact(heard.rate as usize / 50);
    let all = frames.len();
    let loud = frames.filter(|frame| frame.iter().any(|sample| sample.unsigned_abs() > 3_000)).count();
    assert!(loud * 100 >= all * 98, "{loud} frames of {all} have the tone");
}

/// What the daemon holds.
struct Holding {
    resident_kib: u64,
    descriptors: usize,
}

impl Holding {
    fn of(rig: &mut Rig) -> Self {
        let process = rig.appliance.daemon.process().id();
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the daemon runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let resident_kib = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("the daemon runs").count();
        Self { resident_kib, descriptors }
    }

    /// Within two seconds nothing of the calls is left.
    fn assert_no_more(&self, rig: &mut Rig) {
        let until = Instant::now() + 2 * SECOND;
        let mut now = Self::of(rig);
        while now.descriptors > self.descriptors && Instant::now() < until {
            thread::sleep(SECOND / 20);
            now = Self::of(rig);
        }
        assert!(
            now.descriptors <= self.descriptors,
            "{} descriptors of {}",
            now.descriptors,
            self.descriptors
        );
        let grown = now.resident_kib.saturating_sub(self.resident_kib);
        assert!(grown <= 10 * 1_024, "{grown} KiB more memory");
    }
}

/// Each call is answered, or refused as the scenario allows; anything else fails.
fn flood(rig: &Rig) {
    let phone = &rig.appliance.asterisk.phones()[3];
    let field = rig.appliance.run_dir().join("phone.csv");
    let login = format!(
        "SEQUENTIAL\n{0};[authentication username={0} password={1}]\n",
        phone.extension, phone.secret
    );
    std::fs::write(&field, login).expect("a file");
    let calls = CALLS.to_string();
    let said = Command::new("sipp")
        .arg("-sf")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("callers/flood.xml"))
        .arg("-inf")
        .arg(&field)
        .args(["-s", "790", "-m", &calls, "-r", &calls, "-l", &calls, "-timeout", "60s", "-nostdin"])
        // What comes twice, since the flood delays answers, is passed over; what never comes fails.
        .args(["-default_behaviors", "all,-abortunexp", "-timeout_error"])
        .args(["-i", "127.0.0.1", "-trace_err", "-error_file", "/dev/stderr"])
        .arg(rig.appliance.asterisk.sip().to_string())
        .current_dir(rig.appliance.run_dir().path())
        .output()
        .expect("sipp runs: `cargo xtask test` installs it");
    let tail = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.chars().rev().take(3_000).collect::<Vec<_>>().into_iter().rev().collect::<String>()
    };
    assert!(said.status.success(), "{}\n{}", tail(&said.stdout), tail(&said.stderr));
}
