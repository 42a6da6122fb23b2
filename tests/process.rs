//! The daemon as a process, with real pipes and a phone that misbehaves: what must hold when the other side of a
//! pipe is missing, dies, stalls, floods or lies.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use audio_path::FRAME_BYTES;
use dragoman_tests::daemon::{Daemon, program};
use dragoman_tests::fake_phone::{FakePhone, number_of, numbered};
use rustix::fs::OFlags;

const FRAME: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);

/// The share of one core that the daemon uses meanwhile.
fn cpu_share(daemon: &Daemon, during: impl FnOnce()) -> f64 {
    let (cpu, start) = (daemon.cpu(), Instant::now());
    during();
    (daemon.cpu().saturating_sub(cpu)).as_secs_f64() / start.elapsed().as_secs_f64()
}

/// Runs `each` on a 20 ms grid.
fn every_frame(frames: u32, mut each: impl FnMut(u32)) {
    let start = Instant::now();
    for number in 0..frames {
        thread::sleep((start + FRAME * number).saturating_duration_since(Instant::now()));
        each(number);
    }
}

#[test]
fn a_missing_reader_blocks_nothing_and_is_served_once_it_is_there() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let mut phone = FakePhone::make(&daemon.pipes(), "790-missing");
    phone.to_daemon = Some(phone.open("in", OFlags::RDWR));
    let share = cpu_share(&daemon, || thread::sleep(2 * SECOND));
    assert!(share <= 0.05, "{:.1} % of a core while waiting", share * 100.0);
    let bystander = FakePhone::connect(&daemon.pipes(), "790-bystander");
    assert!(bystander.receive_within(SECOND).is_some(), "another leg is served meanwhile");

    phone.from_daemon = Some(phone.open("out", OFlags::RDONLY));
    assert!(phone.receive_within(SECOND / 2).is_some(), "audio within 500 ms of the reader's coming");

    drop((phone, bystander));
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_reader_that_dies_is_taken_back() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let mut phone = FakePhone::make(&daemon.pipes(), "790-reader");
    phone.to_daemon = Some(phone.open("in", OFlags::RDWR));
    for death in 0..5 {
        phone.from_daemon = Some(phone.open("out", OFlags::RDONLY));
        assert!(phone.receive_within(SECOND / 2).is_some(), "no audio within 500 ms after death {death}");
        phone.from_daemon = None;
        thread::sleep(3 * FRAME);
    }
    assert!(daemon.dropped("port_down") >= 5, "frames that nobody read are counted");

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_writer_that_dies_leaves_steady_silence() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let mut phone = FakePhone::make(&daemon.pipes(), "790-writer");
    phone.from_daemon = Some(phone.open("out", OFlags::RDWR));
    phone.to_daemon = Some(phone.open("in", OFlags::RDWR));
    assert!(phone.receive_within(SECOND).is_some());
    phone.to_daemon = None;
    phone.count_for(SECOND / 2);
    let mut frames = 0;
    let share = cpu_share(&daemon, || frames = phone.count_for(4 * SECOND));
    assert!((196..=204).contains(&frames), "{frames} frames in 4 s");
    assert!(share <= 0.05, "{:.1} % of a core: the daemon spins", share * 100.0);

    phone.to_daemon = Some(phone.open("in", OFlags::RDWR));
    assert!(phone.hears_itself_within(SECOND), "a new writer is heard within a second");

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_stalled_reader_hears_no_more_than_120_ms_late_afterwards() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let phone = FakePhone::connect(&daemon.pipes(), "790-stall");
    assert!(phone.receive_within(SECOND).is_some());
    // A reader in real time, one frame a tick: it never catches up by itself.
    let mut sent = 0;
    let mut lag_after = |frames: u32, reads: bool| {
        let mut lag = 0;
        every_frame(frames, |_| {
            phone.send(&numbered(sent));
            sent += 1;
            if let Some(frame) = reads.then(|| phone.receive()).flatten()
                && let Some(number) = number_of(&frame)
            {
                lag = sent - number;
            }
        });
        lag
    };
    let before = lag_after(100, true);
    lag_after(500, false);
    let after = lag_after(150, true);
    let added = FRAME * after.saturating_sub(before);
    assert!(
        added <= Duration::from_millis(120),
        "{added:?} of delay were added ({before} to {after} frames)"
    );
    assert!(after > 0 && daemon.dropped("pipe_full") >= 400, "what was not read was dropped and counted");

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn odd_writes_come_back_bit_exact() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let phone = FakePhone::connect(&daemon.pipes(), "791-odd");
    assert!(phone.hears_itself_within(SECOND));
    while phone.receive_within(FRAME).is_some() {}

    let stream: Vec<u8> =
        (0..200 * FRAME_BYTES as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect();
    let (mut sent, mut heard) = (0, Vec::new());
    let sizes = [1, 639, 641, 640, 320, 1279, 7].into_iter().cycle();
    let start = Instant::now();
    for size in sizes {
        let end = (sent + size).min(stream.len());
        assert!(phone.send(&stream[sent..end]), "the daemon reads in time");
        sent = end;
        // In real time: the stream's length so far must have passed.
        let due = start + FRAME.mul_f64(sent as f64 / FRAME_BYTES as f64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        heard.extend(std::iter::from_fn(|| phone.receive()).flatten());
        if sent == stream.len() {
            break;
        }
    }
    heard.extend(std::iter::from_fn(|| phone.receive_within(5 * FRAME)).flatten());
    assert!(heard == stream, "{} of {} bytes came back, or others", heard.len(), stream.len());

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn what_is_not_a_pipe_is_refused_by_name_and_left_alone() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let pipes = daemon.pipes();
    let precious = daemon.directory().join("precious");
    fs::write(&precious, "do not touch").expect("a file");
    for (id, end, other) in [("790-file", "out", "in"), ("790-link", "in", "out"), ("790-both", "out", "in")]
    {
        let way = pipes.join(format!("{id}_{end}.pcm"));
        let mate = pipes.join(format!("{id}_{other}.pcm"));
        rt_sys::fifo::make(&mate, 0o660).expect("a pipe");
        if id == "790-link" {
            symlink(&precious, &way).expect("a link");
        } else {
            fs::write(&way, "do not touch").expect("a file");
        }
        let until = Instant::now() + 3 * SECOND;
        while !daemon.logged().contains(&format!("{id}_{end}.pcm: not a named pipe")) {
            assert!(Instant::now() < until, "{id} was not refused:\n{}", daemon.logged());
            thread::sleep(FRAME);
        }
        assert_eq!(fs::read_to_string(&way).expect("still there"), "do not touch");
    }
    let bystander = FakePhone::connect(&pipes, "790-bystander");
    assert!(bystander.receive_within(SECOND).is_some(), "a good leg is served beside bad ones");

    drop(bystander);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_pipe_with_a_newline_in_its_name_is_refused_in_one_line() {
    let daemon = Daemon::start();
    let _phone = FakePhone::make(&daemon.pipes(), "790-a\nb");
    let until = Instant::now() + 3 * SECOND;
    while !daemon.logged().contains("790-a\\nb is refused") {
        assert!(Instant::now() < until, "not refused, or over two lines:\n{}", daemon.logged());
        thread::sleep(FRAME);
    }
}

#[test]
fn a_phone_that_cannot_be_served_is_in_error_until_it_hangs_up() {
    let daemon = Daemon::start();
    let wait_for = |state: &serde_json::Value| {
        let until = Instant::now() + 3 * SECOND;
        loop {
            let status = daemon.status().expect("a status");
            if status["arriving"][0]["state"] == *state {
                return;
            }
            assert!(Instant::now() < until, "not {state}: {status:#}");
            thread::sleep(FRAME);
        }
    };
    // There is no such room.
    let phone = FakePhone::connect(&daemon.pipes(), "700-1");
    wait_for(&"error".into());
    drop(phone);
    wait_for(&serde_json::Value::Null);
}

#[test]
fn pipes_whose_directory_is_moved_away_or_replaced_end_the_daemon_instead_of_leaving_it_deaf() {
    let mut daemon = Daemon::start();
    let (pipes, aside) = (daemon.pipes(), daemon.directory().join("aside"));
    fs::rename(&pipes, &aside).expect("moved");
    fs::create_dir(&pipes).expect("made anew");
    assert!(!daemon.ended_well(3 * SECOND));
    assert!(daemon.logged().contains("the directory was moved away"), "{}", daemon.logged());

    // The kernel keeps quiet about the removal for as long as somebody holds a pipe.
    daemon.restart();
    let phone = FakePhone::connect(&pipes, "790-held");
    assert!(phone.receive_within(SECOND).is_some());
    fs::remove_dir_all(&pipes).expect("removed");
    fs::create_dir(&pipes).expect("made anew");
    assert!(!daemon.ended_well(3 * SECOND));
    assert!(daemon.logged().contains("the directory was replaced by another"), "{}", daemon.logged());

    daemon.restart();
    let phone = FakePhone::connect(&pipes, "790-anew");
    assert!(phone.receive_within(SECOND).is_some(), "the new directory is served");
}

#[test]
fn a_flood_is_cut_to_real_time_and_counted() {
    let daemon = Daemon::start();
    let holding = daemon.holding();
    let phone = FakePhone::connect(&daemon.pipes(), "790-flood");
    assert!(phone.receive_within(SECOND).is_some());
    let memory = daemon.resident_kib();
    let (mut accepted, mut returned) = (0, 0);
    every_frame(250, |number| {
        accepted += (0..10).filter(|part| phone.send(&numbered(number * 10 + part))).count();
        returned += std::iter::from_fn(|| phone.receive()).filter(|frame| number_of(frame).is_some()).count();
    });
    assert!((225..=275).contains(&returned), "{returned} frames came back in 5 s");
    let dropped = daemon.dropped("flood") + daemon.dropped("uplink_full");
    assert!(
        dropped as usize + returned + 20 >= accepted,
        "{accepted} taken, {returned} back, {dropped} counted"
    );
    let grown = daemon.resident_kib().saturating_sub(memory);
    assert!(grown <= 1024, "{grown} KiB more memory");

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_hundred_kills_each_give_the_audio_back_within_three_seconds() {
    let mut daemon = Daemon::start();
    let holding = daemon.holding();
    let phone = FakePhone::connect(&daemon.pipes(), "790-kill");
    assert!(phone.receive_within(SECOND).is_some());
    for kill in 0..100 {
        daemon.kill();
        while phone.receive().is_some() {}
        let start = Instant::now();
        daemon.restart();
        let left = (3 * SECOND).saturating_sub(start.elapsed());
        assert!(phone.hears_itself_within(left), "no audio within 3 s of kill {kill}");
    }

    drop(phone);
    daemon.assert_nothing_left(&holding);
}

#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let daemon = Daemon::start();
    let settle = || thread::sleep(SECOND / 2);
    let call = |number: u32| {
        let phone = FakePhone::connect(&daemon.pipes(), &format!("790-{number}"));
        assert!(phone.receive_within(SECOND).is_some(), "call {number} is served");
    };
    (0..50).for_each(call);
    settle();
    let (memory, descriptors) = (daemon.resident_kib(), daemon.descriptors());
    (50..1000).for_each(call);
    settle();
    assert_eq!(daemon.descriptors(), descriptors);
    let grown = daemon.resident_kib().saturating_sub(memory);
    assert!(grown <= 1024, "{grown} KiB more memory");
    let status = daemon.status().expect("the daemon answers");
    assert_eq!(status["legs"].as_array().map(Vec::len), Some(0));
    assert_eq!(status["media"]["allocations"], 0);
}

#[test]
fn eight_callers_lose_no_frame() {
    let daemon = Daemon::start();
    let phones: Vec<_> =
        (0..8).map(|n| FakePhone::connect(&daemon.pipes(), &format!("790-eight{n}"))).collect();
    for phone in &phones {
        assert!(phone.receive_within(SECOND).is_some());
    }
    thread::sleep(SECOND / 5);
    let mut heard = vec![Vec::new(); phones.len()];
    let mut listen = || {
        for (phone, heard) in phones.iter().zip(&mut heard) {
            heard.extend(std::iter::from_fn(|| phone.receive()).filter_map(|frame| number_of(&frame)));
        }
    };
    every_frame(250, |number| {
        assert!(phones.iter().all(|phone| phone.send(&numbered(number))));
        listen();
    });
    thread::sleep(5 * FRAME);
    listen();
    for heard in heard {
        assert!(heard.iter().copied().eq(0..250), "{} of 250 frames in order", heard.len());
    }
}

/// Whether the daemon takes a leg of this name.
fn is_served(daemon: &Daemon, id: &str) -> bool {
    let phone = FakePhone::make(&daemon.pipes(), id);
    let (_to_daemon, _from_daemon) = (phone.open("in", OFlags::RDWR), phone.open("out", OFlags::RDWR));
    let until = Instant::now() + SECOND;
    while Instant::now() < until {
        let status = daemon.status().expect("a status");
        if status["legs"]
            .as_array()
            .expect("legs")
            .iter()
            .any(|leg| leg["id"] == id && leg["leg"].is_number())
        {
            return true;
        }
        thread::sleep(FRAME);
    }
    false
}

#[test]
fn who_can_be_called_is_read_anew_and_kept_where_that_cannot_be_read() {
    let daemon = Daemon::start();
    let path = daemon.directory().join("dragomand.toml");
    let before = fs::read_to_string(&path).expect("a configuration");
    let reload = || daemon.command(&serde_json::json!({"command": "reload"}));
    assert!(!is_served(&daemon, "102-17.1-101-c1"), "nobody knows them");
    let phone =
        |extension| format!("[[phone]]\nextension = \"{extension}\"\nname = \"A\"\nlanguage = \"es\"\n");
    let known = before.clone() + &phone("101") + &phone("102");
    fs::write(&path, &known).expect("a file");
    assert_eq!(reload()["phones"], 2);
    assert!(is_served(&daemon, "102-17.2-101-c2"));
    fs::write(&path, known + &phone("103").replace("es", "spanish")).expect("a file");
    let refused = reload()["message"].as_str().expect("a reason").to_owned();
    assert!(refused.contains("dragomand.toml:") && refused.contains("phone.language"), "{refused}");
    assert!(is_served(&daemon, "102-17.3-101-c3"), "as before");
    fs::write(&path, before).expect("a file");
    assert_eq!(reload()["phones"], 0);
    assert!(!is_served(&daemon, "102-17.4-101-c4"));
}

#[test]
fn the_allocation_trap_is_armed_when_asked_for() {
    let daemon = Daemon::start();
    let status = daemon.status().expect("the daemon answers");
    let asked = std::env::var("DRAGOMAN_ALLOC_TRAP").is_ok_and(|trap| trap == "abort");
    assert_eq!(status["media"]["allocation_trap"], asked, "{status}");
    assert!(asked, "the tests run with DRAGOMAN_ALLOC_TRAP=abort: use `cargo xtask test`");
}

/// Runs a daemon that is to refuse to start, and gives the one line it says.
fn refusal(directory: &std::path::Path, config: &str) -> String {
    let path = directory.join("refused.toml");
    fs::write(&path, config).expect("a config");
    let program = dragoman_tests::daemon::program("dragomand");
    let mut command = std::process::Command::new(program);
    command.arg("--config").arg(&path).env("RUST_LOG", "off").env("RUST_BACKTRACE", "1");
    let output = command.output().expect("dragomand runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.status.code().is_some(), "{:?}: {said}", output.status);
    assert_eq!(said.trim_end().lines().count(), 1, "one line: {said}");
    said
}

#[test]
fn what_it_cannot_start_with_is_told_in_one_line() {
    let daemon = Daemon::start();
    let good = fs::read_to_string(daemon.directory().join("dragomand.toml")).expect("a config");
    let refused = |config: &str| refusal(daemon.directory(), config);
    let unknown = refused(&good.replace("[control]", "[control]\nsokcet = 1"));
    assert!(unknown.contains("sokcet") && unknown.contains("refused.toml:4"), "{unknown}");
    let socket = refused(&good);
    assert!(socket.contains("control.sock"), "the socket is in use: {socket}");
    let missing = refused(&good.replace("/pipes\"", "/nowhere\""));
    assert!(missing.contains("nowhere") && missing.contains("make it"), "{missing}");
    let homeless = refused(&good.replace("control.sock", "nowhere/control.sock"));
    assert!(homeless.contains("make the directory"), "{homeless}");
    let long = refused(&good.replace("control.sock", &"long".repeat(40)));
    assert!(long.contains("shorter"), "{long}");
    let kind = refused(&good.replace("kind = \"echo\"", "kind = \"ehco\""));
    assert!(kind.contains("ehco"), "{kind}");
    assert!(daemon.status().is_some(), "the daemon that has the socket is not disturbed");
}

#[test]
fn a_program_whose_words_nobody_reads_ends_quietly_and_one_without_room_for_them_says_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = directory.path().join("c.toml");
    fs::write(&config, "[[room]]\nextension = \"790\"\nkind = \"echo\"\n").expect("a file");
    let config = config.to_str().expect("a path");
    let commands: [&[&str]; 2] =
        [&["dragomand", "--check", "--config", config], &["dragoman", "phones", "list", "--config", config]];
    for words in commands {
        let end = |out: Stdio| {
            let mut command = Command::new(program(words[0]));
            command.args(&words[1..]).stdout(out).stderr(Stdio::piped());
            let output = command.spawn().expect("it starts").wait_with_output().expect("it runs");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(end(writer.into()), (Some(0), String::new()), "{words:?}");
        let full = fs::File::options().write(true).open("/dev/full").expect("it is always full");
        let (code, said) = end(full.into());
        assert_eq!(code, Some(1), "{words:?}: {said}");
        assert!(said.starts_with("standard output takes no more: ") && said.lines().count() == 1, "{said}");
    }
}
