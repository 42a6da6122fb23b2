use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use engines::tts::xtts::{
    Audio, RATE, SPEAKER_AT_MOST, Speaker, clone_speaker, languages, read_speaker, refused, speak as request,
};
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Output, SpeakJob, refusal, studio};
use crate::clients::resample::Converter;
use crate::clients::{Transport, http};
use crate::config::Service;

/// A server speaks one text at a time: who waits for his turn, by the server's URL.
pub(in crate::clients) type Turns = std::sync::Mutex<HashMap<String, Arc<Semaphore>>>;

pub(super) async fn speak(
    transport: &Transport,
    service: &Service,
    job: &SpeakJob,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let own = job.own_voice.as_ref().and_then(|key| transport.profiles.get(key, &service.name));
    let voice = match own {
        Some(own) => own,
        None => studio::voice(transport, service, job).await?,
    };
    let request = request(&service.url, &voice, &job.text, job.language.code());
    let _turn = turn(transport, service, output).await?;
    let mut response = http::send(&transport.http, request).await?;
    if response.status() != 200 {
        let (status, retry_after, body) = refusal(response).await;
        let retry_after = Failure::of_status(status, retry_after.as_deref()).retry_after;
        return Err(Failure { retry_after, ..refused(status, &body) });
    }
    let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
    let mut audio = Audio::default();
    while let Some(bytes) = http::chunk(&mut response).await? {
        output.push(&mut converter, &audio.push(&bytes)?).await?;
    }
    output.finish(converter).await
}

/// Has a voice made like that of `samples`, 16 kHz.
pub(super) async fn clone(
    transport: &Transport,
    service: &Service,
    samples: &[i16],
) -> Result<Speaker, Failure> {
    // No text is under way meanwhile: it would wait there as it does here, and be taken for late.
    let _turn = turns(transport, service).acquire_owned().await;
    let response = http::send(&transport.http, clone_speaker(&service.url, samples)).await?;
    let status = response.status().as_u16();
    let body = http::body(response, SPEAKER_AT_MOST).await?;
    read_speaker(status, &body)
}

/// Asks which languages there are.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let response = http::send(&transport.http, languages(&service.url)).await?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(refused(status.as_u16(), &[])) }
}

/// Who waits for the server.
fn turns(transport: &Transport, service: &Service) -> Arc<Semaphore> {
    let mut turns = transport.turns.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(service.url.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
}

/// Waits for the server to be free of other legs' texts. One that is busy for too long works all the same: only this
/// text goes on to the next engine.
async fn turn(
    transport: &Transport,
    service: &Service,
    output: &Output<'_>,
) -> Result<OwnedSemaphorePermit, Failure> {
    // The other half is for its answer.
    let patience = output.left() / 2;
    let free = timeout(patience, turns(transport, service).acquire_owned()).await;
    free.ok().and_then(Result::ok).ok_or_else(|| {
        let failure = Failure::new(FailureKind::Refused, "the voice server speaks other texts for too long");
        Failure { retry_after: Some(patience), ..failure }
    })
}
