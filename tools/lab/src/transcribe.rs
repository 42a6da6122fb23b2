//! Listening to the reply as a second listener would: the engine server transcribes the recording.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engines::wyoming::{
    AudioChunk, AudioFormat, AudioStart, AudioStop, Decoder, Limits, Message, Transcribe, Transcript,
};
use serde::Serialize;

const ANSWER_AT_MOST: Duration = Duration::from_secs(30);
const CHUNK_SAMPLES: usize = 1600;

/// What the second listener made of a recording.
#[derive(Debug, Default, Serialize)]
pub struct Heard {
    /// The words.
    pub text: String,
    /// The language that the recogniser took it for.
    pub language: Option<String>,
}

/// What is said in `samples`, 16 kHz, in `language`, or in whatever language.
///
/// # Errors
/// When the server does not answer.
pub fn transcribe(server: SocketAddr, language: Option<&str>, samples: &[i16]) -> Result<Heard> {
    let mut stream =
        TcpStream::connect(server).with_context(|| format!("cannot reach the engines at {server}"))?;
    stream.set_read_timeout(Some(ANSWER_AT_MOST))?;
    stream.write_all(&request(language, samples))?;
    let mut decoder = Decoder::new(Limits::default());
    let mut bytes = [0; 4096];
    loop {
        while let Some(event) = decoder.next_event()? {
            match Message::from_event(event) {
                Ok(Message::Transcript(Transcript { text, language, .. })) => {
                    return Ok(Heard { text, language });
                }
                Ok(Message::Error(error)) => bail!("the engines refused: {}", error.text),
                // Streaming answers come before the whole one.
                _ => {}
            }
        }
        match stream.read(&mut bytes).context("the engines do not answer")? {
            0 => bail!("the engines closed the connection"),
            read => decoder.push(&bytes[..read]),
        }
    }
}

fn request(language: Option<&str>, samples: &[i16]) -> Vec<u8> {
    let format = AudioFormat::SLIN16;
    let wish = Transcribe { language: language.map(str::to_owned), ..Transcribe::default() };
    let mut messages = vec![Message::from(wish), AudioStart { format, timestamp: None }.into()];
    for chunk in samples.chunks(CHUNK_SAMPLES) {
        let audio = chunk.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        messages.push(AudioChunk { format, timestamp: None, audio }.into());
    }
    messages.push(AudioStop::default().into());
    let mut wire = Vec::new();
    for message in messages {
        message.into_event().encode(&mut wire);
    }
    wire
}
