use proptest::prelude::*;

use super::*;

const LEGS: [&str; 2] = ["102-1.1-101-1.1", "102-1.2-102-1.1"];

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn channel(id: &str, name: &str, state: &str) -> Channel {
    Channel { id: id.into(), name: name.into(), state: state.into() }
}

/// Both legs of a call and all its channels.
fn call() -> (Calls, Vec<Channel>) {
    let mut calls = Calls::default();
    for id in LEGS {
        calls.happened(id, LegEvent::Answered, at(1));
        calls.speaks(id, "g722");
    }
    let channels = vec![
        channel("1.1", "PJSIP/101-00000001", "Up"),
        channel("1.2", "PJSIP/102-00000002", "Up"),
        channel("1.3", "SlinPipe/102-1.1-101-1.1", "Up"),
        channel("1.4", "SlinPipe/102-1.2-102-1.1", "Up"),
    ];
    (calls, channels)
}

/// What is done after so many equal lists as it takes, and that it is not done before.
fn mended(calls: &mut Calls, channels: &[Channel]) -> Vec<Mend> {
    for _ in 1..PATIENCE {
        assert_eq!(calls.listed(channels, at(9)), []);
    }
    calls.listed(channels, at(9))
}

#[test]
fn a_whole_call_wants_no_mending() {
    let (mut calls, channels) = call();
    assert_eq!(mended(&mut calls, &channels), []);
}

#[test]
fn a_channel_is_hung_up_until_it_is_gone() {
    let (mut calls, mut channels) = call();
    calls.ends("1.1", Cause::Busy, at(8));
    calls.ends("9.9", Cause::Normal, at(8));
    let again = [Mend::HangUpAgain("1.1".into(), Cause::Busy)];
    assert_eq!(calls.listed(&channels, at(8)), [], "it had no time yet");
    assert_eq!(calls.listed(&channels, at(9)), again);
    assert_eq!(calls.listed(&channels, at(10)), again);
    channels.retain(|channel| channel.id != "1.1");
    assert_eq!(calls.listed(&channels, at(11)), []);
    assert!(calls.ending.is_empty());
}

#[test]
fn what_belongs_to_nobody_is_ended_after_a_while() {
    let (mut calls, mut channels) = call();
    channels.push(channel("2.9", "SlinPipe/700-2.8-103", "Up"));
    assert_eq!(mended(&mut calls, &channels), [Mend::HangUp("2.9".into())]);

    let (mut calls, mut channels) = call();
    channels.retain(|channel| channel.id != "1.1");
    assert_eq!(mended(&mut calls, &channels), [Mend::LetGo(LEGS[0].into())]);

    let (mut calls, channels) = call();
    calls.happened(LEGS[0], LegEvent::Gone, at(2));
    let alone = [channels[1].clone(), channels[3].clone()];
    assert_eq!(mended(&mut calls, &alone), [Mend::HangUp("1.2".into())]);
}

#[test]
fn the_codec_is_asked_for_once_a_phone_is_answered() {
    let mut calls = Calls::default();
    calls.happened("700-1.1-101", LegEvent::Rings, at(1));
    let list = |state| [channel("1.1", "PJSIP/101-00000001", state)];
    assert_eq!(calls.listed(&list("Ring"), at(2)), []);
    assert_eq!(calls.listed(&list("Up"), at(2)), [Mend::AskCodec("700-1.1-101".into())]);
    calls.speaks("700-1.1-101", "g722");
    assert_eq!(calls.listed(&list("Up"), at(2)), []);
}

#[test]
fn a_leg_that_is_younger_than_the_list_is_not_missed_in_it() {
    let mut calls = Calls::default();
    calls.happened("700-1.1-101", LegEvent::Rings, at(10));
    assert_eq!(mended(&mut calls, &[]), []);
}

#[test]
fn what_came_in_without_asterisk_is_not_missed_in_its_list() {
    let mut calls = Calls::default();
    calls.happened("790-audiosocket.1", LegEvent::Comes, at(1));
    calls.happened("790-audiosocket.1", LegEvent::Answered, at(1));
    assert_eq!(mended(&mut calls, &[]), []);
}

#[test]
fn the_cause_is_known_whether_it_comes_before_or_after_the_end() {
    for before in [true, false] {
        let (mut calls, channels) = call();
        let destroyed = Event::ChannelDestroyed { channel: channels[0].clone(), cause: 17 };
        if before {
            calls.event(&destroyed, at(2));
        }
        let change = calls.happened(LEGS[0], LegEvent::Gone, at(3));
        assert_eq!(change, Some(Change::Leg { id: LEGS[0].into(), state: LegState::Disconnected }));
        if !before {
            calls.event(&destroyed, at(4));
        }
        let (mut over, _) = calls.remembered();
        assert_eq!(over.next().and_then(|over| over.cause), Some(17));
    }
}

#[test]
fn refusals_are_told_in_words_and_only_so_many_are_kept() {
    let mut calls = Calls::default();
    let caller = Some(channel("1.1", "PJSIP/101-00000001", "Ring"));
    let userevent = Told { reason: "unregistered".into(), dialled: "102".into() };
    let event = Event::ChannelUserevent { channel: caller, eventname: "Refused".into(), userevent };
    for _ in 0..100 {
        let changes = calls.event(&event, at(1));
        let [Change::Refused(refusal)] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!((refusal.phone.as_deref(), refusal.dialled.as_str()), (Some("101"), "102"));
        assert_eq!(refusal.reason, "that phone is not registered");
    }
    assert_eq!(calls.remembered().1.count(), MOST_REMEMBERED);
}

fn any_event() -> impl Strategy<Value = Event> {
    let channel = (0..6_u8, 0..4_u8, any::<bool>()).prop_map(|(id, name, up)| {
        let names = ["PJSIP/101-1", "SlinPipe/102-1.1-101-1.1", "SlinPipe/102-1.2-102-1.1", "Local/x"];
        channel(&format!("1.{id}"), names[usize::from(name)], if up { "Up" } else { "Ring" })
    });
    (channel, 0..6_u8, 0..20_u32).prop_map(|(channel, kind, cause)| match kind {
        0 => Event::ChannelCreated { channel },
        1 => Event::ChannelStateChange { channel },
        2 => Event::ChannelEnteredBridge { channel: Some(channel) },
        3 => Event::ChannelLeftBridge { channel },
        4 => Event::ChannelHangupRequest { channel, cause: Some(cause) },
        _ => Event::ChannelDestroyed { channel, cause },
    })
}

proptest! {
    #[test]
    fn no_sequence_of_events_brings_back_what_is_over(events in proptest::collection::vec(any_event(), 0..50)) {
        let (mut calls, _) = call();
        calls.happened(LEGS[0], LegEvent::Gone, at(2));
        for event in &events {
            for change in calls.event(event, at(3)) {
                let Change::Leg { id, .. } = change else { continue };
                prop_assert_eq!(id, LEGS[1]);
            }
        }
        prop_assert!(calls.leg(LEGS[0]).is_none());
        prop_assert!(calls.remembered().0.count() <= MOST_REMEMBERED);
    }
}
