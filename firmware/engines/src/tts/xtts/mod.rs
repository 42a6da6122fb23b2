//! The XTTS v2 streaming server: voices cloned from a recording, speech as a chunked WAV file.
//!
//! It speaks one text at a time and lets the others wait.

mod audio;
mod recording;
mod speaker;
mod studio;

use serde::{Deserialize, Serialize};

pub use self::audio::Audio;
pub use self::recording::{SAMPLE_AT_MOST, clone_speaker};
use self::speaker::Latents;
pub use self::speaker::Speaker;
pub use self::studio::{Studio, StudioReader};
use crate::http::Request;
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 24_000;
/// Longest text that describes one voice, bytes. 33,280 numbers are some 700 KB.
pub const SPEAKER_AT_MOST: usize = 1 << 20;

/// Reads the answer to [`clone_speaker`].
///
/// # Errors
/// Every status but 200, and a body that does not describe a voice.
pub fn read_speaker(status: u16, body: &[u8]) -> Result<Speaker, Failure> {
    read::<Latents>(status, body, SPEAKER_AT_MOST)?.speaker()
}

/// Asks for the voices of the studio, which [`StudioReader`] reads.
pub fn studio_speakers(base: &str) -> Request {
    get(base, "/studio_speakers")
}

/// Asks which languages are spoken.
pub fn languages(base: &str) -> Request {
    get(base, "/languages")
}

/// Reads the languages, mostly ISO 639-1, Chinese as `zh-cn`.
///
/// # Errors
/// Every status but 200, and a body that is not a list of languages.
pub fn read_languages(status: u16, body: &[u8]) -> Result<Vec<String>, Failure> {
    read(status, body, 4096)
}

fn unreadable(what: &str) -> Failure {
    Failure::new(FailureKind::Protocol, format!("the voice server's answer cannot be read: {what}"))
}

fn get(base: &str, path: &str) -> Request {
    let url = format!("{}{path}", base.trim_end_matches('/'));
    Request { method: "GET", url, headers: Vec::new(), body: Vec::new() }
}

fn read<T: for<'a> Deserialize<'a>>(status: u16, body: &[u8], at_most: usize) -> Result<T, Failure> {
    if status != 200 {
        return Err(refused(status, body));
    }
    if body.len() > at_most {
        return Err(unreadable("it is too long"));
    }
    serde_json::from_slice(body).map_err(|_| unreadable("not what was asked for"))
}

#[derive(Serialize)]
struct Speak<'a> {
    text: &'a str,
    language: &'a str,
    add_wav_header: bool,
    stream_chunk_size: &'static str,
}

/// Asks for `text` in the voice of `speaker`; `language` is ISO 639-1.
pub fn speak(base: &str, speaker: &Speaker, text: &str, language: &str) -> Request {
    let speak = Speak { text, language, add_wav_header: true, stream_chunk_size: "20" };
    let what = serde_json::to_string(&speak).unwrap_or_default();
    Request {
        method: "POST",
        url: format!("{}/tts_stream", base.trim_end_matches('/')),
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: format!("{{{},{}", speaker.fields(), what.trim_start_matches('{')).into_bytes(),
    }
}

#[derive(Deserialize)]
struct Refusal {
    detail: Vec<Reason>,
}

/// The server also repeats what it was sent; that is passed over.
#[derive(Deserialize)]
struct Reason {
    msg: String,
}

/// Why there is no speech: any status but 200; `body` is what came with it.
pub fn refused(status: u16, body: &[u8]) -> Failure {
    let reasons = serde_json::from_slice::<Refusal>(body).ok();
    let words = reasons.and_then(|refusal| refusal.detail.into_iter().next()).map(|reason| reason.msg);
    Failure::of_status(status, None).in_words(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn latents() -> Value {
        json!({"gpt_cond_latent": vec![vec![0.25; 1024]; 32], "speaker_embedding": vec![-0.5; 512]})
    }

    fn speaker() -> Speaker {
        read_speaker(200, latents().to_string().as_bytes()).unwrap()
    }

    #[test]
    fn speech_is_asked_for_in_the_cloned_voice() {
        let request = speak("http://h", &speaker(), "Say \"hi\" {now}", "en");
        let mut wanted = latents();
        for (name, value) in [("text", json!("Say \"hi\" {now}")), ("language", json!("en"))] {
            wanted[name] = value;
        }
        wanted["stream_chunk_size"] = json!("20");
        wanted["add_wav_header"] = json!(true);
        assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), wanted);
    }

    #[test]
    fn voices_of_other_sizes_are_refused() {
        let kind =
            |value: Value| read_speaker(200, value.to_string().as_bytes()).map_err(|failure| failure.kind);
        let mut short = latents();
        short["gpt_cond_latent"] = json!([[1.0]]);
        let mut many = latents();
        many["gpt_cond_latent"] = json!(vec![vec![0.0; 1024]; 65]);
        let mut huge = latents();
        huge["speaker_embedding"] = json!([1e300]);
        for wrong in [short, many, huge, json!({}), json!([])] {
            assert_eq!(kind(wrong), Err(FailureKind::Protocol));
        }
    }

    #[test]
    fn voices_are_not_shown() {
        assert_eq!(format!("{:?}", speaker()), "Speaker { .. }");
    }

    #[test]
    fn languages_are_read() {
        assert_eq!(read_languages(200, br#"["en","zh-cn"]"#).unwrap(), ["en", "zh-cn"]);
        assert_eq!(read_languages(503, b"").unwrap_err().kind, FailureKind::Down);
    }

    #[test]
    fn refusals_do_not_repeat_what_was_said() {
        let body = br#"{"detail":[{"type":"literal_error","loc":["body","language"],"msg":"Input should be 'en'","input":"private"}]}"#;
        assert_eq!(refused(422, body).detail, "HTTP status 422: Input should be 'en'");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>, status: u16) {
            drop((read_speaker(200, &body), read_languages(200, &body)));
            drop(refused(status, &body));
        }
    }
}
