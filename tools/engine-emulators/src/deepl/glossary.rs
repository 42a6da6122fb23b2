//! Glossaries, for one pair of languages each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::request::{Translate, text};
use super::{Refusal, languages};

/// The terms of one glossary.
#[derive(Clone)]
pub(super) struct Glossary {
    source: String,
    target: String,
    terms: Vec<(String, String)>,
}

impl Glossary {
    /// Puts the wanted terms into a source text.
    pub(super) fn apply(&self, text: &str) -> String {
        self.terms.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

#[derive(Default)]
pub(super) struct Glossaries(Mutex<HashMap<String, Glossary>>);

impl Glossaries {
    /// Makes one, and tells what the vendor tells about it.
    pub(super) fn create(&self, body: &Value) -> Result<Value, Refusal> {
        let missing = |name: &str| Refusal::bad(format!("Missing or invalid argument: {name}'"));
        let fields = body.as_object().ok_or_else(|| missing("name"))?;
        let field = |name| text(fields, name)?.filter(|value| !value.is_empty()).ok_or_else(|| missing(name));
        if field("entries_format")? != "tsv" {
            return Err(Refusal::bad("Unsupported entry format specified"));
        }
        let glossary = Glossary {
            source: languages::plain(field("source_lang")?),
            target: languages::plain(field("target_lang")?),
            terms: terms(field("entries")?)?,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let id = format!("def3a26b-3e84-45b3-84ae-{:012x}", all.len());
        let info = json!({
            "glossary_id": id,
            "name": field("name")?,
            "ready": true,
            "source_lang": glossary.source,
            "target_lang": glossary.target,
            "creation_time": Timestamp::now().to_string(),
            "entry_count": glossary.terms.len(),
        });
        all.insert(id, glossary);
        Ok(info)
    }

    /// The glossary that a request names.
    pub(super) fn find(&self, asked: &Translate) -> Result<Option<Glossary>, Refusal> {
        let Some(id) = &asked.glossary else { return Ok(None) };
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = || Refusal(StatusCode::NOT_FOUND, "Glossary not found".to_owned());
        let glossary = all.get(id).ok_or_else(unknown)?;
        let pair = (languages::plain(&asked.source), languages::plain(&asked.target));
        if (&glossary.source, &glossary.target) != (&pair.0, &pair.1) {
            return Err(Refusal::bad("No dictionary found for language pair"));
        }
        Ok(Some(glossary.clone()))
    }
}

fn terms(entries: &str) -> Result<Vec<(String, String)>, Refusal> {
    let term = |line: &str| {
        let (from, to) = line.split_once('\t')?;
        (!from.is_empty() && !to.is_empty() && !to.contains('\t')).then(|| (from.to_owned(), to.to_owned()))
    };
    let terms: Option<Vec<_>> = entries.lines().filter(|line| !line.is_empty()).map(term).collect();
    terms.ok_or_else(|| Refusal::bad("Invalid glossary entries provided"))
}
