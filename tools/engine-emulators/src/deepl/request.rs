//! What is asked of `/v2/translate`, by the vendor's description of it.

use serde_json::{Map, Value, json};

use super::{Refusal, languages};

const TEXTS_AT_MOST: usize = 50;

/// A valid request.
pub(super) struct Translate {
    pub(super) texts: Vec<String>,
    /// In capitals; what the vendor would detect is taken to be English.
    pub(super) source: String,
    /// In capitals.
    pub(super) target: String,
    pub(super) glossary: Option<String>,
    model: Option<String>,
    show_billed: bool,
}

impl Translate {
    pub(super) fn read(body: &Value) -> Result<Self, Refusal> {
        let fields = body.as_object().ok_or_else(|| Refusal::bad("Invalid JSON in request body."))?;
        let target = text(fields, "target_lang")?.map(str::to_ascii_uppercase).unwrap_or_default();
        let tells_formality = languages::target(&target).ok_or_else(|| not_supported("target_lang"))?;
        let source = text(fields, "source_lang")?.map(str::to_ascii_uppercase);
        if source.as_deref().is_some_and(|source| !languages::is_source(source)) {
            return Err(not_supported("source_lang"));
        }
        let glossary = text(fields, "glossary_id")?.map(str::to_owned);
        if glossary.is_some() && source.is_none() {
            return Err(Refusal::bad("Use of a glossary requires the source_lang parameter to be specified"));
        }
        one_of(fields, "split_sentences", &["0", "1", "nonewlines"])?;
        one_of(fields, "tag_handling", &["html", "xml"])?;
        let models = ["quality_optimized", "prefer_quality_optimized", "latency_optimized"];
        let model = one_of(fields, "model_type", &models)?.map(str::to_owned);
        let formality =
            one_of(fields, "formality", &["default", "more", "less", "prefer_more", "prefer_less"])?;
        if matches!(formality, Some("more" | "less")) && !tells_formality {
            return Err(Refusal::bad("'formality' is not supported for given 'target_lang'."));
        }
        text(fields, "context")?;
        truth(fields, "preserve_formatting")?;
        Ok(Self {
            texts: texts(fields)?,
            source: source.unwrap_or_else(|| "EN".to_owned()),
            target,
            glossary,
            model,
            show_billed: truth(fields, "show_billed_characters")?.unwrap_or_default(),
        })
    }

    /// One translation as the vendor answers it.
    pub(super) fn answer(&self, translated: &str, characters: usize) -> Value {
        let mut answer = json!({"detected_source_language": self.source, "text": translated});
        if self.show_billed {
            answer["billed_characters"] = characters.into();
        }
        if let Some(model) = &self.model {
            answer["model_type_used"] = model.trim_start_matches("prefer_").into();
        }
        answer
    }
}

fn not_supported(name: &str) -> Refusal {
    Refusal::bad(format!("Value for '{name}' not supported."))
}

fn texts(fields: &Map<String, Value>) -> Result<Vec<String>, Refusal> {
    let texts = fields.get("text").ok_or_else(|| Refusal::bad("Parameter 'text' not specified"))?;
    let strings = texts.as_array().and_then(|texts| {
        texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    match strings {
        None => Err(not_supported("text")),
        Some(texts) if texts.is_empty() => Err(Refusal::bad("Parameter 'text' not specified")),
        Some(texts) if texts.len() > TEXTS_AT_MOST => Err(Refusal::bad("Too many texts in one request.")),
        Some(texts) => Ok(texts),
    }
}

pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or_else(|| not_supported(name)),
    }
}

fn truth(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_bool().map(Some).ok_or_else(|| not_supported(name)),
    }
}

fn one_of<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    values: &[&str],
) -> Result<Option<&'a str>, Refusal> {
    match text(fields, name)? {
        Some(value) if !values.contains(&value) => Err(not_supported(name)),
        value => Ok(value),
    }
}
