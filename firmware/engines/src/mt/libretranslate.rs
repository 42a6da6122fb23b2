//! LibreTranslate's HTTP API: the bodies of `POST /translate` and `GET /languages`.

use serde::{Deserialize, Serialize};

/// One text, or a batch that is answered in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// A single text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
}

impl Text {
    /// The texts, whichever form they came in.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    /// Answers in the form of the question: `translated` holds one text for each of [`Self::as_slice`].
    #[must_use]
    pub fn answer(&self, mut translated: Vec<String>) -> Self {
        match self {
            Self::One(_) => Self::One(translated.pop().unwrap_or_default()),
            Self::Many(_) => Self::Many(translated),
        }
    }
}

/// How the source text is marked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// HTML, whose tags are kept.
    Html,
}

/// Body of `POST /translate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranslateRequest {
    /// What to translate.
    pub q: Text,
    /// ISO 639-1 code of the source language, or `auto`.
    pub source: String,
    /// ISO 639-1 code of the target language.
    pub target: String,
    /// Markup of `q`.
    #[serde(default)]
    pub format: Format,
    /// Key of a server that wants one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
}

impl TranslateRequest {
    /// A request for one plain text.
    pub fn plain(q: impl Into<String>, source: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            q: Text::One(q.into()),
            source: source.into(),
            target: target.into(),
            format: Format::Text,
            api_key: None,
        }
    }
}

/// Body of a successful answer to `POST /translate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TranslateResponse {
    /// The translation, one text or as many as were asked.
    pub translated_text: Text,
    /// What the server took the source to be; only where `auto` was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_language: Option<DetectedLanguages>,
}

/// One guess for one text, or a guess for each text of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DetectedLanguages {
    /// For a single text.
    One(DetectedLanguage),
    /// For a batch.
    Many(Vec<DetectedLanguage>),
}

/// A guess at a text's language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectedLanguage {
    /// 0 to 100.
    pub confidence: f32,
    /// ISO 639-1 code.
    pub language: String,
}

/// One entry of `GET /languages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Language {
    /// ISO 639-1 code.
    pub code: String,
    /// English name.
    pub name: String,
    /// Codes that this language can be translated into.
    pub targets: Vec<String>,
}

/// Body of every refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// One line for people.
    pub error: String,
}

/// Why a translation did not come, told apart where the caller should act differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 400: the request can never succeed (unknown language, pair or format).
    #[error("translation refused: {0}")]
    Invalid(String),
    /// 403: the key is missing, wrong or banned. Not to be retried.
    #[error("translation needs a valid API key: {0}")]
    Key(String),
    /// 429: too many requests.
    #[error("translation server asks to slow down: {0}")]
    SlowDown(String),
    /// Any other status: the server's own trouble.
    #[error("translation server answered {status}: {message}")]
    Server {
        /// HTTP status.
        status: u16,
        /// The server's words, or the start of its body.
        message: String,
    },
    /// A 200 whose body is not an answer.
    #[error("translation server sent an answer that cannot be read: {0}")]
    Unreadable(String),
}

/// Longest part of a foreign body that is repeated in an error, in characters.
const QUOTED: usize = 200;

/// Reads the answer to `POST /translate` from its HTTP status and body.
///
/// # Errors
/// Every status but 200, and a body that is not [`TranslateResponse`].
pub fn read_answer(status: u16, body: &[u8]) -> Result<TranslateResponse, Error> {
    if status == 200 {
        return serde_json::from_slice(body).map_err(|e| Error::Unreadable(e.to_string()));
    }
    let message = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(said) => said.error.chars().take(QUOTED).collect(),
        Err(_) => String::from_utf8_lossy(body).chars().take(QUOTED).collect(),
    };
    Err(match status {
        400 => Error::Invalid(message),
        403 => Error::Key(message),
        429 => Error::SlowDown(message),
        _ => Error::Server { status, message },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_has_the_field_names_of_the_api() {
        let body = serde_json::to_value(TranslateRequest::plain("hello", "en", "es")).unwrap();
        assert_eq!(body, serde_json::json!({"q": "hello", "source": "en", "target": "es", "format": "text"}));
    }

    #[test]
    fn batch_is_answered_as_a_batch() {
        let request: TranslateRequest =
            serde_json::from_str(r#"{"q":["a","b"],"source":"en","target":"es"}"#).unwrap();
        assert_eq!(request.q.as_slice().len(), 2);
        assert_eq!(request.q.answer(vec!["x".into(), "y".into()]), Text::Many(vec!["x".into(), "y".into()]));
    }

    #[test]
    fn answer_of_a_public_server_is_read() {
        let body = br#"{"alternatives":["x"],"detectedLanguage":{"confidence":90.0,"language":"en"},"translatedText":"Hola"}"#;
        let answer = read_answer(200, body).unwrap();
        assert_eq!(answer.translated_text, Text::One("Hola".into()));
    }

    #[test]
    fn refusals_are_told_apart() {
        let body = br#"{"error":"no"}"#;
        assert_eq!(read_answer(400, body), Err(Error::Invalid("no".into())));
        assert_eq!(read_answer(403, body), Err(Error::Key("no".into())));
        assert_eq!(read_answer(429, body), Err(Error::SlowDown("no".into())));
        let html = read_answer(502, &[b'<'; 4000]).unwrap_err();
        assert!(html.to_string().len() < 300, "{html}");
        assert!(matches!(read_answer(200, b"{}"), Err(Error::Unreadable(_))));
    }
}
