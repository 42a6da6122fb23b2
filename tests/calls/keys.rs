//! A key that is pressed on a phone reaches the room, by way of Asterisk and the driver.

use std::sync::Arc;
use std::time::Duration;

use engine_emulators::{Delays, Voices, World, xtts};
use lab::appliance::{Appliance, Options};
use lab::cache::Cache;
use lab::daemon::Room;
use softphone::{Account, AudioOptions, Codec, Phone, PhoneOptions, Step};
use tokio::runtime::Runtime;

use crate::rig::Watch;

const SECOND: Duration = Duration::from_secs(1);

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

    let account = &appliance.asterisk.phones()[0];
    let address = appliance.asterisk.sip().to_string();
    let account =
        Account::new(&account.extension, &address, Some(account.secret.clone())).expect("an account");
    let (phone, _events) = Phone::start(account, PhoneOptions::default()).expect("a phone");
    phone.register().expect("Asterisk knows it");
    let mut call = phone.dial("700", &[Codec::G722], AudioOptions::default()).expect("a call");
    call.wait_connected(10 * SECOND).expect("an answer");
    watch.wait_for("listening", 30 * SECOND, |_| true);
    let asked = watch.seen.iter().rfind(|event| event["type"] == "own_voices").expect("he was asked");
    assert_eq!(asked["states"], serde_json::json!({"en": "asked", "es": "asked"}));
    call.run(vec![Step::Dtmf("1".into()), Step::Pause(SECOND)]).expect("the call goes on");
    let told = watch.wait_for("own_voices", 5 * SECOND, |event| event["states"]["en"] != "asked");
    assert_eq!(told["states"]["es"], "asked", "nobody answers for another");
}
