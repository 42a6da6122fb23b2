//! Loading, settings, the beginning and the end of a call.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

use crate::daemon::{FRAME, Leg, frame};
use crate::rig::{FROM_CALLER, PATIENCE, PIPE_FULL, Rig, eventually};
use dragoman_tests::bit_exact_caller::Caller;

const MODULE: &str = "chan_slinpipe.so";

#[test]
fn asterisk_boots_without_a_complaint() {
    let rig = Rig::start();
    let log = rig.log();
    assert!(!log.contains("ERROR") && !log.contains("WARNING"), "{log}");
    assert!(rig.cli("pjsip show endpoints").contains("Objects found: 10"));
}

#[test]
fn it_loads_reloads_and_unloads() {
    let rig = Rig::start();
    let state = || rig.cli("module show like chan_slinpipe");
    assert!(state().contains("Running"));
    assert!(rig.cli(&format!("module reload {MODULE}")).contains("reloaded"));
    for _ in 0..3 {
        assert!(rig.cli(&format!("module unload {MODULE}")).contains("Unloaded"));
        assert!(!state().contains("Running"));
        assert!(rig.cli("slinpipe show channels").contains("No such command"));
        assert!(rig.cli(&format!("module load {MODULE}")).contains("Loaded"));
        assert!(state().contains("Running"));
    }
    let mut caller = Caller::dial(&rig.asterisk, "700");
    Leg::answer(&rig, &mut caller);
}

#[test]
fn a_call_keeps_it_loaded() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    assert!(rig.cli(&format!("module unload {MODULE}")).contains("Unable to unload"));
    caller.send(&frame(1));
    assert!(leg.hear_bytes(FRAME) == frame(1));
    caller.hang_up();
    leg.wait_for_end(&rig.asterisk.pipes());
    eventually("to be unloaded", || {
        rig.cli(&format!("module unload {MODULE}")).contains("Unloaded").then_some(())
    });
}

#[test]
fn the_caller_hangs_up() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    caller.hang_up();
    leg.wait_for_end(&rig.asterisk.pipes());
    eventually("no channel", || {
        rig.cli("core show channels count").contains("0 active channels").then_some(())
    });
    assert!(rig.cli("slinpipe show channels").contains("0 SlinPipe channels"));
}

#[test]
fn the_callers_machine_dies() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    drop(caller);
    leg.wait_for_end(&rig.asterisk.pipes());
}

#[test]
fn the_legs_side_hangs_up() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    rig.cli(&format!("channel request hangup SlinPipe/{}", leg.id));
    assert_eq!(caller.hear(), None, "the caller's call ends");
    leg.wait_for_end(&rig.asterisk.pipes());
}

#[test]
fn asterisk_ends_in_a_call() {
    let mut rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    rig.asterisk.process().signal(Signal::TERM).expect("sent");
    leg.wait_for_end(&rig.asterisk.pipes());
    assert!(rig.asterisk.process().wait(PATIENCE).expect("an end").success());
}

#[test]
fn what_a_dead_asterisk_left_is_removed_and_nothing_else() {
    let rig = Rig::start_with(|run_dir| {
        let pipes = run_dir.join("pipes");
        fs::create_dir(&pipes).expect("a directory");
        for name in ["700-1.2_in.pcm", "700-1.2_out.pcm", ".701-3.4_in.pcm.new", "somebody_elses"] {
            mknodat(CWD, pipes.join(name), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
        }
        fs::write(pipes.join("702-5.6_in.pcm"), "a recording").expect("a file");
    });
    assert_eq!(rig.pipes(), ["702-5.6_in.pcm", "somebody_elses"]);
    assert!(rig.log().contains("removed 3 pipes that a dead Asterisk left"), "{}", rig.log());
}

#[test]
fn pipes_have_their_mode_whatever_the_umask() {
    let rig = Rig::start();
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    for suffix in ["_in.pcm", "_out.pcm"] {
        let metadata =
            fs::symlink_metadata(rig.asterisk.pipes().join(format!("{}{suffix}", leg.id))).expect("a pipe");
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    }
}

#[test]
fn bad_ids_and_occupied_names_are_refused_untouched() {
    let rig = Rig::start();
    let pipes = rig.asterisk.pipes();
    let secret = rig.run_dir.join("secret");
    fs::write(&secret, "mine").expect("a file");
    symlink(&secret, pipes.join("linked_in.pcm")).expect("a link");
    fs::write(pipes.join("filed_out.pcm"), "mine").expect("a file");
    let before = rig.pipes();

    for (id, reason) in [
        ("../secret", "begins with a dot"),
        ("a/b", "only letters, digits"),
        ("linked", "linked_in.pcm exists already"),
        ("filed", "filed_out.pcm exists already"),
    ] {
        rig.cli(&format!("channel originate SlinPipe/{id} application Echo"));
        eventually(reason, || {
            rig.log().lines().any(|line| line.contains("ERROR") && line.contains(reason)).then_some(())
        });
    }
    assert_eq!(rig.pipes(), before);
    assert!(pipes.join("linked_in.pcm").is_symlink());
    assert_eq!(fs::read_to_string(&secret).expect("there"), "mine");
    assert_eq!(fs::read_to_string(pipes.join("filed_out.pcm")).expect("there"), "mine");
}

#[test]
fn a_bad_setting_is_one_clear_line_and_no_driver() {
    let rig = Rig::start();
    let file = rig.asterisk.configuration_file("slinpipe.conf");
    let good = fs::read_to_string(&file).expect("the shipped file");
    fs::write(&file, format!("{good}\npipe_size = 8192\n")).expect("written");
    let errors =
        || rig.log().lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect::<Vec<_>>();

    // In a running driver nothing changes.
    rig.cli(&format!("module reload {MODULE}"));
    let line = good.lines().count() + 2;
    let told = format!(
        "slinpipe.conf: line {line}: `pipe_size` is not known: [general] has directory and pipe_bytes"
    );
    eventually("the reload's error", || (errors().len() == 1).then_some(()));
    assert!(errors()[0].ends_with(&told), "{:?}", errors());
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let leg = Leg::answer(&rig, &mut caller);
    caller.hang_up();
    leg.wait_for_end(&rig.asterisk.pipes());

    eventually("to be unloaded", || {
        rig.cli(&format!("module unload {MODULE}")).contains("Unloaded").then_some(())
    });
    assert!(rig.cli(&format!("module load {MODULE}")).contains("Unable to load"));
    assert!(errors()[1].ends_with(&told), "{:?}", errors());

    fs::write(&file, good).expect("written");
    assert!(rig.cli(&format!("module load {MODULE}")).contains("Loaded"));
}

#[test]
fn a_reload_takes_a_new_size_for_new_calls() {
    let rig = Rig::start();
    rig.set_pipe_bytes(16384);
    let mut caller = Caller::dial(&rig.asterisk, "700");
    let mut leg = Leg::answer(&rig, &mut caller);
    for number in 0..30 {
        caller.send(&frame(number));
    }
    eventually("drops", || (rig.count(FROM_CALLER) + rig.count(PIPE_FULL) == 30).then_some(()));
    // Six whole frames a page: the kernel does not split a write over pages.
    assert_eq!(rig.count(FROM_CALLER), 24);
    leg.hear_bytes(24 * FRAME);
}

#[test]
fn ari_makes_and_removes_the_pipes() {
    let rig = Rig::start();
    let ari = rig.asterisk.ari();
    let key = format!("api_key={}:{}", ari.user, ari.password);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let create = |id: &str| {
        let url =
            format!("{}/channels/create?{key}&endpoint=SlinPipe%2F{id}&app=test&channelId={id}", ari.url);
        agent.post(&url).send_empty().expect("ARI answers").status().as_u16()
    };
    let channels = || {
        let answer = agent.get(format!("{}/channels?{key}", ari.url)).call();
        answer.expect("ARI answers").body_mut().read_to_string().expect("text")
    };
    // The application that the channel is made for is there as long as its socket.
    let events = format!("{}/events?{key}&app=test", ari.url.replace("http", "ws"));
    let (_application, _) = tungstenite::connect(events).expect("ARI's events");
    let application = format!("{}/applications/test?{key}", ari.url);
    eventually("the application", || {
        agent.get(&application).call().is_ok_and(|answer| answer.status() == 200).then_some(())
    });
    assert_eq!(channels(), "[]");
    assert_eq!(create("ari-1.2"), 200);
    assert_eq!(rig.pipes(), ["ari-1.2_in.pcm", "ari-1.2_out.pcm"]);
    assert!(channels().contains("SlinPipe/ari-1.2"));
    assert_ne!(create("a%20b"), 200);

    let hangup = format!("{}/channels/ari-1.2?{key}", ari.url);
    assert_eq!(agent.delete(&hangup).call().expect("ARI answers").status().as_u16(), 204);
    eventually("no pipes", || rig.pipes().is_empty().then_some(()));

    let stranger = format!("{}/channels?api_key=dragoman:wrong", ari.url);
    assert_eq!(agent.get(&stranger).call().expect("ARI answers").status().as_u16(), 401);
}

#[test]
fn asterisks_own_tests_of_the_driver_pass() {
    let rig = Rig::start();
    let results = rig.run_dir.join("results.xml");
    let told = rig.cli("test execute category /channels/chan_slinpipe/");
    rig.cli(&format!("test generate results xml {}", results.display()));
    let xml = fs::read_to_string(results).expect("results");
    assert!(xml.contains(r#"tests="10" failures="0""#) && xml.contains(r#"errors="0""#), "{told}\n{xml}");
    assert!(rig.pipes().is_empty());
}
