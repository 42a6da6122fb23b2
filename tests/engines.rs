//! The engine server as a process: the `wyoming` package's own client, LibreTranslate's API, and what must not kill it.
//!
//! Needs what the set-up of `cargo xtask test` brings: models, speech, Apertium, Pico and the Python packages.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lab::cache::Cache;
use lab::engines::{Engines, Options};
use lab::programs;
use lab::run_dir::RunDir;
use lab::speech::{self, word_overlap, words};
use serde_json::{Value, json};

const SET_UP: &str = "what this test needs is not installed: run `cargo xtask test`";

/// Fields drop in order: the server ends before its directory goes.
struct Rig {
    engines: Engines,
    run_dir: RunDir,
    cache: Cache,
}

/// One server for all tests, one test at a time: they measure, and two cores are not many.
fn rig() -> MutexGuard<'static, Rig> {
    static RIG: OnceLock<Mutex<Rig>> = OnceLock::new();
    RIG.get_or_init(|| Mutex::new(Rig::start())).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rig {
    fn start() -> Self {
        let cache = Cache::locate().expect("a cache");
        let run_dir = RunDir::create(&cache).expect("a run directory");
        let options = Options {
            program: programs::program("dragoman-engines").expect("the engine server is built"),
            run_dir: run_dir.path().to_owned(),
            models: cache.models(),
            prefix: cache.prefix().root().to_owned(),
            wyoming: free_port(),
            libretranslate: free_port(),
        };
        let mut engines = Engines::start(options).expect("the engine server starts");
        engines.wait_ready().expect(SET_UP);
        Self { engines, run_dir, cache }
    }

    /// The package's client; see its script.
    fn client(&self, arguments: &[&str]) -> Value {
        let python = self.cache.test_python();
        let script = programs::in_repository("tests/callers/wyoming_client.py");
        let output = Command::new(python)
            .arg(script)
            .arg(self.engines.speech())
            .args(arguments)
            .output()
            .expect(SET_UP);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).expect("the client prints JSON")
    }

    fn hear(&self, languages: &str, recordings: &[&Path]) -> Vec<Value> {
        let recordings = recordings.iter().map(|path| path.to_str().expect("a path in UTF-8"));
        let arguments: Vec<&str> = ["hear", languages].into_iter().chain(recordings).collect();
        self.client(&arguments).as_array().expect("one answer a recording").clone()
    }

    fn translate(&self, text: &str, from: &str, to: &str) -> String {
        let (status, body) =
            self.post("application/json", &json!({"q": text, "source": from, "target": to}).to_string());
        assert_eq!(status, 200, "{body}");
        body["translatedText"].as_str().expect("a text").to_owned()
    }

    fn post(&self, kind: &str, body: &str) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("{}/translate", self.engines.translation());
        let mut answer = agent.post(url).content_type(kind).send(body).expect("the server answers");
        let text = answer.body_mut().read_to_string().expect("a body");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Announces a gigabyte, sends a part of it, and gives the beginning of the answer.
    fn post_without_end(&self) -> String {
        let mut stream =
            TcpStream::connect(self.engines.options().libretranslate).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let head = "POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                    Content-Length: 1000000000\r\n\r\nq=";
        // With "q=" two bytes more than the server takes: it has read all when it refuses, so its answer is not lost.
        let body = "a".repeat(128 << 10);
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("it reads");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.engines.options().wyoming).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    /// The server still answers a well-behaved client.
    fn assert_alive(&mut self) {
        assert!(
            self.engines.process().exited().expect("its state is known").is_none(),
            "the server has ended"
        );
        let mut stream = self.connect();
        stream.write_all(b"{\"type\":\"ping\",\"data\":{\"text\":\"x\"}}\n").expect("it reads");
        let mut answer = [0; 14];
        stream.read_exact(&mut answer).expect("it answers");
        assert_eq!(&answer[..1], b"{");
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

fn text(heard: &Value) -> &str {
    heard["text"].as_str().expect("a text")
}

#[test]
fn package_s_client_reads_what_is_offered() {
    let offer = rig().client(&["describe"]);
    assert_eq!(offer["asr"], json!([["en", "es", "fr", "de", "it", "pt"]]));
    assert_eq!(offer["streams"], json!([true, true]));
    assert!(offer["voices"].as_array().expect("voices").contains(&json!("es-ES")), "{offer}");
}

#[test]
fn human_speech_is_heard_and_never_taken_back() {
    let rig = rig();
    let utterances = speech::english(&rig.cache).expect(SET_UP);
    let recordings: Vec<&Path> = utterances.iter().map(|utterance| utterance.wav.as_path()).collect();
    let heard = rig.hear("en,es", &recordings);
    let (mut errors, mut spoken) = (0, 0);
    for (utterance, heard) in utterances.iter().zip(&heard) {
        assert_eq!(heard["language"], "en", "{heard}");
        assert_eq!(
            heard["order"],
            json!(["transcript-start", "transcript-chunk", "transcript", "transcript-stop"])
        );
        let chunks: String =
            heard["chunks"].as_array().expect("chunks").iter().filter_map(Value::as_str).collect();
        assert_eq!(chunks, text(heard), "the chunks are the final text");
        let (expected, said) = (comparable(&utterance.text), comparable(text(heard)));
        errors += edit_distance(&expected, &said);
        spoken += expected.len();
    }
    let rate = errors as f64 / spoken as f64;
    println!("word error rate {:.1} % of {spoken} words", 100.0 * rate);
    println!("after the end: {:?} ms", heard.iter().map(|h| h["after_stop_ms"].clone()).collect::<Vec<_>>());
    // A word is 1.1 %; four or five of them (names of cards, a soft voice) are heard now one way, now another.
    assert!(rate <= 0.10, "{errors} of {spoken} words are wrong: {heard:#?}");
}

/// Words as they are compared: Whisper writes numbers in digits and `Mr`.
fn comparable(text: &str) -> Vec<String> {
    const DIGITS: [&str; 11] =
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    let said = words(&text.replace('-', " ")).into_iter();
    said.map(|word| match (word.parse::<usize>(), word.as_str()) {
        (Ok(number), _) => DIGITS.get(number).map_or(word, |&name| name.to_owned()),
        (_, "mr") => "mister".to_owned(),
        _ => word,
    })
    .collect()
}

fn edit_distance(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, word) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(word != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[test]
fn speech_that_is_synthesised_is_heard_again() {
    let rig = rig();
    let sentences = [
        ("es", "Buenos días, me gustaría reservar una mesa para dos personas."),
        ("en", "The train to the airport leaves from the second platform."),
    ];
    for (language, sentence) in sentences {
        let path = rig.run_dir.join(format!("{language}.wav"));
        let spoken = rig.client(&["speak", language, path.to_str().expect("UTF-8"), sentence]);
        assert_eq!(spoken["order"], json!(["audio-start", "audio-chunk", "audio-stop"]));
        println!("{language}: first audio after {} ms", spoken["first_ms"]);
        let heard = &rig.hear("en,es", &[&path])[0];
        assert_eq!(heard["language"], language, "{heard}");
        assert!(word_overlap(sentence, text(heard)) >= 0.8, "{sentence:?} was heard as {heard}");
    }
}

#[test]
fn streamed_text_is_spoken_once() {
    let rig = rig();
    let whole = rig.run_dir.join("whole.wav");
    let pieces = rig.run_dir.join("pieces.wav");
    let sentence = "Buenas tardes. ¿Dónde está la estación?";
    let at_once = rig.client(&["speak", "es", whole.to_str().expect("UTF-8"), sentence]);
    let streamed = rig.client(&[
        "stream",
        "es",
        pieces.to_str().expect("UTF-8"),
        "Buenas ",
        "tardes. ¿Dónde ",
        "está la estación?",
    ]);
    let seconds = |spoken: &Value| spoken["seconds"].as_f64().expect("seconds");
    assert!((seconds(&at_once) - seconds(&streamed)).abs() < 0.2, "{at_once} {streamed}");
    assert_eq!(streamed["order"], json!(["audio-start", "audio-chunk", "audio-stop", "synthesize-stopped"]));
}

#[test]
fn translation_says_the_same() {
    let rig = rig();
    let cases = [
        ("en", "es", "I'm sorry.", "lo siento"),
        ("en", "es", "Where is the nearest pharmacy?", "¿dónde está la farmacia más próxima?"),
        (
            "en",
            "es",
            "My daughter has a fever and needs a doctor.",
            "mi hija tiene fiebre y necesita un médico",
        ),
        ("en", "es", "How much does it cost?", "¿cuánto cuesta?"),
        ("es", "en", "¿Dónde está la farmacia más cercana?", "where is the nearest pharmacy?"),
        (
            "es",
            "en",
            "Mi hija tiene fiebre y necesita un médico.",
            "my daughter has a fever and needs a doctor",
        ),
        ("en", "pt", "Good morning.", "bom dia"),
    ];
    for (from, to, text, expected) in cases {
        let translated = rig.translate(text, from, to);
        assert!(word_overlap(expected, &translated) >= 0.7, "{text:?} became {translated:?}");
    }
    assert!(rig.translate("How much does it cost?", "en", "es").starts_with('¿'));
}

#[test]
fn libretranslate_s_refusals_are_spoken_as_it_speaks_them() {
    let rig = rig();
    let form = rig.post("application/x-www-form-urlencoded", "q=Thank+you+very+much&source=en&target=es");
    assert_eq!(form, (200, json!({"translatedText": "Muchas gracias."})));
    let batch =
        rig.post("application/json", r#"{"q":["I'm sorry","good night"],"source":"en","target":"es"}"#);
    assert_eq!(batch, (200, json!({"translatedText": ["Lo siento.", "Buenas noches."]})));
    let missing = rig.post("application/json", r#"{"source":"en","target":"es"}"#);
    assert_eq!(missing, (400, json!({"error": "Invalid request: missing q parameter"})));
    let unknown = rig.post("application/json", r#"{"q":"x","source":"en","target":"tlh"}"#);
    assert_eq!(unknown, (400, json!({"error": "tlh is not supported"})));
    let garbage = rig.post("application/json", "{{{");
    assert_eq!(garbage.0, 400, "{garbage:?}");
    let long = "a".repeat(6000);
    let long = rig.post("application/json", &json!({"q": long, "source": "en", "target": "es"}).to_string());
    assert_eq!(long, (400, json!({"error": "Invalid request: request (6000) exceeds text limit (5000)"})));
    assert_eq!(rig.post_without_end(), "HTTP/1.1 413");
}

#[test]
fn garbage_and_half_messages_leave_the_server_alive() {
    let mut rig = rig();
    let hostile: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\xff\xfe\n\n\n{}\n[]\nnull\n{\"type\":1}\n",
        b"{\"type\":\"audio-chunk\",\"payload_length\":-5}\n",
        b"{\"type\":\"audio-chunk\",\"data_length\":4,\"payload_length\":99999999999}\n{}  ",
        b"{\"type\":\"audio-start\",\"data\":{\"rate\":\"x\"}}\n",
        b"{\"type\":\"synthesize\",\"data\":{\"text\":\"<volume level=\\\"9\\\">\\u0000 -l x\"}}\n",
        b"{\"type\":\"audio-start\",\"data\":{\"rate\":16000,\"width\":2,\"channels\":1}}\n{\"type\":\"audio-chunk\",\"data\":{\"rate\":16000,\"width\":2,\"channels\":1},\"payload_length\":3}\nab",
        b"{\"type\":\"transcribe\",\"data\":{\"language\":\"tlh\"}}\n",
    ];
    for bytes in hostile {
        let mut stream = rig.connect();
        // The server may close before it has read everything.
        stream.write_all(bytes).ok();
        drop(stream);
        rig.assert_alive();
    }
    let mut stream = rig.connect();
    stream.write_all(&vec![b'x'; 300_000]).expect("a long line is read");
    stream.write_all(b"\n{\"type\":\"ping\"}\n").expect("and the stream lives");
    let mut answers = String::new();
    while !answers.contains("pong") {
        let mut buffer = [0; 4096];
        let length = stream.read(&mut buffer).expect("an answer");
        assert!(length > 0, "the connection was closed after {answers:?}");
        answers.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    assert!(answers.contains("longer than"), "{answers}");
}

#[test]
fn caller_who_leaves_in_mid_utterance_costs_nothing() {
    let mut rig = rig();
    let utterance = &speech::english(&rig.cache).expect(SET_UP)[0];
    let audio = fs::read(&utterance.wav).expect("a recording");
    let start = b"{\"type\":\"audio-start\",\"data\":{\"rate\":16000,\"width\":2,\"channels\":1}}\n";
    for _ in 0..8 {
        let mut stream = rig.connect();
        stream.write_all(start).expect("it listens");
        for chunk in audio[44..100_000].chunks(3200) {
            let header = format!(
                "{{\"type\":\"audio-chunk\",\"data\":{{\"rate\":16000,\"width\":2,\"channels\":1}},\"payload_length\":{}}}\n",
                chunk.len()
            );
            stream.write_all(header.as_bytes()).expect("it takes audio");
            stream.write_all(chunk).expect("it takes audio");
        }
    }
    rig.assert_alive();
    let heard = &rig.hear("en", &[&utterance.wav])[0];
    assert!(word_overlap(&utterance.text, text(heard)) > 0.8, "{heard}");
}

/// Starts a server that cannot start; gives the line it says.
fn refusal(config: &str) -> String {
    let dir = RunDir::create(&Cache::locate().expect("a cache")).expect("a run directory");
    let path: PathBuf = dir.join("engines.toml");
    fs::write(&path, config).expect("a configuration");
    let program = programs::program("dragoman-engines").expect("the engine server is built");
    let output =
        Command::new(program).arg("--config").arg(&path).env("RUST_LOG", "off").output().expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn what_keeps_it_from_starting_is_one_line() {
    let cache = Cache::locate().expect("a cache");
    let prefix = cache.prefix().root().display().to_string();
    let listen = format!("[listen]\nwyoming = \"{}\"\nlibretranslate = \"{}\"", free_port(), free_port());
    let missing = refusal(&format!("models = \"/nowhere\"\nprefix = \"{prefix}\"\n{listen}"));
    assert!(missing.contains("/nowhere/") && missing.contains("cargo xtask"), "{missing}");
    assert!(refusal("models = \"/m\"\nmodel = 1").contains("model"), "the key is named");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let used = refusal(&format!("models = \"/m\"\n[listen]\nwyoming = \"{address}\""));
    assert!(used.contains(&address.to_string()) && used.contains("listen.wyoming"), "{used}");
}
