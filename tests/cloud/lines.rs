//! Lines that are dead, and names that nobody knows. (Rows 18 and 22 of the fault matrix.)

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use engine_emulators::{Fault, Weather};

use crate::clouds::{Clouds, Plan, converse, saying};

/// From the end of speech until the session takes it for one.
const END_OF_SPEECH: Duration = Duration::from_millis(480);
const FALLBACK: Duration = Duration::from_secs(2);

/// A line that swallows all is noticed while somebody speaks, and was answered the moment before.
fn hearing() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    let before = call.seen.len();
    call.say(1);
    call.wait_since(before, "final", Duration::from_secs(8));
    clouds.first.lines[0].set(Weather::Swallows);
    let died = Instant::now();
    while clouds.engine("asr", 0)["fault"].is_null() {
        assert!(died.elapsed() < Duration::from_secs(3), "not noticed: {}", clouds.daemon.logged());
        call.pass(true);
    }
    let before = call.seen.len();
    call.wait_since(before, "final", Duration::from_secs(8));
    assert!(!call.seen.iter().any(|event| event["type"] == "error"), "{:#?}", call.seen);
}

/// What is asked over a line that swallows all is asked elsewhere.
fn answering(stage: &str, line: usize) {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    clouds.first.lines[line].set(Weather::Swallows);
    let (_, said, took) = converse(&mut call);
    assert!(said.ends_with("where is the station"), "{said}");
    assert!(took <= END_OF_SPEECH + FALLBACK, "{stage}: {took:?}");
    assert_eq!(clouds.engine(stage, 0)["fault"]["kind"], "slow", "{}", clouds.engine(stage, 0));
}

#[test]
fn a_line_that_swallows_all_is_noticed_within_three_seconds() {
    let cases: [fn(); 3] = [hearing, || answering("mt", 1), || answering("tts", 2)];
    let failed = cases.map(thread::spawn).map(|case| case.join().is_err());
    assert_eq!(failed, [false; 3]);
}

#[test]
fn a_recognisers_idle_line_that_is_hung_up_tells_why_before_anybody_speaks() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    clouds.first.deepgram.world.script.push(Fault::Refuse { status: 401, retry_after: None });
    clouds.first.lines[0].hang_up();
    let ended = Instant::now();
    while clouds.engine("asr", 0)["fault"]["kind"] != "credential" {
        assert!(ended.elapsed() < FALLBACK, "{}\n{}", clouds.engine("asr", 0), clouds.daemon.logged());
        call.pass(false);
    }
    let (heard, ..) = converse(&mut call);
    assert_eq!(heard, "good morning to you all", "the spare hears");
}

#[test]
fn a_voices_idle_line_that_is_hung_up_is_open_again_before_the_next_text() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    let counts = || clouds.first.spoken();
    // The announcement was in both languages.
    let (open, before) = (counts().open, counts().connections);
    assert_eq!(open, 2, "{:?}", counts());
    clouds.first.lines[2].hang_up();
    // One of them every five seconds.
    let until = Instant::now() + Duration::from_secs(15);
    while counts().connections < before + open || counts().open < open {
        assert!(Instant::now() < until, "{:?}\n{}", counts(), clouds.daemon.logged());
        call.pass(false);
    }
    let again = counts().connections;
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, "first where is the station");
    assert_eq!(counts().connections, again, "the line was open already");
}

#[test]
fn a_word_that_no_line_can_be_made_for_is_heard_elsewhere_within_two_seconds() {
    let clouds = Clouds::start();
    let mut call = clouds.call();
    converse(&mut call);
    // The open line ends, and who connects is taken and not answered.
    clouds.first.lines[0].set(Weather::Swallows);
    clouds.first.lines[0].hang_up();
    (0..10).for_each(|_| call.pass(false));
    let spoken = Instant::now();
    let (heard, said, took) = saying(&mut call, 1);
    assert!(!heard.is_empty() && said.ends_with(&heard), "{heard}: {said}");
    let audio = clouds.spare.lines[0].audio();
    let elsewhere = audio.first().expect("the spare hears").0.duration_since(spoken);
    assert!(elsewhere <= FALLBACK, "the spare is asked after {elsewhere:?}");
    assert!(took <= END_OF_SPEECH + FALLBACK, "{took:?}");
    assert_eq!(clouds.engine("asr", 0)["fault"]["kind"], "slow", "{}", clouds.engine("asr", 0));
}

/// Nobody tells where the first cloud's engine of one stage is; the media thread does not wait for that.
fn nameless(stage: usize, name_server: IpAddr) {
    let mut elsewhere = [None, None, None];
    let (name, url) =
        [("asr", "wss://asr.invalid"), ("mt", "https://mt.invalid"), ("tts", "wss://tts.invalid")][stage];
    elsewhere[stage] = Some(url.to_owned());
    let plan = Plan { elsewhere, name_server: Some(name_server), ..Plan::default() };
    let clouds = Clouds::planned(plan);
    let mut call = clouds.call();
    let (heard, frames) = (call.heard, call.frames);
    for words in ["good morning to you all", "where is the station"] {
        let (_, said, took) = converse(&mut call);
        assert!(said.ends_with(words), "{said}");
        assert!(took <= END_OF_SPEECH + FALLBACK, "{name}: {took:?}");
    }
    let (heard, frames) = (call.heard - heard, call.frames - frames);
    assert!(heard.abs_diff(frames) <= 2, "{heard} frames came in {frames} ticks");
    clouds.assert_on_time();
    assert_eq!(clouds.engine(name, 0)["fault"]["kind"], "network", "{}", clouds.engine(name, 0));
}

#[test]
fn where_names_are_not_told_others_serve() {
    // Takes questions and answers none.
    let silent = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 53), 53)).expect("root in a network of its own");
    let silent_address = silent.local_addr().expect("an address").ip();
    // Nobody listens there: the question is refused at once.
    let absent = IpAddr::from([127, 0, 0, 54]);
    let cases = [silent_address, absent].map(|server| [0, 1, 2].map(|stage| (stage, server))).concat();
    let cases: Vec<_> =
        cases.into_iter().map(|(stage, server)| thread::spawn(move || nameless(stage, server))).collect();
    let failed = cases.into_iter().filter_map(|case| case.join().err()).count();
    assert_eq!(failed, 0);
}
