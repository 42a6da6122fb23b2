//! Linphone, which nobody here wrote, is set up as its user would set it up: with the address that the QR code holds.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::phones::{daemon_of, dragoman, must};
use crate::rig::Rig;

const SECOND: Duration = Duration::from_secs(1);
/// The port that an account names by naming none.
const SIP: u16 = 5060;

/// A Linphone without a user, which takes commands in lines.
struct Linphone {
    child: Child,
    log: PathBuf,
}

impl Linphone {
    /// One that was never used, and reads its configuration at `account`.
    fn scans(rig: &Rig, account: &str) -> Self {
        let home = rig.path("linphone");
        fs::create_dir(&home).expect("a directory");
        let rc = home.join("linphonerc");
        // There is no network but this machine, and no sound card.
        let settings = format!(
            "[misc]\nconfig-uri={account}\n[sip]\nsip_port=-1\nsip_tcp_port=-1\nauto_net_state_mon=0\n\
             [net]\nfirewall_policy=0\n[video]\nenabled=0\n"
        );
        fs::write(&rc, settings).expect("a file");
        let log = home.join("log");
        let file = File::create(&log).expect("a log");
        let child = Command::new("linphonec")
            .args(["-d", "5", "-c"])
            .arg(rc)
            .env("HOME", &home)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().expect("a log"))
            .stderr(file)
            .spawn()
            .expect("linphonec runs: `cargo xtask test` installs it");
        Self { child, log }
    }

    fn types(&mut self, command: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{command}").expect("it reads");
    }

    fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

fn wait_for(rig: &Rig, linphone: &Linphone, command: &str, told: &str) {
    let until = Instant::now() + 20 * SECOND;
    loop {
        let answer = rig.asterisk.cli(command).expect("Asterisk answers");
        if answer.contains(told) {
            return;
        }
        assert!(Instant::now() < until, "{answer}\n{}", linphone.logged());
        std::thread::sleep(SECOND / 5);
    }
}

#[test]
fn linphone_reads_its_account_registers_and_calls() {
    let rig = Rig::start(|options| {
        options.phones.clear();
        options.sip.set_port(SIP);
    });
    must(&dragoman(&rig, &["apply"]));
    let _daemon = daemon_of(&rig);
    must(&dragoman(&rig, &["add", "101", "--name", "Door & hall", "--language", "es"]));
    let shown = must(&dragoman(&rig, &["show", "101", "--server", "127.0.0.1"]));
    let account = shown.lines().find_map(|line| line.strip_prefix("account   ")).expect("an address");

    let mut linphone = Linphone::scans(&rig, account);
    wait_for(&rig, &linphone, "pjsip show contacts", "Contact:  101/sip:101@127.0.0.1");
    linphone.types("call 799");
    wait_for(&rig, &linphone, "core show channels concise", "!799!");
    wait_for(&rig, &linphone, "core show channels concise", "!Up!");
    linphone.types("terminate");
    wait_for(&rig, &linphone, "core show channels", "0 active channels");
}
