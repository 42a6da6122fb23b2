//! `dragoman phones` and a real Asterisk.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::Duration;

use dragoman_tests::callers::{Baresip, Pjsua2, Plan};
use dragoman_tests::daemon::Daemon;
use dragoman_tests::wav::Wav;
use lab::cache::Cache;
use lab::programs::program;
use lab::speech::prompt_voice;
use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions, ScriptEnd, Step};

use crate::rig::Rig;

const CONFIG: &str = "# the hall\n[[room]]\nextension = \"790\"\nkind = \"echo\"\n";
const SECOND: Duration = Duration::from_secs(1);

/// What a technician types, with the places of this rig.
pub(crate) fn dragoman(rig: &Rig, words: &[&str]) -> Output {
    let config = rig.path("dragomand.toml");
    if !config.exists() {
        fs::write(&config, CONFIG).expect("a file");
    }
    let mut command = Command::new(program("dragoman").expect("it is built"));
    command.arg("phones").args(words);
    command.arg("--config").arg(config);
    if words[0] != "list" {
        command.arg("--secrets").arg(rig.path("phones.secrets"));
    }
    if ["list", "show"].contains(&words[0]) {
        return command.output().expect("it runs");
    }
    command.arg("--output").arg(rig.asterisk.configuration_file("phones.conf"));
    command.arg("--asterisk").arg(rig.asterisk.program().expect("a program")).output().expect("it runs")
}

pub(crate) fn must(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn secret(rig: &Rig, extension: &str) -> String {
    let secrets: toml::Table =
        fs::read_to_string(rig.path("phones.secrets")).expect("secrets").parse().expect("TOML");
    secrets[extension].as_str().expect("a password").to_owned()
}

fn phone(rig: &Rig, extension: &str, secret: String) -> Phone {
    let account = Account::new(extension, &rig.asterisk.sip().to_string(), Some(secret)).expect("an account");
    Phone::start(account, PhoneOptions::default()).expect("a phone").0
}

#[test]
fn a_call_stands_while_phones_come_and_go() {
    let rig = Rig::start(|options| options.phones.clear());
    must(&dragoman(
        &rig,
        &["add", "101", "--name", "José O’Hara, 2 & co.", "--language", "es", "--codec", "g722"],
    ));
    let shown = rig.asterisk.cli("pjsip show endpoint 101").expect("an answer");
    assert!(shown.contains("\"José O’Hara, 2 & co.\" <101>"), "{shown}");
    let caller = phone(&rig, "101", secret(&rig, "101"));
    caller.register().expect("Asterisk knows it");
    let mut call = caller.dial("799", &[Codec::G722], AudioOptions::default()).expect("a call");
    call.wait_connected(10 * SECOND).expect("an answer");

    for round in 0..3 {
        must(&dragoman(&rig, &["add", "102", "--name", "Second", "--language", "en"]));
        let second = phone(&rig, "102", secret(&rig, "102"));
        second.register().expect("Asterisk knows the new one");
        drop(second);
        let old = secret(&rig, "102");
        must(&dragoman(&rig, &["remove", "102"]));
        let refused = phone(&rig, "102", old.clone()).register().expect_err("it is gone");
        assert!(refused.to_string().contains("401"), "round {round}: {refused}");
        let pause = call.run(vec![Step::Pause(SECOND / 2)]).expect("a script");
        assert_eq!(pause, ScriptEnd::Finished, "the call ended in round {round}");
    }
    let report = call.hang_up().expect("a report");
    assert_eq!(report.frames.received.lost, 0, "{report:?}");
    assert!(report.frames.received.received > 50, "{report:?}");

    let conf = rig.asterisk.configuration_file("phones.conf");
    assert_eq!(conf.metadata().expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(rig.path("dragomand.toml")).expect("a file").starts_with(CONFIG));
    assert!(must(&dragoman(&rig, &["list"])).contains("101              es        José O’Hara, 2 & co."));
}

#[test]
fn what_the_configuration_refuses_changes_nothing() {
    let rig = Rig::start(|options| options.phones.clear());
    must(&dragoman(&rig, &["apply"]));
    for (words, reason) in [
        (["add", "790", "--name", "A", "--language", "es"], "phone.extension"),
        (["add", "101", "--name", "A\n[evil]", "--language", "es"], "phone.name"),
        (["add", "101", "--name", "A;B", "--language", "es"], "phone.name"),
        (["add", "911", "--name", "A", "--language", "es"], "nobody could dial it"),
        (["add", "112", "--name", "A", "--language", "es"], "emergency"),
        (["add", "1x1", "--name", "A", "--language", "es"], "phone.extension"),
        (["add", "101", "--name", "A", "--language", "spanish"], "phone.language"),
    ] {
        let output = dragoman(&rig, &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{words:?}: {said}");
        assert_eq!(fs::read_to_string(rig.path("dragomand.toml")).expect("a file"), CONFIG);
    }
}

#[test]
fn a_phone_calls_by_tls_and_srtp() {
    let rig = Rig::start(|options| options.phones.clear());
    must(&dragoman(&rig, &["add", "101", "--name", "Door", "--language", "es"]));
    let certificate = rig.asterisk.configuration_file("sip-certificate.pem");
    let cache = Cache::locate().expect("a cache");
    let speech = rig.path("speech.wav");
    let sentence = lab::speech::sentence(&cache).expect("a sentence");
    Wav::read(&sentence.wav).at(16_000).padded(SECOND, SECOND).write(&speech);
    let plan = Plan {
        sip: SocketAddr::from(([127, 0, 0, 1], 5061)),
        extension: "799",
        phone: &lab::asterisk::Phone { extension: "101".into(), secret: secret(&rig, "101") },
        codec: "l16/16000/1",
        speech: &speech,
        directory: rig.run_dir.path(),
    };
    let caller = Baresip::call_encrypted(&plan, &certificate);
    std::thread::sleep(5 * SECOND);
    let channels = rig.asterisk.cli("core show channels concise").expect("an answer");
    let log = fs::read_to_string(rig.path("baresip/log")).unwrap_or_default();
    assert!(channels.contains("!799!"), "no call: {channels}\n{log}");
    let heard = caller.hang_up();
    assert!(heard.samples.iter().any(|sample| sample.unsigned_abs() > 1_000), "nothing came back");
}

/// What a browser is answered.
struct Seen {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: String,
}

impl Seen {
    fn of(&self, header: &str) -> &str {
        self.headers.get(header).expect(header).to_str().expect("text")
    }
}

fn read(url: &str) -> Seen {
    let request = ureq::get(url).config().http_status_as_error(false).build();
    let mut answer = request.call().expect("an answer");
    let body = answer.body_mut().read_to_string().expect("text");
    Seen { status: answer.status().as_u16(), headers: answer.headers().clone(), body }
}

/// What a camera reads that sees this drawing, which is squares of the path's form `M3 4h1v1H3V4`.
fn scanned(drawing: &str) -> String {
    const PIXELS: usize = 4;
    let after =
        |mark: &str| drawing.split_once(mark).expect("a drawing").1.split_once('"').expect("its end").0;
    let side: usize =
        after("viewBox=\"0 0 ").split_once(' ').expect("two numbers").0.parse().expect("a number");
    let side = side * PIXELS;
    let mut dark = vec![false; side * side];
    for square in after("<path fill=\"#000\" d=\"").split('M').skip(1) {
        let numbers = square.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
        let numbers: Vec<usize> =
            numbers.map(|number| PIXELS * number.parse::<usize>().expect("a number")).collect();
        let [left, top, width, height, ..] = numbers[..] else { panic!("{square}") };
        (top..top + height).for_each(|y| dark[y * side + left..][..width].fill(true));
    }
    let mut image = rqrr::PreparedImage::prepare_from_bitmap(side, side, |x, y| dark[y * side + x]);
    let grids = image.detect_grids();
    let [grid] = &grids[..] else { panic!("{} codes", grids.len()) };
    grid.decode().expect("a code").1
}

/// A daemon, and its configuration where `dragoman` of this rig finds it.
pub(crate) fn daemon_of(rig: &Rig) -> Daemon {
    let daemon = Daemon::start();
    let own = fs::read_dir(daemon.directory()).expect("its directory").flatten().map(|entry| entry.path());
    let config =
        own.into_iter().find(|path| path.extension().is_some_and(|end| end == "toml")).expect("a config");
    fs::copy(config, rig.path("dragomand.toml")).expect("a copy");
    daemon
}

/// What a new phone does: reads its account once, from where the QR code says, and registers with it.
#[test]
fn an_account_is_fetched_once_and_registers() {
    let rig = Rig::start(|options| options.phones.clear());
    must(&dragoman(&rig, &["apply"]));
    let daemon = daemon_of(&rig);
    must(&dragoman(&rig, &["add", "101", "--name", "Door & hall", "--language", "es"]));
    let svg = rig.path("code.svg");
    let words = ["show", "101", "--server", "127.0.0.1", "--svg", svg.to_str().expect("a path")];
    let shown = must(&dragoman(&rig, &words));
    assert!(fs::read_to_string(&svg).expect("an image").contains("<svg"));
    let png = rig.path("code.png");
    let words = ["show", "101", "--server", "127.0.0.1", "--png", png.to_str().expect("a path")];
    must(&dragoman(&rig, &words));
    assert!(fs::read(&png).expect("an image").starts_with(b"\x89PNG"));
    let address = |of: &str| shown.lines().find_map(|line| line.strip_prefix(of)).expect("an address");
    let (account, page) = (address("account   "), address("page      "));
    assert_eq!(scanned(&fs::read_to_string(&svg).expect("an image")), account);
    let path = |url: &str| url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path");
    assert_eq!(daemon.get(&path(page), "stranger.example").0, 421);
    let seen = read(page);
    assert_eq!(seen.status, 200);
    assert_eq!(seen.of("content-type"), "text/html; charset=utf-8");
    assert_eq!(seen.of("cache-control"), "no-store");
    assert!(seen.of("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    assert!(seen.body.contains("<h1>Phone 101: Door &amp; hall</h1>") && seen.body.contains("<dd>es,"));
    assert!(!seen.body.contains(&secret(&rig, "101")), "who reads the page does not know the password");
    assert_eq!(scanned(&seen.body), account, "a camera finds the account");
    let path = path(&scanned(&seen.body));

    let head = format!("HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert_eq!(daemon.ask(&head).0, 405, "a preview takes nothing away");
    let (status, xml) = daemon.get(&path, "127.0.0.1");
    assert_eq!(status, 200);
    assert_eq!(daemon.get(&path, "127.0.0.1").0, 404, "only once");
    let seen = read(page);
    assert!(seen.status == 410 && seen.body.contains("has fetched this account"), "{}", seen.body);
    assert!(!seen.body.contains("<svg"));
    let seen = read(account.replace("/provision/", "/phones/").as_str());
    assert!(seen.status == 404 && seen.body.contains("dragoman phones show"), "{}", seen.body);
    let entry = |name: &str| {
        let (_, rest) =
            xml.split_once(&format!("<entry name=\"{name}\" overwrite=\"true\">")).expect("an entry");
        rest.split_once("</entry>")
            .expect("its end")
            .0
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&")
    };
    assert_eq!(entry("reg_identity"), "\"Door & hall\" <sip:101@127.0.0.1>");
    phone(&rig, &entry("username"), entry("passwd")).register().expect("the account is good");
    let token = path.trim_start_matches("/provision/");
    assert!(!daemon.logged().contains(token) && !daemon.logged().contains(&entry("passwd")));
}

/// What a phone hears that dials a number nobody has.
fn refusal(rig: &Rig, extension: &str) -> Wav {
    let phone = lab::asterisk::Phone { extension: extension.into(), secret: secret(rig, extension) };
    let speech = rig.path("silence.wav");
    Wav { rate: 16_000, samples: vec![0; 16_000] }.write(&speech);
    let plan = Plan {
        sip: rig.asterisk.sip(),
        extension: "666",
        phone: &phone,
        codec: "G722",
        speech: &speech,
        directory: rig.run_dir.path(),
    };
    let (status, heard) = Pjsua2::dial(&plan).refused(20 * SECOND);
    assert!(status.starts_with("404"), "{status}");
    heard
}

/// How much of one's shape is somewhere in the other: the best correlation, −1 to 1.
fn likeness(heard: &[f64], prompt: &[f64]) -> f64 {
    let norm = |samples: &[f64]| samples.iter().map(|s| s * s).sum::<f64>().sqrt().max(1.0);
    let at = |window: &[f64]| {
        let product: f64 = window.iter().zip(prompt).map(|(a, b)| a * b).sum();
        product / (norm(window) * norm(prompt))
    };
    heard.windows(prompt.len()).map(at).fold(-1.0, f64::max)
}

#[test]
fn a_refusal_is_heard_in_the_phones_own_language() {
    let rig = Rig::start(|options| options.phones.clear());
    must(&dragoman(&rig, &["add", "101", "--name", "Uno", "--language", "es", "--codec", "g722"]));
    must(&dragoman(&rig, &["add", "102", "--name", "Two", "--language", "en", "--codec", "g722"]));
    must(&dragoman(&rig, &["add", "103", "--name", "Drei", "--language", "de", "--codec", "g722"]));
    let cache = Cache::locate().expect("a cache");
    // Half a second from the midst of each prompt, in every other sample of both: the speech is in the lower half.
    let prompts = ["es", "en"].map(|language| {
        let path = prompt_voice(&cache, language).expect("prompts").join("ss-noservice.wav");
        let samples: Vec<f64> = Wav::read(&path).samples.into_iter().map(f64::from).collect();
        let middle = samples.len() / 2;
        samples[middle..middle + 4_000].to_vec()
    });
    for (extension, spoken) in [("101", 0), ("102", 1), ("103", 1)] {
        let heard = refusal(&rig, extension);
        assert_eq!(heard.rate, 16_000);
        let likenesses = [0, 1].map(|phase| {
            let heard: Vec<f64> =
                heard.samples.iter().skip(phase).step_by(2).map(|sample| f64::from(*sample)).collect();
            prompts.each_ref().map(|prompt| likeness(&heard, prompt))
        });
        let best = |which: usize| likenesses.iter().map(|of| of[which]).fold(-1.0, f64::max);
        assert!(best(spoken) > 0.8 && best(1 - spoken) < 0.5, "{extension}: {likenesses:?}");
    }
}
