//! All engines, loaded and tried.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::asr::queue::{Outcome, Queue, Request, Urgency};
use crate::asr::whisper::{Language, Model};
use crate::config::Config;
use crate::manifest::{Manifest, Purpose};
use crate::mt::Translator;
use crate::mt::apertium::{self, Apertium};
use crate::mt::bergamot::{Bergamot, Files};
use crate::programs::Tree;
use crate::tts::pico::Pico;

/// What the server serves.
pub struct Engines {
    /// Recognition.
    pub recogniser: Queue,
    /// The recogniser's name.
    pub recogniser_name: String,
    /// Translation.
    pub translator: Translator,
    /// Synthesis.
    pub synthesiser: Pico,
}

impl Engines {
    /// Loads everything the manifest and the tree of `config` hold. `scratch` is a directory of our own.
    ///
    /// # Errors
    /// One line for the first engine that cannot be loaded.
    pub fn load(config: &Config, scratch: &Path) -> Result<Self> {
        let manifest = Manifest::built_in()?;
        let tree = Tree::new(&config.prefix);
        let synthesiser = Pico::find(&tree, scratch)?;
        let translator = load_translator(&manifest, config, &tree)?;
        let asr = manifest.model.iter().find(|model| model.purpose == Purpose::Asr);
        let asr = asr.context("the manifest names no model for recognition")?;
        let model = Model::load(&asr.require("model", &config.models)?, &asr.languages)?;
        let (workers, threads) = share_of_cores(config);
        let recogniser = Queue::start(&model, workers, threads)?;
        log::info!("recognition: {} with {workers} workers of {threads} threads", asr.name);
        Ok(Self { recogniser, recogniser_name: asr.name.clone(), translator, synthesiser })
    }

    /// Uses every engine once and prints how long it took.
    ///
    /// # Errors
    /// For the first engine that does not do what it should.
    pub async fn check(&self) -> Result<()> {
        let heard_languages = self.recogniser.languages();
        for voice in self.synthesiser.voices() {
            let started = Instant::now();
            let samples = self.synthesiser.speak("Bravo, Roma, Madrid, Berlin, Paris.", voice).await?;
            ensure!(samples.len() > 8000, "voice {} says nothing", voice.name);
            say::say!(
                "voice {}: {:.1} s in {:?}",
                voice.name,
                samples.len() as f32 / 16_000.0,
                started.elapsed()
            );
            if heard_languages.contains(&voice.language.as_str()) {
                self.check_hearing(&samples, &voice.language).await?;
            }
        }
        for (from, targets) in self.translator.pairs() {
            for to in targets.into_iter().filter(|to| *to != from) {
                let started = Instant::now();
                let text = self.translator.translate("Taxi, hotel, radio.", &from, &to).await?;
                ensure!(!text.is_empty(), "{from} to {to} gives nothing");
                say::say!("translation {from} to {to}: {text:?} in {:?}", started.elapsed());
            }
        }
        Ok(())
    }

    async fn check_hearing(&self, samples: &[i16], language: &str) -> Result<()> {
        let started = Instant::now();
        let audio: Arc<[f32]> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let request =
            Request { audio, language: Language::Known(language.to_owned()), identifies_only: false };
        let mut pass = self.recogniser.ask(request, Urgency::Final).context("the recogniser has no time")?;
        match pass.outcome().await {
            Outcome::Heard(heard) => {
                ensure!(!heard.text.is_empty(), "nothing is heard in {language}");
                say::say!("recognition {language}: {:?} in {:?}", heard.text, started.elapsed());
                Ok(())
            }
            other => anyhow::bail!("recognition in {language}: {other:?}"),
        }
    }
}

fn load_translator(manifest: &Manifest, config: &Config, tree: &Tree) -> Result<Translator> {
    let mut translator = Translator::new()?;
    for model in manifest.model.iter().filter(|model| model.purpose == Purpose::Mt) {
        let [from, to] = model.languages.as_slice() else {
            anyhow::bail!("the manifest must name two languages for {}", model.name);
        };
        let files = Files {
            model: model.require("model", &config.models)?,
            vocabulary: model.require("vocabulary", &config.models)?,
            shortlist: model.find("shortlist", &config.models)?,
        };
        translator.add_bergamot(from, to, Bergamot::load(&files)?);
    }
    for (mode, from, to) in apertium::installed(tree) {
        translator.add_apertium(&from, &to, Apertium::start(tree, &mode)?);
    }
    Ok(translator)
}

/// Workers and threads a pass. One thread by default: ggml's threads wait for each other spinning, and with less than
/// a core for each, a pass takes several times as long as on one.
fn share_of_cores(config: &Config) -> (usize, usize) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = config.asr.threads.unwrap_or(1);
    (config.asr.workers.unwrap_or((cores / threads).clamp(1, 4)), threads)
}
