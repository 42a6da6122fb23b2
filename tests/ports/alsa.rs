//! A sound card whose hardware is played by the test: no kernel's driver and no real card is behind it.

use std::sync::Arc;
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use audio_path::{Frame, SAMPLES_PER_FRAME};
use dragoman_tests::daemon::Daemon;

use crate::card::{Card, Kind, driver};
use crate::phone::{FRAME, PATIENCE, Phone, Place};
use crate::scenario::{connected, listen, talk};

const SECOND: Duration = Duration::from_secs(1);
/// How well 20 ms that are heard must match those that were said: the correlation. Both clocks' difference is resampled
/// away all the time, so no sample stays as it was; what is left beside it lies 12 dB lower.
const ALIKE: f64 = 0.97;

/// Who speaks into a card that is so much too fast, at this rate: in mono at 16 kHz, else in stereo.
pub(crate) struct CardPhone<const PPM: i32, const RATE: u32> {
    card: Arc<Card>,
    clock: Option<JoinHandle<()>>,
    said: Vec<Frame>,
    /// What it had recorded when its leg was up.
    recorded: u64,
    heard: u64,
}

/// A daemon whose card is not plugged in; the device is `card` itself or, where it must be converted, `plugged`.
fn place(kind: Kind, device: &str) -> Place {
    let sound = tempfile::tempdir().expect("a directory");
    let tables = format!(
        "[[room]]\nextension = \"791\"\nkind = \"echo-direct\"\n\
         [alsa]\nextension = \"791\"\ndevice = \"{device}\"\n"
    );
    let daemon = Daemon::start_with_sound(&tables, &driver(sound.path(), kind));
    Place { daemon, audiosocket: 0, rtp: [0; 3], sound: Some(sound) }
}

/// The same noise without what is above 1 kHz, so that a part of a sample more or less does not change it.
fn muffled(frame: &Frame) -> Frame {
    let mean = |samples: &[i16; SAMPLES_PER_FRAME]| {
        std::array::from_fn(|n| {
            let near = (n..n + 8).map(|at| i32::from(samples[at % SAMPLES_PER_FRAME]));
            (near.sum::<i32>() / 8) as i16
        })
    };
    Frame(mean(&mean(&frame.0)))
}

fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

impl<const PPM: i32, const RATE: u32> CardPhone<PPM, RATE> {
    const KIND: Kind = Kind { rate: RATE, channels: if RATE == 16_000 { 1 } else { 2 }, ppm: PPM };
}

impl<const PPM: i32, const RATE: u32> Phone for CardPhone<PPM, RATE> {
    /// It is looked for every five seconds at least.
    const SERVED_WITHIN: Duration = Duration::from_secs(6);
    /// 40 ms ahead in the speaker, anew after it ran dry; a frame in the microphone, those at rest, and one in the making.
    const UNDER_WAY: u64 = 8;

    fn place() -> Place {
        place(Self::KIND, if RATE == 16_000 { "card" } else { "plugged" })
    }

    fn call(place: &Place) -> Self {
        let directory = place.sound.as_ref().expect("a sound card").path();
        let card = Arc::new(Card::of(directory, Self::KIND));
        let clock = Some(card.plug());
        let heard = card.given().next_multiple_of(SAMPLES_PER_FRAME as u64);
        Self { card, clock, said: Vec::new(), recorded: 0, heard }
    }

    fn is_up(&mut self) {
        self.recorded = self.card.recorded();
    }

    fn send(&mut self, frame: &Frame) -> bool {
        let frame = muffled(frame);
        self.card.say(&frame.0);
        self.said.push(frame);
        true
    }

    fn hear(&mut self) -> Option<Vec<u8>> {
        let end = self.heard + SAMPLES_PER_FRAME as u64;
        (self.card.given() >= end).then(|| {
            let played = self.card.played(self.heard);
            self.heard = end;
            played.into_iter().flat_map(i16::to_le_bytes).collect()
        })
    }

    fn echo(&self) -> Vec<Vec<u8>> {
        self.said.iter().map(|frame| frame.to_wire().to_vec()).collect()
    }

    /// It records whether somebody speaks or not.
    fn sent(&self) -> u64 {
        (self.card.recorded() - self.recorded) / SAMPLES_PER_FRAME as u64
    }

    /// Each frame must follow the one before, to three samples.
    fn fault(heard: &[Vec<u8>], echo: &[Vec<u8>]) -> Option<String> {
        let samples = |frames: &[Vec<u8>]| -> Vec<i16> {
            let frames = frames.iter().flat_map(|frame| frame.as_chunks().0);
            frames.map(|sample| i16::from_le_bytes(*sample)).collect()
        };
        let (heard, said) = (samples(heard), samples(echo));
        let like = |at: usize, said: &[i16]| {
            heard.get(at..at + said.len()).map_or(0.0, |heard| correlation(heard, said))
        };
        let Some(mut at) = (0..heard.len()).find(|at| like(*at, &said[..640]) > ALIKE) else {
            return Some("the beginning is not heard".to_owned());
        };
        for (number, frame) in said.chunks(SAMPLES_PER_FRAME).enumerate() {
            let near = (at.saturating_sub(3)..=at + 3).map(|at| (at, like(at, frame)));
            let best = near.max_by(|a, b| a.1.total_cmp(&b.1)).expect("seven places");
            if best.1 < ALIKE {
                return Some(format!("frame {number} is not heard after the one before: {best:?}"));
            }
            at = best.0 + SAMPLES_PER_FRAME;
        }
        None
    }

    /// A card brings no more than its clock does: it is the daemon that does not come to take it.
    fn flood(&mut self, place: &Place, frames: std::ops::Range<u32>) {
        place.daemon.freeze(FRAME * frames.len() as u32);
    }

    fn hang_up(self) {
        self.vanish();
    }

    fn vanish(mut self) {
        self.card.unplug();
        self.clock.take().expect("its clock").join().expect("its clock ends");
    }
}

type Phone16 = CardPhone<0, 16_000>;

fn wait_for(limit: Duration, what: &str, daemon: &Daemon, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < until, "not within {limit:?}: {what}; {}", daemon.logged());
        sleep(FRAME);
    }
}

fn said(place: &Place, what: &str) -> usize {
    place.daemon.logged().matches(what).count()
}

#[test]
fn a_card_that_comes_and_goes_is_looked_for_seldom_and_told_of_once() {
    let place = Phone16::place();
    let card = Card::of(place.sound.as_ref().expect("a card").path(), Phone16::KIND);
    sleep(4 * SECOND);
    assert!((3..=8).contains(&card.tries()), "{} tries in 4 s", card.tries());
    assert_eq!(said(&place, "no sound card"), 1, "{}", place.daemon.logged());
    let mut phone: Phone16 = connected(&place);
    assert_eq!(place.daemon.threads("alsa"), 1);
    talk(&mut phone, 0..50, &mut Vec::new());
    phone.vanish();
    place.wait_for_legs(0, Phone16::MISSED_WITHIN);
    wait_for(SECOND, "the card is closed", &place.daemon, || !card.is_open());
    assert_eq!(place.daemon.threads("alsa"), 0);
    let tries = card.tries();
    sleep(6 * SECOND);
    assert_eq!(said(&place, "the sound card is gone"), 1, "{}", place.daemon.logged());
    assert_eq!(said(&place, "no sound card"), 2, "{}", place.daemon.logged());
    assert!(card.tries() - tries <= 8, "{} tries in 6 s", card.tries() - tries);
}

#[test]
fn a_card_whose_clock_stands_still_is_none_until_it_runs() {
    let place = Phone16::place();
    let phone: Phone16 = connected(&place);
    phone.card.set_stopped(true);
    place.wait_for_legs(0, 3 * SECOND);
    sleep(6 * SECOND);
    // Once of the one that was there, once of the one that is not.
    assert_eq!(said(&place, "its clock stands still"), 2, "{}", place.daemon.logged());
    assert_eq!(place.legs(), 0);
    phone.card.set_stopped(false);
    place.wait_for_legs(1, PATIENCE);
}

#[test]
fn a_card_that_slept_for_a_while_goes_on_in_the_same_leg() {
    let place = Phone16::place();
    let mut phone: Phone16 = connected(&place);
    talk(&mut phone, 0..20, &mut Vec::new());
    phone.card.set_asleep(true);
    sleep(SECOND / 2);
    phone.card.set_asleep(false);
    listen(&mut phone, SECOND, &mut Vec::new());
    phone.said.clear();
    let mut heard = Vec::new();
    talk(&mut phone, 20..70, &mut heard);
    listen(&mut phone, SECOND / 2, &mut heard);
    assert_eq!(Phone16::fault(&heard, &phone.echo()), None, "{}", place.frames());
    let overrun = place.frames()["dropped"]["overrun"].as_u64();
    assert!(overrun.is_some_and(|frames| (20..=32).contains(&frames)), "{}", place.frames());
    assert_eq!(said(&place, "the sound card is gone"), 0, "{}", place.daemon.logged());
}

#[test]
fn a_card_of_another_rate_is_refused_with_what_to_write() {
    let kind = Kind { rate: 48_000, channels: 2, ppm: 0 };
    let place = place(kind, "card");
    let card = Arc::new(Card::of(place.sound.as_ref().expect("a card").path(), kind));
    let clock = card.plug();
    wait_for(PATIENCE, "a reason", &place.daemon, || said(&place, "write plughw: for hw:") == 1);
    assert_eq!(place.legs(), 0);
    card.unplug();
    clock.join().expect("its clock ends");
}
