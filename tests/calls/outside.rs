//! A call to a number outside: another Asterisk is the provider, and whom he connects is interpreted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use dragoman_tests::callers::{Pjsua2, Plan};
use dragoman_tests::wav::Wav;
use lab::appliance::{Appliance, Options, start_asterisk};
use lab::asterisk::Asterisk;
use lab::cache::Cache;
use lab::programs::program;
use lab::run_dir::RunDir;
use lab::speech::{self, word_overlap};
use lab::transcribe::transcribe;

use crate::rig::Watch;

const SECOND: Duration = Duration::from_secs(1);
const NUMBER: &str = "+34911234567";

/// The box's phones, as its configuration and `lab` have them, and its trunk.
fn apply(appliance: &Appliance) {
    let path = |name: &str| appliance.run_dir().join(name);
    let phones = appliance.asterisk.phones().iter();
    let secrets = phones.map(|phone| format!("\"{}\" = \"{}\"\n", phone.extension, phone.secret));
    fs::write(path("phones.secrets"), secrets.collect::<String>()).expect("a file");
    fs::set_permissions(path("phones.secrets"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let mut dragoman = Command::new(program("dragoman").expect("it is built"));
    dragoman.args(["phones", "apply", "--config"]).arg(path("dragomand.toml"));
    dragoman
        .arg("--secrets")
        .arg(path("phones.secrets"))
        .arg("--asterisk")
        .arg(appliance.asterisk.program().expect("a program"));
    dragoman.arg("--output").arg(appliance.asterisk.configuration_file("phones.conf"));
    let output = dragoman.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A box whose phone 101 calls Spain by `provider`, as its phone 103.
fn box_with(provider: &Asterisk, cache: &Cache) -> Appliance {
    let appliance = Appliance::start_with(cache, Options::default(), |_, directory| {
        let password = directory.join("trunk-password");
        let account = &provider.phones()[2];
        fs::write(&password, &account.secret)?;
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600))?;
        let table = format!(
            "[trunk]\nhost = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"\nphones = [\"101\"]\n\
             [[trunk.allow]]\nnumber = \"+34*\"\nlanguage = \"es\"\n",
            provider.sip(),
            account.extension,
            password.display(),
        );
        Ok(table.parse()?)
    });
    let appliance = appliance.expect("the box starts");
    apply(&appliance);
    appliance
}

#[test]
fn who_is_called_outside_hears_the_translation() {
    let cache = Cache::locate().expect("a cache");
    let outside = RunDir::create(&cache).expect("a run directory");
    let provider = start_asterisk(&cache, ([127, 0, 0, 2], 0).into(), &outside).expect("Asterisk starts");
    let added = format!("dialplan add extension {NUMBER},1,Dial(PJSIP/102,20) into phones");
    provider.cli(&added).expect("Asterisk answers");
    let appliance = box_with(&provider, &cache);
    let mut watch = Watch::new(&appliance);

    let sentence = speech::sentence(&cache).expect("a sentence");
    let speech = appliance.run_dir().join("speech.wav");
    Wav::read(&sentence.wav).at(16_000).padded(Duration::ZERO, 30 * SECOND).write(&speech);
    let there = Plan {
        sip: provider.sip(),
        extension: "102",
        phone: &provider.phones()[1],
        codec: "G722",
        speech: &speech,
        directory: outside.path(),
    };
    let mut spaniard = Pjsua2::register(&there, 200);
    let here = Plan {
        sip: appliance.asterisk.sip(),
        extension: NUMBER,
        phone: &appliance.asterisk.phones()[0],
        codec: "G722",
        speech: &speech,
        directory: appliance.run_dir().path(),
    };
    let mut caller = Pjsua2::dial(&here);
    spaniard.wait_connected();
    caller.wait_connected();
    for _ in 0..2 {
        watch.wait_for("listening", 20 * SECOND, |_| true);
    }
    let status = appliance.daemon.status().expect("a status");
    let legs = status["legs"].as_array().expect("legs");
    assert!(legs.iter().any(|leg| leg["phone"] == "trunk_es" && leg["language"] == "es"), "{status}");
    caller.speak();
    let told = watch.wait_for("translation", 40 * SECOND, |event| event["source_lang"] == "en");
    let text = told["text"].as_str().expect("a text").to_owned();
    let segment = told["segment"].clone();
    watch.wait_for("playback_ended", 30 * SECOND, |event| event["segment"] == segment);
    let heard = spaniard.hang_up().at(16_000);
    caller.ended(2 * SECOND);
    let heard =
        transcribe(appliance.engines.options().wyoming, None, &heard.samples).expect("the engines answer");
    let same = word_overlap(&text, &heard.text);
    assert!(same >= 0.5, "should hear {text:?}, and heard {heard:?}");
}
