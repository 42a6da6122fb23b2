//! Glossaries: `/v3/glossaries` with a dictionary for each direction, and `/v2/glossaries` with one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::request::{Translate, text};
use super::{Refusal, languages};

/// Longest name or term, bytes.
const TERM_AT_MOST: usize = 1_024;

/// The terms of one direction.
#[derive(Clone)]
pub(super) struct Dictionary {
    source: String,
    target: String,
    terms: Vec<(String, String)>,
}

struct Glossary {
    id: String,
    name: String,
    created: String,
    dictionaries: Vec<Dictionary>,
}

impl Dictionary {
    fn read(fields: &Map<String, Value>) -> Result<Self, Refusal> {
        let source = languages::plain(text(fields, "source_lang")?.unwrap_or_default());
        let target = languages::plain(text(fields, "target_lang")?.unwrap_or_default());
        if source == target || !languages::has_glossaries(&source) || !languages::has_glossaries(&target) {
            return Err(Refusal::bad("Unsupported glossary source and target language pair"));
        }
        let entries = text(fields, "entries")?.filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| Refusal::bad("Missing or invalid argument: entries'"))?;
        match text(fields, "entries_format")?.unwrap_or("tsv") {
            "tsv" => Ok(Self { source, target, terms: terms(entries)? }),
            "csv" => Err(Refusal(StatusCode::NOT_IMPLEMENTED, "the emulator takes no CSV".into(), None)),
            _ => Err(Refusal::bad("Value for entries_format not supported.")),
        }
    }

    /// Puts the wanted terms into a source text.
    pub(super) fn apply(&self, text: &str) -> String {
        self.terms.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn info(&self) -> Value {
        json!({"source_lang": self.source, "target_lang": self.target, "entry_count": self.terms.len()})
    }
}

impl Glossary {
    fn new(name: String, dictionaries: Vec<Dictionary>) -> Self {
        let id = format!("def3a26b-3e84-45b3-84ae-{:012x}", fastrand::u64(..1 << 48));
        Self { id, name, created: Timestamp::now().to_string(), dictionaries }
    }

    fn info(&self) -> Value {
        let dictionaries: Vec<Value> = self.dictionaries.iter().map(Dictionary::info).collect();
        json!({
            "glossary_id": self.id, "name": self.name, "dictionaries": dictionaries,
            "creation_time": self.created,
        })
    }

    fn dictionary(&self, source: &str, target: &str) -> Option<&Dictionary> {
        let is_it = |one: &&Dictionary| one.source == source && one.target == target;
        self.dictionaries.iter().find(is_it)
    }
}

#[derive(Default)]
pub(super) struct Glossaries(Mutex<HashMap<String, Glossary>>);

impl Glossaries {
    /// Makes one of `/v3`, and tells what the vendor tells about it.
    pub(super) fn create(&self, body: &Value) -> Result<Value, Refusal> {
        let fields = fields(body)?;
        let name = name(fields)?;
        let listed = fields.get("dictionaries").and_then(Value::as_array);
        let listed = listed.filter(|listed| !listed.is_empty());
        let listed = listed.ok_or_else(|| Refusal::bad("Glossary dictionaries must be provided"))?;
        let dictionaries: Result<Vec<_>, _> =
            listed.iter().map(|one| Dictionary::read(self::fields(one)?)).collect();
        let glossary = Glossary::new(name, dictionaries?);
        let info = glossary.info();
        self.lock().insert(glossary.id.clone(), glossary);
        Ok(info)
    }

    /// Makes one of `/v2`.
    pub(super) fn create_single(&self, body: &Value) -> Result<Value, Refusal> {
        let fields = fields(body)?;
        let name = name(fields)?;
        let glossary = Glossary::new(name, vec![Dictionary::read(fields)?]);
        let only = &glossary.dictionaries[0];
        let info = json!({
            "glossary_id": glossary.id, "name": glossary.name, "ready": true,
            "source_lang": only.source, "target_lang": only.target,
            "creation_time": glossary.created, "entry_count": only.terms.len(),
        });
        self.lock().insert(glossary.id.clone(), glossary);
        Ok(info)
    }

    /// What the vendor tells about all of them.
    pub(super) fn list(&self) -> Value {
        let all = self.lock();
        let infos: Vec<Value> = all.values().map(Glossary::info).collect();
        json!({"glossaries": infos})
    }

    /// About this one.
    pub(super) fn info(&self, id: &str) -> Result<Value, Refusal> {
        self.lock().get(id).map(Glossary::info).ok_or_else(unknown)
    }

    /// What stands in one direction of this one.
    pub(super) fn entries(&self, id: &str, source: &str, target: &str) -> Result<Value, Refusal> {
        let all = self.lock();
        let glossary = all.get(id).ok_or_else(unknown)?;
        let dictionary = glossary.dictionary(&languages::plain(source), &languages::plain(target));
        let not_found = || Refusal(StatusCode::NOT_FOUND, "Dictionary not found".into(), None);
        let dictionary = dictionary.ok_or_else(not_found)?;
        let lines: Vec<String> = dictionary.terms.iter().map(|(from, to)| format!("{from}\t{to}")).collect();
        Ok(json!({"dictionaries": [{
            "source_lang": dictionary.source, "target_lang": dictionary.target,
            "entries": lines.join("\n"), "entries_format": "tsv",
        }]}))
    }

    pub(super) fn delete(&self, id: &str) -> Result<(), Refusal> {
        self.lock().remove(id).map(|_| ()).ok_or_else(unknown)
    }

    /// The terms that a request is to use.
    pub(super) fn find(&self, asked: &Translate) -> Result<Option<Dictionary>, Refusal> {
        let Some(id) = &asked.glossary else { return Ok(None) };
        let all = self.lock();
        let glossary = all.get(id).ok_or_else(unknown)?;
        let pair = (languages::plain(&asked.source), languages::plain(&asked.target));
        let dictionary = glossary.dictionary(&pair.0, &pair.1);
        let missing = || Refusal::bad("No dictionary found for language pair");
        dictionary.cloned().ok_or_else(missing).map(Some)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Glossary>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "Glossary not found".into(), None)
}

fn fields(body: &Value) -> Result<&Map<String, Value>, Refusal> {
    body.as_object().ok_or_else(|| Refusal::bad("Invalid JSON in request body."))
}

fn name(fields: &Map<String, Value>) -> Result<String, Refusal> {
    let name = text(fields, "name")?.filter(|name| (1..=TERM_AT_MOST).contains(&name.len()));
    name.map(str::to_owned).ok_or_else(|| Refusal::bad("Missing or invalid argument: name'"))
}

/// Terms a line, as the vendor admits them.
fn terms(entries: &str) -> Result<Vec<(String, String)>, Refusal> {
    let mut terms: Vec<(String, String)> = Vec::new();
    let mut position = 0;
    for (index, line) in entries.split('\n').enumerate() {
        let refuse = |why: String| {
            let detail = format!("Key with the index {index} (starting at position {position}) {why}");
            Refusal(StatusCode::BAD_REQUEST, "Invalid glossary entries provided".into(), Some(detail))
        };
        if !line.is_empty() {
            let (from, to) = line.split_once('\t').ok_or_else(|| refuse("misses tab separator".into()))?;
            if let Some(why) = unfit(from).or_else(|| unfit(to)) {
                return Err(refuse(why.into()));
            }
            if let Some(first) = terms.iter().position(|(known, _)| known == from) {
                return Err(refuse(format!("duplicates key with the index {first}")));
            }
            terms.push((from.to_owned(), to.to_owned()));
        }
        position += line.len() + 1;
    }
    Ok(terms)
}

fn unfit(term: &str) -> Option<&'static str> {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let ends = [term.chars().next(), term.chars().next_back()];
    match term {
        "" => Some("is empty"),
        _ if term.len() > TERM_AT_MOST => Some("is too long"),
        _ if term.contains(is_break) => Some("contains control characters"),
        _ if ends.into_iter().flatten().any(char::is_whitespace) => {
            Some("has leading or trailing whitespace")
        }
        _ => None,
    }
}
