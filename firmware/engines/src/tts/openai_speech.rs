//! `POST /v1/audio/speech`, as `OpenAI` and many servers on a LAN have it.
//!
//! The answer's body is raw samples at [`RATE`], chunked as they are spoken: [`Pcm`](super::pcm::Pcm) reads it.

use serde::{Deserialize, Serialize};

use crate::http::Request;
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 24_000;
/// Longest text, characters.
pub const TEXT_AT_MOST: usize = 4096;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `tts-1`, `gpt-4o-mini-tts`, or what the server has.
    pub model: String,
    /// `alloy`, `coral`, …
    pub voice: String,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    voice: &'a str,
    input: &'a str,
    response_format: &'static str,
}

/// The request; `base` is without `/v1`, and `key` may be empty for a server that wants none.
///
/// # Errors
/// When the vendor is known to refuse it.
pub fn request(base: &str, key: &str, options: &Options, text: &str) -> Result<Request, Failure> {
    let refuse = |why| Err(Failure::new(FailureKind::Refused, why));
    if text.is_empty() || text.chars().count() > TEXT_AT_MOST {
        return refuse("OpenAI speaks 1 to 4096 characters at a time");
    }
    let Options { model, voice } = options;
    let body = Body { model, voice, input: text, response_format: "pcm" };
    let Ok(body) = serde_json::to_vec(&body) else { return refuse("the text cannot be written as JSON") };
    let mut headers = vec![("Content-Type", "application/json".to_owned())];
    if !key.is_empty() {
        headers.push(("Authorization", format!("Bearer {key}")));
    }
    Ok(Request {
        method: "POST",
        url: format!("{}/v1/audio/speech", base.trim_end_matches('/')),
        headers,
        body,
    })
}

#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    message: String,
    #[serde(default)]
    code: Option<String>,
}

/// Why there is no speech: any status but 200; `retry_after` is that header, `body` what came with it.
pub fn refused(status: u16, retry_after: Option<&str>, body: &[u8]) -> Failure {
    let failure = Failure::of_status(status, retry_after);
    let Ok(Refusal { error }) = serde_json::from_slice(body) else { return failure };
    if error.code.as_deref() == Some("insufficient_quota") {
        return Failure::new(FailureKind::Quota, format!("{failure}: the quota is spent"));
    }
    failure.in_words(Some(error.message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn options() -> Options {
        Options { model: "tts-1".into(), voice: "alloy".into() }
    }

    #[test]
    fn request_is_as_the_vendor_wants_it() {
        let request = request("https://api.openai.com/", "k", &options(), "Hola.").unwrap();
        assert_eq!(request.url, "https://api.openai.com/v1/audio/speech");
        assert!(request.headers.contains(&("Authorization", "Bearer k".to_owned())));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let wanted = json!({"model": "tts-1", "voice": "alloy", "input": "Hola.", "response_format": "pcm"});
        assert_eq!(body, wanted);
    }

    #[test]
    fn servers_without_a_key_get_none() {
        let request = request("http://127.0.0.1:1", "", &options(), "x").unwrap();
        assert!(request.headers.iter().all(|(name, _)| *name != "Authorization"));
    }

    #[test]
    fn long_texts_are_not_sent() {
        let kind = |text: &str| request("http://h", "", &options(), text).map_err(|failure| failure.kind);
        assert!(kind(&"é".repeat(4096)).is_ok());
        assert_eq!(kind(&"é".repeat(4097)), Err(FailureKind::Refused));
        assert_eq!(kind(""), Err(FailureKind::Refused));
    }

    #[test]
    fn a_spent_quota_is_not_a_rate_limit() {
        let body = |code: &str| {
            json!({"error": {"message": "m", "type": "t", "param": null, "code": code}}).to_string()
        };
        let kind = |code: &str| refused(429, Some("2"), body(code).as_bytes()).kind;
        assert_eq!(kind("insufficient_quota"), FailureKind::Quota);
        assert_eq!(kind("rate_limit_exceeded"), FailureKind::RateLimited);
    }

    #[test]
    fn keys_are_not_repeated() {
        let body =
            br#"{"error":{"message":"Incorrect API key provided: sk-ab**yz","code":"invalid_api_key"}}"#;
        let failure = refused(401, None, body);
        assert_eq!((failure.kind, failure.detail.as_str()), (FailureKind::Credential, "HTTP status 401"));
    }

    proptest! {
        #[test]
        fn no_refusal_panics(status: u16, header: String, body: Vec<u8>) {
            drop(refused(status, Some(&header), &body));
        }
    }
}
