use std::sync::Arc;
use std::time::Duration;

use audio_path::SegmentId;
use engines::mt::libretranslate::{TranslateRequest, read_answer};
use session::Language;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::{Answer, Failure};

/// How long one translation may take, retries included; the session gives up at about the same time.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long a server may take to accept a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(1);
/// Pause before the second attempt.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// An answer larger than this comes from a broken engine.
const MOST_BYTES: usize = 64 << 10;
/// Translations of one leg under way at once.
const MOST_AT_ONCE: usize = 4;

/// Translation for one leg.
#[derive(Clone)]
pub struct Translator {
    client: reqwest::Client,
    base: Arc<str>,
    answers: mpsc::Sender<Answer>,
    at_once: Arc<Semaphore>,
}

/// The HTTP client that all legs share, with its connections.
///
/// # Errors
/// Where the HTTP library cannot be set up.
pub fn client() -> Result<reqwest::Client, Failure> {
    // Engines stand on this machine or in the LAN: a proxy of the environment is not meant for them.
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_DEADLINE)
        .tcp_nodelay(true)
        .build()
        .map_err(|error| Failure(format!("no HTTP client: {error}")))
}

impl Translator {
    /// A translator that asks the API at `base` and answers to `answers`.
    pub fn new(client: reqwest::Client, base: Arc<str>, answers: mpsc::Sender<Answer>) -> Self {
        Self { client, base, answers, at_once: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }

    /// Connects before the first text. A server that cannot be reached now may be when it is needed.
    pub async fn warm(self) {
        if let Err(failure) = languages(&self.client, &self.base).await {
            log::debug!("translation is not there yet: {failure}");
        }
    }

    /// Has a text translated.
    pub fn translate(&self, segment: SegmentId, text: String, source: Language, target: Language) {
        let this = self.clone();
        let request = TranslateRequest::plain(text, source.code(), target.code());
        tokio::spawn(async move {
            let outcome = timeout(DEADLINE, this.ask(&request)).await;
            let answer = match outcome.unwrap_or_else(|_| Err(Failure("no translation in time".into()))) {
                Ok(text) => Answer::Translated { segment, text },
                Err(failure) => Answer::NotTranslated { segment, reason: failure.to_string() },
            };
            // A leg that hung up does not listen any more.
            let _hung_up = this.answers.send(answer).await;
        });
    }

    async fn ask(&self, request: &TranslateRequest) -> Result<String, Failure> {
        let _turn = self.at_once.acquire().await.map_err(|_| Failure("the leg is gone".into()))?;
        match self.attempt(request).await {
            Err(Attempt::MayWork(failure)) => {
                log::info!("translation is tried again: {failure}");
                sleep(RETRY_AFTER).await;
                self.attempt(request).await.map_err(Attempt::into_failure)
            }
            outcome => outcome.map_err(Attempt::into_failure),
        }
    }

    async fn attempt(&self, request: &TranslateRequest) -> Result<String, Attempt> {
        let url = format!("{}/translate", self.base);
        let response = self.client.post(url).json(request).send().await.map_err(broke)?;
        let status = response.status().as_u16();
        let body = capped_body(response).await?;
        let answer =
            read_answer(status, &body).map_err(|error| Attempt::Refused(Failure(error.to_string())))?;
        match answer.translated_text.as_slice() {
            [text] => Ok(text.clone()),
            texts => Err(Attempt::Refused(Failure(format!("{} translations of one text", texts.len())))),
        }
    }
}

/// Why one attempt failed.
enum Attempt {
    /// The connection failed: another may work.
    MayWork(Failure),
    /// The server answered, and would answer the same again.
    Refused(Failure),
}

impl Attempt {
    fn into_failure(self) -> Failure {
        match self {
            Self::MayWork(failure) | Self::Refused(failure) => failure,
        }
    }
}

fn broke(error: reqwest::Error) -> Attempt {
    let error = error.without_url();
    // The outer error only says that a request failed; its innermost source says why.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    Attempt::MayWork(Failure(cause.to_string().chars().take(200).collect()))
}

async fn capped_body(mut response: reqwest::Response) -> Result<Vec<u8>, Attempt> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(broke)? {
        if body.len() + piece.len() > MOST_BYTES {
            return Err(Attempt::Refused(Failure(format!("the answer is longer than {MOST_BYTES} bytes"))));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

async fn languages(client: &reqwest::Client, base: &str) -> Result<(), Failure> {
    let asked = timeout(DEADLINE, client.get(format!("{base}/languages")).send()).await;
    let response = asked
        .map_err(|_| Failure("no answer in time".into()))?
        .map_err(|error| broke(error).into_failure())?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(Failure(format!("{base}/languages answers {status}"))) }
}

/// Tries to reach the server.
pub(super) async fn probe(base: &str) -> Result<(), Failure> {
    languages(&client()?, base).await.map_err(|failure| Failure(format!("{base}: {failure}")))
}
