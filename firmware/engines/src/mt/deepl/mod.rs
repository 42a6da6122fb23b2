//! `DeepL`'s HTTP API: `POST /v2/translate`.
//!
//! The connection is to be kept: the vendor counts needless ones against a client.

pub mod glossary;

use serde::{Deserialize, Serialize};

use crate::http::Request;
use crate::{Failure, FailureKind};

/// Where paid keys are known.
pub const HOST: &str = "https://api.deepl.com";
/// Where free keys, which end in `:fx`, are known.
pub const FREE_HOST: &str = "https://api-free.deepl.com";
/// Longest body of a request, bytes.
pub const REQUEST_AT_MOST: usize = 128 << 10;
/// Most texts of a request.
pub const TEXTS_AT_MOST: usize = 50;
/// Longest body of an answer, bytes: a hundred times what a clause takes.
pub const ANSWER_AT_MOST: usize = 128 << 10;

const USER_AGENT: &str = concat!("dragoman/", env!("CARGO_PKG_VERSION"));

/// How formally the listener is spoken to, in languages that tell these apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Formality {
    /// As one speaks to strangers.
    #[serde(rename = "prefer_more")]
    More,
    /// As one speaks to friends.
    #[serde(rename = "prefer_less")]
    Less,
}

/// What is to be translated, and how. Languages are ISO 639-1, with or without a region.
#[derive(Clone, Copy, Debug)]
pub struct Translate<'a> {
    /// Each is translated on its own.
    pub texts: &'a [&'a str],
    /// None lets the vendor guess.
    pub source: Option<&'a str>,
    /// With or without a region.
    pub target: &'a str,
    /// What was said before, not translated and not billed; may be empty.
    pub context: &'a str,
    /// The vendor's number of a glossary for this pair; needs `source`.
    pub glossary: Option<&'a str>,
    /// None leaves it to the vendor.
    pub formality: Option<Formality>,
}

#[derive(Serialize)]
struct Body<'a> {
    text: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    source_lang: Option<String>,
    target_lang: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    context: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    glossary_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    formality: Option<Formality>,
    model_type: &'static str,
}

/// The request; `base` is a host other than the two of the vendor.
///
/// # Errors
/// When the vendor is known to refuse it.
pub fn request(base: Option<&str>, key: &str, translate: &Translate<'_>) -> Result<Request, Failure> {
    let refuse = |why| Err(Failure::new(FailureKind::Refused, why));
    if translate.texts.is_empty() || translate.texts.len() > TEXTS_AT_MOST {
        return refuse("DeepL takes 1 to 50 texts at a time");
    }
    if translate.glossary.is_some() && translate.source.is_none() {
        return refuse("a glossary needs the source language");
    }
    let body = Body {
        text: translate.texts,
        source_lang: translate.source.map(source_code),
        target_lang: target_code(translate.target),
        context: translate.context,
        glossary_id: translate.glossary,
        formality: translate.formality,
        model_type: "latency_optimized",
    };
    let Ok(body) = serde_json::to_vec(&body) else { return refuse("the texts cannot be written as JSON") };
    if body.len() > REQUEST_AT_MOST {
        return refuse("DeepL takes at most 128 KiB at a time");
    }
    let mut headers = headers(key);
    headers.push(("Content-Type", "application/json".to_owned()));
    Ok(Request { method: "POST", url: place(base, key, "/v2/translate"), headers, body })
}

/// Asks what is left of the quota: costs nothing, and tells whether the key is right.
pub fn usage(base: Option<&str>, key: &str) -> Request {
    Request { method: "GET", url: place(base, key, "/v2/usage"), headers: headers(key), body: Vec::new() }
}

/// Where this key is known.
pub fn host(key: &str) -> &'static str {
    if key.ends_with(":fx") { FREE_HOST } else { HOST }
}

fn place(base: Option<&str>, key: &str, path: &str) -> String {
    let host = base.unwrap_or(host(key));
    format!("{}{path}", host.trim_end_matches('/'))
}

fn headers(key: &str) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("DeepL-Auth-Key {key}")), ("User-Agent", USER_AGENT.to_owned())]
}

/// The vendor's code of a source language: never with a region.
fn source_code(language: &str) -> String {
    match subtags(language).0.as_str() {
        "NO" | "NN" => "NB".to_owned(),
        code => code.to_owned(),
    }
}

/// The vendor's code of a target language: with a region where it wants one.
fn target_code(language: &str) -> String {
    let (code, region) = subtags(language);
    let variant = match (code.as_str(), region.as_str()) {
        ("EN", "AU" | "GB" | "IE" | "NZ") => "EN-GB",
        ("EN", _) => "EN-US",
        ("PT", "AO" | "MZ" | "PT") => "PT-PT",
        ("PT", _) => "PT-BR",
        ("ZH", "HANT" | "HK" | "MO" | "TW") => "ZH-HANT",
        ("ZH", _) => "ZH-HANS",
        ("NO" | "NN", _) => "NB",
        _ => return code,
    };
    variant.to_owned()
}

/// The language and what follows it first, in capitals; the latter may be empty.
fn subtags(language: &str) -> (String, String) {
    let upper = language.to_ascii_uppercase();
    let mut parts = upper.split(['-', '_']).map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

/// A text in another language.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Translated {
    /// The translation.
    pub text: String,
    /// The vendor's code of the language it came from.
    #[serde(default, rename = "detected_source_language")]
    pub source: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    translations: Vec<Translated>,
}

#[derive(Deserialize)]
struct Usage {
    character_count: Option<u64>,
    character_limit: Option<u64>,
}

/// Reads the answer to [`usage`]; `retry_after` is that header.
///
/// # Errors
/// Every status but 200, a body that cannot be read, and a quota that is spent.
pub fn read_usage(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<(), Failure> {
    if status != 200 {
        return Err(Failure::of_status(status, retry_after));
    }
    let usage: Usage = serde_json::from_slice(body)
        .map_err(|_| Failure::new(FailureKind::Protocol, "DeepL's usage cannot be read"))?;
    match (usage.character_count, usage.character_limit) {
        (Some(count), Some(limit)) if count >= limit => {
            Err(Failure::new(FailureKind::Quota, format!("all {limit} characters of the quota are spent")))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// Reads the answer to a request of `texts` texts; `retry_after` is that header.
///
/// # Errors
/// Every status but 200, and a body that does not hold `texts` translations.
pub fn read_answer(
    status: u16,
    retry_after: Option<&str>,
    body: &[u8],
    texts: usize,
) -> Result<Vec<Translated>, Failure> {
    if status != 200 {
        let refusal = serde_json::from_slice::<Refusal>(body).ok();
        return Err(Failure::of_status(status, retry_after).in_words(refusal.map(|said| said.message)));
    }
    let unreadable = |why: &str| Failure::new(FailureKind::Protocol, format!("DeepL's answer {why}"));
    if body.len() > ANSWER_AT_MOST {
        return Err(unreadable("is too long"));
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable("cannot be read"))?;
    if answer.translations.len() == texts {
        Ok(answer.translations)
    } else {
        Err(unreadable("has another number of texts"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const HELLO: Translate<'_> = Translate {
        texts: &["Hello."],
        source: Some("en"),
        target: "pt-BR",
        context: "Good morning.",
        glossary: Some("g1"),
        formality: Some(Formality::More),
    };

    #[test]
    fn a_spent_quota_is_seen_before_it_is_asked_for() {
        let read = |body: &str| read_usage(200, None, body.as_bytes()).map_err(|failure| failure.kind);
        assert_eq!(read(r#"{"character_count":10,"character_limit":500000}"#), Ok(()));
        assert_eq!(read(r#"{"character_count":500000,"character_limit":500000}"#), Err(FailureKind::Quota));
        assert_eq!(read("[]"), Err(FailureKind::Protocol));
        assert_eq!(read_usage(403, None, b"").map_err(|failure| failure.kind), Err(FailureKind::Credential));
        assert_eq!(usage(None, "k:fx").url, "https://api-free.deepl.com/v2/usage");
    }

    fn body(translate: &Translate<'_>) -> Value {
        serde_json::from_slice(&request(None, "k", translate).unwrap().body).unwrap()
    }

    #[test]
    fn request_is_as_the_vendor_wants_it() {
        let request = request(None, "k", &HELLO).unwrap();
        assert_eq!((request.method, request.url.as_str()), ("POST", "https://api.deepl.com/v2/translate"));
        assert!(request.headers.contains(&("Authorization", "DeepL-Auth-Key k".to_owned())));
        assert!(request.headers.iter().any(|(name, value)| *name == "User-Agent" && !value.is_empty()));
        let wanted = json!({"text": ["Hello."], "source_lang": "EN", "target_lang": "PT-BR", "context": "Good morning.",
            "glossary_id": "g1", "formality": "prefer_more", "model_type": "latency_optimized"});
        assert_eq!(body(&HELLO), wanted);
        let plain = Translate { source: None, context: "", glossary: None, formality: None, ..HELLO };
        let wanted = json!({"text": ["Hello."], "target_lang": "PT-BR", "model_type": "latency_optimized"});
        assert_eq!(body(&plain), wanted);
    }

    #[test]
    fn free_keys_have_a_host_of_their_own() {
        let url = |base, key| request(base, key, &HELLO).unwrap().url;
        assert_eq!(url(None, "k:fx"), "https://api-free.deepl.com/v2/translate");
        assert_eq!(url(Some("http://127.0.0.1:1/"), "k:fx"), "http://127.0.0.1:1/v2/translate");
    }

    #[test]
    fn languages_are_spelled_as_the_vendor_spells_them() {
        let targets = ["en", "en-GB", "pt", "pt_PT", "es-MX", "zh-TW", "zh", "no", "de"].map(target_code);
        assert_eq!(targets, ["EN-US", "EN-GB", "PT-BR", "PT-PT", "ES", "ZH-HANT", "ZH-HANS", "NB", "DE"]);
        assert_eq!(["en-GB", "pt-BR", "nn", "zh-Hant"].map(source_code), ["EN", "PT", "NB", "ZH"]);
    }

    #[test]
    fn what_the_vendor_refuses_is_not_sent() {
        let refused = |translate: &Translate<'_>| request(None, "k", translate).unwrap_err().kind;
        let long = "x".repeat(REQUEST_AT_MOST);
        assert_eq!(refused(&Translate { texts: &[&long], ..HELLO }), FailureKind::Refused);
        assert_eq!(refused(&Translate { texts: &["x"; 51], ..HELLO }), FailureKind::Refused);
        assert_eq!(refused(&Translate { texts: &[], ..HELLO }), FailureKind::Refused);
        assert_eq!(refused(&Translate { source: None, ..HELLO }), FailureKind::Refused);
    }

    #[test]
    fn answers_come_in_the_order_of_the_texts() {
        let body = br#"{"translations":[{"detected_source_language":"EN","text":"Hola","billed_characters":5},{"text":"x"}]}"#;
        let answer = read_answer(200, None, body, 2).unwrap();
        assert_eq!(answer[0], Translated { text: "Hola".into(), source: Some("EN".into()) });
        assert_eq!(read_answer(200, None, body, 1).unwrap_err().kind, FailureKind::Protocol);
    }

    #[test]
    fn refusals_tell_who_can_act() {
        let kinds = [400, 403, 404, 413, 414, 429, 456, 500, 504, 529]
            .map(|status| read_answer(status, Some("3"), b"", 1).unwrap_err().kind);
        assert_eq!(
            kinds,
            [
                FailureKind::Refused,
                FailureKind::Credential,
                FailureKind::Refused,
                FailureKind::Refused,
                FailureKind::Refused,
                FailureKind::RateLimited,
                FailureKind::Quota,
                FailureKind::Down,
                FailureKind::Slow,
                FailureKind::RateLimited,
            ]
        );
        assert!(!kinds[6].may_pass(), "a spent quota is never asked again");
        let words = br#"{"message":"Value for 'target_lang' not supported."}"#;
        let failure = read_answer(400, None, words, 1).unwrap_err();
        assert_eq!(failure.detail, "HTTP status 400: Value for 'target_lang' not supported.");
    }

    proptest! {
        #[test]
        fn no_answer_panics(status: u16, header: String, body: Vec<u8>, texts: usize) {
            drop(read_answer(200, None, &body, texts));
            drop(read_answer(status, Some(&header), &body, texts));
        }

        #[test]
        fn no_changed_answer_panics(at in 0..66_usize, byte: u8) {
            let mut body = br#"{"translations":[{"detected_source_language":"EN","text":"Hola"}]}"#.to_vec();
            prop_assert!(read_answer(200, None, &body[..at], 1).is_err());
            body[at] = byte;
            drop(read_answer(200, None, &body, 1));
        }

        #[test]
        fn no_language_panics(language: String) {
            drop((source_code(&language), target_code(&language)));
        }
    }
}
