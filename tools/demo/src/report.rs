//! What the call was: for people, and as one JSON object.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use lab::appliance::Appliance;
use lab::cache::Cache;
use lab::speech::SENTENCE_IN_SPANISH;
use lab::transcribe::{Heard, transcribe};
use rustix::time::{ClockId, clock_gettime};
use say::say;
use serde::Serialize;
use serde_json::{Value, json};
use softphone::{Clip, ScriptEnd};

use crate::Engines;
use crate::call::RecordedCall;
use crate::check::{Checks, Texts};
use crate::waterfall;

/// Silence before the reply that the second listener gets too.
const LEAD_IN: Duration = Duration::from_millis(300);
/// How many are kept.
const RECORDINGS: usize = 10;

/// One JSON object; `ok` is true only when nothing is wrong.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) ok: bool,
    complaints: Vec<String>,
    engines: Engines,
    said: String,
    transcript: String,
    translation: String,
    source_lang: String,
    target_lang: String,
    first_audio_after_speech_ms: Option<u64>,
    stages_ms: Value,
    frames: Value,
    media: Value,
    checks: Checks,
    recording: PathBuf,
}

impl Report {
    pub(crate) fn new(
        appliance: &Appliance,
        cache: &Cache,
        call: &RecordedCall,
        story: &[Value],
        engines: Engines,
        faults: Vec<String>,
    ) -> Result<Self> {
        let clip = call.report.recording.as_ref().context("the softphone has recorded nothing")?;
        let recording = keep_recording(clip, cache)?;
        let translation = joined(story, "translation", "text");
        let last = last_of(story, "translation").cloned().unwrap_or_default();
        let text = |key: &str| last[key].as_str().unwrap_or_default().to_owned();
        let reply = reply(clip, call, story);
        let server = appliance.engines.options().wyoming;
        let heard = if reply.is_empty() { Heard::default() } else { transcribe(server, None, reply)? };
        let transcript = joined(story, "final", "text");
        let said = call.utterance.text.clone();
        let texts = Texts {
            said: &said,
            transcript: &transcript,
            reference: SENTENCE_IN_SPANISH,
            translation: &translation,
            heard,
        };
        let mut report = Self {
            ok: false,
            complaints: faults,
            engines,
            checks: Checks::new(texts),
            said,
            transcript,
            source_lang: text("source_lang"),
            target_lang: text("target_lang"),
            translation,
            first_audio_after_speech_ms: first_audio(call, story),
            stages_ms: last_of(story, "latency").map_or(Value::Null, |latency| latency["stages_ms"].clone()),
            frames: last_of(story, "leg_down").map_or(Value::Null, |leg| leg["frames"].clone()),
            media: media(&appliance.daemon.status()?),
            recording,
        };
        let complaints = report.complaints(call);
        report.complaints.extend(complaints);
        report.ok = report.complaints.is_empty();
        Ok(report)
    }

    fn complaints(&self, call: &RecordedCall) -> Vec<String> {
        let mut all = self.checks.complaints();
        let mut check = |well: bool, complaint: String| {
            if !well {
                all.push(complaint);
            }
        };
        check(call.end == ScriptEnd::Finished, format!("the call ended with {:?}", call.end));
        let languages = (self.source_lang.as_str(), self.target_lang.as_str());
        check(languages == ("en", "es"), format!("translated from {} to {}", languages.0, languages.1));
        check(self.first_audio_after_speech_ms.is_some(), "no translation was heard".into());
        let dropped: u64 =
            self.frames["dropped"].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum();
        check(self.frames.is_object(), "the daemon did not count the leg's frames".into());
        check(dropped == 0, format!("{dropped} frames were dropped: {}", self.frames["dropped"]));
        check(
            self.media["allocations"] == 0,
            format!("{} allocations in the media thread", self.media["allocations"]),
        );
        all
    }

    /// For people.
    pub(crate) fn show(&self) {
        say!("\nThe caller said       {}", self.said);
        say!("The box understood    {}", self.transcript);
        say!("and said in Spanish   {}", self.translation);
        let language = self.checks.heard.language.as_deref().unwrap_or("no language");
        say!("A second listener     {} ({language})", self.checks.heard.text);
        say!("\nFrom the end of the clause to the first translated sound, as the daemon sees it:");
        say::write(format_args!("{}", waterfall::draw(&self.stages())));
        if let Some(ms) = self.first_audio_after_speech_ms {
            say!("  From the last word to the translation, as the caller hears it: {ms} ms");
        }
        let Value::Object(media) = &self.media else { return };
        say!(
            "\nFrames    {} from the caller, {} to the caller, dropped {}",
            self.frames["in"],
            self.frames["out"],
            self.frames["dropped"]
        );
        say!(
            "Media     {} priority {}, memory locked: {}, {} ticks, late by {} µs (p99), {} allocations",
            self.media["policy"],
            media["priority"],
            media["locked"],
            media["ticks"],
            media["late_us"]["p99"],
            media["allocations"]
        );
        say!("Recording {}", self.recording.display());
        for complaint in &self.complaints {
            say!("WRONG     {complaint}");
        }
        say!(
            "{}",
            if self.ok { "The call did what it should." } else { "The call did not do what it should." }
        );
    }

    fn stages(&self) -> [(&'static str, f64); 5] {
        ["commit", "asr", "mt", "tts", "playout"]
            .map(|name| (name, self.stages_ms[name].as_f64().unwrap_or(0.0)))
    }
}

/// The part of the recording that is the reply, with a little silence before it.
fn reply<'a>(clip: &'a Clip, call: &RecordedCall, story: &[Value]) -> &'a [i16] {
    let Some(started) = translation_started(story) else { return &[] };
    let from_end = call.ended.saturating_duration_since(started) + LEAD_IN;
    let samples = (from_end.as_secs_f64() * f64::from(clip.sample_rate)) as usize;
    &clip.samples[clip.samples.len().saturating_sub(samples)..]
}

/// From the last spoken sample to the first translated one at the caller's ear.
///
/// The softphone hears the first sound after the last word. When the box has played a waiting cue before the
/// translation, that sound is the cue, and what the daemon tells of its playback counts instead.
fn first_audio(call: &RecordedCall, story: &[Value]) -> Option<u64> {
    let turn = &call.report.turns.first()?.turn;
    let (spoken, heard) = (turn.spoken_at?, turn.reply?.heard);
    let translation = translation_started(story)?;
    // The control socket's clock counts whole milliseconds.
    let first = if heard + Duration::from_millis(1) >= translation { heard } else { translation };
    Some(first.saturating_duration_since(spoken).as_millis() as u64)
}

/// When the first translated segment began to play.
fn translation_started(story: &[Value]) -> Option<Instant> {
    let segment = &story.iter().find(|event| event["type"] == "translation")?["segment"];
    let is_its_start = |event: &&Value| event["type"] == "playback_started" && &event["segment"] == segment;
    let at_ms = story.iter().find(is_its_start)?["at_ms"].as_u64()?;
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(now.tv_sec.try_into().ok()?, now.tv_nsec.try_into().ok()?);
    let ago = now.checked_sub(Duration::from_millis(at_ms))?;
    Instant::now().checked_sub(ago)
}

fn keep_recording(clip: &Clip, cache: &Cache) -> Result<PathBuf> {
    let dir = cache.recordings();
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let path = dir.join(format!("call-{seconds}.wav"));
    clip.write(&path)?;
    forget_old_recordings(&dir)?;
    Ok(path)
}

/// Their names sort by time.
fn forget_old_recordings(dir: &Path) -> Result<()> {
    let files = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let is_ours = |path: &PathBuf| {
        let name = path.file_stem().and_then(OsStr::to_str);
        name.is_some_and(|name| name.starts_with("call-")) && path.extension() == Some(OsStr::new("wav"))
    };
    let mut calls: Vec<PathBuf> = files.into_iter().filter(is_ours).collect();
    calls.sort();
    for old in calls.iter().rev().skip(RECORDINGS) {
        fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}

/// The media thread's facts that the report shows.
fn media(status: &Value) -> Value {
    let media = &status["media"];
    let keys = ["policy", "priority", "locked", "ticks", "late_us", "allocations"];
    keys.iter().map(|key| ((*key).to_owned(), media[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn last_of<'a>(story: &'a [Value], kind: &str) -> Option<&'a Value> {
    story.iter().rev().find(|event| event["type"] == kind)
}

fn joined(story: &[Value], kind: &str, key: &str) -> String {
    let of_kind = story.iter().filter(|event| event["type"] == json!(kind));
    let texts: Vec<&str> = of_kind.filter_map(|event| event[key].as_str()).map(str::trim).collect();
    texts.join(" ")
}
