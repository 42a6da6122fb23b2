use std::collections::BTreeMap;

use jiff::{Span, Timestamp};
use serde::Serialize;
use serde_json::Value;

/// Something that was said, a line of the transcript.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Line {
    /// From when on, seconds since the beginning.
    at: f64,
    /// By the box's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<f64>,
    leg: u64,
    phone: Option<String>,
    name: Option<String>,
    language: Option<String>,
    text: String,
    /// By language.
    translations: BTreeMap<String, String>,
}

/// Who is at a leg.
#[derive(Default)]
struct Who {
    phone: Option<String>,
    name: Option<String>,
}

/// What was told of texts, until all of it is known.
pub(super) struct Transcript {
    began: Option<Timestamp>,
    legs: BTreeMap<u64, Who>,
    /// By leg and utterance.
    lines: BTreeMap<(u64, u64), Line>,
}

impl Transcript {
    /// Of a recording that began then.
    pub(super) fn new(began: &str) -> Self {
        Self { began: began.parse().ok(), legs: BTreeMap::new(), lines: BTreeMap::new() }
    }

    /// Something was told.
    pub(super) fn take(&mut self, at_ms: u32, told: &Value) {
        let text = |key: &str| told[key].as_str().map(str::to_owned);
        let (Some(kind), Some(leg)) = (told["type"].as_str(), told["leg"].as_u64()) else { return };
        let at = f64::from(at_ms) / 1_000.0;
        match kind {
            "joined" => drop(self.legs.insert(leg, Who { phone: text("phone"), name: text("name") })),
            "speech_started" => self.line(leg, told, at_ms).at = at,
            "speech_ended" => self.line(leg, told, at_ms).until = Some(at),
            "final" => {
                let line = self.line(leg, told, at_ms);
                line.language = text("language");
                line.text = text("text").unwrap_or_default();
            }
            "translation" => {
                let line = self.line(leg, told, at_ms);
                line.language = line.language.take().or_else(|| text("source_lang"));
                let (Some(target), Some(words)) = (text("target_lang"), text("text")) else { return };
                let all = line.translations.entry(target).or_default();
                if !all.is_empty() {
                    all.push(' ');
                }
                all.push_str(&words);
            }
            _ => {}
        }
    }

    /// The phone at a leg, if it is one.
    pub(super) fn phone(&self, leg: u64) -> Option<&str> {
        self.legs.get(&leg)?.phone.as_deref()
    }

    fn line(&mut self, leg: u64, told: &Value, at_ms: u32) -> &mut Line {
        let (who, began) = (self.legs.get(&leg), self.began);
        let new = || Line {
            at: f64::from(at_ms) / 1_000.0,
            time: began.and_then(|began| time(began, at_ms)),
            leg,
            phone: who.and_then(|who| who.phone.clone()),
            name: who.and_then(|who| who.name.clone()),
            ..Line::default()
        };
        self.lines.entry((leg, told["utterance"].as_u64().unwrap_or_default())).or_insert_with(new)
    }

    /// What was said, in the order of its beginnings. What was not understood is left out.
    pub(super) fn lines(&self) -> Vec<&Line> {
        let is_said = |line: &&Line| !line.text.is_empty() || !line.translations.is_empty();
        let mut lines: Vec<&Line> = self.lines.values().filter(is_said).collect();
        lines.sort_by(|a, b| a.at.total_cmp(&b.at));
        lines
    }
}

fn time(began: Timestamp, at_ms: u32) -> Option<String> {
    let at = began.checked_add(Span::new().milliseconds(at_ms)).ok()?;
    Some(at.strftime("%FT%T%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_said_has_its_translations_whenever_they_came() {
        let mut transcript = Transcript::new("2026-11-21T21:55:00Z");
        let translation = |utterance, to, text| {
            json!({ "type": "translation", "leg": 3, "utterance": utterance, "text": text, "source": "x",
                    "source_lang": "en", "target_lang": to })
        };
        for (at, told) in [
            (0, json!({ "type": "joined", "leg": 3, "phone": "101", "name": "Ann", "language": "en" })),
            (1_500, json!({ "type": "speech_started", "leg": 3, "utterance": 2 })),
            (2_000, translation(2, "es", "Hola.")),
            (2_100, json!({ "type": "speech_started", "leg": 4, "utterance": 2 })),
            (3_000, json!({ "type": "speech_ended", "leg": 3, "utterance": 2 })),
            (
                3_200,
                json!({ "type": "final", "leg": 3, "utterance": 2, "text": "Hello. Bye.", "language": "en" }),
            ),
            (3_300, translation(2, "es", "Adiós.")),
            (3_400, translation(2, "fr", "Au revoir.")),
        ] {
            transcript.take(at, &told);
        }
        assert_eq!(transcript.phone(3), Some("101"));
        let lines: Vec<Value> =
            transcript.lines().iter().map(|line| serde_json::to_value(line).unwrap()).collect();
        let expected = json!([{
            "at": 1.5, "time": "2026-11-21T21:55:01.500Z", "until": 3.0, "leg": 3, "phone": "101", "name": "Ann",
            "language": "en", "text": "Hello. Bye.", "translations": { "es": "Hola. Adiós.", "fr": "Au revoir." }
        }]);
        assert_eq!(json!(lines), expected);
    }
}
