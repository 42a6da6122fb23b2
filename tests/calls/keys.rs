//! A key that is pressed on a phone reaches the room, by way of Asterisk and the driver.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delays, Voices, World, xtts};
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::daemon::Room;
use lab::speech;
use softphone::{Account, AudioOptions, Call, Codec, Phone, PhoneOptions, Recording, ScriptEnd, Step};
use tokio::runtime::Runtime;

use crate::rig::{Rig, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// A phone of the box's, which it knows.
fn phone(appliance: &Appliance, index: usize) -> Phone {
    let account = &appliance.asterisk.phones()[index];
    let address = appliance.asterisk.sip().to_string();
    let account =
        Account::new(&account.extension, &address, Some(account.secret.clone())).expect("an account");
    let (phone, _events) = Phone::start(account, PhoneOptions::default()).expect("a phone");
    phone.register().expect("Asterisk knows it");
    phone
}

/// A call to 700, whose caller was told what there is to tell.
fn dial<'a>(phone: &'a Phone, watch: &mut Watch) -> Call<'a> {
    let mut call = phone.dial("700", &[Codec::G722], AudioOptions::default()).expect("a call");
    call.wait_connected(10 * SECOND).expect("an answer");
    watch.wait_for("listening", 30 * SECOND, |_| true);
    call
}

#[test]
fn a_caller_consents_to_his_own_voice_by_a_key() {
    let runtime = Runtime::new().expect("a runtime");
    let world = Arc::new(World::new("", Voices::scripted([], []), Delays::NONE, 1));
    let xtts = runtime.block_on(xtts::start(world, 0)).expect("the emulator starts");
    let engines = format!(
        "[engines]\ntts = [\"own\", \"device\"]\n[engine.own]\nkind = \"xtts\"\nurl = \"http://{}\"\n",
        xtts.address
    );
    let room = Room { own_voices: Some("call".into()), ..Room::interpreter("700", ["en", "es"]) };
    let options = Options { rooms: vec![room], ..Options::default() };
    let cache = Cache::locate().expect("a cache");
    let appliance =
        Appliance::start_with(&cache, options, |_, _| Ok(engines.parse()?)).expect("the box starts");
    let mut watch = Watch::new(&appliance);

    let phone = phone(&appliance, 0);
    let mut call = dial(&phone, &mut watch);
    let asked = watch.seen.iter().rfind(|event| event["type"] == "own_voices").expect("he was asked");
    assert_eq!(asked["states"], serde_json::json!({"en": "asked", "es": "asked"}));
    call.run(vec![Step::Dtmf("3".into()), Step::Pause(SECOND)]).expect("the call goes on");
    let told = watch.wait_for("own_voices", 5 * SECOND, |event| event["states"]["en"] != "asked");
    assert_eq!(told["states"]["es"], "asked", "nobody answers for another");
}

/// Presses a key, and waits until `replies` were heard to their end.
fn press(call: &mut Call<'_>, watch: &mut Watch, key: &str, replies: usize) {
    watch.catch_up();
    call.run(vec![Step::Dtmf(key.into())]).expect("the call goes on");
    for _ in 0..replies {
        call.run(vec![Step::Pause(SECOND / 5)]).expect("the call goes on");
        watch.wait_for("playback_ended", 25 * SECOND, |_| true);
    }
}

#[test]
fn keys_of_an_interpreters_caller_are_confirmed_and_obeyed() {
    let rig = Rig::start();
    let (mut watch, phone) = (rig.watch(), phone(&rig.appliance, 0));
    let mut call = dial(&phone, &mut watch);
    let sentence = speech::sentence(&Cache::locate().expect("a cache")).expect("a sentence");
    let say = || {
        let recording = Recording::read(&sentence.wav, Codec::G722).expect("a recording");
        vec![Step::Pause(SECOND), Step::Play(recording), Step::Pause(2 * SECOND)]
    };
    assert_eq!(state(&rig), "translating");
    // What there is to press, what 8 is not, and the translator off: each in both languages.
    for key in ["*", "8", "0"] {
        press(&mut call, &mut watch, key, 2);
    }
    watch.catch_up();
    assert_eq!(state(&rig), "connected", "the translator is off");
    let before = watch.seen.len();
    call.run(say()).expect("the call goes on");
    watch.catch_up();
    let heard = watch.seen_since(before, "speech_started");
    assert!(heard.is_empty(), "nobody is listened to while it is off: {heard:#?}");

    press(&mut call, &mut watch, "0", 2);
    assert_eq!(state(&rig), "translating");
    // The first language alone is recognised, and he is told so in it.
    press(&mut call, &mut watch, "9", 1);
    call.run(say()).expect("the call goes on");
    let translated = watch.wait_for("translation", 20 * SECOND, |_| true);
    assert_eq!([&translated["source_lang"], &translated["target_lang"]], ["en", "es"]);
    let ended = |event: &serde_json::Value| event["segment"] == translated["segment"];
    watch.wait_for("playback_ended", 20 * SECOND, ended);
    press(&mut call, &mut watch, "1", 1);
    assert!(watch.seen_since(0, "error").is_empty(), "{:#?}", watch.seen);
    call.hang_up().expect("a report");
    watch.wait_for("leg_state", 2 * SECOND, |event| event["state"] == "disconnected");
    let states = watch.seen_since(0, "leg_state").into_iter().map(|event| event["state"].clone());
    // Asterisk tells that he hangs up, and the pipes that he is gone: either may come first.
    let states: Vec<_> = states.filter(|state| state != "disconnecting").collect();
    let course = ["connected", "translating", "connected", "translating", "disconnected"];
    assert!(states.ends_with(&course.map(serde_json::Value::from)), "{states:?}");
}

/// Of the only leg.
fn state(rig: &Rig) -> serde_json::Value {
    rig.appliance.daemon.status().expect("a status")["legs"][0]["state"].clone()
}

/// At the pipes the daemon hangs up by way of Asterisk: the phone is told, and its pipes go.
#[test]
fn who_enters_three_wrong_pins_is_hung_up_on_and_who_is_in_goes_on() {
    let rig = Rig::start_with_pin("4711");
    let mut watch = rig.watch();
    let phones = [0, 1].map(|index| phone(&rig.appliance, index));
    let mut calls = phones.each_ref().map(|phone| {
        let mut call = phone.dial("800", &[Codec::G722], AudioOptions::default()).expect("a call");
        call.wait_connected(10 * SECOND).expect("an answer");
        call
    });
    let [inside, outside] = &mut calls;
    inside.run(vec![Step::Dtmf("4711".into())]).expect("the call goes on");
    let guesses = vec![Step::Dtmf("000011112222".into()), Step::Pause(30 * SECOND)];
    assert_eq!(outside.run(guesses).expect("an end"), ScriptEnd::CallEnded);
    watch.wait_for("leg_down", 2 * SECOND, |event| {
        event["id"].as_str().is_some_and(|id| id.ends_with("-102"))
    });
    let status = rig.appliance.daemon.status().expect("a status");
    assert_eq!(status["asterisk"]["refusals"][0]["reason"], "wrong PIN three times", "{status:#}");
    let before = frames(&rig);
    assert_eq!(inside.run(vec![Step::Pause(SECOND)]).expect("a script"), ScriptEnd::Finished);
    assert!(frames(&rig) >= before + 45, "{before} and then {}", frames(&rig));
    let pipes = std::fs::read_dir(rig.appliance.asterisk.pipes()).expect("a directory");
    let names = pipes.map(|pipe| pipe.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    assert!(names.len() == 2 && names.iter().all(|name| name.contains("-101_")), "{names:?}");
}

/// That the daemon sent to the only leg.
fn frames(rig: &Rig) -> u64 {
    let status = rig.appliance.daemon.status().expect("a status");
    status["legs"][0]["frames"]["out"].as_u64().expect("a number")
}
