//! What is to be said when nothing can be spoken: made while that works, and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use audio_path::SegmentId;
use engines::{Failure, FailureKind};
use session::Cue;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::stage::Stage;
use super::tts::MOST_SAMPLES;
use super::{Answer, Exchanges, SpeakJob, Speaker, Transport};
use crate::config::Tts;

/// Before it is looked again for what could not be spoken, and for what is new.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Pieces of speech that may wait to be kept.
const MOST_ANSWERS: usize = 16;

/// The notices that could be spoken so far, 16 kHz mono.
#[derive(Default)]
pub struct Notices(Mutex<HashMap<Cue, Arc<[i16]>>>);

impl Notices {
    /// A notice, if it could be spoken by now.
    pub fn get(&self, cue: Cue) -> Option<Arc<[i16]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&cue).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Has all that is `wanted` spoken, whenever that changes, by whoever can, however long that takes.
    pub(super) async fn prepare(
        &self,
        stage: &Arc<Stage<Tts>>,
        transport: &Transport,
        wanted: impl Fn() -> Vec<Cue>,
    ) {
        loop {
            let missing: Vec<Cue> = wanted().into_iter().filter(|cue| self.get(*cue).is_none()).collect();
            if !missing.is_empty()
                && let Err(failure) = self.have_spoken(stage, transport, &missing).await
            {
                log::info!("notices for callers cannot be spoken yet, they will hear tones: {failure}");
            }
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Keeps those of `cues` that could be spoken; why another could not.
    async fn have_spoken(
        &self,
        stage: &Arc<Stage<Tts>>,
        transport: &Transport,
        cues: &[Cue],
    ) -> Result<(), Failure> {
        let (answers, mut spoken) = mpsc::channel(MOST_ANSWERS);
        let exchanges = Exchanges::of(stage.providers().filter_map(Tts::speech), transport);
        let speaker = Speaker::new(stage, transport, &exchanges, answers);
        let mut outcome = Ok(());
        for cue in cues {
            match speak(&speaker, &mut spoken, *cue).await {
                Ok(samples) => {
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(*cue, samples.into());
                }
                Err(failure) => outcome = Err(failure),
            }
        }
        outcome
    }
}

async fn speak(
    speaker: &Speaker,
    spoken: &mut mpsc::Receiver<Answer>,
    cue: Cue,
) -> Result<Vec<i16>, Failure> {
    let Some((text, language)) = cue.words() else { return Ok(Vec::new()) };
    speaker.speak(SpeakJob::of_machine(SegmentId(0), text, language))?;
    let mut all = Vec::new();
    while let Some(answer) = spoken.recv().await {
        match answer {
            Answer::Speech { samples, .. } if all.len() < MOST_SAMPLES => all.extend(samples),
            Answer::SpeechComplete { .. } => return Ok(all),
            Answer::NotSpoken { reason, .. } => return Err(Failure::new(FailureKind::Down, reason)),
            _ => {}
        }
    }
    Err(Failure::new(FailureKind::Down, "the speaker ended"))
}
