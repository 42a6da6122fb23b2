use std::sync::Arc;
use std::time::Duration;

use audio_path::Frame;
use engines::wyoming::{AudioChunk, AudioFormat, AudioStart, AudioStop, Message, Transcribe};
use session::{Language, UtteranceId};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Pool};
use super::{Answer, Failure};
use crate::endpoint::Endpoint;

/// How long the whole text may take after the last audio; the session gives up at about the same time.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long an utterance may last: the session ends each before this.
const SPEECH_DEADLINE: Duration = Duration::from_secs(40);
/// After the end of a text stream, how long the whole text may take; a server that sends none has said it all.
const AFTER_STREAM_DEADLINE: Duration = Duration::from_millis(300);
/// Pauses before the second and third attempt.
const RETRY_AFTER: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];
/// Frames of an utterance that may wait for the connection, and that are kept to be sent again: 30 s.
const MOST_FRAMES: usize = 1_500;

/// What a recognition is given.
#[derive(Debug)]
pub enum AsrInput {
    /// The next 20 ms.
    Audio(Box<Frame>),
    /// That was all.
    Finish,
}

/// Speech recognition for one leg.
#[derive(Clone)]
pub struct Recogniser {
    pool: Arc<Pool>,
    answers: mpsc::Sender<Answer>,
}

/// Why an attempt ended without a text.
enum Ended {
    /// The leg no longer wants it.
    Unwanted,
    /// It may work the next time.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

struct Utterance {
    id: UtteranceId,
    languages: [Language; 2],
    input: mpsc::Receiver<AsrInput>,
    kept: Vec<Frame>,
    finished: bool,
}

impl Recogniser {
    /// A recogniser that answers to `answers`.
    pub fn new(endpoint: Endpoint, answers: mpsc::Sender<Answer>) -> Self {
        Self { pool: Arc::new(Pool::new(endpoint)), answers }
    }

    /// Connects before the first frame.
    pub async fn warm(self) {
        self.pool.warm().await;
    }

    /// Begins an utterance: audio goes into what is returned, dropping it takes the wish back.
    pub fn recognise(&self, id: UtteranceId, languages: [Language; 2]) -> mpsc::Sender<AsrInput> {
        let (sender, input) = mpsc::channel(MOST_FRAMES);
        let utterance = Utterance { id, languages, input, kept: Vec::new(), finished: false };
        tokio::spawn(self.clone().run(utterance));
        sender
    }

    async fn run(self, mut utterance: Utterance) {
        let id = utterance.id;
        let mut retries = RETRY_AFTER.iter();
        let answer = loop {
            // Streamed text cannot be taken back, so only the first attempt streams.
            let streams = retries.len() == RETRY_AFTER.len();
            match self.attempt(&mut utterance, streams).await {
                Ok((text, language)) => break Answer::Final { utterance: id, text, language },
                Err(Ended::Unwanted) => return,
                Err(Ended::Failed(failure)) => match retries.next() {
                    Some(&pause) => {
                        log::info!("speech recognition is tried again: {failure}");
                        sleep(pause).await;
                    }
                    None => break Answer::NotRecognised { utterance: id, reason: failure.to_string() },
                },
            }
        };
        // A leg that hung up does not listen any more.
        let _hung_up = self.answers.send(answer).await;
        self.pool.warm().await;
    }

    async fn attempt(
        &self,
        utterance: &mut Utterance,
        streams: bool,
    ) -> Result<(String, Option<Language>), Ended> {
        let mut connection = self.pool.take().await?;
        connection.send(Transcribe::among(utterance.languages.map(|l| l.to_string())).into()).await?;
        connection.send(AudioStart { format: AudioFormat::SLIN16, timestamp: None }.into()).await?;
        for frame in &utterance.kept {
            connection.send(chunk(frame)).await?;
        }
        if utterance.finished {
            connection.send(AudioStop::default().into()).await?;
        }
        let answer = self.converse(&mut connection, utterance, streams).await?;
        self.pool.put(connection);
        Ok(answer)
    }

    /// Sends what comes from the leg and takes what comes from the server, until the whole text is there.
    async fn converse(
        &self,
        connection: &mut Connection,
        utterance: &mut Utterance,
        streams: bool,
    ) -> Result<(String, Option<Language>), Ended> {
        let mut streamed = Streamed::default();
        loop {
            let patience = match (utterance.finished, streamed.ended) {
                (false, _) => SPEECH_DEADLINE,
                (true, false) => ANSWER_DEADLINE,
                (true, true) => AFTER_STREAM_DEADLINE,
            };
            let message = tokio::select! {
                input = utterance.input.recv(), if !utterance.finished => {
                    send_on(connection, utterance, input).await?;
                    continue;
                }
                message = timeout(patience, connection.receive()) => match message {
                    Ok(message) => message?,
                    Err(_) if streamed.ended => return Ok(streamed.text()),
                    Err(_) => return Err(Failure("no text in time".into()).into()),
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
                        self.stream(utterance.id, &streamed, chunk.text).await;
                    }
                }
                Message::TranscriptStop(_) => streamed.ended = true,
                Message::Error(error) => return Err(Failure(error.text).into()),
                _ => {}
            }
        }
    }

    async fn stream(&self, utterance: UtteranceId, streamed: &Streamed, delta: String) {
        let language = streamed.language;
        let _hung_up = self.answers.send(Answer::Partial { utterance, delta, language }).await;
    }
}

/// The text that a server streamed so far.
#[derive(Default)]
struct Streamed {
    text: String,
    language: Option<Language>,
    ended: bool,
}

impl Streamed {
    fn push(&mut self, delta: &str) {
        // The session cuts texts off long before this; it keeps a flood from growing without bound.
        if self.text.len() < 16 << 10 {
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
            let message = chunk(&frame);
            if utterance.kept.len() < MOST_FRAMES {
                utterance.kept.push(*frame);
            }
            connection.send(message).await?;
        }
        Some(AsrInput::Finish) => {
            utterance.finished = true;
            connection.send(AudioStop::default().into()).await?;
        }
        None => return Err(Ended::Unwanted),
    }
    Ok(())
}

fn chunk(frame: &Frame) -> Message {
    AudioChunk { format: AudioFormat::SLIN16, timestamp: None, audio: frame.to_wire().to_vec() }.into()
}
