//! Four phones in three languages dial one number, and its PIN.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use dragoman_tests::callers::{self, Pjsua2};
use dragoman_tests::watch::Watch;
use dragoman_tests::wav::Wav;
use engine_emulators::{Delays, Line};
use lab::cache::Cache;
use lab::daemon::{Phone, Room};
use lab::speech::{self, Utterance};
use serde_json::Value;
use soak::place::{Place, Plan};

const SECOND: Duration = Duration::from_secs(1);
const PIN: &str = "2468";
/// Two of them speak one language.
const LANGUAGES: [&str; 4] = ["en", "en", "es", "fr"];
/// What the emulated voice says is a tone of this frequency.
const TONE_HZ: f64 = 440.0;

struct Conference {
    place: Place,
    callers: Vec<Pjsua2>,
    answered: Vec<Instant>,
    watch: Watch,
}

impl Conference {
    fn dial(said: &[&Utterance]) -> Self {
        let cache = Cache::locate().expect("a cache");
        let numbers = ["101", "102", "103", "104"];
        let room = Room { pin: Some(PIN.to_owned()), ..Room::of_kind("801", "conference") };
        let place = Place::start(
            &cache,
            Plan {
                calls: 4,
                rooms: vec![room],
                phones: numbers.iter().zip(LANGUAGES).map(|(number, l)| Phone::new(number, l)).collect(),
                heard: said.iter().map(|said| line(said)).collect(),
                translation: "Lo que se dijo, en otra lengua.",
                delays: Delays::NONE,
            },
        )
        .expect("the box starts");
        let watch = Watch::of(&place.daemon);
        let mut conference = Self { place, callers: Vec::new(), answered: Vec::new(), watch };
        for (index, language) in LANGUAGES.iter().enumerate() {
            let own = said.iter().find(|said| said.language == *language).unwrap_or(&said[0]);
            conference.join(index, own);
        }
        conference
    }

    fn join(&mut self, index: usize, own: &Utterance) {
        let directory = self.place.run_dir().path();
        let speech: PathBuf = directory.join(format!("says-{index}.wav"));
        Wav::read(&own.wav).at(16_000).padded(Duration::ZERO, 60 * SECOND).write(&speech);
        let plan = callers::Plan {
            sip: self.place.asterisk.sip(),
            extension: "801",
            phone: &self.place.asterisk.phones()[index],
            codec: "G722",
            speech: &speech,
            directory,
        };
        let mut caller = Pjsua2::call(&plan);
        self.answered.push(Instant::now());
        thread::sleep(SECOND);
        caller.press(PIN);
        self.callers.push(caller);
    }

    /// Translations that were asked for, texts that were spoken, lines on which somebody is heard.
    fn asked(&self) -> [u64; 3] {
        let [asr, mt, tts] = self.place.counts();
        [mt.translations, tts.texts, asr.open]
    }

    /// One of them says his sentence: the languages that it was heard in, and when.
    fn say(&mut self, speaker: usize) -> (Vec<Value>, Instant) {
        self.watch.catch_up();
        let (from, began) = (self.watch.seen.len(), Instant::now());
        self.callers[speaker].speak();
        for _ in 0..2 {
            self.watch.wait_for("playback_ended", 30 * SECOND, |_| true);
        }
        thread::sleep(2 * SECOND);
        let told = self.watch.seen_since(from, "translation");
        (told.iter().map(|event| event["target_lang"].clone()).collect(), began)
    }
}

fn line(said: &Utterance) -> Line {
    let wav = Wav::read(&said.wav);
    let lasts = wav.samples.len() as f64 / f64::from(wav.rate);
    // Recordings end with some silence.
    let lasts = Some(Duration::from_secs_f64(lasts * 0.8));
    Line { text: said.text.clone(), language: Some(said.language.to_owned()), lasts }
}

/// How long the emulated voice is heard in a recording.
fn tone(heard: &Wav) -> Duration {
    const FRAME: Duration = Duration::from_millis(20);
    let step = std::f64::consts::TAU * TONE_HZ / f64::from(heard.rate);
    let frames = heard.samples.chunks_exact(heard.rate as usize / 50);
    let is_tone = |frame: &&[i16]| {
        let (mut re, mut im, mut energy) = (0.0, 0.0, 0.0);
        for (index, sample) in frame.iter().enumerate() {
            let (sample, angle) = (f64::from(*sample), step * index as f64);
            re += sample * angle.cos();
            im += sample * angle.sin();
            energy += sample * sample;
        }
        let likeness = (re * re + im * im) / (energy * frame.len() as f64 / 2.0).max(1.0);
        energy / frame.len() as f64 > 300.0_f64.powi(2) && likeness > 0.7
    };
    FRAME * frames.filter(is_tone).count() as u32
}

#[test]
fn four_phones_in_three_languages_cost_what_the_design_says_and_hear_each_other() {
    let cache = Cache::locate().expect("a cache");
    let english = speech::sentence(&cache).expect("the sentence");
    let spanish = speech::prompts(&cache, "es").expect("recordings");
    let spanish = spanish.into_iter().find(|u| u.name == english.name).expect("the same sentence");
    let mut conference = Conference::dial(&[&english, &spanish]);
    for _ in 0..LANGUAGES.len() {
        conference.watch.wait_for("listening", 30 * SECOND, |_| true);
    }
    thread::sleep(2 * SECOND);

    let mut said = Vec::new();
    for (speaker, utterance, languages) in [(0, &english, ["es", "fr"]), (2, &spanish, ["en", "fr"])] {
        let [translations, texts, lines] = conference.asked();
        assert_eq!(lines, 4, "each speaker has one line");
        let (mut told, began) = conference.say(speaker);
        told.sort_by_key(ToString::to_string);
        assert_eq!(told, languages);
        // Two listeners of one language share a translation and its speech.
        assert_eq!(conference.asked(), [translations + 2, texts + 2, 4], "{languages:?}");
        said.push((speaker, utterance, began));
    }
    let violations = conference.place.counts().map(|counts| counts.violations);
    assert!(violations.iter().all(Vec::is_empty), "{violations:?}");

    let end = Instant::now();
    let Conference { callers, answered, place: _place, .. } = conference;
    let heard: Vec<Wav> = callers.into_iter().map(Pjsua2::hang_up).collect();
    let last = [said[1].2, end];
    for (turn, (speaker, utterance, began)) in said.iter().enumerate() {
        let original = Wav::read(&utterance.wav).at(16_000);
        for (listener, heard) in heard.iter().enumerate() {
            let part = heard.until(last[turn] - answered[listener]).after(*began - answered[listener]);
            let (softer, likeness) = part.at(16_000).loudness_of(&original);
            let tone = tone(&part);
            let told =
                format!("{listener} of {speaker}: {softer:.1} dB softer, {likeness:.2}, tone {tone:?}");
            match (listener == *speaker, LANGUAGES[listener] == LANGUAGES[*speaker]) {
                (true, _) => assert!(likeness < 0.5 && tone < SECOND / 2, "hears himself: {told}"),
                (_, true) => assert!(likeness > 0.7 && softer.abs() < 4.0 && tone < SECOND / 2, "{told}"),
                _ => assert!(likeness > 0.6 && softer > 6.0 && tone > SECOND, "{told}"),
            }
        }
    }
}
