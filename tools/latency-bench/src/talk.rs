//! A long talk to a simultaneous interpreter: does he keep up?

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use engine_emulators::Delays;
use lab::cache::Cache;
use lab::speech::words;
use serde::Serialize;
use serde_json::Value;
use softphone::{Codec, Recording, ScriptEnd, Step};

use crate::events::{Events, at, of_type, on_clock};
use crate::place::{Place, Script, dial};
use crate::sentences::Sentence;

const ANNOUNCED_AFTER: Duration = Duration::from_millis(800);
const ANNOUNCED_AT_MOST: Duration = Duration::from_secs(20);
const OVER_AFTER: Duration = Duration::from_secs(2);
const OVER_AT_MOST: Duration = Duration::from_secs(30);
/// Between two sentences, drawn: some let the utterance go on, some end it.
const PAUSES_MS: std::ops::RangeInclusive<u64> = 450..=900;

/// How far behind the talk its translation was.
#[derive(Debug, Serialize)]
pub(crate) struct Talk {
    pub(crate) seconds: f64,
    pub(crate) sentences: usize,
    /// From the end of each sentence to the first sample of the translation of its end, seconds, in order.
    pub(crate) behind: Vec<f64>,
    /// From the end of the talk to the last sample of its translation, seconds.
    pub(crate) last_sample_after: f64,
}

/// What is said when.
struct Speech<'a> {
    /// With the end of each, from the beginning.
    sentences: Vec<(&'a Sentence, Duration)>,
    recording: Recording,
}

pub(crate) fn measure(
    cache: &Cache,
    delays: Delays,
    sentences: &[Sentence],
    length: Duration,
) -> Result<Talk> {
    let speech = compose(sentences, length)?;
    let said = speech.sentences.iter().map(|(sentence, _)| *sentence);
    let translations = sentences.iter().map(|sentence| (sentence.text, sentence.translation())).collect();
    let heard = said.map(Sentence::line).collect();
    let place = Place::start(cache, "simultaneous", Script { delays, heard, translations })?;
    let events = Events::listen(place.daemon.listen()?);
    let phone = place.phone()?;
    let (mut call, _) = dial(&phone)?;
    let end = call.run(vec![
        Step::WaitQuiet { quiet_for: ANNOUNCED_AFTER, at_most: ANNOUNCED_AT_MOST },
        Step::Play(speech.recording.clone()),
        Step::WaitQuiet { quiet_for: OVER_AFTER, at_most: OVER_AT_MOST },
    ])?;
    ensure!(end == ScriptEnd::Finished, "the call ended early: {end:?}");
    let report = call.hang_up()?;
    let events = events.finish()?;
    let ended = report.turns.first().and_then(|turn| turn.turn.spoken_at).context("nothing was said")?;
    let last = speech.sentences.last().context("an empty talk")?.1;
    let began = on_clock(ended)?.checked_sub(last).context("a talk before the machine was started")?;
    let behind = behind(&speech, began, &events)?;
    let last_heard = of_type(&events, "playback_ended").last().context("nothing was heard")?;
    Ok(Talk {
        seconds: last.as_secs_f64(),
        sentences: speech.sentences.len(),
        behind,
        last_sample_after: at(last_heard)?.saturating_sub(began + last).as_secs_f64(),
    })
}

fn compose(sentences: &[Sentence], length: Duration) -> Result<Speech<'_>> {
    let rate = Codec::G722.sample_rate();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut samples, mut said) = (Vec::new(), Vec::new());
    let seconds = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(rate));
    for sentence in sentences.iter().cycle() {
        if seconds(samples.len()) >= length {
            break;
        }
        samples.extend(sentence.clip.clone().at_rate(rate)?.samples);
        said.push((sentence, seconds(samples.len())));
        let pause = random.u64(PAUSES_MS) * u64::from(rate) / 1_000;
        samples.resize(samples.len() + pause as usize, 0);
    }
    Ok(Speech { sentences: said, recording: Recording::new("talk", samples, rate) })
}

/// For each sentence, how long after its end the clause that holds its end began to be heard.
fn behind(speech: &Speech<'_>, began: Duration, events: &[Value]) -> Result<Vec<f64>> {
    let mut clauses = of_type(events, "translation");
    let mut behind = Vec::new();
    for (sentence, end) in &speech.sentences {
        let (wanted, mut heard, mut segment) = (words(sentence.text), Vec::new(), &Value::Null);
        while heard.len() < wanted.len() {
            let clause = clauses.next().with_context(|| format!("“{}” was not translated", sentence.text))?;
            heard.extend(words(clause["source"].as_str().unwrap_or_default()));
            segment = &clause["segment"];
        }
        ensure!(heard == wanted, "“{}” was heard as “{}”", sentence.text, heard.join(" "));
        let starts = |event: &&Value| event["segment"] == *segment;
        let played = of_type(events, "playback_started").find(starts).context("a clause was not heard")?;
        behind.push(at(played)?.as_secs_f64() - (began + *end).as_secs_f64());
    }
    Ok(behind)
}
