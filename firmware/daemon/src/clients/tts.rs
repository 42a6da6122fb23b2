use std::sync::Arc;
use std::time::Duration;

use audio_path::{SAMPLE_RATE, SegmentId};
use engines::wyoming::{AudioFormat, Message, Synthesize, Voice};
use session::Language;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::connection::Pool;
use super::resample::Converter;
use super::{Answer, Failure};
use crate::endpoint::Endpoint;

/// How long the first audio may take.
const FIRST_DEADLINE: Duration = Duration::from_secs(6);
/// How long more audio may take: it is being played meanwhile.
const NEXT_DEADLINE: Duration = Duration::from_secs(3);
/// Pause before the second attempt.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// Speech longer than this comes from a broken engine.
const MOST_SAMPLES: usize = 60 * SAMPLE_RATE as usize;
/// Texts that may wait to be spoken.
const MOST_JOBS: usize = 128;

/// A text to be spoken.
#[derive(Debug)]
pub struct SpeakJob {
    /// Under which number.
    pub segment: SegmentId,
    /// What.
    pub text: String,
    /// In which language.
    pub language: Language,
}

/// Speech synthesis for one leg: one text after the other, over one connection.
pub struct Speaker {
    jobs: mpsc::Sender<SpeakJob>,
}

struct Worker {
    pool: Arc<Pool>,
    answers: mpsc::Sender<Answer>,
}

impl Speaker {
    /// A speaker that connects at once and answers to `answers`. It ends when it is dropped.
    pub fn new(endpoint: Endpoint, answers: mpsc::Sender<Answer>) -> Self {
        let (jobs, queue) = mpsc::channel(MOST_JOBS);
        let worker = Worker { pool: Arc::new(Pool::new(endpoint)), answers };
        tokio::spawn(worker.run(queue));
        Self { jobs }
    }

    /// Queues a text.
    ///
    /// # Errors
    /// Where too many wait.
    pub fn speak(&self, job: SpeakJob) -> Result<(), Failure> {
        self.jobs.try_send(job).map_err(|_| Failure("too much waits to be spoken".into()))
    }
}

impl Worker {
    async fn run(self, mut queue: mpsc::Receiver<SpeakJob>) {
        self.pool.warm().await;
        while let Some(job) = queue.recv().await {
            let segment = job.segment;
            let mut given = 0;
            let mut outcome = self.attempt(&job, &mut given).await;
            if outcome.is_err() && given == 0 {
                sleep(RETRY_AFTER).await;
                outcome = self.attempt(&job, &mut given).await;
            }
            let answer = match outcome {
                Ok(()) => Answer::SpeechComplete { segment },
                Err(failure) => Answer::NotSpoken { segment, reason: failure.to_string() },
            };
            if self.answers.send(answer).await.is_err() {
                return;
            }
            self.pool.warm().await;
        }
    }

    /// Has the text spoken; counts in `given` the samples that were passed on.
    async fn attempt(&self, job: &SpeakJob, given: &mut usize) -> Result<(), Failure> {
        let mut connection = self.pool.take().await?;
        let voice = Voice { language: Some(job.language.to_string()), ..Voice::default() };
        let request = Synthesize { text: job.text.clone(), voice: Some(voice), ..Synthesize::default() };
        connection.send(request.into()).await?;
        let mut converter: Option<(AudioFormat, Converter)> = None;
        loop {
            let patience = if *given == 0 { FIRST_DEADLINE } else { NEXT_DEADLINE };
            let message = timeout(patience, connection.receive())
                .await
                .map_err(|_| Failure("no speech in time".into()))??;
            match message {
                Message::AudioStart(start) => converter = Some((start.format, Converter::new(start.format)?)),
                Message::AudioChunk(chunk) => {
                    let (format, converter) = match &mut converter {
                        Some(known) => known,
                        None => converter.insert((chunk.format, Converter::new(chunk.format)?)),
                    };
                    if *format != chunk.format {
                        return Err(Failure("the speech changes its format midway".into()));
                    }
                    let samples = converter.push(&chunk.audio)?;
                    self.pass_on(job.segment, samples, given).await?;
                }
                Message::AudioStop(_) => {
                    if let Some((_, converter)) = &mut converter {
                        let samples = converter.finish()?;
                        self.pass_on(job.segment, samples, given).await?;
                    }
                    break;
                }
                Message::Error(error) => return Err(Failure(error.text)),
                _ => {}
            }
        }
        self.pool.put(connection);
        if *given == 0 { Err(Failure("the speech is empty".into())) } else { Ok(()) }
    }

    async fn pass_on(&self, segment: SegmentId, samples: Vec<i16>, given: &mut usize) -> Result<(), Failure> {
        if samples.is_empty() {
            return Ok(());
        }
        *given += samples.len();
        if *given > MOST_SAMPLES {
            return Err(Failure("the speech does not end".into()));
        }
        self.answers
            .send(Answer::Speech { segment, samples })
            .await
            .map_err(|_| Failure("the leg is gone".into()))
    }
}
