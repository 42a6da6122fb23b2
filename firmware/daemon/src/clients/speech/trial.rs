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
#[derive(Clone, Copy, Debug)]
pub(in crate::clients) struct Took {
    pub(in crate::clients) heard: Duration,
    /// Where it heard anything.
    pub(in crate::clients) translated: Option<Duration>,
    /// Where it is to speak.
    pub(in crate::clients) spoken: Option<Duration>,
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
    let mut took = Took { heard: began.elapsed(), translated: None, spoken: None };
    let (text, language) = exchange.settle(sessions);
    let target = languages.into_iter().find(|other| Some(*other) != language).unwrap_or(languages[1]);
    // Who heard nothing has nothing to translate.
    let Ok(translation) = exchange.translation(&text, target).await else { return Ok(took) };
    took.translated = Some(began.elapsed());
    if engine.spoken {
        exchange.take_spoken(&translation, target)?.speech().await?;
        took.spoken = Some(began.elapsed());
    }
    Ok(took)
}
