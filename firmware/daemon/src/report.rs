//! What the control socket says: one JSON object a line.

use audio_path::{LegId, Timestamp};
use engines::emotion::hume::{Measured, Score};
use serde_json::{Map, Value, json};
use session::{Discards, Event, FrameCounts, Latency};

use crate::clients::{EmotionCounts, EngineReport, Felt};
use crate::media::{LegShared, Queue};
use crate::tap::{Joined, RoomName};

/// An event of the daemon, as it is told to whoever listens.
#[derive(Clone, Debug)]
pub struct Report(Map<String, Value>);

impl Report {
    /// An event of this type with these fields, an object.
    pub fn new(kind: &str, fields: Value) -> Self {
        let mut map = Map::from_iter([("type".to_owned(), Value::from(kind))]);
        if let Value::Object(fields) = fields {
            map.extend(fields);
        }
        Self(map)
    }

    /// Something failed; the call or the daemon goes on.
    pub fn error(component: &str, message: &str) -> Self {
        Self::new("error", json!({ "component": component, "message": message }))
    }

    /// What happened in a leg's session.
    pub fn session(leg: LegId, event: &Event) -> Self {
        let mut report = Self::of_event(event);
        report.0.insert("leg".into(), leg.0.into());
        report
    }

    /// How a leg's caller spoke.
    pub fn felt(leg: LegId, felt: &Felt) -> Self {
        let scores = |scores: &[Score]| -> Value {
            scores
                .iter()
                .map(|score| json!({ "name": score.name, "probability": score.probability }))
                .collect()
        };
        let Measured { from, to, expressions, voice } = &felt.measured;
        Self::new(
            "emotion",
            json!({
                "leg": leg.0, "from_ms": from.as_millis() as u64, "to_ms": to.as_millis() as u64,
                "behind_ms": felt.behind.as_millis() as u64,
                "expressions": scores(expressions), "voice": scores(voice),
            }),
        )
    }

    /// Its fields.
    pub fn into_value(self) -> Value {
        self.0.into()
    }

    /// The object, with the time it happened at, in milliseconds of the machine's monotonic clock.
    pub fn object(&self, at: Timestamp) -> Value {
        let mut map = self.0.clone();
        map.insert("at_ms".into(), (at.as_nanos() / 1_000_000).into());
        Value::Object(map)
    }

    /// The object on a line.
    pub fn line(&self, at: Timestamp) -> String {
        let mut line = self.object(at).to_string();
        line.push('\n');
        line
    }

    fn of_event(event: &Event) -> Self {
        match event {
            Event::Listening => Self::new("listening", json!({})),
            Event::ToldOfRecording => Self::new("told_of_recording", json!({})),
            Event::SpeechStarted { utterance } => {
                Self::new("speech_started", json!({ "utterance": utterance.0 }))
            }
            Event::SpeechEnded { utterance } => {
                Self::new("speech_ended", json!({ "utterance": utterance.0 }))
            }
            Event::Partial { utterance, text, language } => {
                let language = language.map(|l| l.to_string());
                Self::new("partial", json!({ "utterance": utterance.0, "text": text, "language": language }))
            }
            Event::Final { utterance, text, language } => Self::new(
                "final",
                json!({ "utterance": utterance.0, "text": text, "language": language.code() }),
            ),
            Event::Translation { segment, utterance, text, source, source_lang, target_lang } => Self::new(
                "translation",
                json!({
                    "segment": segment.0, "utterance": utterance.0, "text": text, "source": source,
                    "source_lang": source_lang.code(), "target_lang": target_lang.code(),
                }),
            ),
            Event::Latency { segment, stages } => Self::new("latency", latency(segment.0, stages)),
            Event::PlaybackStarted { segment } => {
                Self::new("playback_started", json!({ "segment": segment.0 }))
            }
            Event::PlaybackEnded { segment } => Self::new("playback_ended", json!({ "segment": segment.0 })),
            Event::CuePlayed { cue } => Self::new("cue", json!({ "cue": cue.name() })),
            Event::Error { component, message } => Self::error(component.name(), message),
        }
    }
}

fn latency(segment: u32, stages: &Latency) -> Value {
    let ms = |stage: std::time::Duration| (stage.as_secs_f64() * 10_000.0).round() / 10.0;
    json!({
        "segment": segment,
        "stages_ms": {
            "commit": ms(stages.commit), "asr": ms(stages.asr), "mt": ms(stages.mt),
            "tts": ms(stages.tts), "playout": ms(stages.playout),
        },
        "total_ms": ms(stages.total()),
    })
}

/// A room that somebody is in.
pub fn room(RoomName { key, dialled, kind }: &RoomName, legs: &[Joined]) -> Value {
    let legs: Vec<Value> = legs.iter().map(joined).collect();
    json!({ "room": key, "dialled": dialled, "kind": kind, "legs": legs })
}

/// A leg that is in a room.
pub fn joined(Joined { leg, id, language }: &Joined) -> Value {
    json!({ "leg": leg.0, "id": id, "language": language.map(|language| language.to_string()) })
}

/// How the engines of each stage do, best first.
pub fn engines(engines: &[EngineReport]) -> Value {
    let mut stages = Map::new();
    for engine in engines {
        let fault = engine.fault.as_ref();
        let entry = stages.entry(engine.stage).or_insert_with(|| json!([]));
        entry.as_array_mut().expect("made above").push(json!({
            "name": engine.name,
            "health": engine.health.name(),
            "breaker": engine.breaker.name(),
            "success_rate": engine.success_rate,
            "fault": fault.map(|fault| json!({ "kind": fault.kind.name(), "detail": fault.detail })),
        }));
    }
    stages.into()
}

/// A leg's frames as the media thread counted them.
pub fn frames(shared: &LegShared) -> Value {
    let counters = &shared.counters;
    let dropped: Map<String, Value> =
        counters.drops().map(|(reason, frames)| (reason.name().to_owned(), frames.into())).collect();
    json!({
        "in": counters.frames_in(), "out": counters.frames_out(),
        "concealed": counters.concealed(), "reordered": counters.reordered(), "dropped": dropped,
    })
}

/// What waits in a leg: frames, and requests to translate and to speak.
pub fn queues(shared: &LegShared) -> Value {
    let depth = |queue: Queue| (queue.name().to_owned(), Value::from(shared.depth(queue)));
    Value::Object(Queue::ALL.into_iter().map(depth).collect())
}

/// What became of a leg's speech where it is measured how it is spoken.
pub fn emotion(counts: EmotionCounts) -> Value {
    let EmotionCounts { measurements, sent_ms, dropped_ms } = counts;
    json!({ "measurements": measurements, "sent_ms": sent_ms, "dropped_ms": dropped_ms })
}

/// A leg's captured frames as its session counted them, and what it could not use.
pub fn listening(frames: FrameCounts, discards: Discards) -> Value {
    json!({
        "captured": frames.captured, "recognised": frames.recognised, "silent": frames.silent,
        "gated": frames.gated, "unannounced": frames.unannounced, "unwanted": frames.unwanted,
        "unrecognised": frames.unrecognised,
        "refused": frames.refused, "late_answers": discards.late_answers, "dropped_segments": discards.segments, "fallen_guesses": discards.guesses,
        "dropped_fillers": discards.fillers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::UtteranceId;

    #[test]
    fn a_line_is_one_json_object_with_type_leg_and_time() {
        let event = Event::Final {
            utterance: UtteranceId(3),
            text: "a\n\"b\"".into(),
            language: "en".parse().unwrap(),
        };
        let line = Report::session(LegId(2), &event).line(Timestamp::from_nanos(5_999_999));
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({"type": "final", "leg": 2, "utterance": 3, "text": "a\n\"b\"", "language": "en", "at_ms": 5});
        assert_eq!(value, expected);
    }
}
