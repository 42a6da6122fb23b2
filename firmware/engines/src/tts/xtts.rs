//! The XTTS v2 streaming server: voices cloned from a recording, speech as a chunked WAV file.
//!
//! It speaks one text at a time and lets the others wait.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::pcm::Pcm;
use crate::http::Request;
use crate::{Failure, FailureKind};

/// Samples a second.
pub const RATE: u32 = 24_000;
/// Longest recording that a voice is cloned from, samples: half a minute at 16 kHz.
pub const SAMPLE_AT_MOST: usize = 30 * SAMPLE_RATE as usize;
/// Longest body that describes one voice, bytes.
pub const SPEAKER_AT_MOST: usize = 2 << 20;
/// Longest body that describes the voices of the studio, some sixty, bytes.
pub const STUDIO_AT_MOST: usize = 64 << 20;

const SAMPLE_RATE: u32 = 16_000;
/// Numbers in a row of a voice.
const ROW: usize = 1024;
const ROWS_AT_MOST: usize = 64;
const EMBEDDING_AT_MOST: usize = 2048;
/// The server writes 44 bytes; others write more before the samples.
const HEADER_AT_MOST: usize = 512;

/// A voice, as the server describes it. It tells who someone is, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The fields of a request that say who speaks. They are long: written once, not with every clause.
    fields: String,
}

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker").finish_non_exhaustive()
    }
}

#[derive(Deserialize, Serialize)]
struct Latents {
    speaker_embedding: Vec<f32>,
    gpt_cond_latent: Vec<Vec<f32>>,
}

impl Latents {
    fn speaker(&self) -> Result<Speaker, Failure> {
        let Self { speaker_embedding: embedding, gpt_cond_latent: rows } = self;
        let sizes = (1..=EMBEDDING_AT_MOST).contains(&embedding.len())
            && (1..=ROWS_AT_MOST).contains(&rows.len())
            && rows.iter().all(|row| row.len() == ROW);
        if !sizes || !rows.iter().flatten().chain(embedding).all(|number| number.is_finite()) {
            return Err(unreadable("a voice is not one"));
        }
        let json = serde_json::to_string(self).map_err(|_| unreadable("a voice is not one"))?;
        Ok(Speaker { fields: json.trim_matches(['{', '}']).to_owned() })
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::new(FailureKind::Protocol, format!("the voice server's answer cannot be read: {what}"))
}

/// Asks for a voice like that of `samples`, 16 kHz; those after [`SAMPLE_AT_MOST`] are left out.
pub fn clone_speaker(base: &str, samples: &[i16]) -> Request {
    let wav = wav(&samples[..samples.len().min(SAMPLE_AT_MOST)]);
    let boundary = boundary(&wav);
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"wav_file\"; filename=\"reference.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    Request {
        method: "POST",
        url: format!("{}/clone_speaker", base.trim_end_matches('/')),
        headers: vec![("Content-Type", format!("multipart/form-data; boundary={boundary}"))],
        body: [head.as_bytes(), &wav, format!("\r\n--{boundary}--\r\n").as_bytes()].concat(),
    }
}

/// A boundary that `content` does not have.
fn boundary(content: &[u8]) -> String {
    let has = |mark: &String| content.windows(mark.len()).any(|window| window == mark.as_bytes());
    let mut marks = (0_u32..).map(|number| format!("dragoman-{number:010}"));
    marks.find(|mark| !has(mark)).unwrap_or_default()
}

/// `samples` as a WAV file: 16 kHz, mono.
fn wav(samples: &[i16]) -> Vec<u8> {
    let bytes = samples.len() as u32 * 2;
    let mut wav = Vec::with_capacity(44 + samples.len() * 2);
    wav.extend(b"RIFF");
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(SAMPLE_RATE.to_le_bytes());
    wav.extend((SAMPLE_RATE * 2).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}

/// Reads the answer to [`clone_speaker`].
///
/// # Errors
/// Every status but 200, and a body that does not describe a voice.
pub fn read_speaker(status: u16, body: &[u8]) -> Result<Speaker, Failure> {
    read::<Latents>(status, body, SPEAKER_AT_MOST)?.speaker()
}

/// Asks for the voices of the studio.
pub fn studio_speakers(base: &str) -> Request {
    get(base, "/studio_speakers")
}

/// Reads the voices of the studio, by name.
///
/// # Errors
/// Every status but 200, and a body that does not describe voices.
pub fn read_studio_speakers(status: u16, body: &[u8]) -> Result<HashMap<String, Speaker>, Failure> {
    let voices: HashMap<String, Latents> = read(status, body, STUDIO_AT_MOST)?;
    voices.into_iter().map(|(name, latents)| Ok((name, latents.speaker()?))).collect()
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
        body: format!("{{{},{}", speaker.fields, what.trim_start_matches('{')).into_bytes(),
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

/// Reads the body of the answer to [`speak`], cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Audio {
    header: Vec<u8>,
    begun: bool,
    pcm: Pcm,
}

impl Audio {
    /// The whole samples at [`RATE`] that `bytes` completes, as bytes.
    ///
    /// # Errors
    /// When it is not a WAV file of such samples, or has no end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.begun {
            return self.pcm.push(bytes);
        }
        let room = HEADER_AT_MOST - self.header.len();
        let (head, rest) = bytes.split_at(bytes.len().min(room));
        self.header.extend(head);
        match samples_begin(&self.header)? {
            Some(begin) => {
                self.begun = true;
                let mut samples = std::mem::take(&mut self.header).split_off(begin);
                samples.extend(rest);
                self.pcm.push(&samples)
            }
            None if self.header.len() < HEADER_AT_MOST => Ok(Vec::new()),
            None => Err(unreadable("no samples in the WAV file")),
        }
    }
}

/// Where the samples of a WAV file begin; None when `header` does not reach there.
fn samples_begin(header: &[u8]) -> Result<Option<usize>, Failure> {
    let mut known = b"RIFF\0\0\0\0WAVE".iter().zip(header).enumerate();
    if known.any(|(at, (wanted, byte))| !(4..8).contains(&at) && wanted != byte) {
        return Err(unreadable("not a WAV file"));
    }
    let mut at = 12;
    let mut format = None;
    while let Some(chunk) = header.get(at..at + 8) {
        let size = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
        let begin = at + 8;
        match &chunk[..4] {
            b"data" if format == Some(true) => return Ok(Some(begin)),
            b"data" => return Err(unreadable("not 24 kHz, 16 bit, mono")),
            b"fmt " => format = header.get(begin..begin + 16).map(is_ours),
            _ => {}
        }
        at = begin.saturating_add(size.next_multiple_of(2)).min(HEADER_AT_MOST);
    }
    Ok(None)
}

/// Whether a `fmt ` chunk says 24 kHz, 16 bit, mono, uncompressed.
fn is_ours(format: &[u8]) -> bool {
    format[..4] == [1, 0, 1, 0] && format[4..8] == RATE.to_le_bytes() && format[14..16] == [16, 0]
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

    /// As Python's `wave` writes it for no samples, and then samples.
    fn answer(samples: &[u8]) -> Vec<u8> {
        let mut bytes = wav(&[]);
        bytes[24..28].copy_from_slice(&RATE.to_le_bytes());
        bytes[28..32].copy_from_slice(&(RATE * 2).to_le_bytes());
        bytes.extend(samples);
        bytes
    }

    #[test]
    fn a_voice_is_cloned_from_a_recording() {
        let request = clone_speaker("http://h:8000/", &[1, -2]);
        assert_eq!(request.url, "http://h:8000/clone_speaker");
        let boundary = request.headers[0].1.strip_prefix("multipart/form-data; boundary=").unwrap();
        let mut wanted = format!("--{boundary}\r\n").into_bytes();
        wanted.extend(b"Content-Disposition: form-data; name=\"wav_file\"; filename=\"reference.wav\"\r\n");
        wanted.extend(
            b"Content-Type: audio/wav\r\n\r\nRIFF\x28\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80>\0\0\0}\0\0",
        );
        wanted.extend(b"\x02\0\x10\0data\x04\0\0\0\x01\0\xfe\xff\r\n");
        wanted.extend(format!("--{boundary}--\r\n").as_bytes());
        assert_eq!(request.body, wanted);
    }

    #[test]
    fn a_boundary_is_never_in_the_recording() {
        assert_eq!(boundary(b"x dragoman-0000000000 y"), "dragoman-0000000001");
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
    fn studio_and_languages_are_read() {
        let voices = read_studio_speakers(200, json!({"Ana": latents()}).to_string().as_bytes()).unwrap();
        assert_eq!(voices["Ana"], speaker());
        assert_eq!(read_languages(200, br#"["en","zh-cn"]"#).unwrap(), ["en", "zh-cn"]);
        assert_eq!(read_languages(503, b"").unwrap_err().kind, FailureKind::Down);
    }

    #[test]
    fn refusals_do_not_repeat_what_was_said() {
        let body = br#"{"detail":[{"type":"literal_error","loc":["body","language"],"msg":"Input should be 'en'","input":"private"}]}"#;
        assert_eq!(refused(422, body).detail, "HTTP status 422: Input should be 'en'");
    }

    #[test]
    fn other_samples_are_refused() {
        let mut eight = answer(b"ab");
        eight[24..28].copy_from_slice(&8000_u32.to_le_bytes());
        for wrong in [eight, b"OggS".to_vec(), [b"RIFF1234WAVE".as_slice(), &[0; 600]].concat()] {
            assert_eq!(Audio::default().push(&wrong).unwrap_err().kind, FailureKind::Protocol);
        }
    }

    #[test]
    fn chunks_before_the_samples_are_passed_over() {
        let mut bytes = answer(b"abcd");
        bytes.splice(36..36, *b"LIST\x03\0\0\0xyz\0");
        assert_eq!(Audio::default().push(&bytes).unwrap(), b"abcd");
    }

    proptest! {
        #[test]
        fn samples_survive_any_cut(samples: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let bytes = answer(&samples);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut audio = Audio::default();
            let mut heard = Vec::new();
            for cut in cuts.windows(2) {
                heard.extend(audio.push(&bytes[cut[0]..cut[1]]).unwrap());
            }
            prop_assert_eq!(heard, &samples[..samples.len() / 2 * 2]);
        }

        #[test]
        fn no_bytes_panic(mut header in prop::collection::vec(any::<u8>(), 0..700), status: u16) {
            drop((read_speaker(200, &header), read_studio_speakers(status, &header), refused(status, &header)));
            drop(Audio::default().push(&header));
            header.splice(0..0, *b"RIFF1234WAVEfmt ");
            drop(Audio::default().push(&header));
        }
    }
}
