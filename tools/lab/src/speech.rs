//! Human utterances with what was said, and how near a text comes to another.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::Cache;

const TESTDATA: &str = "pocketsphinx-testdata/usr/share/pocketsphinx/test/data";

/// A prompt of Asterisk that every first call says.
const SENTENCE: Prompt = Prompt {
    name: "conf-onlyperson",
    english: "you are currently the only person in this conference",
    spanish: "por el momento usted es la única persona en la conferencia",
};

const PROMPTS: [Prompt; 2] = [
    SENTENCE,
    Prompt {
        name: "queue-thankyou",
        english: "thank you for your patience",
        spanish: "muchas gracias por su paciencia",
    },
];

/// A prompt of Asterisk whose words are known, by the same speaker in both languages, translated by people.
struct Prompt {
    name: &'static str,
    english: &'static str,
    spanish: &'static str,
}

/// [`sentence`] as its human translators have it; an engine need not choose the same words.
pub const SENTENCE_IN_SPANISH: &str = SENTENCE.spanish;

/// The English sentence that the demo and the call tests say.
///
/// # Errors
/// When the set-up has not put it there.
pub fn sentence(cache: &Cache) -> Result<Utterance> {
    let spoken = prompts(cache, "en")?.into_iter().find(|utterance| utterance.name == SENTENCE.name);
    spoken.with_context(|| format!("no recording {}: run `cargo xtask setup`", SENTENCE.name))
}

/// One recording, mono, and its transcript in lower case without punctuation.
#[derive(Clone, Debug)]
pub struct Utterance {
    /// File name without extension.
    pub name: String,
    /// ISO 639-1.
    pub language: &'static str,
    /// s16; read sentences at 16 kHz, prompts at 8 kHz.
    pub wav: PathBuf,
    /// What is said.
    pub text: String,
}

/// The English sentences: read prose (`librivox`) and playing cards (`cards`), 16 kHz, several speakers.
///
/// # Errors
/// When the set-up has not put them there.
pub fn english(cache: &Cache) -> Result<Vec<Utterance>> {
    let root = cache.speech().join(TESTDATA);
    let mut all = transcribed(&root.join("librivox"), "transcription")?;
    all.extend(transcribed(&root.join("cards"), "cards.transcription")?);
    Ok(all)
}

/// Telephone prompts in English (`en`) or Spanish (`es`); the same names in both.
///
/// # Errors
/// When the set-up has not put them there.
pub fn prompts(cache: &Cache, language: &'static str) -> Result<Vec<Utterance>> {
    let dir = prompt_voice(cache, language)?;
    let utterance = |prompt: &Prompt| Utterance {
        name: prompt.name.to_owned(),
        language,
        wav: dir.join(prompt.name).with_extension("wav"),
        text: if language == "es" { prompt.spanish } else { prompt.english }.to_owned(),
    };
    Ok(PROMPTS.iter().map(utterance).collect())
}

/// Where the telephone prompts of a language are, 8 kHz WAV.
///
/// # Errors
/// When the set-up has not put them there.
pub fn prompt_voice(cache: &Cache, language: &str) -> Result<PathBuf> {
    let voice = if language == "es" { "es_MX_f_Allison" } else { "en_US_f_Allison" };
    let dir =
        cache.speech().join(format!("asterisk-core-sounds-{language}-wav/usr/share/asterisk/sounds/{voice}"));
    anyhow::ensure!(dir.is_dir(), "no {}: run `cargo xtask setup`", dir.display());
    Ok(dir)
}

/// Reads lines like `<s> ten of clubs </s> (001)` for `001.wav`.
fn transcribed(dir: &Path, transcripts: &str) -> Result<Vec<Utterance>> {
    let path = dir.join(transcripts);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("no {}: run `cargo xtask setup`", path.display()))?;
    let utterance = |line: &str| {
        let (said, name) = line.trim().strip_suffix(')')?.rsplit_once('(')?;
        let said = said.trim().trim_start_matches("<s>").trim_end_matches("</s>").trim();
        let wav = dir.join(name).with_extension("wav");
        Some(Utterance { name: name.to_owned(), language: "en", wav, text: said.to_owned() })
    };
    Ok(text.lines().filter_map(utterance).collect())
}

/// The words of `text`, in lower case, without punctuation.
pub fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    split.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// How much of `expected` is found in `heard`, by words with their multiplicity: F1 between 0 and 1.
pub fn word_overlap(expected: &str, heard: &str) -> f64 {
    let (expected, heard) = (words(expected), words(heard));
    if expected.is_empty() || heard.is_empty() {
        return 0.0;
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &expected {
        *left.entry(word).or_default() += 1;
    }
    let mut common = 0;
    for word in &heard {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    2.0 * f64::from(common) / (expected.len() + heard.len()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_counts_each_word_once() {
        assert!((word_overlap("No era un joven.", "no era un joven") - 1.0).abs() < 1e-9);
        assert!((word_overlap("uno dos", "uno uno uno uno") - 2.0 / 6.0).abs() < 1e-9);
        assert!(word_overlap("", "uno").abs() < 1e-9);
    }
}
