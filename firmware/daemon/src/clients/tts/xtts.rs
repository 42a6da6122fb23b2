use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engines::tts::xtts::{
    Audio, RATE, SPEAKER_AT_MOST, STUDIO_AT_MOST, Speaker, clone_speaker, languages, read_speaker,
    read_studio_speakers, refused, speak as request, studio_speakers,
};
use engines::wyoming::AudioFormat;
use engines::{Failure, FailureKind};
use tokio::sync::Mutex;

use super::{Output, SpeakJob};
use crate::clients::resample::Converter;
use crate::clients::{Transport, http};
use crate::config::Service;

/// What is read of a refusal.
const REFUSAL_AT_MOST: usize = 16 << 10;

/// The voices of each server's studio, by the server's URL: asked for once, by whoever needs them first.
pub(in crate::clients) type Studios = Mutex<HashMap<String, Arc<Studio>>>;
type Studio = BTreeMap<String, Arc<Speaker>>;

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
    let mut response = output.next(http::send(&transport.http, request)).await?;
    if response.status() != 200 {
        let status = response.status().as_u16();
        let body = http::body(response, REFUSAL_AT_MOST).await.unwrap_or_default();
        return Err(refused(status, &body));
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
    if let Some(name) = service.voice(job.language, job.seat) {
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
