use std::pin::pin;

use audio_path::SegmentId;
use engines::{Failure, FailureKind};
use session::Language;
use tokio::sync::mpsc;
use tokio::time::Instant;

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
    let mut begun = false;
    spoken(transport, provider, language, |_| {
        begun = true;
        false
    })
    .await?;
    if begun { Ok(()) } else { Err(Failure::new(FailureKind::Protocol, "the speech is empty")) }
}

/// A word as it is spoken, 16 kHz.
pub(in crate::clients) async fn word(
    transport: &Transport,
    provider: &Tts,
    language: Language,
) -> Result<Vec<i16>, Failure> {
    let mut all = Vec::new();
    spoken(transport, provider, language, |samples| {
        all.extend(samples);
        true
    })
    .await?;
    Ok(all)
}

/// Has a word spoken, as long as `take` wants more of it.
async fn spoken(
    transport: &Transport,
    provider: &Tts,
    language: Language,
    mut take: impl FnMut(Vec<i16>) -> bool,
) -> Result<(), Failure> {
    let segment = SegmentId(0);
    let (answers, mut speech) = mpsc::channel(1);
    let mut output = Output::new(segment, &answers, MOST_SAMPLES);
    output.due.send_replace(Some(Instant::now() + DEADLINE));
    let mut backend = Backend::new(provider, transport, &Exchanges::default());
    let job = SpeakJob::of_machine(segment, WORD, language);
    let mut speaking = pin!(backend.speak(&job, &mut output));
    loop {
        tokio::select! {
            biased;
            Some(answer) = speech.recv() => {
                if let Answer::Speech { samples, .. } = answer && !take(samples) {
                    return Ok(());
                }
            }
            outcome = &mut speaking => {
                // The last of it may have come with the end.
                if let Ok(Answer::Speech { samples, .. }) = speech.try_recv() {
                    take(samples);
                }
                return outcome;
            }
        }
    }
}
