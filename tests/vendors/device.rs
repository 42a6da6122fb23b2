//! The vendors' own clients, and real speech behind the emulators: the engine server's models.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use engine_emulators::{Delays, Speech, Voices, World, deepl, elevenlabs, openai_speech};
use lab::cache::Cache;
use lab::engines::{Engines, Options};
use lab::programs;
use lab::run_dir::RunDir;
use lab::speech::word_overlap;

use crate::client;

const SET_UP: &str = "what this test needs is not installed: run `cargo xtask test`";
const SENTENCE: &str = "Good morning. The train to the airport leaves from the second platform.";

/// Fields drop in order: the server ends before its directory goes.
pub(crate) struct Device {
    engines: Engines,
    run_dir: RunDir,
}

impl Device {
    pub(crate) fn start() -> Self {
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
        Self { engines, run_dir }
    }

    fn voices(&self) -> Voices {
        let options = self.engines.options();
        Voices::device(options.wyoming, options.libretranslate)
    }

    pub(crate) fn world(&self) -> Arc<World> {
        Arc::new(World::new("k", self.voices(), Delays::NONE, 1))
    }

    /// What is heard in raw samples.
    async fn hear(&self, path: &Path, rate: u32) -> String {
        let bytes = fs::read(path).expect("the client has written it");
        let samples = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        let speech = Speech { rate, samples }.at(16_000);
        self.voices().hear(&speech.samples, Some("es")).await.expect("the engine server hears")
    }
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

#[tokio::test]
async fn a_sentence_is_translated_spoken_and_understood() {
    let device = Device::start();
    let translator = deepl::start(device.world(), 0).await.expect("a free port");
    let answer = client::run("deepl_client.py", &translator, "k", &["translate", SENTENCE]).await;
    let spanish = answer["one"]["text"].as_str().expect("a text");
    assert!(spanish.contains("aeropuerto"), "{spanish}");

    let path = |name| device.run_dir.path().join(name);
    let (first, second) = (path("elevenlabs.raw"), path("openai.raw"));
    let voice = elevenlabs::start(device.world(), 0).await.expect("a free port");
    let save = first.to_str().expect("UTF-8");
    let arguments = ["21m00Tcm4TlvDq8ikWAM", "eleven_flash_v2_5", save, spanish];
    client::run("elevenlabs_client.py", &voice, "k", &arguments).await;
    let heard = device.hear(&first, 16_000).await;
    assert!(word_overlap(spanish, &heard) >= 0.7, "{spanish:?} was heard as {heard:?}");

    let voice = openai_speech::start(device.world(), 0).await.expect("a free port");
    let arguments = ["0", "tts-1", "alloy", second.to_str().expect("UTF-8"), spanish];
    client::run("openai_client.py", &voice, "k", &arguments).await;
    let heard = device.hear(&second, 24_000).await;
    assert!(word_overlap(spanish, &heard) >= 0.7, "{spanish:?} was heard as {heard:?}");
}
