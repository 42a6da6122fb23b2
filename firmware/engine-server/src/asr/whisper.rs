//! Passes of Whisper over one stretch of speech.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState, get_lang_id,
    get_lang_str,
};

use super::queue::Request;
use super::voice::RATE;

/// Encoder positions a second of audio takes.
const POSITIONS_PER_SECOND: usize = 50;
/// With fewer encoder positions than this Whisper loops.
const FEWEST_POSITIONS: usize = 512;
const MOST_POSITIONS: usize = 1500;
/// Whisper hears nothing in less than a second; shorter speech is followed by silence.
const SHORTEST: usize = RATE + RATE / 4;

/// Which language a pass listens for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Language {
    /// This one.
    Known(String),
    /// The most probable of these.
    Among(Vec<String>),
}

/// What a pass heard.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The text, with punctuation, without surrounding space.
    pub text: String,
    /// The language it was heard in.
    pub language: String,
    /// How probable the language is among those asked for, 0 to 1.
    pub confidence: f32,
}

/// The model's weights, shared by all workers.
pub struct Model {
    context: WhisperContext,
    languages: Vec<&'static str>,
}

impl Model {
    /// Loads a ggml file.
    ///
    /// # Errors
    /// When it cannot be read, is not multilingual, or does not know one of `languages`.
    pub fn load(path: &Path, languages: &[String]) -> Result<Self> {
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false).flash_attn(false);
        let context = WhisperContext::new_with_params(path, parameters)
            .with_context(|| format!("{} is no Whisper model in ggml format", path.display()))?;
        let languages = languages
            .iter()
            .map(|language| {
                let name = get_lang_id(language).and_then(get_lang_str);
                name.with_context(|| format!("Whisper knows no language {language:?}"))
            })
            .collect::<Result<_>>()?;
        Ok(Self { context, languages })
    }

    /// The languages that are offered.
    pub fn languages(&self) -> &[&'static str] {
        &self.languages
    }
}

/// One pass at a time; keeps its own memory of about 90 MB.
pub struct Worker {
    state: WhisperState,
    parameters: HashMap<&'static str, FullParams<'static, 'static>>,
    languages: Vec<&'static str>,
    threads: usize,
}

impl Worker {
    /// A worker whose passes end early when `abort` says so, asked many times a pass.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(model: &Model, threads: usize, abort: &Arc<dyn Fn() -> bool + Send + Sync>) -> Result<Self> {
        let state = model.context.create_state().context("no memory for another Whisper pass")?;
        // The crate leaks what these own each time they are made, so they are made once and copied.
        let parameters = model
            .languages
            .iter()
            .map(|&language| (language, parameters(language, threads, abort)))
            .collect();
        let mut worker = Self { state, parameters, languages: model.languages.clone(), threads };
        worker.warm_up()?;
        Ok(worker)
    }

    /// Hears at most 30 s of audio.
    ///
    /// # Errors
    /// When the pass was aborted or Whisper failed.
    pub fn hear(&mut self, request: &Request) -> Result<Heard> {
        let mut padded = request.audio.to_vec();
        padded.resize(padded.len().max(SHORTEST), 0.0);
        let (language, confidence) = match &request.language {
            Language::Known(language) => (language.clone(), 1.0),
            Language::Among(languages) => self.identify(&padded, languages)?,
        };
        if request.identifies_only {
            return Ok(Heard { text: String::new(), language, confidence });
        }
        let mut parameters = self
            .parameters
            .get(language.as_str())
            .with_context(|| format!("cannot hear {language:?}"))?
            .clone();
        let positions = (padded.len() * POSITIONS_PER_SECOND).div_ceil(RATE) + 32;
        parameters
            .set_audio_ctx(positions.next_multiple_of(64).clamp(FEWEST_POSITIONS, MOST_POSITIONS) as i32);
        parameters.set_max_tokens((8 * padded.len() / RATE + 8) as i32);
        self.state.full(parameters, &padded).context("a Whisper pass ended early")?;
        let text: Result<String, _> = self
            .state
            .as_iter()
            .map(|segment| segment.to_str_lossy().map(std::borrow::Cow::into_owned))
            .collect();
        Ok(Heard { text: clean(&text?), language, confidence })
    }

    /// The most probable of `languages`, and its share of their probability.
    fn identify(&mut self, audio: &[f32], languages: &[String]) -> Result<(String, f32)> {
        self.state.pcm_to_mel(audio, self.threads)?;
        // As many encoder positions as the pass before had: enough, since the warm-up had the fewest.
        let (_, probabilities) = self.state.lang_detect(0, self.threads)?;
        let probability = |language: &&str| {
            let id = get_lang_id(language).and_then(|id| usize::try_from(id).ok());
            id.and_then(|id| probabilities.get(id)).copied().unwrap_or(0.0)
        };
        let is_asked = |language: &&&str| languages.is_empty() || languages.iter().any(|l| l == *language);
        let asked: Vec<&str> = self.languages.iter().filter(is_asked).copied().collect();
        let best = asked.iter().max_by(|a, b| probability(a).total_cmp(&probability(b)));
        let best = best.with_context(|| format!("none of {languages:?} can be heard"))?;
        let all: f32 = asked.iter().map(probability).sum();
        Ok(((*best).to_owned(), if all > 0.0 { probability(best) / all } else { 0.0 }))
    }

    /// The first pass allocates and sets the number of encoder positions that identification goes by.
    fn warm_up(&mut self) -> Result<()> {
        let Some(&language) = self.languages.first() else { return Ok(()) };
        let language = Language::Known(language.to_owned());
        self.hear(&Request { audio: vec![0.0; SHORTEST].into(), language, identifies_only: false }).map(drop)
    }
}

fn parameters(
    language: &'static str,
    threads: usize,
    abort: &Arc<dyn Fn() -> bool + Send + Sync>,
) -> FullParams<'static, 'static> {
    // Two beams halve the errors of short utterances and cost little: the encoder takes most of a pass.
    let mut parameters = FullParams::new(SamplingStrategy::BeamSearch { beam_size: 2, patience: -1.0 });
    parameters.set_language(Some(language));
    parameters.set_n_threads(threads as i32);
    parameters.set_temperature_inc(0.0);
    parameters.set_no_context(true);
    parameters.set_single_segment(true);
    parameters.set_no_timestamps(true);
    parameters.set_suppress_blank(true);
    parameters.set_suppress_nst(true);
    parameters.set_print_special(false);
    parameters.set_print_progress(false);
    parameters.set_print_realtime(false);
    parameters.set_print_timestamps(false);
    let abort = abort.clone();
    // The crate calls a pointer to this very type, whatever it is given: with any other it reads wrong memory.
    let abort: Box<dyn FnMut() -> bool> = Box::new(move || abort());
    parameters.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(abort);
    parameters
}

/// Drops what is no speech: `[MUSIC]`, `(applause)`, notes.
fn clean(text: &str) -> String {
    let text = text.trim();
    let is_remark =
        (text.starts_with('[') && text.ends_with(']')) || (text.starts_with('(') && text.ends_with(')'));
    if is_remark || !text.chars().any(char::is_alphanumeric) { String::new() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn remarks_are_no_speech() {
        assert_eq!(clean(" [BLANK_AUDIO]"), "");
        assert_eq!(clean(" ..."), "");
        assert_eq!(clean(" Ten (of) clubs. "), "Ten (of) clubs.");
    }
}
