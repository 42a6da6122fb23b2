//! Recognition by a Wyoming server: an exchange an utterance.

use std::time::Duration;

use audio_path::Frame;
use engines::wyoming::{AudioChunk, AudioFormat, AudioStart, AudioStop, Message, Transcribe};
use engines::{Failure, FailureKind};
use session::Language;
use tokio::time::{Instant, timeout_at};

use super::{
    ANSWER_DEADLINE, AsrInput, Ended, FALL_BACK_AFTER, LONGEST_TEXT, SPEECH_DEADLINE, Utterance, answer_by,
};
use crate::clients::connection::{Connection, Pool};
use crate::endpoint::Endpoint;

/// After the end of a text stream, how long the whole text may take; a server that sends none has said it all.
const AFTER_STREAM_DEADLINE: Duration = Duration::from_millis(300);

/// A leg's connections to one server.
pub(super) struct Wyoming(Pool);

impl Wyoming {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self(Pool::new(endpoint))
    }

    /// Connects before the first frame.
    pub(super) async fn warm(&self) -> Result<(), Failure> {
        self.0.warm().await
    }

    /// Has the utterance recognised. Whoever `is_last` may be a slow machine, and is given all the time there is.
    pub(super) async fn attempt(&self, utterance: &mut Utterance, is_last: bool) -> Result<(), Ended> {
        // Streamed text cannot be taken back, so only the first attempt streams.
        let streams = !utterance.streamed;
        let patience = if is_last { ANSWER_DEADLINE } else { FALL_BACK_AFTER };
        let mut connection = self.0.take().await?;
        let mut languages = utterance.languages.map(|language| language.to_string()).to_vec();
        languages.dedup();
        connection.send(Transcribe::among(languages).into()).await?;
        connection.send(AudioStart { format: AudioFormat::SLIN16, timestamp: None }.into()).await?;
        for frame in &utterance.kept {
            connection.send(chunk(frame)).await?;
        }
        if utterance.finished().is_some() {
            connection.send(AudioStop::default().into()).await?;
        }
        let (text, language) = converse(&mut connection, utterance, streams, patience).await?;
        self.0.put(connection);
        let rest = utterance.joined(&text);
        utterance.text.push_str(&rest);
        utterance.language = language.or(utterance.language);
        Ok(())
    }
}

/// Sends what comes from the leg and takes what comes from the server, until the whole text is there.
async fn converse(
    connection: &mut Connection,
    utterance: &mut Utterance,
    streams: bool,
    patience: Duration,
) -> Result<(String, Option<Language>), Ended> {
    let mut streamed = Streamed::default();
    let began = Instant::now();
    let mut sent = utterance.finished().map(|_| began);
    loop {
        let until = match (sent, streamed.ended) {
            (None, _) => began + SPEECH_DEADLINE,
            (Some(sent), None) => answer_by(utterance.finished(), sent, patience),
            (Some(sent), Some(ended)) => {
                answer_by(utterance.finished(), sent, patience).min(ended.max(sent) + AFTER_STREAM_DEADLINE)
            }
        };
        let message = tokio::select! {
            input = utterance.input.recv(), if sent.is_none() => {
                send_on(connection, utterance, input).await?;
                sent = utterance.finished().map(|_| Instant::now());
                continue;
            }
            message = timeout_at(until, connection.receive()) => match message {
                Ok(message) => message?,
                Err(_) if streamed.ended.is_some() => return Ok(streamed.text()),
                Err(_) => return Err(Failure::new(FailureKind::Slow, "no text in time").into()),
            },
        };
        match message {
            Message::Transcript(whole) => {
                let language = whole.language.and_then(|l| l.parse().ok()).or(streamed.language);
                return Ok((whole.text, language));
            }
            Message::TranscriptStart(start) => {
                streamed.language = start.language.and_then(|l| l.parse().ok());
            }
            Message::TranscriptChunk(chunk) => {
                streamed.push(&chunk.text);
                if streams {
                    utterance.streamed = true;
                    utterance.language = streamed.language.or(utterance.language);
                    utterance.tell_partial(chunk.text).await;
                }
            }
            Message::TranscriptStop(_) => streamed.ended = streamed.ended.or(Some(Instant::now())),
            Message::Error(error) => return Err(Failure::new(FailureKind::Down, error.text).into()),
            _ => {}
        }
    }
}

/// The text that a server streamed so far.
#[derive(Default)]
struct Streamed {
    text: String,
    language: Option<Language>,
    ended: Option<Instant>,
}

impl Streamed {
    fn push(&mut self, delta: &str) {
        if self.text.len() < LONGEST_TEXT {
            self.text.push_str(delta);
        }
    }

    fn text(self) -> (String, Option<Language>) {
        (self.text, self.language)
    }
}

async fn send_on(
    connection: &mut Connection,
    utterance: &mut Utterance,
    input: Option<AsrInput>,
) -> Result<(), Ended> {
    match input {
        Some(AsrInput::Audio(frame)) => {
            utterance.keep(&frame);
            connection.send(chunk(&frame)).await?;
        }
        Some(AsrInput::Finish) => {
            utterance.finish();
            connection.send(AudioStop::default().into()).await?;
        }
        None => return Err(Ended::Unwanted),
    }
    Ok(())
}

fn chunk(frame: &Frame) -> Message {
    AudioChunk { format: AudioFormat::SLIN16, timestamp: None, audio: frame.to_wire().to_vec() }.into()
}
