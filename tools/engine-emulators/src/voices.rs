//! Who hears, translates and speaks behind the vendors' protocols.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engines::mt::libretranslate::{TranslateRequest, TranslateResponse};
use engines::wyoming::{
    AudioChunk, AudioFormat, AudioStart, AudioStop, Decoder, Limits, Message, Synthesize, Transcribe, Voice,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::loopback;

const ANSWER_AT_MOST: Duration = Duration::from_secs(30);
/// As fast as people speak.
const PACE: Duration = Duration::from_millis(50);
const TONE_HZ: f64 = 440.0;

/// What hears, translates and speaks.
#[derive(Debug)]
pub enum Voices {
    /// The engine server's models.
    Device {
        /// Its Wyoming address.
        speech: SocketAddr,
        /// Its `LibreTranslate` address.
        translation: SocketAddr,
    },
    /// Known texts; speech is a tone. Answers at once, so that delays are exact.
    Scripted {
        /// What is heard, an utterance each.
        heard: Mutex<VecDeque<Line>>,
        /// Translations. What is not in it is translated as the empty text is or, without that, into itself.
        translations: HashMap<String, String>,
        /// Speech is a tone of this length for each character of its text.
        pace: Duration,
    },
}

/// What a scripted recogniser hears of one utterance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// All of it.
    pub text: String,
    /// In which language; told to those who ask for several.
    pub language: Option<String>,
    /// How long its speaker takes, from the first voice; where that is not known he says two and a half words a second.
    pub lasts: Option<Duration>,
}

impl From<&str> for Line {
    /// Of a speaker whose language and pace are not known.
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

/// Speech, mono.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Samples a second.
    pub rate: u32,
    /// 16 bit.
    pub samples: Vec<i16>,
}

impl Speech {
    /// The same at another rate, by linear interpolation.
    #[must_use]
    pub fn at(&self, rate: u32) -> Self {
        if rate == self.rate || self.samples.is_empty() {
            return self.clone();
        }
        let step = f64::from(self.rate) / f64::from(rate);
        let last = self.samples.len() - 1;
        let count = (self.samples.len() as f64 / step) as usize;
        let sample = |index: usize| {
            let place = index as f64 * step;
            let (left, right) =
                (self.samples[(place as usize).min(last)], self.samples[(place as usize + 1).min(last)]);
            (f64::from(left) + (f64::from(right) - f64::from(left)) * place.fract()) as i16
        };
        Self { rate, samples: (0..count).map(sample).collect() }
    }

    /// Little-endian bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }
}

impl Voices {
    /// The engine server at these addresses.
    pub fn device(speech: SocketAddr, translation: SocketAddr) -> Self {
        Self::Device { speech, translation }
    }

    /// These texts are heard, an utterance each, and translated as given.
    pub fn scripted<'a>(
        heard: impl IntoIterator<Item = &'a str>,
        translations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self::timed(heard.into_iter().map(Line::from), translations)
    }

    /// The same for recordings whose length is known: each word is heard when it was said.
    pub fn timed<'a>(
        heard: impl IntoIterator<Item = Line>,
        translations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let heard = Mutex::new(heard.into_iter().collect());
        let pairs = translations.into_iter().map(|(source, target)| (source.to_owned(), target.to_owned()));
        Self::Scripted { heard, translations: pairs.collect(), pace: PACE }
    }

    /// The same with scripted speech of another length for each character.
    #[must_use]
    pub fn paced(mut self, a_character: Duration) -> Self {
        if let Self::Scripted { pace, .. } = &mut self {
            *pace = a_character;
        }
        self
    }

    /// What is said in an utterance of 16 kHz samples; empty when there is nothing.
    ///
    /// # Errors
    /// When the engine server does not answer.
    pub async fn hear(&self, samples: &[i16], language: Option<&str>) -> Result<String> {
        let (text, _) = self.hear_among(samples, language.as_slice()).await?;
        Ok(text)
    }

    /// The same, in one of `languages`, and in which of them where that can be told.
    ///
    /// # Errors
    /// When the engine server does not answer.
    pub async fn hear_among(&self, samples: &[i16], languages: &[&str]) -> Result<(String, Option<String>)> {
        match self {
            Self::Device { speech, .. } => hear_on_device(*speech, samples, languages).await,
            Self::Scripted { .. } => {
                let line = self.next_line().unwrap_or_default();
                Ok((line.text, line.language))
            }
        }
    }

    /// The next scripted utterance.
    pub(crate) fn next_line(&self) -> Option<Line> {
        let Self::Scripted { heard, .. } = self else { return None };
        heard.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// A scripted utterance is heard again, before all others: its speaker was cut off.
    pub fn put_back(&self, text: &str) {
        if let Self::Scripted { heard, .. } = self {
            heard.lock().unwrap_or_else(PoisonError::into_inner).push_front(text.into());
        }
    }

    /// The translation of `text`.
    ///
    /// # Errors
    /// When the engine server does not answer, or does not know a language.
    pub async fn translate(&self, text: &str, source: &str, target: &str) -> Result<String> {
        match self {
            Self::Device { translation, .. } => translate_on_device(*translation, text, source, target).await,
            Self::Scripted { translations, .. } => {
                let known = translations.get(text).or_else(|| translations.get(""));
                Ok(known.cloned().unwrap_or_else(|| text.to_owned()))
            }
        }
    }

    /// `text` spoken in `language`.
    ///
    /// # Errors
    /// When the engine server does not answer, or has no voice for it.
    pub async fn speak(&self, text: &str, language: &str) -> Result<Speech> {
        match self {
            Self::Device { speech, .. } => speak_on_device(*speech, text, language).await,
            Self::Scripted { pace, .. } => Ok(tone(*pace * text.chars().count() as u32)),
        }
    }
}

fn tone(length: Duration) -> Speech {
    let rate = 16_000;
    let count = (length.as_secs_f64() * f64::from(rate)) as usize;
    let sample = |at: usize| {
        let angle = std::f64::consts::TAU * TONE_HZ * at as f64 / f64::from(rate);
        (8_000.0 * angle.cos()) as i16
    };
    Speech { rate, samples: (0..count).map(sample).collect() }
}

async fn hear_on_device(
    server: SocketAddr,
    samples: &[i16],
    languages: &[&str],
) -> Result<(String, Option<String>)> {
    let format = AudioFormat::SLIN16;
    let transcribe = match languages {
        [] => Transcribe::default(),
        [one] => Transcribe { language: Some((*one).to_owned()), ..Transcribe::default() },
        several => Transcribe::among(several),
    };
    let audio = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let request = [
        transcribe.into(),
        AudioStart { format, timestamp: None }.into(),
        AudioChunk { format, timestamp: None, audio }.into(),
        AudioStop::default().into(),
    ];
    let mut heard = (String::new(), None);
    exchange(server, request, |message| match message {
        Message::Transcript(transcript) => {
            heard = (transcript.text.trim().to_owned(), transcript.language);
            true
        }
        _ => false,
    })
    .await?;
    Ok(heard)
}

async fn speak_on_device(server: SocketAddr, text: &str, language: &str) -> Result<Speech> {
    let voice = Voice { language: Some(language.to_owned()), ..Voice::default() };
    let request = Synthesize { text: text.to_owned(), voice: Some(voice), ..Synthesize::default() };
    let mut speech = Speech { rate: 16_000, samples: Vec::new() };
    exchange(server, [request.into()], |message| match message {
        Message::AudioChunk(chunk) => {
            speech.rate = chunk.format.rate;
            let pairs = chunk.audio.chunks_exact(2);
            speech.samples.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            false
        }
        Message::AudioStop(_) => true,
        _ => false,
    })
    .await?;
    Ok(speech)
}

/// Sends `request` on a connection of its own, and shows what is answered to `is_last` until that says so.
async fn exchange(
    server: SocketAddr,
    request: impl IntoIterator<Item = Message>,
    mut is_last: impl FnMut(Message) -> bool,
) -> Result<()> {
    let mut wire = Vec::new();
    request.into_iter().for_each(|message| message.into_event().encode(&mut wire));
    let answered = async {
        let mut stream = TcpStream::connect(server)
            .await
            .with_context(|| format!("cannot reach the engines at {server}"))?;
        stream.write_all(&wire).await?;
        let mut decoder = Decoder::new(Limits::default());
        let mut bytes = vec![0; 16 << 10];
        loop {
            while let Some(event) = decoder.next_event()? {
                match Message::from_event(event) {
                    Ok(Message::Error(error)) => bail!("the engines refused: {}", error.text),
                    Ok(message) => {
                        if is_last(message) {
                            return Ok(());
                        }
                    }
                    Err(unreadable) => log::debug!("passed over: {unreadable}"),
                }
            }
            match stream.read(&mut bytes).await? {
                0 => bail!("the engines closed the connection"),
                read => decoder.push(&bytes[..read]),
            }
        }
    };
    timeout(ANSWER_AT_MOST, answered).await.context("the engines do not answer")?
}

async fn translate_on_device(server: SocketAddr, text: &str, source: &str, target: &str) -> Result<String> {
    let client = loopback::client()?.timeout(ANSWER_AT_MOST).build()?;
    let request = TranslateRequest::plain(text, source, target);
    let response = client.post(format!("http://{server}/translate")).json(&request).send().await?;
    let answer: TranslateResponse = response.error_for_status()?.json().await?;
    answer.translated_text.as_slice().first().cloned().context("the engines translated nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_keeps_its_length_at_another_rate() {
        let speech = tone(PACE * 20);
        let other = speech.at(24_000);
        assert_eq!(speech.samples.len(), 16_000);
        assert_eq!(other.samples.len(), 24_000);
        assert!(other.samples.iter().zip(speech.at(24_000).samples).all(|(a, b)| *a == b));
    }
}
