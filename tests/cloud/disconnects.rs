//! A talk over lines that break again and again. (Row 12 of the fault matrix.)
//!
//! Each word lasts 100 ms, and what is said again begins where the last known one ended: a time that is off by more loses
//! a word or repeats one.

use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Began, Delay, Delays, Fault};

use crate::clouds::{Cloud, Clouds, Plan};
use crate::marked;
use dragoman_tests::interpreted::Call;

/// Talks at once, each over a line of its own.
const TALKS: u64 = 20;
/// How often each line breaks at least.
const BREAKS: u64 = 10;
/// Words of an utterance …
const WORDS: u16 = 40;
/// … and of a clause.
const CLAUSE: usize = 13;
/// Until the text of what was said comes.
const ANSWER: Duration = Duration::from_millis(350);
/// How soon what was said on a line that broke goes on by another, by the clock of the box …
const RECONNECTED: Duration = Duration::from_millis(250);
/// … and by that of the machine that twenty boxes and this test share: what of the audio comes by when.
const LATEST: Duration = Duration::from_secs(1);

struct Talk {
    clouds: Clouds,
    call: Call,
    random: fastrand::Rng,
    said: u16,
}

#[test]
fn no_word_is_lost_over_two_hundred_disconnects() {
    let talks: Vec<_> = (0..TALKS).map(|seed| thread::spawn(move || Talk::start(seed).run())).collect();
    let outcomes = talks.into_iter().map(|talk| talk.join().expect("a talk without loss"));
    let (told, seen): (Vec<_>, Vec<_>) = outcomes.unzip();
    for (whose, mut took, limit) in [("box", told.concat(), RECONNECTED), ("machine", seen.concat(), LATEST)]
    {
        took.sort_unstable();
        let (all, latest) = (took.len(), took.iter().rev().take(5).collect::<Vec<_>>());
        println!("{all} reconnects by the {whose}'s clock, the latest {latest:?}");
        assert!(all as u64 >= TALKS * BREAKS, "only {all} disconnects");
        assert!(latest.iter().all(|took| **took <= limit), "{whose}: {latest:?}");
    }
}

impl Talk {
    fn start(seed: u64) -> Self {
        let delays = Delays { asr: Delay::Fixed(ANSWER), ..Delays::NONE };
        let clouds = Clouds::planned(Plan { heard: Vec::new(), delays, ..Plan::default() });
        let mut call = clouds.call();
        // The last echo of the announcement.
        (0..20).for_each(|_| call.pass(false));
        Self { clouds, call, random: fastrand::Rng::with_seed(seed), said: 0 }
    }

    /// Talks until the line broke often enough; how long each break lasted, as the box tells and as it was seen.
    fn run(mut self) -> (Vec<Duration>, Vec<Duration>) {
        let until = Instant::now() + Duration::from_secs(120);
        while self.broken() < BREAKS {
            assert!(Instant::now() < until, "only {} disconnects", self.broken());
            self.plan_breaks();
            self.say();
        }
        self.compare();
        // Where lines break too often, the other engine serves.
        let metric = "recoveries_total{component=\"asr\",tier=\"soft\",success=\"true\"}";
        let again = self.clouds.daemon.metric(metric);
        assert!(again >= BREAKS as f64 / 2.0, "{again} lines were made again");
        (self.told(), self.reconnects())
    }

    fn broken(&self) -> u64 {
        let broken = |cloud: &Cloud| cloud.heard().broken + cloud.lines[0].resets() as u64;
        self.clouds().map(broken).iter().sum()
    }

    fn clouds(&self) -> [&Cloud; 2] {
        [&self.clouds.first, &self.clouds.spare]
    }

    /// Of the connections that follow, one is closed by each service and one is reset in the middle of a message.
    fn plan_breaks(&mut self) {
        let mut random = self.random.fork();
        for cloud in self.clouds() {
            // Longer than any utterance: not in the midst of what is said again.
            let after = Duration::from_millis(random.u64(5_500..9_000));
            let reason = "NET-0000".to_owned();
            cloud.deepgram.world.script.push(Fault::Close { code: 1011, reason, after });
            cloud.lines[0].cut_after(Duration::from_millis(random.u64(500..3_500)));
        }
    }

    /// Says new words, and waits for the answer to them.
    fn say(&mut self) {
        let before = self.call.seen.len();
        marked::say(&mut self.call, self.said..self.said + WORDS, CLAUSE);
        self.said += WORDS;
        self.call.wait_since(before, "final", Duration::from_secs(12));
        self.call.wait_since(before, "playback_ended", Duration::from_secs(12));
        (0..20).for_each(|_| self.call.pass(false));
    }

    fn compare(&self) {
        let seen = &self.call.seen;
        let errors: Vec<_> = seen.iter().filter(|event| event["type"] == "error").collect();
        assert!(errors.is_empty(), "{errors:#?}\n{}", self.clouds.daemon.logged());
        assert_eq!(marked::heard(&self.call), marked::text(0..self.said), "{}", self.clouds.daemon.logged());
    }

    /// From when the box knew of each break until another line was open.
    fn told(&self) -> Vec<Duration> {
        let logged = self.clouds.daemon.logged();
        let times = logged.lines().filter_map(|line| {
            let (_, rest) = line.split_once("an utterance goes on by another line after ")?;
            rest.strip_suffix(" ms")?.parse().ok()
        });
        times.map(Duration::from_millis).collect()
    }

    /// From the end of each connection until its audio goes on by another one, to whichever service: every break is in the
    /// midst of speech, the last of which no text has answered yet.
    fn reconnects(&self) -> Vec<Duration> {
        let audio: Vec<_> = self.clouds().iter().flat_map(|cloud| cloud.lines[0].audio()).collect();
        let after = |(broke, connection): (Instant, Began)| {
            let others = audio.iter().filter(|(at, by)| *at > broke && *by != connection);
            let next = others.map(|(at, _)| *at).min();
            next.unwrap_or_else(|| panic!("no successor: {}", self.clouds.daemon.logged())) - broke
        };
        self.clouds().iter().flat_map(|cloud| cloud.lines[0].broken()).map(after).collect()
    }
}
