use std::time::Duration;

use audio_path::Frame;
use engines::Failure;
use session::{Language, UtteranceId};
use tokio::sync::mpsc;

use super::{Backend, Ended, FRAME, Transport, Utterance};
use crate::clients::speech::Exchanges;
use crate::config::Asr;

/// Silence that is to be recognised.
const LENGTH: Duration = Duration::from_secs(1);

/// Has a second of silence recognised: nobody's words, and a whole exchange all the same.
pub(in crate::clients) async fn trial(
    transport: &Transport,
    provider: &Asr,
    languages: [Language; 2],
) -> Result<(), Failure> {
    let (_nothing_more, input) = mpsc::channel(1);
    // Nobody listens, as nothing is said.
    let (answers, _nobody) = mpsc::channel(1);
    let frames = (LENGTH.as_millis() / FRAME.as_millis()) as usize;
    let kept = vec![Frame::SILENCE; frames];
    let mut utterance = Utterance { kept, ..Utterance::new(UtteranceId(0), languages, input, answers) };
    utterance.finish();
    let exchanges = Exchanges::of(provider.speech(), transport);
    // Whoever tries it waits beside it himself.
    match Backend::new(provider, transport, &exchanges, |_| {}).attempt(&mut utterance, true, None).await {
        Err(Ended::Failed(failure) | Ended::Interrupted(failure)) => Err(failure),
        Ok(()) | Err(Ended::Unwanted) => Ok(()),
    }
}
