//! Phones that call phones, and what a caller is told: the dialplan, without a daemon.

use std::path::Path;
use std::time::Duration;

use dragoman_tests::callers::{Pjsua2, Plan};

use crate::daemon::Leg;
use crate::rig::{Rig, eventually};

const SECOND: Duration = Duration::from_secs(1);

/// Phone `index` calls `extension`, or waits for calls. Nobody speaks.
fn plan<'a>(rig: &'a Rig, index: usize, extension: &'a str) -> Plan<'a> {
    Plan {
        sip: rig.asterisk.sip(),
        extension,
        phone: &rig.asterisk.phones()[index],
        codec: "PCMU",
        speech: Path::new("/dev/null"),
        directory: rig.run_dir.path(),
    }
}

/// The names of the legs there are.
fn legs(rig: &Rig) -> Vec<String> {
    rig.pipes().iter().filter_map(|name| Some(name.strip_suffix("_out.pcm")?.to_owned())).collect()
}

/// 101 calls 102, which answers, and both legs are served.
fn call(rig: &Rig) -> ([Pjsua2; 2], [Leg; 2]) {
    let mut answering = Pjsua2::register(&plan(rig, 1, "102"), 200);
    let mut caller = Pjsua2::dial(&plan(rig, 0, "102"));
    let names = eventually("two legs", || Some(legs(rig)).filter(|legs| legs.len() == 2));
    answering.wait_connected();
    let mut legs = [leg_of(rig, &names, "101"), leg_of(rig, &names, "102")];
    for leg in &mut legs {
        leg.play(&[0; 640]);
    }
    caller.wait_connected();
    ([caller, answering], legs)
}

fn leg_of(rig: &Rig, names: &[String], phone: &str) -> Leg {
    let name = names.iter().find(|name| name.split('-').nth(2) == Some(phone));
    Leg::reattach(rig, name.unwrap_or_else(|| panic!("no leg of {phone} in {names:?}")))
}

#[test]
fn the_legs_of_a_call_say_whose_they_are() {
    let rig = Rig::start();
    let (_phones, legs) = call(&rig);
    let [of_101, of_102] = legs.map(|leg| leg.id.split('-').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!([&of_101[0], &of_101[2]], ["102", "101"]);
    assert_eq!(of_101[1], of_101[3], "the call is named after the caller's channel");
    assert_eq!([&of_102[0], &of_102[2]], ["102", "102"]);
    assert_eq!(of_102[3], of_101[3]);
    assert_ne!(of_102[1], of_101[1]);
}

#[test]
fn whoever_hangs_up_ends_it_for_both_without_a_daemon() {
    let rig = Rig::start();
    for caller_ends in [true, false] {
        let ([of_101, of_102], _legs) = call(&rig);
        let (one, mut other) = if caller_ends { (of_101, of_102) } else { (of_102, of_101) };
        one.hang_up();
        other.ended(SECOND);
        eventually("no pipes", || rig.pipes().is_empty().then_some(()));
    }
    eventually("no channel", || {
        rig.cli("core show channels count").contains("0 active channels").then_some(())
    });
}

#[test]
fn a_caller_who_cannot_be_connected_is_told_why() {
    let rig = Rig::start();
    let _busy = Pjsua2::register(&plan(&rig, 1, "102"), 486);
    for (extension, status) in [("102", "486"), ("103", "480"), ("601", "404"), ("9", "404")] {
        let told = Pjsua2::dial(&plan(&rig, 0, extension)).ended(20 * SECOND);
        assert!(told.starts_with(status), "{extension}: {told}");
    }
    assert!(rig.pipes().is_empty());
}

#[test]
fn a_leg_too_many_is_busy() {
    let rig = Rig::start();
    rig.cli("dialplan set global MOST_LEGS 2");
    let _called = Pjsua2::register(&plan(&rig, 1, "102"), 200);
    let mut first = Pjsua2::dial(&plan(&rig, 2, "700"));
    Leg::attach(&rig).play(&[0; 640]);
    first.wait_connected();
    let told = Pjsua2::dial(&plan(&rig, 0, "102")).ended(5 * SECOND);
    assert!(told.starts_with("486"), "a call of two legs: {told}");
    let mut second = Pjsua2::dial(&plan(&rig, 0, "800"));
    eventually("a second leg", || (legs(&rig).len() == 2).then_some(()));
    let told = Pjsua2::dial(&plan(&rig, 3, "701")).ended(5 * SECOND);
    assert!(told.starts_with("486"), "{told}");
    // Nobody serves the second, whose place is free again thereafter.
    second.ended(20 * SECOND);
    let mut third = Pjsua2::dial(&plan(&rig, 3, "701"));
    eventually("a leg in its place", || (legs(&rig).len() == 2).then_some(()));
    third.ended(20 * SECOND);
}
