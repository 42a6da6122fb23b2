//! What the callers say: people's recordings with pauses, and what a recogniser that knows them beforehand hears.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use engine_emulators::Line;
use lab::cache::Cache;
use lab::speech;
use softphone::audio::level::spoken;
use softphone::media::codec::Encoder;
use softphone::{Clip, Codec};

/// Telephone prompts of Asterisk, a sentence each without a pause in it.
const PROMPTS: [&str; 6] = [
    "conf-onlyperson",
    "conf-placeintoconf",
    "conf-waitforleader",
    "feature-not-avail-line",
    "conf-now-recording",
    "demo-echodone",
];
/// From the beginning of a sentence to that of the next: time to translate and to hear it.
pub const EVERY: Duration = Duration::from_secs(10);

/// Recorded speech for calls in A-law.
pub struct Speech {
    /// The file.
    pub path: PathBuf,
    /// The length of the shortest sentence.
    shortest: Duration,
}

impl Speech {
    /// Writes the recording into `directory`: sentences by a person, one every [`EVERY`].
    ///
    /// # Errors
    /// When the set-up has not put the prompts there.
    pub fn write(cache: &Cache, directory: &Path) -> Result<Self> {
        let voice = speech::prompt_voice(cache, "en")?;
        let rate = Codec::Pcma.sample_rate();
        let (mut samples, mut shortest) = (Vec::new(), EVERY);
        for name in PROMPTS {
            let path = voice.join(name).with_extension("wav");
            let clip =
                Clip::read(&path).with_context(|| format!("{}: run `cargo xtask setup`", path.display()))?;
            let clip = clip.at_rate(rate)?;
            let range = spoken(&clip.samples, rate);
            shortest = shortest.min(Duration::from_secs_f64(range.len() as f64 / f64::from(rate)));
            let next = samples.len() + (EVERY.as_secs_f64() * f64::from(rate)) as usize;
            samples.extend_from_slice(&clip.samples[range]);
            samples.resize(next, 0);
        }
        let (mut bytes, mut packet) = (Vec::with_capacity(samples.len()), Vec::new());
        let mut encoder = Encoder::new(Codec::Pcma);
        for frame in samples.chunks(Codec::Pcma.frame_samples()) {
            encoder.encode(frame, &mut packet);
            bytes.extend_from_slice(&packet);
        }
        let path = directory.join("speech.alaw");
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, shortest })
    }

    /// What is heard of so many sentences, each with words of its own, so that no translation of one serves another.
    pub fn lines(&self, count: u64) -> Vec<Line> {
        let line = |number| Line {
            text: format!("This is sentence {number} of many."),
            language: Some("en".into()),
            lasts: Some(self.shortest),
        };
        (1..=count).map(line).collect()
    }
}
