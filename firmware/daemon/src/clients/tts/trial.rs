use audio_path::SegmentId;
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::mpsc;

use super::{Answer, Backend, DEADLINE, MOST_SAMPLES, Output, SpeakJob, Transport};
use crate::clients::speech::Exchanges;
use crate::config::Tts;

/// A word that means the same in most languages.
const WORD: &str = "OK";

/// Has a word spoken, until it begins to be heard.
pub(in crate::clients) async fn trial(
    transport: &Transport,
    provider: &Tts,
    language: Language,
) -> Result<(), Failure> {
    let segment = SegmentId(0);
    let (answers, mut spoken) = mpsc::channel(1);
    let mut output =
        Output { segment, answers: &answers, given: 0, most: MOST_SAMPLES, first_deadline: DEADLINE };
    let mut backend = Backend::new(provider, transport, &Exchanges::default());
    let job = SpeakJob::of_machine(segment, WORD, language);
    let silent = || Failure::new(FailureKind::Protocol, "the speech is empty");
    tokio::select! {
        biased;
        Some(Answer::Speech { .. }) = spoken.recv() => Ok(()),
        outcome = backend.speak(&job, &mut output) => match outcome {
            // All of it may have come at once.
            Ok(()) => spoken.try_recv().map(drop).map_err(|_| silent()),
            Err(failure) => Err(failure),
        },
    }
}
