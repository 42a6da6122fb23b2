//! A key that is pressed on a phone reaches the room, by way of Asterisk and the driver.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delays, Voices, World, xtts};
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::daemon::Room;
use lab::speech;
use softphone::{Account, AudioOptions, Call, Codec, Phone, PhoneOptions, Recording, Step};
use tokio::runtime::Runtime;

use crate::rig::{Rig, Watch};

const SECOND: Duration = Duration::from_secs(1);

/// The box's first phone, which it knows.
fn phone(appliance: &Appliance) -> Phone {
    let account = &appliance.asterisk.phones()[0];
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

    let phone = phone(&appliance);
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
    let (mut watch, phone) = (rig.watch(), phone(&rig.appliance));
    let mut call = dial(&phone, &mut watch);
    let sentence = speech::sentence(&Cache::locate().expect("a cache")).expect("a sentence");
    let say = || {
        let recording = Recording::read(&sentence.wav, Codec::G722).expect("a recording");
        vec![Step::Pause(SECOND), Step::Play(recording), Step::Pause(2 * SECOND)]
    };
    // What there is to press, what 8 is not, and the translator off: each in both languages.
    for key in ["*", "8", "0"] {
        press(&mut call, &mut watch, key, 2);
    }
    watch.catch_up();
    let before = watch.seen.len();
    call.run(say()).expect("the call goes on");
    watch.catch_up();
    let heard = watch.seen_since(before, "speech_started");
    assert!(heard.is_empty(), "nobody is listened to while it is off: {heard:#?}");

    press(&mut call, &mut watch, "0", 2);
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
}
