use engines::Failure;
use engines::mt::deepl::{ANSWER_AT_MOST, Translate, read_answer, read_usage, request, usage};
use secrecy::ExposeSecret;

use super::TranslateJob;
use crate::clients::{Transport, http};
use crate::config::Service;

pub(super) async fn translate(
    transport: &Transport,
    service: &Service,
    job: &TranslateJob,
) -> Result<String, Failure> {
    let (base, key) = place(service);
    let texts = [job.text.as_str()];
    let ask = Translate {
        texts: &texts,
        source: Some(job.source.code()),
        target: job.target.code(),
        context: &job.context,
        glossary: None,
        formality: None,
    };
    let response = http::send(&transport.http, request(base, key, &ask)?).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, ANSWER_AT_MOST).await?;
    let mut translated = read_answer(status, retry_after.as_deref(), &body, texts.len())?;
    Ok(translated.pop().map(|translated| translated.text).unwrap_or_default())
}

/// Asks what is left of the quota: that costs nothing, and needs the key.
pub(super) async fn probe(transport: &Transport, service: &Service) -> Result<(), Failure> {
    let (base, key) = place(service);
    let response = http::send(&transport.http, usage(base, key)).await?;
    let (status, retry_after) = (response.status().as_u16(), http::retry_after(&response));
    let body = http::body(response, ANSWER_AT_MOST).await?;
    read_usage(status, retry_after.as_deref(), &body)
}

fn place(service: &Service) -> (Option<&str>, &str) {
    let base = Some(service.url.as_str()).filter(|url| !url.is_empty());
    (base, service.key.as_ref().map_or("", |key| key.expose_secret()))
}
