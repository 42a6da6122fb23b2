//! The way outside: what the provider gets to see, and what he does not.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dragoman_tests::callers::{Pjsua2, Plan};
use lab::asterisk::Phone;

use crate::phones::{dragoman, must, secret};
use crate::rig::{Raw, Rig};

const SECOND: Duration = Duration::from_secs(1);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const USER: &str = "34910000000";
/// As `provider.xml` has it.
const PASSWORD: &str = "kept;between-us";
const NUMBER: &str = "+34911234567";

/// Asterisk with the phones 101, which may call outside by `provider`, and 102, which may not.
fn rig(provider: SocketAddr, more: &str) -> Rig {
    let rig = Rig::start(|options| options.phones.clear());
    let password = rig.path("trunk-password");
    fs::write(&password, PASSWORD).expect("a file");
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).expect("a mode");
    let config = format!(
        "[trunk]\nhost = \"{provider}\"\nuser = \"{USER}\"\npassword_file = \"{}\"\nphones = [\"101\"]\n{more}\
         [[trunk.allow]]\nnumber = \"+34911*\"\n[[room]]\nextension = \"790\"\nkind = \"echo\"\n\
         [[phone]]\nextension = \"101\"\nname = \"Hall\"\nlanguage = \"en\"\n\
         [[phone]]\nextension = \"102\"\nname = \"Door\"\nlanguage = \"es\"\n",
        password.display(),
    );
    fs::write(rig.path("dragomand.toml"), config).expect("a file");
    must(&dragoman(&rig, &["apply"]));
    rig
}

/// Phone `from` dials `number`.
fn dial(rig: &Rig, from: &str, number: &str) -> Pjsua2 {
    Pjsua2::dial(&Plan {
        sip: rig.asterisk.sip(),
        extension: number,
        phone: &Phone { extension: from.to_owned(), secret: secret(rig, from) },
        codec: "PCMA",
        speech: Path::new("/dev/null"),
        directory: rig.run_dir.path(),
    })
}

/// sipp as the provider of one call.
struct Provider {
    sipp: Child,
    messages: std::path::PathBuf,
}

impl Provider {
    fn start(rig: &Rig, at: SocketAddr) -> Self {
        let messages = rig.path("provider.log");
        let sipp = Command::new("sipp")
            .arg("-sf")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("callers/provider.xml"))
            .args(["-i", &at.ip().to_string(), "-p", &at.port().to_string(), "-m", "1", "-nostdin"])
            .args(["-timeout", "40s", "-timeout_error", "-trace_msg", "-message_file"])
            .arg(&messages)
            .current_dir(rig.run_dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp runs: `cargo xtask test` installs it");
        let until = Instant::now() + 5 * SECOND;
        while UdpSocket::bind(at).is_ok() {
            assert!(Instant::now() < until, "sipp does not listen");
            std::thread::sleep(SECOND / 50);
        }
        Self { sipp, messages }
    }

    /// What was said, once the call is over.
    fn ended(mut self) -> String {
        let status = self.sipp.wait().expect("it ends");
        let said = fs::read_to_string(&self.messages).expect("its log");
        assert!(status.success(), "{status}: {said}");
        said
    }
}

fn free_port(address: Ipv4Addr) -> SocketAddr {
    UdpSocket::bind((address, 0)).and_then(|socket| socket.local_addr()).expect("a port")
}

#[test]
fn an_allowed_number_reaches_the_provider_as_the_box_and_not_as_the_phone() {
    let at = free_port(PROVIDER);
    let rig = rig(at, "");
    let provider = Provider::start(&rig, at);
    let mut caller = dial(&rig, "101", NUMBER);
    caller.wait_connected();
    caller.hang_up();
    let said = provider.ended();
    assert!(said.contains(&format!("INVITE sip:{NUMBER}@{at} SIP/2.0")), "{said}");
    assert!(said.contains(&format!("From: <sip:{USER}@{PROVIDER}>;tag=")), "{said}");
    assert!(said.contains(&format!("Digest username=\"{USER}\"")), "{said}");
    assert!(!said.contains("Hall") && !said.contains("sip:101") && !said.contains(PASSWORD), "{said}");
    // Nothing of the password is where others may read it.
    let conf = rig.asterisk.configuration_file("phones.conf");
    assert_eq!(conf.metadata().expect("a file").permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_second_call_outside_finds_no_place() {
    let at = free_port(PROVIDER);
    let rig = rig(at, "");
    let provider = Provider::start(&rig, at);
    let mut caller = dial(&rig, "101", NUMBER);
    caller.wait_connected();
    let told = dial(&rig, "101", NUMBER).ended(15 * SECOND);
    assert!(told.starts_with("503"), "{told}");
    caller.hang_up();
    assert_eq!(provider.ended().matches("INVITE sip:").count(), 2, "one call, asked for its password");
}

/// An INVITE to `number` by somebody who calls himself `user`, and the statuses that answer it until a final one.
fn invite(raw: &Raw, branch: u32, user: &str, number: &str) -> Vec<String> {
    let request = raw.request("INVITE", user, branch, "");
    raw.send(request.replacen("INVITE sip:", &format!("INVITE sip:{number}@"), 1).as_bytes());
    let mut statuses = Vec::new();
    while let Some(answer) = raw.receive(10 * SECOND) {
        let Some(status) = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)) else { continue };
        if statuses.last().is_none_or(|last| last != status) {
            statuses.push(status.to_owned());
        }
        if !status.starts_with('1') {
            break;
        }
    }
    statuses
}

#[test]
fn what_is_not_allowed_never_leaves_the_box() {
    let provider = UdpSocket::bind((PROVIDER, 0)).expect("a port");
    let rig = rig(provider.local_addr().expect("bound"), "");
    let escapes =
        ["&PJSIP/102", ",30", "/x", "$%7BEXTEN%7D", "%2C%24%7BDIALSTATUS%7D", "@trunk", "%7C1", "^1"];
    let escapes =
        escapes.iter().map(|more| format!("{NUMBER}{}", more.replace('@', "%40").replace('^', "%5E")));
    let others = ["+34921234567", "34911234567", "+3491", "+349112345678901234", "0034911234567"];
    for number in escapes.chain(others.map(str::to_owned)) {
        let told = dial(&rig, "101", &number).ended(15 * SECOND);
        assert!(told.starts_with("403"), "{number}: {told}");
    }
    let told = dial(&rig, "102", NUMBER).ended(15 * SECOND);
    assert!(told.starts_with("403"), "102 may not call outside: {told}");

    let server = rig.asterisk.sip();
    let mut branch = 0;
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 3), PROVIDER] {
        let stranger = Raw::new(IpAddr::V4(address), server);
        for user in ["trunk", "101", "nobody", USER] {
            for number in [NUMBER, "trunk", "790"] {
                branch += 1;
                let statuses = invite(&stranger, branch, user, number);
                assert_eq!(statuses, ["401"], "{address} as {user} to {number}");
            }
        }
    }
    provider.set_nonblocking(true).expect("a mode");
    let mut packet = [0; 2_000];
    let got =
        provider.recv(&mut packet).map(|length| String::from_utf8_lossy(&packet[..length]).into_owned());
    assert!(got.is_err(), "the provider got {got:?}");
}

#[test]
fn calls_from_outside_come_from_the_provider_alone_and_only_where_they_may() {
    let provider = UdpSocket::bind((PROVIDER, 0)).expect("a port");
    let rig = rig(provider.local_addr().expect("bound"), "register = true\nincoming = \"790\"\n");
    provider.set_read_timeout(Some(10 * SECOND)).expect("a limit");
    let mut packet = [0; 2_000];
    let length = provider.recv(&mut packet).expect("the box registers");
    let register = String::from_utf8_lossy(&packet[..length]).into_owned();
    assert!(register.starts_with("REGISTER sip:127.0.0.2"), "{register}");
    assert!(register.contains(&format!("To: <sip:{USER}@{PROVIDER}>")), "{register}");

    let server = rig.asterisk.sip();
    let from_provider = Raw::new(IpAddr::V4(PROVIDER), server);
    // Its room rings, and nobody is there to answer.
    let rings_unanswered = |branch, number| {
        let statuses = invite(&from_provider, branch, "34600000000", number);
        let told = statuses.iter().map(AsRef::as_ref).collect::<Vec<&str>>();
        assert!(told.contains(&"180") && told.ends_with(&["480"]), "{number}: {told:?}");
    };
    rings_unanswered(1, USER);
    // Wherever it asks for, nothing else is reached.
    rings_unanswered(2, "799");
    for (branch, address) in [(3, Ipv4Addr::LOCALHOST), (4, Ipv4Addr::new(127, 0, 0, 3))] {
        let stranger = Raw::new(IpAddr::V4(address), server);
        assert_eq!(invite(&stranger, branch, "trunk", USER), ["401"], "{address}");
    }
}
