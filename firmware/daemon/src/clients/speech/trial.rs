use std::time::Duration;

use audio_path::Frame;
use engines::Failure;
use session::Language;
use tokio::time::Instant;

use super::utterance::{Command, Session};
use super::{Exchanges, Transport};
use crate::config::SpeechToSpeech;

/// How long the text may take after the last audio was sent.
const UNDERSTOOD_WITHIN: Duration = Duration::from_secs(4);

/// How long an engine took for each of its stages, from the end of what was said to it.
#[derive(Clone, Debug)]
pub(in crate::clients) struct Took {
    pub(in crate::clients) heard: Duration,
    /// Where it heard anything.
    pub(in crate::clients) translated: Result<Option<Duration>, Failure>,
    /// Where it is to speak.
    pub(in crate::clients) spoken: Result<Option<Duration>, Failure>,
}

/// Has it interpret what is said in `audio`.
pub(in crate::clients) async fn trial(
    transport: &Transport,
    engine: &SpeechToSpeech,
    languages: [Language; 2],
    audio: &[Frame],
) -> Result<Took, Failure> {
    let exchange = Exchanges::of([engine], transport).to(engine);
    let sessions = exchange.take(languages).await?;
    for session in &sessions {
        for frame in audio {
            session.tell(Command::Audio(Box::new(*frame))).await?;
        }
        session.tell(Command::Finish).await?;
    }
    let until = |sent: Instant| sent + UNDERSTOOD_WITHIN;
    let [first, second] = &sessions;
    tokio::try_join!(first.understood(until), second.understood(until))?;
    let began = sessions.iter().filter_map(Session::sent).max().unwrap_or_else(Instant::now);
    let mut took = Took { heard: began.elapsed(), translated: Ok(None), spoken: Ok(None) };
    let (text, language) = exchange.settle(sessions);
    let [first, second] = languages;
    // As `settle` has it where the language is not known.
    let target = if language == Some(second) { first } else { second };
    if text.trim().is_empty() {
        // Who heard nothing has nothing to translate.
        return Ok(took);
    }
    let translation = exchange.translation(&text, target).await;
    took.translated = translation.as_ref().map(|_| Some(began.elapsed())).map_err(Failure::clone);
    if let (true, Ok(translation)) = (engine.spoken, translation) {
        let speech = async { exchange.take_spoken(&translation, target)?.speech().await };
        took.spoken = speech.await.map(|_| Some(began.elapsed()));
    }
    Ok(took)
}
