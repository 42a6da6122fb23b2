//! What a client may ask for, and the tokens it gets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::Fault;

const FORMAT: &str = "audio/pcm;encoding=s16le;rate=";
const SOURCE_RATES: [u32; 4] = [8_000, 16_000, 44_100, 48_000];
const TARGET_RATES: [u32; 2] = [16_000, 24_000];
const TARGETS_AT_MOST: usize = 5;
const LANGUAGES: &str = "ar bg bn cs da de el en es et fi fr ga he hr hu id it ja ko lt lv mt nb nl pl pt ro ru sk sl sv \
                         th tl tr uk vi zh";
const VARIANTS: &str = "en-GB en-US pt-BR pt-PT zh-HANS zh-HANT";
const UNSPOKEN: &str = "bn et ga he hr lt lv mt sl th tl";

/// What a session is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) source: Option<String>,
    pub(super) source_rate: u32,
    pub(super) targets: Vec<String>,
    pub(super) spoken: Option<(String, u32)>,
}

impl Asked {
    /// Reads the request's body.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| "Invalid JSON in request body.".to_owned())?;
        let text = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("Value for '{name}' not supported.")),
        };
        one_of("message_format", text("message_format")?, &["json"])?;
        one_of("source_language_mode", text("source_language_mode")?, &["auto", "fixed"])?;
        let source_rate = rate(text("source_media_content_type")?, &SOURCE_RATES)
            .ok_or("Value for 'source_media_content_type' not supported.")?;
        let source = text("source_language")?;
        if source.is_some_and(|source| !LANGUAGES.split(' ').any(|known| known == source)) {
            return Err("Value for 'source_language' not supported.".to_owned());
        }
        let is_target =
            |code: &str| LANGUAGES.split(' ').chain(VARIANTS.split(' ')).any(|known| known == code);
        let mut targets = codes(&fields, "target_languages", is_target)?;
        let spoken = codes(&fields, "target_media_languages", |code| {
            is_target(code) && !UNSPOKEN.split(' ').any(|unspoken| unspoken == code)
        })?;
        if spoken.len() > 1 {
            return Err("At most one target media language.".to_owned());
        }
        for code in &spoken {
            if !targets.contains(code) {
                targets.push(code.clone());
            }
        }
        if targets.len() > TARGETS_AT_MOST {
            return Err("Too many target languages.".to_owned());
        }
        let spoken = spoken.into_iter().next().map(|code| {
            let rate = rate(text("target_media_content_type")?, &TARGET_RATES);
            Ok::<_, String>((code, rate.ok_or("Only raw target media is emulated.")?))
        });
        Ok(Self { source: source.map(str::to_owned), source_rate, targets, spoken: spoken.transpose()? })
    }
}

fn one_of(name: &str, value: Option<&str>, known: &[&str]) -> Result<(), String> {
    match value {
        Some(value) if !known.contains(&value) => Err(format!("Value for '{name}' not supported.")),
        _ => Ok(()),
    }
}

fn rate(content_type: Option<&str>, rates: &[u32]) -> Option<u32> {
    let kind = content_type?.replace(' ', "");
    let rate = kind.strip_prefix(FORMAT)?.parse().ok()?;
    rates.contains(&rate).then_some(rate)
}

fn codes(
    fields: &Map<String, Value>,
    name: &str,
    is_known: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let wrong = || format!("Value for '{name}' not supported.");
    let Some(list) = fields.get(name) else { return Ok(Vec::new()) };
    let code =
        |value: &Value| value.as_str().filter(|code| is_known(code)).map(str::to_owned).ok_or_else(wrong);
    list.as_array().ok_or_else(wrong)?.iter().map(code).collect()
}

/// Sessions that are asked for and not connected, by their tokens.
#[derive(Default)]
pub(super) struct Tickets(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    count: u64,
    waiting: HashMap<String, (Asked, Option<Fault>)>,
}

impl Tickets {
    /// A token for a session that will meet this fault.
    pub(super) fn issue(&self, asked: Asked, fault: Option<Fault>) -> String {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.count += 1;
        let token = format!("dG9rZW4+{}=", issued.count);
        issued.waiting.insert(token.clone(), (asked, fault));
        token
    }

    /// The session of a token, once.
    pub(super) fn take(&self, token: &str) -> Option<(Asked, Option<Fault>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_vendor_does_not_know_is_refused() {
        let raw = r#""source_media_content_type":"audio/pcm; encoding=s16le; rate=16000""#;
        let cases = [
            (format!("{{{raw},\"target_languages\":[\"de\"]}}"), true),
            (format!("{{{raw},\"target_languages\":[\"xx\"]}}"), false),
            (format!("{{{raw},\"target_languages\":\"de\"}}"), false),
            (format!("{{{raw},\"source_language\":\"en-US\"}}"), false),
            (format!("{{{raw},\"message_format\":\"xml\"}}"), false),
            ("{\"target_languages\":[\"de\"]}".to_owned(), false),
            (format!("{{{raw},\"target_media_languages\":[\"de\",\"fr\"]}}"), false),
            (format!("{{{raw},\"target_media_languages\":[\"th\"]}}"), false),
        ];
        for (body, good) in cases {
            assert_eq!(Asked::read(body.as_bytes()).is_ok(), good, "{body}");
        }
    }

    #[test]
    fn a_token_is_good_once() {
        let tickets = Tickets::default();
        let asked = Asked { source: None, source_rate: 16_000, targets: vec![], spoken: None };
        let token = tickets.issue(asked.clone(), None);
        assert_eq!(tickets.take(&token), Some((asked, None)));
        assert_eq!(tickets.take(&token), None);
    }
}
