//! Bergamot models, each in a thread of its own, since the crate's engines cannot leave the thread that loads them.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use fxtranslate::engine::Engine;
use fxtranslate::shortlist::Shortlist;
use tokio::sync::oneshot;

/// The files of a model.
#[derive(Debug, Clone)]
pub struct Files {
    /// Weights.
    pub model: PathBuf,
    /// `SentencePiece` vocabulary of both languages.
    pub vocabulary: PathBuf,
    /// Words that a word may become; without it decoding is slower.
    pub shortlist: Option<PathBuf>,
}

type Job = (String, oneshot::Sender<String>);

/// One direction of translation.
pub struct Bergamot {
    jobs: mpsc::Sender<Job>,
}

impl Bergamot {
    /// Loads a model.
    ///
    /// # Errors
    /// When one of its files cannot be used.
    pub fn load(files: &Files) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (loaded, is_loaded) = mpsc::channel();
        let files = files.clone();
        thread::Builder::new()
            .name("bergamot".into())
            .spawn(move || match load(&files) {
                Ok(engine) => {
                    // Whoever waits for these may have gone.
                    loaded.send(Ok(())).ok();
                    for (text, reply) in inbox {
                        reply.send(engine.translate_long(&text)).ok();
                    }
                }
                Err(error) => {
                    loaded.send(Err(error)).ok();
                }
            })
            .context("cannot start a thread")?;
        is_loaded.recv().context("a translation model cannot be loaded")??;
        Ok(Self { jobs })
    }

    /// Translates a text.
    ///
    /// # Errors
    /// When the engine's thread has died.
    pub async fn translate(&self, text: &str) -> Result<String> {
        let (reply, answer) = oneshot::channel();
        let dead = "the translation engine has died: restart the server";
        self.jobs.send((text.to_owned(), reply)).map_err(|_| anyhow!(dead))?;
        answer.await.context(dead)
    }
}

fn load(files: &Files) -> Result<Engine> {
    let engine = Engine::load_mmapped(&files.model, &files.vocabulary, &files.vocabulary)
        .map_err(|error| anyhow!("{} is no Bergamot model: {error}", files.model.display()))?;
    let Some(path) = &files.shortlist else { return Ok(engine) };
    let shortlist = Shortlist::load(path).with_context(|| unreadable(path))?;
    Ok(engine.with_shortlist(shortlist))
}

fn unreadable(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
