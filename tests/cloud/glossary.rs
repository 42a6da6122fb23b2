//! Terms that are to be translated in one way.

use serde_json::Value;

use crate::clouds::{Clouds, KEY, converse};

const GLOSSARY: &str = "[[glossary]]\nsource = \"en\"\ntarget = \"es\"\n\
     terms = { morning = \"mañana\", station = \"estación\", thank = \"gracias\" }\n";

/// What the vendor keeps for the account.
fn kept(clouds: &Clouds) -> Vec<String> {
    let answer = asked(ureq::get(url(clouds, "")));
    let list: Value = serde_json::from_str(&answer).expect("a list");
    let ids = list["glossaries"].as_array().expect("glossaries").iter();
    ids.map(|one| one["glossary_id"].as_str().expect("an id").to_owned()).collect()
}

fn url(clouds: &Clouds, id: &str) -> String {
    format!("http://{}/v3/glossaries{id}", clouds.first.deepl.address)
}

fn asked(request: ureq::RequestBuilder<ureq::typestate::WithoutBody>) -> String {
    let request =
        request.header("Authorization", format!("DeepL-Auth-Key {KEY}")).header("User-Agent", "test");
    request.call().expect("an answer").body_mut().read_to_string().expect("a body")
}

fn wait_until_ready(clouds: &Clouds) {
    clouds.wait_until("the glossary is ready", |status| {
        let engines = &status["glossary"]["engines"];
        engines["first-mt"]["state"] == "ready" && engines["spare-mt"]["state"] == "ready"
    });
}

#[test]
fn the_vendor_is_given_the_glossary_once_and_uses_it() {
    let mut clouds = Clouds::start_and(GLOSSARY);
    wait_until_ready(&clouds);
    let [id] = &kept(&clouds)[..] else { panic!("{:?}", kept(&clouds)) };
    let mut call = clouds.call();
    let (_, said, _) = converse(&mut call);
    // With the term in it, it is no sentence that the emulator knows.
    assert_eq!(said, "so");

    // Somebody deletes it: the translation does not wait for another.
    asked(ureq::delete(url(&clouds, &format!("/{id}"))));
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, "first where is the station");
    wait_until_ready(&clouds);
    assert_eq!(clouds.daemon.status().expect("a status")["glossary"]["translations_without"], 1);
    let (_, said, _) = converse(&mut call);
    assert_eq!(said, "so");
    drop(call);

    let [id] = &kept(&clouds)[..] else { panic!("{:?}", kept(&clouds)) };
    clouds.daemon.kill();
    clouds.daemon.restart();
    wait_until_ready(&clouds);
    assert_eq!(kept(&clouds), std::slice::from_ref(id), "it is found again");
    assert_eq!(clouds.first.translated().violations, ["404: Glossary not found"]);
    assert!(clouds.first.heard().violations.is_empty(), "{:?}", clouds.first.heard().violations);
}
