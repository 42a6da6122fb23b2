use super::*;
use crate::config::parse;

const ROOM: &str = "[[room]]\nextension = \"790\"\nkind = \"echo\"\n";

fn read(text: &str) -> Result<Engines, String> {
    parse(&format!("{text}\n{ROOM}")).map(|config| config.engines).map_err(|(_, message)| message)
}

#[test]
fn without_a_word_the_device_does_it_all() {
    let engines = read("").unwrap();
    assert!(matches!(&engines.asr[..], [Engine { provider: Asr::Wyoming(_), .. }]));
    assert!(matches!(&engines.mt[..], [Engine { provider: Mt::LibreTranslate(_), .. }]));
    assert!(matches!(&engines.tts[..], [Engine { provider: Tts::Wyoming(_), .. }]));
}

#[test]
fn chains_name_engines_whose_keys_stay_hidden() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "s3cret-word\n").unwrap();
    let text = format!(
        "[engines]\nasr = [\"cloud\", \"device\"]\n[engine.cloud]\nkind = \"deepgram-listen\"\nkey_file = {key:?}\n"
    );
    let engines = read(&text).unwrap();
    let names: Vec<_> = engines.asr.iter().map(|engine| engine.name.as_str()).collect();
    assert_eq!(names, ["cloud", "device"]);
    assert!(!format!("{engines:?}").contains("s3cret"), "keys are not shown");
    let Asr::DeepgramListen(service) = &engines.asr[0].provider else { panic!("{engines:?}") };
    assert_eq!(service.url, "wss://api.deepgram.com");
}

/// A configuration with these chains and engines of these kinds, all with a key.
fn keyed(chains: &str, engines: &[(&str, &str)]) -> Result<Engines, String> {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "k").unwrap();
    let engine = |(name, rest): &(&str, &str)| format!("[engine.{name}]\nkey_file = {key:?}\n{rest}\n");
    let tables: String = engines.iter().map(engine).collect();
    read(&format!("[engines]\n{chains}\n{tables}"))
}

#[test]
fn one_engine_stands_in_the_chains_of_three_stages() {
    let voice = ("voice", "kind = \"deepl-voice\"");
    let all = "asr = [\"voice\"]\nmt = [\"voice\", \"device\"]\ntts = [\"voice\", \"device\"]";
    let engines = keyed(all, &[voice]).unwrap();
    let Asr::Speech(speech) = &engines.asr[0].provider else { panic!("{engines:?}") };
    assert_eq!((speech.vendor, speech.spoken), (SpeechVendor::DeepLVoice, true));
    assert!(matches!(&engines.tts[0].provider, Tts::Speech(speech) if speech.service.name == "voice"));
    let silent = keyed("asr = [\"voice\"]\nmt = [\"voice\", \"device\"]", &[voice]).unwrap();
    assert!(matches!(&silent.asr[0].provider, Asr::Speech(speech) if !speech.spoken));
    let cases = [
        ("mt = [\"voice\", \"device\"]", "name it in asr"),
        ("asr = [\"voice\"]\nmt = [\"voice\"]", "another after it"),
        ("asr = [\"voice\"]\ntts = [\"device\", \"voice\"]", "another after it"),
        ("emotion = [\"voice\"]", "not of a kind"),
    ];
    for (chains, words) in cases {
        let message = keyed(chains, &[voice]).unwrap_err();
        assert!(message.contains(words), "{chains}: {message}");
    }
    let modelled = ("voice", "kind = \"deepl-voice\"\nmodel = \"x\"");
    assert!(keyed(all, &[modelled]).unwrap_err().contains("no models"));
}

#[test]
fn what_a_kind_does_not_heed_is_refused() {
    for kind in ["deepgram-aura", "deepgram-flux", "deepl", "deepl-voice", "hume"] {
        let table = format!("kind = \"{kind}\"\nmodel = \"x\"");
        let message = keyed("", &[("a", &table)]).unwrap_err();
        assert!(message.contains("remove the key model"), "{kind}: {message}");
    }
    for kind in ["deepgram-listen", "deepgram-flux", "deepl", "openai-translations"] {
        let table = format!("kind = \"{kind}\"\nvoices = {{ es = \"x\" }}");
        let message = keyed("", &[("a", &table)]).unwrap_err();
        assert!(message.contains("remove the key voices"), "{kind}: {message}");
    }
    let message = keyed("", &[("a", "kind = \"deepl\"\nmip_opt_out = true")]).unwrap_err();
    assert!(message.contains("remove the key mip_opt_out"), "{message}");
    let all = "kind = \"elevenlabs\"\nmodel = \"x\"\nvoices = { es = \"x\" }";
    keyed("", &[("a", all)]).unwrap();
}

#[test]
fn vendors_improve_no_models_with_what_is_said_unless_that_is_wanted() {
    for (line, opted_out) in [("", true), ("mip_opt_out = true", true), ("mip_opt_out = false", false)] {
        let table = format!("kind = \"deepgram-listen\"\n{line}");
        let engines = keyed("asr = [\"a\"]", &[("a", &table)]).unwrap();
        assert_eq!(engines.asr[0].provider.service().map(|s| s.mip_opt_out), Some(opted_out), "{line}");
    }
}

#[test]
fn keys_are_sent_unencrypted_only_on_the_own_network() {
    let asked = |url: &str| keyed("", &[("a", &format!("kind = \"deepl\"\nurl = \"{url}\""))]);
    for url in ["http://api.deepl.com", "http://8.8.8.8:80", "http://[2606:4700::1]", "http://172.32.0.1"] {
        assert!(asked(url).unwrap_err().contains("write \"https://"), "{url}");
    }
    for url in [
        "https://api.deepl.com",
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://mt.lan",
        "http://box",
        "http://[::1]",
        "http://[fd00::1]",
        "http://172.16.0.1",
    ] {
        assert!(asked(url).is_ok(), "{url}");
    }
}

#[test]
fn feelings_are_measured_where_that_is_wanted() {
    let hume = ("hume", "kind = \"hume\"");
    assert_eq!(keyed("emotion = [\"hume\"]", &[hume]).unwrap().emotion[0].name, "hume");
    assert!(keyed("", &[hume]).unwrap().emotion.is_empty());
    assert!(keyed("asr = [\"hume\"]", &[hume]).unwrap_err().contains("not of a kind"));
    assert!(keyed("emotion = [\"device\"]", &[hume]).unwrap_err().contains("not of a kind"));
}

#[test]
fn faults_say_what_to_do() {
    let cases = [
        ("[engines]\nasr = [\"cloud\"]", "[engine.cloud]"),
        ("[engines]\nasr = []", "at least one"),
        ("[engines]\nasr = \"deepgram\"", "engines.asr: write a list, such as [\"deepgram\"]"),
        ("[engines]\nasr = 5", "a list, such as"),
        ("[engine.\"a\\u001b[2J\"]\nkind = \"xtts\"\nurl = \"http://a\"", "one line"),
        ("[engines]\nmt = [\"device\", \"device\"]", "twice"),
        ("[engine.device]\nkind = \"wyoming\"\nurl = \"tcp://a:1\"", "[device]"),
        ("[engine.a]\nkind = \"deepl\"", "key_file"),
        ("[engine.a]\nkind = \"deepl\"\nkey_file = \"/nowhere/key\"", "/nowhere/key"),
        ("[engine.a]\nkind = \"deepl\"\nkey_file = \"/dev/zero\"", "no file"),
        ("[engine.a]\nkind = \"xtts\"", "engine.a.url"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"tcp://a:1\"", "http://HOST:PORT"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://me:word@a:1\"", "address alone"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/b c\"", "address alone"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/?key=word\"", "without what begins"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a:1/#word\"", "without what begins"),
        ("[device]\ntranslation = \"http://a:1?key=word\"", "without what begins"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = [] }", "no voice"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = \" \" }", "not empty"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { es = [\"a\\nb\"] }", "one line"),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nmodel = \"x\"", "remove the key model"),
        ("[engine.a]\nkind = \"xtts\"\nkey_file = 5", "engine.a.key_file: "),
        ("[engine.a]\nkind = \"xtts\"\nurl = \"http://a\"\nvoices = { english = \"x\" }", "voices"),
        ("[engine.a]\nkind = \"wyoming\"\nurl = \"tcp://a:1\"\nmodel = \"x\"", "nothing else"),
        ("[engines]\ntts = [\"a\"]\n[engine.a]\nkind = \"libretranslate\"\nurl = \"http://a\"", "kind"),
    ];
    for (text, words) in cases {
        let message = read(text).unwrap_err();
        assert!(message.contains(words), "{text}: {message}");
    }
}
