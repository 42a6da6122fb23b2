//! What is at the other side of `card.c`: the hardware of a sound card, its clock, and who speaks into it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// Samples of each of its memories, whole frames of any card.
const RING: u64 = 1_048_320;
/// Offsets of `struct card`.
const PLUGS: u64 = 0;
const ASLEEP: u64 = 4;
const CLOCK: u64 = 8;
const GIVEN: u64 = 16;
const TRIES: u64 = 24;
const RATE: u64 = 28;
const CHANNELS: u64 = 32;
const RECORDED: u64 = 36;
const PLAYED: u64 = RECORDED + 2 * RING;
const SIZE: u64 = (PLAYED + 2 * RING).next_multiple_of(8);

/// What is said waits for so much more, as the one who speaks is no better in time than this machine.
const BEFORE_SPEAKING: usize = 1_600;

/// A kind of card.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Samples a second by its own clock, a multiple of 16,000.
    pub(crate) rate: u32,
    pub(crate) channels: u32,
    /// How much faster than the machine's its clock is.
    pub(crate) ppm: i32,
}

/// The card's memory, which its driver shares.
struct Memory(File);

impl Memory {
    fn get<const N: usize>(&self, at: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact_at(&mut bytes, at).expect("the card's memory");
        bytes
    }

    fn number(&self, at: u64) -> u32 {
        u32::from_ne_bytes(self.get(at))
    }

    fn position(&self, at: u64) -> u64 {
        u64::from_ne_bytes(self.get(at))
    }

    fn set(&self, at: u64, bytes: &[u8]) {
        self.0.write_all_at(bytes, at).expect("the card's memory");
    }
}

/// A card, plugged in or not.
pub(crate) struct Card {
    memory: Memory,
    kind: Kind,
    said: Mutex<VecDeque<i16>>,
    stopped: AtomicBool,
}

/// Builds the driver, and makes the definitions of sound cards that know a card of this kind by this name.
pub(crate) fn driver(directory: &Path, kind: Kind) -> String {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/ports/card.c");
    let library = directory.join("card.so");
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-DPIC", "-o"])
        .arg(&library)
        .args([source, "-lasound"])
        .status();
    assert!(built.expect("cc runs").success(), "card.c is built");
    let memory = directory.join("card");
    let file = File::create(&memory).expect("a file");
    file.set_len(SIZE).expect("room");
    file.write_all_at(&kind.rate.to_ne_bytes(), RATE).expect("room");
    file.write_all_at(&kind.channels.to_ne_bytes(), CHANNELS).expect("room");
    format!(
        "pcm_type.dragoman_card {{ lib \"{}\" }}\npcm.card {{ type dragoman_card file \"{}\" }}\n\
         pcm.plugged {{ type plug slave.pcm card }}\n",
        library.display(),
        memory.display()
    )
}

impl Card {
    /// The card of which [`driver`] knows.
    pub(crate) fn of(directory: &Path, kind: Kind) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(directory.join("card"));
        let memory = Memory(file.expect("the card's memory"));
        Self { memory, kind, said: Mutex::default(), stopped: AtomicBool::new(false) }
    }

    /// Plugs it in; its clock runs until it is taken out.
    pub(crate) fn plug(self: &Arc<Self>) -> JoinHandle<()> {
        self.turn_plug(1);
        let card = Arc::clone(self);
        spawn(move || card.run())
    }

    pub(crate) fn unplug(&self) {
        self.turn_plug(0);
    }

    fn turn_plug(&self, parity: u32) {
        let plugs = self.memory.number(PLUGS);
        assert_ne!(plugs % 2, parity, "plugs are put in and taken out in turn");
        self.memory.set(PLUGS, &(plugs + 1).to_ne_bytes());
    }

    fn is_plugged(&self) -> bool {
        self.memory.number(PLUGS) % 2 == 1
    }

    pub(crate) fn set_asleep(&self, asleep: bool) {
        self.memory.set(ASLEEP, &u32::from(asleep).to_ne_bytes());
    }

    /// Whether its clock stands still though it is plugged in.
    pub(crate) fn set_stopped(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Relaxed);
    }

    /// Whether somebody has it open.
    pub(crate) fn is_open(&self) -> bool {
        match flock(&self.memory.0, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                flock(&self.memory.0, FlockOperation::Unlock).expect("a lock of ours");
                false
            }
            Err(_) => true,
        }
    }

    /// How often somebody wished to open one.
    pub(crate) fn tries(&self) -> u32 {
        self.memory.number(TRIES)
    }

    /// Samples of 16 kHz that it has recorded.
    pub(crate) fn recorded(&self) -> u64 {
        self.memory.position(CLOCK) / u64::from(self.kind.rate / 16_000)
    }

    /// Samples of 16 kHz that it was given to play.
    pub(crate) fn given(&self) -> u64 {
        self.memory.position(GIVEN) / u64::from(self.kind.rate / 16_000)
    }

    /// Says these samples of 16 kHz into it.
    pub(crate) fn say(&self, samples: &[i16]) {
        self.said.lock().expect("nobody panics").extend(samples);
    }

    /// 20 ms of what it was given to play, from this place on, a multiple of 20 ms.
    pub(crate) fn played(&self, from: u64) -> Vec<i16> {
        let (channels, each) = (u64::from(self.kind.channels), u64::from(self.kind.rate / 16_000));
        let mut bytes = vec![0; (320 * each * channels * 2) as usize];
        let at = from * each * channels % RING;
        self.memory.0.read_exact_at(&mut bytes, PLAYED + 2 * at).expect("the card's memory");
        let samples = bytes.as_chunks().0.iter().map(|sample| i16::from_ne_bytes(*sample));
        samples.step_by((each * channels) as usize).collect()
    }

    fn run(&self) {
        let rate = f64::from(self.kind.rate) * (1.0 + f64::from(self.kind.ppm) * 1e-6);
        let each = self.kind.rate / 16_000;
        let (mut clock, mut speaks) = (self.memory.position(CLOCK), false);
        let (start, begin, mut stood) = (Instant::now(), clock, 0);
        while self.is_plugged() {
            sleep(Duration::from_millis(5));
            let now = begin + (start.elapsed().as_secs_f64() * rate) as u64 - stood;
            if self.stopped.load(Ordering::Relaxed) {
                stood += now - clock;
                continue;
            }
            let mut said = self.said.lock().expect("nobody panics");
            let mut recorded = Vec::new();
            while clock + u64::from(each) <= now {
                speaks = !said.is_empty() && (speaks || said.len() >= BEFORE_SPEAKING);
                let sample = if speaks { said.pop_front().unwrap_or(0) } else { 0 };
                recorded.extend(std::iter::repeat_n(sample, (each * self.kind.channels) as usize));
                clock += u64::from(each);
            }
            drop(said);
            self.record(clock, &recorded);
        }
    }

    /// These are the last samples before `clock`.
    fn record(&self, clock: u64, samples: &[i16]) {
        let from = clock * u64::from(self.kind.channels) - samples.len() as u64;
        let room = ((RING - from % RING) as usize).min(samples.len());
        for (at, piece) in [(from % RING, &samples[..room]), (0, &samples[room..])] {
            let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_ne_bytes()).collect();
            self.memory.set(RECORDED + 2 * at, &bytes);
        }
        self.memory.set(CLOCK, &clock.to_ne_bytes());
    }
}
