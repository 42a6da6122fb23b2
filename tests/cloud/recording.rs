//! Recorded calls: what is kept, for whom, and what becomes of the call when it cannot be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use dragoman_tests::daemon::program;
use dragoman_tests::wav::Wav;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clouds::{Clouds, Plan, WORDS, converse, wait_until};
use crate::conference::{Conference, TABLES, count};

const SECOND: Duration = Duration::from_secs(1);

/// Where recordings are kept, and the keys.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The table of the configuration; the box has a key of its own unless `more` says otherwise.
    fn table(&self, more: &str) -> String {
        let key = format!("identity_file = {:?}\n", self.path("key").display().to_string());
        let key = if more.contains("recipients") { String::new() } else { key };
        format!("[recording]\ndirectory = {:?}\n{key}{more}\n", self.path("kept").display().to_string())
    }

    /// Exports a recording. The directory, and whether it is whole.
    fn export(&self, clouds: &Clouds, number: &Value, more: &[&str]) -> (Exported, bool) {
        let (number, to) = (number.to_string(), self.0.path().display().to_string());
        let output = recordings(clouds, &[&["export", &number, "--to", &to], more].concat());
        let directory = String::from_utf8(output.stdout.clone()).expect("text");
        let directory = PathBuf::from(directory.trim());
        assert!(directory.is_dir(), "{output:?}");
        (Exported(directory), output.status.success())
    }

    /// Nothing of a call can be read where recordings are kept.
    fn assert_sealed(&self) {
        for file in files(&self.path("kept")) {
            let bytes = fs::read(file).expect("a file");
            assert!(bytes.starts_with(b"age-encryption.org/v1\n") && bytes.len() > 50_000);
            for words in [&WORDS[..], &["RIFF", "first ", "conference", "joined"]].concat() {
                let is_there = bytes.windows(words.len()).any(|window| window == words.as_bytes());
                assert!(!is_there, "{words:?} can be read");
            }
        }
    }
}

fn recordings(clouds: &Clouds, arguments: &[&str]) -> Output {
    let config = clouds.daemon.directory().join("dragomand.toml");
    let mut command = Command::new(program("dragoman"));
    command.arg("recordings").args(arguments).arg("--config").arg(config).output().expect("it runs")
}

/// What `dragoman recordings list` tells.
fn list(clouds: &Clouds) -> Vec<Value> {
    let output = recordings(clouds, &["list", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

/// The recordings, once they are in these states.
fn wait_for(clouds: &Clouds, states: &[&str]) -> Vec<Value> {
    let until = Instant::now() + 5 * SECOND;
    loop {
        let kept = list(clouds);
        if kept.iter().map(|kept| &kept["state"]).eq(states) {
            return kept;
        }
        assert!(Instant::now() < until, "not {states:?}: {kept:#?}");
        thread::sleep(SECOND / 10);
    }
}

/// What was exported.
struct Exported(PathBuf);

impl Exported {
    /// The file whose name ends so.
    fn wav(&self, end: &str) -> Wav {
        let files = files(&self.0);
        let wav = files.iter().find(|path| path.to_str().is_some_and(|path| path.ends_with(end)));
        Wav::read(wav.unwrap_or_else(|| panic!("there is no {end}: {files:?}")))
    }

    fn transcript(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.0.join("transcript.jsonl")).expect("a transcript");
        text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
    }

    /// All files but the mixed one, added up.
    fn sum(&self) -> Vec<i16> {
        let files = files(&self.0);
        let is_track = |path: &&PathBuf| is_wav(path) && !path.ends_with("mixed.wav");
        let tracks: Vec<Wav> = files.iter().filter(is_track).map(|path| Wav::read(path)).collect();
        let length = tracks[0].samples.len();
        assert!(tracks.iter().all(|track| track.samples.len() == length), "they begin and end together");
        let add = |place: usize| tracks.iter().map(|track| i32::from(track.samples[place])).sum::<i32>();
        (0..length).map(|place| add(place).clamp(i16::MIN.into(), i16::MAX.into()) as i16).collect()
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn is_wav(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wav")
}

/// The samples that are not silence.
fn voice(samples: &[i16]) -> Vec<i16> {
    samples.iter().copied().filter(|sample| *sample != 0).collect()
}

/// The text of the last event of this type.
fn text(seen: &[Value], kind: &str) -> String {
    let last = seen.iter().rfind(|event| event["type"] == kind).expect("there is one");
    last["text"].as_str().expect("a text").to_owned()
}

#[test]
fn a_conference_is_kept_sealed_and_read_with_the_boxs_key() {
    let place = Place::new();
    let tables = TABLES.to_owned() + &place.table("");
    let clouds = Clouds::planned(Plan { tables, languages: 3, ..Plan::default() });
    let mut conference = Conference::dial(&clouds, "800", &[101, 103]);
    // Who was not told is not recorded: the last one to come has heard nothing yet.
    (0..10).for_each(|_| conference.pass(Some(1)));
    conference.pass_until(|seen| count(seen, "told_of_recording") == 2);
    conference.wait(SECOND);
    assert_eq!(wait_for(&clouds, &["running"])[0]["room"], "800");
    let (mut texts, mut said) = (Vec::new(), Vec::new());
    for speaker in [0, 1] {
        conference.said.clear();
        conference.say(speaker, 1);
        said.push(conference.said.iter().flat_map(|frame| frame.0).collect::<Vec<i16>>());
        texts.push(["final", "translation"].map(|kind| text(&conference.seen, kind)));
    }
    drop(conference);
    let kept = wait_for(&clouds, &["whole"]);
    place.assert_sealed();

    let (exported, is_whole) = place.export(&clouds, &kept[0]["number"], &[]);
    assert!(is_whole);
    let mixed = exported.wav("mixed.wav");
    assert_eq!(mixed.samples, exported.sum(), "each once");
    for (speaker, phone) in [(0, "101"), (1, "103")] {
        let leg = exported.wav(&format!("{phone}.wav"));
        assert_eq!(voice(&leg.samples), voice(&said[speaker]), "all of it, to the bit");
        let (softer, likeness) = mixed.loudness_of(&Wav { samples: said[speaker].clone(), rate: 16_000 });
        assert!(likeness > 0.95 && softer.abs() < 0.5, "{softer:.1} dB softer, alike {likeness:.2}");
    }
    for translation in ["101-in-es.wav", "103-in-en.wav"] {
        assert!(voice(&exported.wav(translation).samples).len() > 1_600, "{translation}");
    }
    let lines = exported.transcript();
    let [[hers, to_him], [his, to_her]] = &texts[..] else { panic!("{texts:?}") };
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(
        [&lines[0]["phone"], &lines[0]["name"], &lines[0]["language"], &lines[0]["text"]],
        ["101", "Ann", "en", hers]
    );
    assert_eq!(lines[0]["translations"], json!({ "es": to_him }));
    assert_eq!([&lines[1]["phone"], &lines[1]["text"]], ["103", his]);
    assert_eq!(lines[1]["translations"], json!({ "en": to_her }));
    // Where it was said, within what voice detection takes.
    let began = exported.wav("101.wav").samples.iter().position(|sample| *sample != 0).expect("a voice");
    let told = lines[0]["at"].as_f64().expect("a time");
    assert!((told - began as f64 / 16_000.0).abs() < 0.5, "said at {began}, told at {told}");

    let status = clouds.daemon.status().expect("a status");
    assert_eq!(status["recording"]["lost_frames"], 0);
    assert_eq!((&status["media"]["allocations"], &status["recording"]["fault"]), (&json!(0), &Value::Null));
    assert!(recordings(&clouds, &["remove", "1"]).status.success());
    assert_eq!(list(&clouds), [json!(null); 0]);
}

#[test]
fn what_a_kill_leaves_is_read_by_who_was_named_alone() {
    let (place, key) = (Place::new(), Identity::generate());
    let key_file = place.path("elsewhere");
    fs::write(&key_file, key.to_string().expose_secret()).expect("a file");
    let table = place.table(&format!("recipients = [\"{}\"]", key.to_public()));
    let mut clouds = Clouds::start_and(&table);
    let mut call = clouds.call();
    let mut said = Vec::new();
    for _ in 0..450 {
        let frame = call.voiced();
        said.extend(frame.0);
        call.send(&frame);
    }
    clouds.daemon.kill();
    let kept = wait_for(&clouds, &["cut off"]);
    place.assert_sealed();
    let number = kept[0]["number"].to_string();
    let refused = recordings(&clouds, &["export", &number, "--to", "/nowhere"]);
    let reason = String::from_utf8(refused.stderr).expect("text");
    assert!(refused.status.code() == Some(2) && reason.contains("--identity"), "{reason}");

    let (exported, is_whole) =
        place.export(&clouds, &kept[0]["number"], &["--identity", key_file.to_str().expect("a path")]);
    assert!(!is_whole);
    let (leg, said) = (voice(&exported.wav("leg-1.wav").samples), voice(&said));
    assert!(leg.len() > said.len() / 2 && leg.len() < said.len(), "{} of {}", leg.len(), said.len());
    assert_eq!(leg, said[..leg.len()]);
}

#[test]
fn the_oldest_give_way() {
    let place = Place::new();
    fs::create_dir(place.path("kept")).expect("a directory");
    for number in [8, 9] {
        let path = place.path(&format!("kept/{number:06}-20000101T000000Z-700.age"));
        fs::write(path, vec![0; 520 << 10]).expect("a file");
    }
    let clouds = Clouds::start_and(&place.table("most_mib = 1"));
    let call = clouds.call();
    let kept = wait_for(&clouds, &["whole", "running"]);
    assert_eq!(kept.iter().map(|kept| &kept["number"]).collect::<Vec<_>>(), [9, 10]);
    drop(call);
    assert_eq!(clouds.daemon.status().expect("a status")["recording"]["faults"], 0);
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_call() {
    let place = Place::new();
    fs::create_dir(place.path("kept")).expect("a directory");
    let small_disk = Some(place.path("kept"));
    let clouds = Clouds::planned(Plan { tables: place.table(""), small_disk, ..Plan::default() });
    let mut call = clouds.call();
    call.wait_for_quiet();
    converse(&mut call);
    (0..400).for_each(|_| call.pass(true));
    call.wait_for("final", 8 * SECOND);
    wait_until(&clouds.daemon, "the fault is shown", |status| status["recording"]["faults"] == 1);
    let recording = clouds.daemon.status().expect("a status")["recording"].clone();
    assert!(recording["fault"].as_str().is_some_and(|fault| fault.contains("No space")), "{recording}");
    assert!(recording["lost_frames"].as_u64().is_some_and(|lost| lost > 50), "{recording}");
    let (_, health) = clouds.daemon.health();
    let reasons = health["reasons"].as_array().expect("reasons");
    let reason = reasons.iter().find(|reason| reason["stage"] == "recording").expect("it is told");
    assert!(reason["advice"].as_str().is_some_and(|advice| advice.contains("make room")), "{reason}");
    call.wait_for_quiet();
    converse(&mut call);
    let status = clouds.daemon.status().expect("a status");
    assert_eq!(status["legs"][0]["frames"]["dropped"], json!({}), "the call loses nothing");
}

#[test]
fn nothing_is_kept_unless_it_is_wanted() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    call.wait_for_quiet();
    converse(&mut call);
    assert_eq!(clouds.daemon.status().expect("a status")["recording"], Value::Null);
    assert!(call.seen.iter().all(|event| event["type"] != "told_of_recording"));
    let output = recordings(&clouds, &["list"]);
    assert!(String::from_utf8(output.stdout).expect("text").contains("[recording]"));
}
