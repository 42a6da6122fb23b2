use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use engines::tts::xtts::{
    Audio, RATE, SPEAKER_AT_MOST, STUDIO_AT_MOST, Speaker, clone_speaker, languages, read_speaker,
    read_studio_speakers, refused, speak as request, studio_speakers,
};
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Output, SpeakJob};
use crate::clients::resample::Converter;
use crate::clients::{Transport, http};
use crate::config::Service;

/// What is read of a refusal.
const REFUSAL_AT_MOST: usize = 16 << 10;

/// The voices of each server's studio, by the server's URL: asked for once, by whoever needs them first.
pub(in crate::clients) type Studios = Mutex<HashMap<String, Arc<Studio>>>;
type Studio = BTreeMap<String, Arc<Speaker>>;

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
        None => output.next(of_studio(transport, service, job)).await?,
    };
    let request = request(&service.url, &voice, &job.text, job.language.code());
    let _turn = turn(transport, service, output).await?;
    let mut response = output.next(http::send(&transport.http, request)).await?;
    if response.status() != 200 {
        let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
        let body = http::body(response, REFUSAL_AT_MOST).await.unwrap_or_default();
        let retry_after = Failure::of_status(status, retry_after.as_deref()).retry_after;
        return Err(Failure { retry_after, ..refused(status, &body) });
    }
    let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
    let mut audio = Audio::default();
    while let Some(bytes) = output.next(http::chunk(&mut response)).await? {
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
    let response = http::send(&transport.http, clone_speaker(&service.url, samples)).await?;
    let status = response.status().as_u16();
    let body = http::body(response, SPEAKER_AT_MOST).await?;
    read_speaker(status, &body)
}

/// The voice of the studio that is the speaker's.
async fn of_studio(
    transport: &Transport,
    service: &Service,
    job: &SpeakJob,
) -> Result<Arc<Speaker>, Failure> {
    let studio = studio(transport, service).await?;
    let wanted = job.voice.as_deref();
    if let Some(his) = wanted.and_then(|name| studio.get(name)) {
        return Ok(Arc::clone(his));
    }
    if let Some(name) = service.voice(job.language, job.seat, wanted) {
        return studio.get(name).cloned().ok_or_else(|| no_voice(name));
    }
    let all: Vec<_> = studio.values().cloned().collect();
    job.seat.choose(&all).cloned().ok_or_else(|| no_voice("any"))
}

/// Asks which languages there are.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let response = http::send(&transport.http, languages(&service.url)).await?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(refused(status.as_u16(), &[])) }
}

/// Waits for the server to be free of other legs' texts. One that is busy for too long works all the same: only this
/// text goes on to the next engine.
async fn turn(
    transport: &Transport,
    service: &Service,
    output: &Output<'_>,
) -> Result<OwnedSemaphorePermit, Failure> {
    let turns = {
        let mut turns = transport.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(service.url.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    };
    let busy = || {
        let failure = Failure::new(FailureKind::Refused, "the voice server speaks other texts for too long");
        Failure { retry_after: Some(output.first_deadline / 2), ..failure }
    };
    // The other half is for its answer.
    let free = timeout(output.first_deadline / 2, turns.acquire_owned()).await.map_err(|_| busy())?;
    free.map_err(|_| busy())
}

async fn studio(transport: &Transport, service: &Service) -> Result<Arc<Studio>, Failure> {
    let mut studios = transport.studios.lock().await;
    if let Some(known) = studios.get(&service.url) {
        return Ok(Arc::clone(known));
    }
    let response = http::send(&transport.http, studio_speakers(&service.url)).await?;
    let status = response.status().as_u16();
    let body = http::body(response, STUDIO_AT_MOST).await?;
    let voices = read_studio_speakers(status, &body)?;
    let voices: Studio = voices.into_iter().map(|(name, voice)| (name, Arc::new(voice))).collect();
    let voices = Arc::new(voices);
    studios.insert(service.url.clone(), Arc::clone(&voices));
    Ok(voices)
}

fn no_voice(name: &str) -> Failure {
    Failure::new(FailureKind::Refused, format!("the voice server has no voice {name:?}"))
}
