//! The fault matrix's rows on engines, with their numbers, on a simulated clock: two engines, a leg, and a shell that
//! does what the contract of `session::recovery` says. Then the tiers that no request takes: an engine is asked anew, a
//! part of the daemon is started anew.

use std::time::Duration;

use audio_path::Timestamp;
use session::recovery::{
    BreakerState, Chain, Engine, Failed, Failure, HealthState, Permit, Recovery, RecoveryCounts, Reset,
    Serving, Standing, Step, Tier,
};

const CLOUD: usize = 0;
const DEVICE: usize = 1;
/// How often the shell looks.
const TICK: Duration = Duration::from_millis(10);
/// When a request is given up that nobody answers.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Until an engine that works, or says why it does not, has answered.
const ANSWER: Duration = Duration::from_millis(50);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// What the cloud does with a request that begins so long after the start.
type Weather = fn(Duration) -> Result<(), Failure>;

/// A request under way.
struct Request {
    permit: Permit,
    ends: Timestamp,
    answer: Result<(), Failure>,
}

/// What happened, each with its time after the start.
#[derive(Debug, Default, PartialEq)]
struct Log {
    /// Requests that reached the cloud; retries and probes included.
    asked: Vec<Duration>,
    /// Requests that were made again.
    retried: Vec<Duration>,
    /// Changes of the engine that serves.
    switched: Vec<(Duration, Serving)>,
    /// Answers to the caller.
    served: Vec<Duration>,
    worst: Option<HealthState>,
}

/// One leg that asks for a translation every 100 ms, one at a time; the device always answers.
struct World {
    start: Timestamp,
    now: Timestamp,
    weather: Weather,
    engines: [Engine; 2],
    chain: Chain,
    recovery: Recovery,
    request: Option<Request>,
    retry_at: Option<Timestamp>,
    next_clause: Timestamp,
    log: Log,
    random: u32,
}

impl World {
    fn new(start: Timestamp, weather: Weather) -> Self {
        Self {
            start,
            now: start,
            weather,
            engines: [Engine::new(), Engine::new()],
            chain: Chain::new(2).expect("two engines"),
            recovery: Recovery::new(),
            request: None,
            retry_at: None,
            next_clause: start,
            log: Log::default(),
            random: 1,
        }
    }

    fn run(start: Timestamp, weather: Weather, how_long: Duration) -> Self {
        let mut world = Self::new(start, weather);
        while world.now < start + how_long {
            world.step();
            world.now = world.now + TICK;
        }
        world
    }

    fn elapsed(&self) -> Duration {
        self.now.since(self.start)
    }

    fn standings(&self) -> [Standing; 2] {
        [self.engines[CLOUD].standing(), self.engines[DEVICE].standing()]
    }

    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.random
    }

    fn step(&mut self) {
        if let Some(request) = self.request.take_if(|request| self.now >= request.ends) {
            self.engines[CLOUD].answered(self.now, request.permit, request.answer);
            self.told(request.answer);
        }
        if self.retry_at.take_if(|at| self.now >= *at).is_some() {
            self.log.retried.push(self.elapsed());
            let permit = self.engines[CLOUD].ask_again(self.now);
            self.send(permit);
        }
        let probe = self.engines[CLOUD].next_probe().is_some_and(|at| self.now >= at);
        if probe && self.request.is_none() && self.retry_at.is_none() {
            let permit = self.engines[CLOUD].ask_again(self.now);
            self.send(permit);
        }
        let standings = self.standings();
        let before = self.chain.serving();
        let serving = self.chain.choose(self.now, &standings, true);
        if serving != before {
            self.recovery.recovered();
            self.log.switched.push((self.elapsed(), serving));
        }
        self.clause(serving);
        let health = self.engines[CLOUD].health(self.now);
        self.log.worst = self.log.worst.max(Some(health));
    }

    fn clause(&mut self, serving: Serving) {
        if self.now < self.next_clause {
            return;
        }
        match serving {
            Serving::Engine(CLOUD) if self.request.is_none() && self.retry_at.is_none() => {
                let permit = self.engines[CLOUD].ask(self.now);
                self.send(permit);
            }
            Serving::Engine(DEVICE) => {
                let permit = self.engines[DEVICE].insist(self.now).expect("it never fails");
                self.engines[DEVICE].answered(self.now, permit, Ok(()));
                self.log.served.push(self.elapsed());
            }
            _ => return,
        }
        self.next_clause = self.now + Duration::from_millis(100);
    }

    fn send(&mut self, permit: Option<Permit>) {
        let Some(permit) = permit else { return };
        self.log.asked.push(self.elapsed());
        let answer = (self.weather)(self.elapsed());
        let takes = if answer == Err(Failure::Silent) { SILENCE } else { ANSWER };
        self.request = Some(Request { permit, ends: self.now + takes, answer });
    }

    fn told(&mut self, answer: Result<(), Failure>) {
        let Err(failure) = answer else {
            self.recovery.recovered();
            if self.chain.serving() == Serving::Engine(CLOUD) {
                self.log.served.push(self.elapsed());
            }
            return;
        };
        let draw = self.draw();
        let failed = Failed { failure, deadline: self.now + secs(2), spare: true, draw };
        match self.recovery.failed(self.now, &mut self.engines[CLOUD], failed) {
            Some(Step::Retry { at }) => self.retry_at = Some(at),
            Some(Step::FailOver) => {
                let before = self.chain.serving();
                let standings = self.standings();
                let serving = self.chain.fail_over(self.now, CLOUD, &standings);
                if serving != before {
                    self.recovery.failed_over(true);
                    self.log.switched.push((self.elapsed(), serving));
                }
            }
            None => {}
        }
    }
}

const UP: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

fn until_device_serves(log: &Log, from: Duration) -> Duration {
    let (at, serving) = log.switched[0];
    assert_eq!(serving, Serving::Engine(DEVICE));
    let served = log.served.iter().find(|served| **served >= at).expect("somebody serves");
    served.abs_diff(from)
}

#[test]
fn row_13_a_wrong_key_is_tried_once_and_the_fallback_serves_within_a_second() {
    let world = World::run(UP, |_| Err(Failure::Fatal), secs(60));
    assert_eq!(world.log.asked.len(), 1, "no storm");
    assert!(until_device_serves(&world.log, secs(0)) <= secs(1));
    assert_eq!(world.log.worst, Some(HealthState::Failed));
}

#[test]
fn row_14_retry_after_is_honoured_and_the_fallback_serves_meanwhile() {
    let limited = |at: Duration| match at.as_secs() {
        10..17 => Err(Failure::RateLimited { retry_after: Some(secs(7)) }),
        _ => Ok(()),
    };
    let world = World::run(UP, limited, secs(40));
    let refused = *world.log.asked.iter().find(|at| **at >= secs(10)).expect("it is asked");
    let asked_again = world.log.asked.iter().find(|at| **at > refused).expect("it is asked again");
    assert!(*asked_again >= refused + ANSWER + secs(7), "{asked_again:?}");
    assert!(until_device_serves(&world.log, refused) <= secs(1));
}

#[test]
fn row_15_a_burst_of_errors_opens_the_breaker_after_three_with_one_probe_and_longer_waits() {
    let burst = |at: Duration| if at < secs(200) { Err(Failure::Passing) } else { Ok(()) };
    let world = World::run(UP, burst, secs(300));
    let failed: Vec<_> = world.log.asked.iter().filter(|at| **at < secs(200)).copied().collect();
    assert!(failed[2] <= secs(1) && until_device_serves(&world.log, secs(0)) <= secs(1), "{failed:?}");
    let waits: Vec<_> = failed[2..].windows(2).map(|pair| pair[1].abs_diff(pair[0]).as_secs()).collect();
    assert_eq!(waits, [5, 10, 20, 40, 60, 60], "after the first three only probes");
    assert!(world.log.retried.len() <= 3);
    let (back, serving) = *world.log.switched.last().expect("it switched");
    assert_eq!(serving, Serving::Engine(CLOUD));
    let healthy = *world.log.asked.iter().find(|at| **at >= secs(200)).expect("it is probed");
    assert!(back >= healthy + secs(30) && back <= healthy + secs(31), "{back:?}");
}

#[test]
fn row_15_retries_are_a_fifth_of_the_requests_at_most() {
    // A short burst every six seconds.
    let world = World::run(
        UP,
        |at| if at.as_millis() % 6_000 < 300 { Err(Failure::Passing) } else { Ok(()) },
        secs(300),
    );
    let requests = world.log.asked.len() - world.log.retried.len();
    assert!(!world.log.retried.is_empty() && world.log.retried.len() * 5 <= requests);
}

#[test]
fn row_16_a_spent_quota_opens_the_breaker_at_once_until_the_probe() {
    let spent = |at: Duration| if (20..400).contains(&at.as_secs()) { Err(Failure::Fatal) } else { Ok(()) };
    let world = World::run(UP, spent, secs(700));
    let asked: Vec<_> = world.log.asked.iter().filter(|at| (20..400).contains(&at.as_secs())).collect();
    assert_eq!(asked.len(), 2, "the first, and one probe: {asked:?}");
    assert!(asked[1].abs_diff(*asked[0]) >= secs(300));
    assert_eq!(world.engines[CLOUD].breaker(), BreakerState::Closed);
    assert_eq!(world.chain.serving(), Serving::Engine(CLOUD));
}

#[test]
fn row_17_silence_brings_the_fallback_within_two_seconds() {
    let silent = |at: Duration| if at >= secs(10) { Err(Failure::Silent) } else { Ok(()) };
    let world = World::run(UP, silent, secs(60));
    let asked = *world.log.asked.iter().find(|at| **at >= secs(10)).expect("it is asked");
    assert!(until_device_serves(&world.log, asked) <= secs(2));
}

#[test]
fn row_23_a_link_that_flaps_moves_a_leg_twice_a_minute_at_most() {
    let flaps: [Weather; 3] = [
        |at| if at.as_secs() % 5 == 4 { Err(Failure::Passing) } else { Ok(()) },
        |at| if at.as_secs() % 5 == 4 { Err(Failure::Silent) } else { Ok(()) },
        // Long enough up for the cloud to be proven each time.
        |at| if at.as_secs() % 36 == 35 { Err(Failure::Silent) } else { Ok(()) },
    ];
    for weather in flaps {
        let world = World::run(UP, weather, secs(3_600));
        assert!(!world.log.switched.is_empty());
        for (at, _) in &world.log.switched {
            let minute = world.log.switched.iter().filter(|(other, _)| (*at..*at + secs(60)).contains(other));
            assert!(minute.count() <= 2, "{:?}", world.log.switched);
        }
    }
}

#[test]
fn row_24_what_is_decided_does_not_depend_on_what_the_clock_shows() {
    let stormy = |at: Duration| match at.as_secs() % 90 {
        20..23 => Err(Failure::Passing),
        60..65 => Err(Failure::Silent),
        _ => Ok(()),
    };
    let years = |years: u64| Timestamp::from_nanos(years * 365 * 86_400 * 1_000_000_000);
    // A retry budget forgets in slots of 5 s: the origin is one of them.
    let logs = [UP, years(0), years(10), years(400)].map(|start| World::run(start, stormy, secs(600)).log);
    assert!(!logs[0].switched.is_empty());
    assert!(logs.iter().all(|log| *log == logs[0]));
}

#[test]
fn a_short_hiccup_is_mended_by_a_retry_alone() {
    let hiccup = |at: Duration| if at.as_millis() == 10_000 { Err(Failure::Passing) } else { Ok(()) };
    let mut world = World::run(UP, hiccup, secs(30));
    let counts = world.recovery.take_counts();
    assert_eq!((counts.get(Tier::Soft, true), counts.get(Tier::Soft, false)), (1, 0));
    assert!(world.log.switched.is_empty());
}

#[test]
fn the_second_tier_asks_an_engine_that_failed_anew_within_five_seconds() {
    let failures: [Weather; 2] = [
        |at| if (10..12).contains(&at.as_secs()) { Err(Failure::Passing) } else { Ok(()) },
        |at| if (10..12).contains(&at.as_secs()) { Err(Failure::Silent) } else { Ok(()) },
    ];
    for weather in failures {
        let world = World::run(UP, weather, secs(60));
        let (left, serving) = world.log.switched[0];
        assert_eq!(serving, Serving::Engine(DEVICE), "the fallback serves meanwhile");
        let anew = *world.log.asked.iter().find(|at| **at > left).expect("it is asked anew");
        assert!(anew <= left + secs(5) + TICK, "left at {left:?}, asked at {anew:?}");
    }
}

/// A part of the daemon that lives for so long each time, for ever at last, and what supervises it: when it was started
/// anew, and what was counted of that within `how_long`.
fn lives(lasting: &[Duration], how_long: Duration) -> (Vec<Duration>, RecoveryCounts) {
    let (mut reset, mut counts, mut starts) = (Reset::new(), RecoveryCounts::default(), Vec::new());
    let mut lives = lasting.iter();
    let mut dies = lives.next().map(|lived| UP + *lived);
    let mut now = UP;
    while now < UP + how_long {
        if reset.mended_at().is_some_and(|at| now >= at) && dies.is_none_or(|dies| now < dies) {
            reset.mended();
        }
        if dies.is_some_and(|dies| now >= dies) {
            let at = reset.died(now);
            starts.push(at.since(UP));
            dies = lives.next().map(|lived| at + *lived);
        }
        counts.include(reset.take_counts());
        now = now + TICK;
    }
    (starts, counts)
}

fn resets(counts: RecoveryCounts) -> [u64; 2] {
    [true, false].map(|success| counts.get(Tier::Reset, success))
}

#[test]
fn the_last_tier_starts_a_part_anew_at_once_and_then_once_a_minute() {
    let (starts, counts) = lives(&[secs(10), secs(2), secs(2), secs(0)], secs(600));
    assert_eq!(starts, [secs(10), secs(70), secs(130), secs(190)]);
    assert_eq!(resets(counts), [1, 3], "at last it lives");
}

#[test]
fn a_part_that_lives_for_a_minute_each_time_is_never_waited_for() {
    let (starts, counts) = lives(&[secs(10), secs(60), secs(100)], secs(600));
    assert_eq!(starts, [secs(10), secs(70), secs(170)]);
    assert_eq!(resets(counts), [3, 0]);
}

#[test]
fn a_part_that_never_lives_is_started_ten_times_in_ten_minutes() {
    let (starts, counts) = lives(&[secs(0); 100], secs(600));
    assert_eq!(starts.len(), 11, "the last one is due: {starts:?}");
    assert!(starts.windows(2).all(|pair| pair[1].abs_diff(pair[0]) == secs(60)));
    assert_eq!(resets(counts), [0, 10]);
}
