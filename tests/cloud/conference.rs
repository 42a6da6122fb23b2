//! Four callers in one room, in three languages: what is asked of engines for what each of them says.

use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use audio_path::Frame;
use dragoman_tests::fake_phone::FakePhone;
use dragoman_tests::interpreted::events;
use dragoman_tests::voice::Voice;
use engine_emulators::{Delays, Voices, World, deepgram};
use serde_json::Value;

use crate::clouds::{Clouds, KEY, Plan};

const FRAME: Duration = Duration::from_millis(20);
pub(crate) const TABLES: &str = "[[room]]\nextension = \"800\"\nkind = \"conference\"\n\
    [[room]]\nextension = \"801\"\nkind = \"conference\"\npin = \"2424\"\n\
    [[phone]]\nextension = \"101\"\nname = \"Ann\"\nlanguage = \"en\"\n\
    [[phone]]\nextension = \"102\"\nname = \"Bob\"\nlanguage = \"en\"\n\
    [[phone]]\nextension = \"103\"\nname = \"Eva\"\nlanguage = \"es\"\n\
    [[phone]]\nextension = \"104\"\nname = \"Luc\"\nlanguage = \"fr\"\n";

/// Phones in a room, in real time.
pub(crate) struct Conference {
    pub(crate) phones: Vec<FakePhone>,
    /// The loudest frame that each heard since it was reset, dBFS.
    pub(crate) loudest: Vec<f32>,
    /// All voiced frames that were said since it began, in their order.
    pub(crate) said: Vec<Frame>,
    /// Frames that each heard.
    pub(crate) heard: Vec<u32>,
    events: mpsc::Receiver<Value>,
    pub(crate) seen: Vec<Value>,
    voice: Voice,
    start: Instant,
    pub(crate) ticks: u32,
}

impl Conference {
    /// These phones dial `extension`, one after the other.
    pub(crate) fn dial(clouds: &Clouds, extension: &str, numbers: &[u32]) -> Self {
        let names: Vec<_> = numbers.iter().map(|number| format!("{extension}-{number}-{number}")).collect();
        Self::of_legs(clouds, &names)
    }

    /// Legs of these names come, one after the other.
    pub(crate) fn of_legs(clouds: &Clouds, names: &[String]) -> Self {
        let events = events(&clouds.daemon);
        let come = |(before, name): (usize, &String)| {
            let phone = FakePhone::connect(&clouds.daemon.pipes(), name);
            clouds.wait_until("the call came", |status| {
                status["legs"].as_array().is_some_and(|legs| legs.len() > before)
            });
            phone
        };
        let phones = names.iter().enumerate().map(come).collect();
        let (voice, start, loudest) = (Voice::default(), Instant::now(), vec![f32::MIN; names.len()]);
        let heard = vec![0; names.len()];
        Self { phones, loudest, said: Vec::new(), heard, events, seen: Vec::new(), voice, start, ticks: 0 }
    }

    /// All four, to whom it was said that a machine translates.
    fn of(clouds: &Clouds) -> Self {
        let mut all = Self::dial(clouds, "800", &[101, 102, 103, 104]);
        all.pass_until(|seen| count(seen, "listening") == 4);
        all.wait(Duration::from_secs(1));
        all
    }

    /// 20 ms in which `speaker` speaks, if anybody does.
    pub(crate) fn pass(&mut self, speaker: Option<usize>) {
        self.ticks += 1;
        thread::sleep((self.start + FRAME * self.ticks).saturating_duration_since(Instant::now()));
        let voice = self.voice.frame(9_000.0);
        self.said.extend(speaker.map(|_| voice));
        for (place, phone) in self.phones.iter().enumerate() {
            let frame = if speaker == Some(place) { voice } else { Frame::SILENCE };
            assert!(phone.send(&frame.to_wire()), "the daemon reads");
            while let Some(bytes) = phone.receive() {
                self.heard[place] += 1;
                self.loudest[place] = self.loudest[place].max(Frame::from_wire(&bytes).dbfs());
            }
        }
        self.seen.extend(self.events.try_iter());
    }

    pub(crate) fn pass_until(&mut self, wanted: impl Fn(&[Value]) -> bool) {
        let until = Instant::now() + Duration::from_secs(20);
        while !wanted(&self.seen) {
            assert!(Instant::now() < until, "not seen within 20 s: {:#?}", self.seen);
            self.pass(None);
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.pass(None);
        }
    }

    /// Somebody says something, which is heard by the others in `languages` languages.
    pub(crate) fn say(&mut self, speaker: usize, languages: usize) {
        self.seen.clear();
        self.loudest.fill(f32::MIN);
        (0..125).for_each(|_| self.pass(Some(speaker)));
        self.pass_until(|seen| count(seen, "playback_ended") == languages);
        self.wait(Duration::from_secs(1));
    }
}

pub(crate) fn count(seen: &[Value], kind: &str) -> usize {
    seen.iter().filter(|event| event["type"] == kind).count()
}

/// What state each leg is in.
pub(crate) fn states(clouds: &Clouds) -> Vec<Value> {
    let status = clouds.daemon.status().expect("a status");
    status["legs"].as_array().expect("legs").iter().map(|leg| leg["state"].clone()).collect()
}

/// Requests to translate, texts to speak, lines on which somebody is heard.
pub(crate) fn asked(clouds: &Clouds) -> [u64; 3] {
    let [spare, lines] = [clouds.spare.translated().requests, clouds.first.heard().open];
    [clouds.first.translated().requests + spare, clouds.first.spoken().texts, lines]
}

#[test]
fn what_is_said_is_heard_translated_and_spoken_once_for_all() {
    let clouds = Clouds::planned(Plan { tables: TABLES.to_owned(), languages: 3, ..Plan::default() });
    let mut conference = Conference::of(&clouds);
    assert_eq!(states(&clouds), ["translating"; 4]);
    let told = conference.seen.iter().filter(|event| event["type"] == "leg_state");
    assert_eq!(told.filter(|event| event["state"] == "translating").count(), 4, "{:#?}", conference.seen);
    for (speaker, languages) in [(0, ["es", "fr"]), (2, ["en", "fr"])] {
        let [translations, texts, lines] = asked(&clouds);
        assert_eq!(lines, 4, "each speaker has one line");
        conference.say(speaker, languages.len());
        let seen = &conference.seen;
        assert_eq!([count(seen, "final"), count(seen, "error")], [1, 0], "{seen:#?}");
        assert_eq!(asked(&clouds), [translations + 2, texts + 2, 4], "{languages:?}: {seen:#?}");
        let mut told: Vec<_> = seen.iter().filter_map(|event| event["target_lang"].as_str()).collect();
        told.sort_unstable();
        assert_eq!(told, languages);
        for (place, loudest) in conference.loudest.iter().enumerate() {
            assert_eq!(place == speaker, *loudest < -60.0, "{:?}", conference.loudest);
        }
    }
    let violations = [clouds.first.heard(), clouds.first.translated(), clouds.first.spoken()];
    assert!(violations.iter().all(|counts| counts.violations.is_empty()), "{violations:?}");
}

/// Presses keys of a phone in 801.
fn press(clouds: &Clouds, number: u32, keys: &str) {
    let socket = UnixDatagram::unbound().expect("a socket");
    for key in keys.chars() {
        let told = format!("801-{number}-{number} {key}");
        socket.send_to(told.as_bytes(), clouds.daemon.pipes().join(".keys")).expect("the daemon listens");
    }
}

#[test]
fn a_pin_opens_a_conference_and_a_key_mutes() {
    let clouds = Clouds::planned(Plan { tables: TABLES.to_owned(), languages: 3, ..Plan::default() });
    let mut conference = Conference::dial(&clouds, "801", &[101, 103]);
    conference.wait(Duration::from_secs(1));
    press(&clouds, 101, "2424");
    press(&clouds, 103, "9999");
    conference.wait(Duration::from_secs(6));
    assert_eq!(
        count(&conference.seen, "listening"),
        0,
        "who is alone needs no translator: {:#?}",
        conference.seen
    );
    press(&clouds, 103, "2424");
    conference.pass_until(|seen| count(seen, "listening") == 2);
    conference.wait(Duration::from_secs(1));
    conference.say(0, 1);
    press(&clouds, 101, "7");
    conference.wait(Duration::from_secs(3));
    conference.seen.clear();
    (0..125).for_each(|_| conference.pass(Some(0)));
    conference.wait(Duration::from_secs(2));
    assert_eq!(count(&conference.seen, "final"), 0, "who is muted is not heard: {:#?}", conference.seen);

    let language = || {
        let legs = clouds.daemon.status().expect("a status")["legs"].take();
        let mut legs = legs.as_array().expect("legs").clone().into_iter();
        legs.find(|leg| leg["phone"] == "103").expect("a leg")["language"].take()
    };
    let configured = language();
    press(&clouds, 103, "9");
    conference.wait(Duration::from_secs(1));
    assert_ne!(language(), configured, "the status tells what is spoken now");
}

#[test]
fn a_phone_whose_voice_is_configured_is_heard_in_it_whoever_else_is_there() {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(key.path(), KEY).expect("a key");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = Arc::new(World::new(KEY, Voices::scripted([], []), Delays::NONE, 1));
    let aura = runtime.block_on(deepgram::start(world, 0)).expect("the emulator starts");
    let engine = format!(
        "[engine.named]\nkind = \"deepgram-aura\"\nurl = \"ws://{}\"\nkey_file = \"{}\"\n\
         voices = {{ es = [\"aura-2-celeste-es\", \"aura-2-nestor-es\", \"aura-2-carina-es\"] }}\n",
        aura.address,
        key.path().display()
    );
    let wishes = TABLES.replace("\"Bob\"\n", "\"Bob\"\nvoice = \"aura-2-celeste-es\"\n");
    // No engine has that voice: the place decides, as if nothing had been said.
    let wishes = wishes.replace("\"Ann\"\n", "\"Ann\"\nvoice = \"aura-2-nobody-es\"\n");
    let plan =
        Plan { tables: engine + &wishes, languages: 3, speaker: "\"named\", ".into(), ..Plan::default() };
    let clouds = Clouds::planned(plan);
    let spoken = |voices: &[&str]| -> u64 {
        let counts = aura.world.tally.read();
        voices.iter().filter_map(|voice| counts.texts_in_voice.get(*voice)).sum()
    };
    let mut conference = Conference::dial(&clouds, "800", &[103, 101, 102]);
    conference.pass_until(|seen| count(seen, "listening") == 3);
    conference.wait(Duration::from_secs(1));
    let (wanted, by_place) = (["aura-2-celeste-es"], ["aura-2-nestor-es", "aura-2-carina-es"]);
    for (speaker, voices) in [(2, &wanted[..]), (1, &by_place[..])] {
        let before = spoken(voices);
        conference.say(speaker, 1);
        assert_eq!(spoken(voices), before + 1, "{:?}", aura.world.tally.read());
    }
}
