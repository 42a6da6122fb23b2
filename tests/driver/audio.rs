//! What a call carries.

use std::thread;
use std::time::Duration;

use crate::daemon::{FRAME, Leg, frame, frames};
use crate::rig::{DIGITS, FROM_CALLER, PATIENCE, PIPE_FULL, Rig, TO_CALLER, eventually};
use dragoman_tests::bit_exact_caller::Caller;

#[test]
fn both_directions_are_exact_to_the_bit() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    assert!(leg.id.starts_with("700-"), "{}", leg.id);
    for number in 0..300 {
        caller.send(&frame(number));
        assert!(leg.hear_bytes(FRAME) == frame(number), "from the caller, frame {number}");
        leg.play(&frame(number + 1000));
        assert!(caller.hear_bytes(FRAME) == frame(number + 1000), "to the caller, frame {number}");
    }
    assert_eq!((rig.count(FROM_CALLER), rig.count(TO_CALLER), rig.count(PIPE_FULL)), (300, leg.played, 0));
}

#[test]
fn a_writer_that_chops_frames_is_put_together() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    let sent = frames(0..30);
    let mut heard = Vec::new();
    let mut played = 0;
    for length in [1, 639, 641, 2, 319, 1278, 640].iter().cycle() {
        let end = (played + length).min(sent.len());
        leg.play(&sent[played..end]);
        let whole = |bytes: usize| bytes / FRAME * FRAME;
        heard.extend(caller.hear_bytes(whole(end) - whole(played)));
        played = end;
        if played == sent.len() {
            break;
        }
    }
    assert!(heard == sent);
}

#[test]
fn callers_with_other_packet_times_lose_nothing() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    for milliseconds in [10, 30, 40, 60, 20] {
        let sent = frames(0..6);
        for packet in sent.chunks(milliseconds * 32) {
            caller.send(packet);
        }
        assert!(leg.hear_bytes(sent.len()) == sent, "{milliseconds} ms");
    }
}

#[test]
fn a_call_rings_until_the_first_frame() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::attach(&rig);
    eventually("ringing", || rig.cli("core show channels concise").contains("!Ring").then_some(()));
    let leg_state = || {
        let channels = rig.cli("core show channels concise");
        let line = channels.lines().find(|line| line.starts_with("SlinPipe/")).expect("a leg").to_owned();
        line.split('!').nth(4).expect("a state").to_owned()
    };
    assert_eq!(leg_state(), "Ringing");
    leg.play(&frame(1)[1..]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(leg_state(), "Ringing", "no whole frame yet");
    leg.play(&frame(1)[..1]);
    eventually("the answer", || (leg_state() == "Up").then_some(()));
    assert_eq!(rig.count(TO_CALLER), 1);
    leg.play(&frame(2));
    assert!(caller.hears_within(&frame(2), PATIENCE));
}

#[test]
fn keys_pass_beside_the_audio() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    // Another channel has Asterisk press keys towards the leg, half a second each, while the caller speaks.
    let leg_channel = format!("SlinPipe/{}", leg.id);
    rig.cli(&format!("channel originate Local/799@phones application SendDTMF 5*#,100,500,{leg_channel}"));
    let mut number = 0;
    eventually("three keys", || {
        caller.send(&frame(number));
        assert!(leg.hear_bytes(FRAME) == frame(number), "frame {number}");
        number += 1;
        (rig.count(DIGITS) == 3).then_some(())
    });
    assert_eq!(rig.count(FROM_CALLER), number as u64, "nothing but the caller's frames");
}

#[test]
fn drops_are_counted_while_the_daemon_does_not_read() {
    let rig = Rig::start();
    rig.set_pipe_bytes(4096);
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    for number in 0..50 {
        caller.send(&frame(number));
    }
    eventually("all frames to be counted", || {
        (rig.count(FROM_CALLER) + rig.count(PIPE_FULL) == 50).then_some(())
    });
    assert_eq!(rig.count(FROM_CALLER), 6, "a pipe of 4096 bytes holds six frames");
    assert!(leg.hear_bytes(6 * FRAME) == frames(0..6), "the oldest are kept");
    caller.send(&frame(50));
    assert!(leg.hear_bytes(FRAME) == frame(50), "no delay stays behind");
    leg.play(&frame(51));
    assert!(caller.hear_bytes(FRAME) == frame(51), "the other direction did not suffer");
}

#[test]
fn a_daemon_that_comes_back_finds_the_call() {
    let rig = Rig::start();
    rig.set_pipe_bytes(4096);
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    let id = leg.id.clone();
    drop(leg);
    for number in 0..20 {
        caller.send(&frame(number));
    }
    eventually("a full pipe", || (rig.count(PIPE_FULL) == 14).then_some(()));
    let mut leg = Leg::reattach(&rig, &id);
    assert!(leg.hear_bytes(6 * FRAME) == frames(0..6), "stale frames, for the daemon to discard");
    caller.send(&frame(20));
    assert!(leg.hear_bytes(FRAME) == frame(20));
    leg.play(&frame(21));
    assert!(caller.hear_bytes(FRAME) == frame(21));
}

#[test]
fn a_caller_without_a_daemon_is_told() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut loud = 0;
    while let Some(audio) = caller.hear() {
        loud += audio
            .as_chunks()
            .0
            .iter()
            .filter(|&&sample| i16::from_le_bytes(sample).unsigned_abs() > 1000)
            .count();
    }
    // One second of tones at the least, and then the words.
    assert!(loud > 16_000, "only {loud} loud samples");
    assert!(rig.pipes().is_empty());
    assert!(!rig.log().contains("does not exist in any format"), "{}", rig.log());
}

#[test]
fn the_echo_extension_needs_no_daemon() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "799");
    for number in 0..50 {
        caller.send(&frame(number));
        assert!(caller.hear_bytes(FRAME) == frame(number));
    }
    assert!(rig.pipes().is_empty());
}
