use engines::Failure;
use engines::http::Request;
use engines::tts::openai_speech::{Options, RATE, refused, request};
use engines::tts::pcm::Pcm;
use engines::wyoming::AudioFormat;
use secrecy::ExposeSecret;

use super::{Output, SpeakJob, refusal};
use crate::clients::resample::Converter;
use crate::clients::{Transport, http};
use crate::config::Service;

/// What the vendor calls its usual model, and voices that are easily told apart.
const MODEL: &str = "gpt-4o-mini-tts";
const VOICES: [&str; 4] = ["alloy", "onyx", "coral", "echo"];

pub(super) async fn speak(
    transport: &Transport,
    service: &Service,
    job: &SpeakJob,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let wanted = job.voice.as_deref();
    let options = Options {
        model: service.model.clone().unwrap_or_else(|| MODEL.into()),
        voice: service
            .voice(job.language, job.seat, wanted)
            .or(VOICES.into_iter().find(|voice| Some(*voice) == wanted))
            .or(job.seat.choose(&VOICES).copied())
            .unwrap_or_default()
            .into(),
    };
    let key = service.key.as_ref().map_or("", |key| key.expose_secret());
    let request = request(&service.url, key, &options, &job.text)?;
    let mut response = http::send(&transport.http, request).await?;
    if response.status() != 200 {
        let (status, retry_after, body) = refusal(response).await;
        return Err(refused(status, retry_after.as_deref(), &body));
    }
    let mut converter = Converter::new(AudioFormat { rate: RATE, width: 2, channels: 1 })?;
    let mut pcm = Pcm::default();
    while let Some(bytes) = http::chunk(&mut response).await? {
        output.push(&mut converter, &pcm.push(&bytes)?).await?;
    }
    output.finish(converter).await
}

/// Asks which models there are: that costs nothing, and needs the key.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let key = service.key.as_ref().map_or("", |key| key.expose_secret());
    let request = Request {
        method: "GET",
        url: format!("{}/v1/models", service.url),
        headers: vec![("authorization", format!("Bearer {key}"))],
        body: Vec::new(),
    };
    let response = http::send(&transport.http, request).await?;
    // A server in the LAN need not have a list of models.
    match response.status().as_u16() {
        200 | 404 | 405 => Ok(()),
        status => Err(refused(status, http::retry_after(&response).as_deref(), &[])),
    }
}
