//! Sentences said one after another, each after the translation of the one before was heard.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use engine_emulators::Delays;
use lab::cache::Cache;
use serde::Serialize;
use serde_json::Value;
use softphone::{Codec, Recording, ScriptEnd, Step};

use crate::events::{Events, of_type};
use crate::place::{Place, Script, dial};
use crate::sentences::Sentence;

const ANNOUNCED_AFTER: Duration = Duration::from_millis(800);
const ANNOUNCED_AT_MOST: Duration = Duration::from_secs(20);
/// Longer than the time in which an echo may come back: the caller is listened to again.
const REPLY_OVER: Duration = Duration::from_millis(700);
const REPLY_AT_MOST: Duration = Duration::from_secs(15);
pub(crate) const STAGES: [&str; 5] = ["commit", "asr", "mt", "tts", "playout"];

/// Where the time went, for each sentence.
#[derive(Debug, Serialize)]
pub(crate) struct Turns {
    /// From the packet with the last spoken sample to the packet with the first translated one, milliseconds, sorted.
    pub(crate) first_sample_ms: Vec<u64>,
    /// The stages as the daemon sees them, medians in milliseconds.
    pub(crate) stages_ms: [(&'static str, u64); 5],
    /// Clauses that were worked on beforehand for nothing.
    pub(crate) fallen_guesses: u64,
}

pub(crate) fn measure(cache: &Cache, delays: Delays, sentences: &[&Sentence]) -> Result<Turns> {
    let translations = sentences.iter().map(|sentence| (sentence.text, sentence.translation())).collect();
    let heard = sentences.iter().map(|sentence| sentence.line()).collect();
    let place = Place::start(cache, "consecutive", Script { delays, heard, translations })?;
    let events = Events::listen(place.daemon.listen()?);
    let phone = place.phone()?;
    let (mut call, connected) = dial(&phone)?;
    let end = call.run(steps(sentences, connected.codec)?)?;
    ensure!(end == ScriptEnd::Finished, "the call ended early: {end:?}");
    let report = call.hang_up()?;
    let events = events.finish()?;
    check(sentences, &events)?;
    let mut first_sample_ms: Vec<u64> =
        report.turns.iter().filter_map(|turn| turn.reply_arrived_ms).collect();
    ensure!(first_sample_ms.len() == sentences.len(), "{} answers only", first_sample_ms.len());
    first_sample_ms.sort_unstable();
    let stages_ms = STAGES.map(|stage| (stage, median(&events, stage)));
    let down = of_type(&events, "leg_down").last();
    let fallen_guesses = down.and_then(|leg| leg["session"]["fallen_guesses"].as_u64()).unwrap_or_default();
    Ok(Turns { first_sample_ms, stages_ms, fallen_guesses })
}

fn steps(sentences: &[&Sentence], codec: Codec) -> Result<Vec<Step>> {
    let mut steps = vec![Step::WaitQuiet { quiet_for: ANNOUNCED_AFTER, at_most: ANNOUNCED_AT_MOST }];
    for sentence in sentences {
        let clip = sentence.clip.clone().at_rate(codec.sample_rate())?;
        steps.push(Step::Play(Recording::new(sentence.name, clip.samples, clip.sample_rate)));
        steps.push(Step::WaitReply { quiet_after: REPLY_OVER, at_most: REPLY_AT_MOST });
    }
    Ok(steps)
}

/// What was measured is what was to be measured.
fn check(sentences: &[&Sentence], events: &[Value]) -> Result<()> {
    let translated: Vec<&str> =
        of_type(events, "translation").filter_map(|event| event["source"].as_str()).collect();
    let said: Vec<&str> = sentences.iter().map(|sentence| sentence.text).collect();
    if let Some((said, translated)) =
        said.iter().zip(&translated).find(|(said, translated)| said != translated)
    {
        bail!("“{said}” was translated as “{translated}”");
    }
    ensure!(translated.len() == said.len(), "{} sentences became {} clauses", said.len(), translated.len());
    let cues = of_type(events, "cue").count();
    ensure!(cues == 0, "{cues} cues were played");
    Ok(())
}

fn median(events: &[Value], stage: &str) -> u64 {
    let mut all: Vec<u64> = of_type(events, "latency")
        .filter_map(|event| event["stages_ms"][stage].as_f64())
        .map(|ms| ms.round() as u64)
        .collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}
