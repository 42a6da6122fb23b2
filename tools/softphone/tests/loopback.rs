//! Two phones call each other over this machine's loopback, as programs use them.

use std::time::Duration;

use softphone::audio::level;
use softphone::{
    Account, AudioOptions, Clip, Codec, EndedBy, Phone, PhoneOptions, Recording, ScriptEnd, Step,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// A second of noise that repeats nowhere, louder than the silence threshold.
fn noise(samples: usize) -> Vec<i16> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state as i16) / 4
    };
    (0..samples).map(|_| next()).collect()
}

fn phone(user: &str, peer: &str) -> Phone {
    Phone::start(Account::new(user, peer, None).unwrap(), PhoneOptions::default()).unwrap().0
}

fn recorded() -> AudioOptions {
    AudioOptions { record: true, ..AudioOptions::default() }
}

/// Calls with `codec`, plays `samples` and gives what the called phone heard, and what both counted.
fn call(codec: Codec, samples: Vec<i16>) -> (Clip, softphone::CallReport, softphone::CallReport) {
    let bob = phone("102", "127.0.0.1:9");
    let alice = phone("101", &bob.address().to_string());
    std::thread::scope(|scope| {
        let answered = scope.spawn(move || {
            let mut call = bob.answer(&Codec::ALL, recorded(), PATIENCE).unwrap().expect("a call");
            call.wait_connected(PATIENCE).unwrap();
            let end = call.run(vec![Step::Pause(PATIENCE)]).unwrap();
            assert_eq!(end, ScriptEnd::CallEnded);
            call.hang_up().unwrap()
        });
        let mut call = alice.dial("102", &[codec], recorded()).unwrap();
        assert_eq!(call.wait_connected(PATIENCE).unwrap().codec, codec);
        let recording = Recording::new("noise", samples, codec.sample_rate());
        let end = call.run(vec![Step::Play(recording), Step::Pause(Duration::from_millis(300))]).unwrap();
        assert_eq!(end, ScriptEnd::Finished);
        let called = call.hang_up().unwrap();
        let answered = answered.join().unwrap();
        (answered.recording.clone().expect("a recording"), called, answered)
    })
}

#[test]
fn l16_arrives_bit_by_bit() {
    let samples = noise(32_000);
    let (heard, called, answered) = call(Codec::L16, samples.clone());
    assert_eq!(heard.sample_rate, 16_000);
    let start = heard.samples.windows(64).position(|window| *window == samples[..64]).expect("the beginning");
    let end = start + samples.len();
    assert!(end <= heard.samples.len(), "the end is missing: {:?}", answered.frames);
    assert!(heard.samples[start..end] == samples, "not exact: {:?}", answered.frames);
    assert_eq!((called.ended_by, answered.ended_by), (EndedBy::Local, EndedBy::Remote));
    assert_eq!(answered.frames.received.lost, 0);
    assert!(called.frames.sent >= 100, "{:?}", called.frames);
    assert!(called.turns[0].spoken_ms.is_some() && called.turns[0].reply_arrived_ms.is_none());
}

#[test]
fn g722_and_g711_arrive_alike() {
    for (codec, least) in [(Codec::G722, 0.98), (Codec::Pcmu, 0.98), (Codec::Pcma, 0.98)] {
        let rate = codec.sample_rate();
        let step = std::f64::consts::TAU / f64::from(rate);
        // A rising tone, so that it fits in one place only.
        let tone = |n: u32| {
            (8000.0 * (f64::from(n) * step * (300.0 + f64::from(n) * 400.0 / f64::from(rate))).sin()) as i16
        };
        let samples: Vec<i16> = (0..rate).map(tone).collect();
        let (heard, _, answered) = call(codec, samples.clone());
        let wide = Clip { samples, sample_rate: rate }.at_rate(16_000).unwrap().samples;
        let (_, correlation) = level::best_match(&wide, &heard.samples).unwrap();
        assert!(correlation > least, "{codec}: {correlation} {:?}", answered.frames);
    }
}

#[test]
fn a_call_that_nobody_answers_is_given_up_in_one_line() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let alice = phone("101", &silent.local_addr().unwrap().to_string());
    let mut call = alice.dial("700", &[Codec::L16], AudioOptions::default()).unwrap();
    let error = call.wait_connected(Duration::from_secs(1)).unwrap_err().to_string();
    assert!(error.contains("700: the box answers nothing") && !error.contains('\n'), "{error}");
}
